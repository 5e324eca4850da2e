/* SPDX-License-Identifier: ISC */
#include "supervisor/inside.h"
#include "base/io.h"
#include "supervisor/box/box.h"
#include "supervisor/box/users.h"
#include "supervisor/launch.h"
#include "supervisor/profile/envfile.h"
#include "supervisor/reap.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

void inside_init(struct inside *i)
{
	*i = (struct inside){.entry = {.child = {.pidfd = -1, .status_fd = -1}, .sync_fd = -1}};
}

static void let_go_box(struct inside *i)
{
	box_free(i->box);
	i->box = NULL;
	seccomp_unshare(&i->filter);
}

void inside_release(struct inside *i)
{
	trp_close(&i->entry.child.pidfd);
	trp_close(&i->entry.child.status_fd);
	trp_close(&i->entry.sync_fd);
	let_go_box(i);
	free(i->term);
	i->term = NULL;
}

const char *inside_obstacle(const struct service *s)
{
	if (!s->run.running || s->state == STATE_STOPPING)
		return "it does not run";
	if (s->frozen)
		return "it is frozen, and so would be the command: thaw it first";
	if (s->adapter == ADAPTER_RELAY)
		return "adapter = relay: there is no program of its own, and nothing in its sandbox that could be looked at";
	if (s->run.last_step < 0) /* its init has not been executed: its root may be the host's still */
		return "its sandbox is just being made";
	if (s->learning.on)
		return "it is being learnt from, with another filter than its own";
	return NULL;
}

/* The service's, but for what is only its main process's affair. */
static void make_environment(struct inside *i, const char *term)
{
	static const char *const left_out[] = {"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "TERM="};
	const char *const *from = box_spec(i->box)->envp;
	size_t n = 0;

	if (term)
		i->term = trp_asprintf("TERM=%s", term);
	if (i->term)
		i->envp[n++] = i->term;
	for (; *from && n + 1 < INSIDE_ENV_MAX; from++) {
		bool keep = true;
		for (size_t k = 0; k < TRP_ARRAY_SIZE(left_out); k++)
			keep &= strncmp(*from, left_out[k], strlen(left_out[k])) != 0;
		if (keep)
			i->envp[n++] = *from;
	}
}

/* With the notify adapter that of the service lets it ask once for a listener, which its second filter takes away: a command has no such
 * second filter. */
static int choose_filter(struct inside *i, const struct service *s)
{
	struct strv words = {0};
	int r;

	if (s->adapter != ADAPTER_NOTIFY)
		return 0;
	r = box_filter_words(s->profile, &s->profile->syscalls, &words);
	if (r == 0)
		r = seccomp_share((const char *const *)words.v, words.n, false, &i->filter);
	strv_free(&words);
	if (r == 0)
		i->spec.seccomp = i->filter;
	return r;
}

int inside_describe(struct inside *i, struct service *s, const char *user, const char *term, char *err, size_t err_size)
{
	const char *root = s->profile->root == ROOT_HOST ? "/" : s->root;
	struct env_set env = {0};
	struct box_site site;
	int r = launch_site(s, &site);

	if (r == 0 && user) {
		r = users_resolve(root, user, NULL, &site.uid, &site.gid);
		if (r < 0) {
			snprintf(err, err_size, "user %s: %s", user,
				r == -ENOENT ? "not in its root's /etc/passwd" : r == -ERANGE ? "beyond the service's range" : strerror(-r));
			return r;
		}
	}
	site.secret = NULL; /* their files are there */
	if (r == 0)
		r = launch_environment(s, &env, err, err_size);
	site.env = &env;
	if (r == 0)
		r = box_make(&site, &i->box);
	env_set_free(&env);
	if (r < 0)
		return r;
	make_environment(i, term);
	i->spec = *box_spec(i->box);
	i->spec.envp = i->envp;
	i->spec.exec_fd = -1;
	return choose_filter(i, s);
}

int inside_enter(struct inside *i, const struct service *s, const struct strv *command, const struct sandbox_terminal *terminal, const int ends[3])
{
	struct sandbox_fd fds[3];
	int r;

	for (int k = 0; k < 3; k++)
		fds[k] = (struct sandbox_fd){terminal ? SANDBOX_FD_TERMINAL : ends[k], k};
	i->spec.argv = (const char *const *)command->v;
	i->spec.fds = fds;
	i->spec.n_fds = TRP_ARRAY_SIZE(fds);
	r = sandbox_enter(&i->spec, &s->run.box, terminal, &i->entry, &i->failure);
	i->spec.fds = NULL;
	i->spec.argv = NULL;
	return r;
}

void inside_admit(struct inside *i, int *ret_master)
{
	int r;

	*ret_master = -1;
	r = sandbox_admit(&i->spec, &i->entry, ret_master, &i->failure);
	if (r == 0)
		let_go_box(i);
	else if (r != -EPIPE) /* else it says itself what was wrong */
		reap_kill(i->entry.child.pidfd, SIGKILL);
}

/* Of a service's own program it was looked beforehand whether it is there. */
void inside_failure_text(const struct inside *i, char *out, size_t size)
{
	const struct sandbox_failure *f = &i->failure;
	int len = (int)strnlen(f->detail, sizeof(f->detail));
	bool cut = len > (int)sizeof(f->detail) - 5; /* only its end is there, from a whole character on */

	if (f->stage != SANDBOX_STAGE_EXEC || f->error != ENOENT)
		sandbox_failure_text(f, out, size);
	else if (cut || memchr(f->detail, '/', (size_t)len))
		snprintf(out, size, "cannot execute %.*s: it, or the interpreter or dynamic loader that it names, is not in the sandbox", len, f->detail);
	else
		snprintf(out, size, "cannot execute %.*s: it is nowhere along the PATH of the service", len, f->detail);
}
