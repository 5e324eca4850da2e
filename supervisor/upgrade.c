/* SPDX-License-Identifier: ISC */
#include "supervisor/upgrade.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/ahead.h"
#include "supervisor/answer.h"
#include "supervisor/controlmsg.h"
#include "supervisor/helper.h"
#include "supervisor/inherit.h"
#include "supervisor/keep.h"
#include "supervisor/logger.h"
#include "supervisor/manager.h"
#include "supervisor/reap.h"
#include "supervisor/record.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CHECK_SECONDS 10.0
#define LOOK_SECONDS  0.02
#define SAYS_MAX      16384
#define LOST          "lost " /* NAME: REASON */

struct upgrade {
	struct daemon *d;
	struct control_call *call; /* NULL: nobody waits */
	bool anyway, checked;
	int program;
	pid_t pid; /* of the check */
	int pidfd, out;
	ev_io on_out, on_end;
	ev_timer late;
	ev_timer again; /* while something is still to be over that passes by itself */
	double until;   /* trp_now_seconds() */
	char says[SAYS_MAX];
	size_t len;
};

/* What must be the same before and after, or nothing would be found. Of what is printed by the one and by the other. */
static char *identity(const struct config *c)
{
	return trp_asprintf("keeper %d\nrun-dir %s\nstate-dir %s\ncgroup %s\nuid-base %llu\n", KEEP_VERSION, c->run_dir, c->state_dir,
		c->cgroup, (unsigned long long)c->uid_base);
}

static void finish(struct upgrade *u)
{
	struct ev_loop *loop = u->d->loop;

	ev_io_stop(loop, &u->on_out);
	ev_io_stop(loop, &u->on_end);
	ev_timer_stop(loop, &u->late);
	ev_timer_stop(loop, &u->again);
	helper_end(u->pid, u->pidfd);
	trp_close(&u->pidfd);
	trp_close(&u->out);
	trp_close(&u->program);
	if (u->call)
		control_on_gone(u->call, NULL, NULL);
	u->d->upgrade = NULL;
	free(u);
}

static void TRP_PRINTF(2, 3) give_up(struct upgrade *u, const char *fmt, ...)
{
	struct control_call *call = u->call;
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("not upgraded: %s", text);
	finish(u);
	if (call)
		answer_failed(call, text);
}

/* The next line of what the check said, and where the one behind begins; NULL: there is none. */
static const char *next_line(const char *at, char *out, size_t size)
{
	size_t len = strcspn(at, "\n");

	if (!*at)
		return NULL;
	snprintf(out, size, "%.*s", (int)len, at);
	return at + len + (at[len] == '\n');
}

static bool same_identity(struct upgrade *u)
{
	cleanup_free char *mine = identity(u->d->config);
	char want[300], have[300];
	const char *a = mine, *b = strchr(u->says, '\n');

	b = b ? b + 1 : ""; /* behind its version */
	while (a && (a = next_line(a, want, sizeof(want)))) {
		if (!(b = next_line(b, have, sizeof(have))))
			snprintf(have, sizeof(have), "nothing of it");
		if (strcmp(want, have) != 0) {
			give_up(u, "this daemon has \"%s\", the new one would have \"%.300s\": stop the daemon and start it again", want, have);
			return false;
		}
		b = b ? b : "";
	}
	return true;
}

/* Services that would not go on. */
static bool loses_any(struct upgrade *u)
{
	char line[300], all[500] = "";
	size_t len = 0;

	for (const char *at = u->says; (at = next_line(at, line, sizeof(line)));)
		if (strncmp(line, LOST, strlen(LOST)) == 0 && len < sizeof(all))
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", len ? "; " : "", line + strlen(LOST));
	if (!all[0])
		return false;
	if (u->anyway) {
		log_warn("not taken over: %s", all);
		return false;
	}
	give_up(u, "could not be taken over: %s. To upgrade nevertheless: --anyway", all);
	return true;
}

static void read_says(struct upgrade *u)
{
	ssize_t n;

	while ((n = read(u->out, u->says + u->len, sizeof(u->says) - 1 - u->len)) > 0)
		u->len += (size_t)n;
	u->says[u->len] = '\0';
	if (n == 0)
		ev_io_stop(u->d->loop, &u->on_out);
}

static void on_out(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop;
	(void)events;
	read_says(w->data);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct upgrade *u = w->data;
	char how[80], last[300] = "", line[300];
	int status;

	(void)events;
	if (reap_status(u->pidfd, &status) <= 0)
		return;
	u->pid = 0;
	read_says(u);
	if (status != 0) {
		for (const char *at = u->says; (at = next_line(at, line, sizeof(line)));)
			memcpy(last, line, sizeof(last));
		reap_text(status, how, sizeof(how));
		give_up(u, "the new trpsupd cannot start: its check %s%s%s", how, last[0] ? ": " : "", last);
		return;
	}
	if (!same_identity(u) || loses_any(u))
		return;
	ev_io_stop(loop, w);
	ev_io_stop(loop, &u->on_out);
	ev_timer_stop(loop, &u->late);
	u->checked = true;
	ev_break(loop, EVBREAK_ALL); /* to upgrade_execute() */
}

static void on_late(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	give_up(t->data, "the new trpsupd cannot start: its check did not end within %.0f s", CHECK_SECONDS);
}

/* "trpsupd --check", with nothing but its standard descriptors and its own file. */
static int start_check(struct upgrade *u)
{
	static char *const envp[] = {NULL};
	char *argv[] = {(char *)"trpsupd", (char *)"--check", (char *)"-c", (char *)u->d->config_path, NULL};
	posix_spawn_file_actions_t files;
	int p[2], r;

	if (!u->d->config_path)
		argv[2] = NULL;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	u->out = p[0];
	trp_set_nonblock(u->out, true);
	posix_spawn_file_actions_init(&files);
	r = -posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	if (r == 0)
		r = -posix_spawn_file_actions_adddup2(&files, p[1], STDOUT_FILENO);
	if (r == 0)
		r = -posix_spawn_file_actions_adddup2(&files, p[1], STDERR_FILENO);
	if (r == 0)
		r = -posix_spawn_file_actions_adddup2(&files, u->program, STDERR_FILENO + 1);
	if (r == 0)
		r = helper_run("/proc/self/fd/3", argv, envp, &files, &u->pid, &u->pidfd);
	posix_spawn_file_actions_destroy(&files);
	close(p[1]);
	return r;
}

/* What cannot be taken over, so that it must be over first. NULL: nothing. *ret_passes: is it a matter of seconds? */
static const char *busy(const struct daemon *d, char *out, size_t size, bool *ret_passes)
{
	*ret_passes = false;
	if (d->stopping)
		return "the daemon stops";
	if (!keep_works(d->keep))
		return "trp-keeper does not run, so that everything would be lost";
	*ret_passes = routerproc_is_upgrading(d->router);
	if (*ret_passes)
		return "routers are being replaced: try again in a moment";
	for (const struct service *s = d->services; s; s = s->next) {
		const bool overlaps = s->beside && !s->beside->outgoing;
		if (s->state != STATE_IMAGE && !s->learning.on && !s->disk.pid && !overlaps)
			continue;
		snprintf(out, size, "%s: %s: try again when that is done", s->name,
			s->learning.on ? "is learnt from"
			: overlaps     ? "another instance of it is being started"
				       : "its root file system or its disk is being made");
		*ret_passes = s->state == STATE_IMAGE && !s->image_wanted && !s->learning.on && !s->disk.pid && !overlaps;
		return out;
	}
	return images_building(d->images) ? "a root file system is being built: try again when that is done" : NULL;
}

static void caller_gone(void *data)
{
	((struct upgrade *)data)->call = NULL;
}

/* When nothing is in the way. The daemon has done that check already if it was about to be replaced. */
static void go_on(struct upgrade *u)
{
	struct daemon *d = u->d;
	int r;

	if (u->pid || u->program >= 0) {
		u->checked = true;
		ev_break(d->loop, EVBREAK_ALL);
		return;
	}
	u->program = open(d->program, O_RDONLY | O_CLOEXEC);
	r = u->program < 0 ? -errno : start_check(u);
	if (r < 0) {
		give_up(u, "%s: %s", d->program, strerror(-r));
		return;
	}
	ev_io_set(&u->on_out, u->out, EV_READ);
	ev_io_set(&u->on_end, u->pidfd, EV_READ);
	ev_io_start(d->loop, &u->on_out);
	ev_io_start(d->loop, &u->on_end);
	ev_timer_start(d->loop, &u->late);
}

static void on_again(struct ev_loop *loop, ev_timer *t, int events)
{
	struct upgrade *u = t->data;
	char text[300];
	bool passes;
	const char *why = busy(u->d, text, sizeof(text), &passes);

	(void)events;
	if (why && passes && trp_now_seconds() < u->until)
		return;
	ev_timer_stop(loop, t);
	if (why)
		give_up(u, "%s", why);
	else
		go_on(u);
}

/* True: somebody has to wait, or to give up, because something is in the way. */
static bool wait_for_others(struct upgrade *u)
{
	char text[300];
	bool passes;
	const char *why = busy(u->d, text, sizeof(text), &passes);

	if (why && passes)
		ev_timer_start(u->d->loop, &u->again);
	else if (why)
		give_up(u, "%s", why);
	return why;
}

void upgrade_begin(struct daemon *d, struct control_call *call, bool anyway)
{
	struct upgrade *u = d->upgrade ? NULL : calloc(1, sizeof(*u));

	if (!u) {
		if (call)
			answer_failed(call, d->upgrade ? "an upgrade is under way already" : "out of memory");
		return;
	}
	*u = (struct upgrade){.d = d, .call = call, .anyway = anyway, .program = -1, .pidfd = -1, .out = -1};
	d->upgrade = u;
	if (call)
		control_on_gone(call, caller_gone, u);
	ev_io_init(&u->on_out, on_out, -1, EV_READ);
	ev_io_init(&u->on_end, on_end, -1, EV_READ);
	ev_timer_init(&u->late, on_late, CHECK_SECONDS, 0.);
	ev_timer_init(&u->again, on_again, LOOK_SECONDS, LOOK_SECONDS);
	u->on_out.data = u->on_end.data = u->late.data = u->again.data = u;
	u->until = trp_now_seconds() + UPGRADE_PATIENCE_SECONDS;
	if (!wait_for_others(u))
		go_on(u);
}

void upgrade_cancel(struct daemon *d)
{
	if (d->upgrade)
		give_up(d->upgrade, "the daemon stops");
}

/* From here on nothing is done for anybody: what is said now is what the next one finds. */
static void settle(struct daemon *d, const struct control_call *call, const char *why)
{
	control_end_others(d->control, call, why);
	for (struct service *s = d->services; s; s = s->next) {
		logs_end_lines(s->logs);
		record_save(s);
	}
	logger_settle(d->logger);
}

void upgrade_detach(struct daemon *d)
{
	log_info("ends alone; what runs is for the next trpsupd");
	manager_stopping();
	for (struct service *s = d->services; s; s = s->next)
		doze_end(s, "nobody would see its clients"); /* the next trpsupd may be a while */
	settle(d, NULL, "trpsupd ends (trpsup detach)");
	_exit(0);
}

bool upgrade_execute(struct daemon *d)
{
	struct upgrade *u = d->upgrade;
	struct handover h = {.lock = d->lock, .control = control_fd(d->control), .caller = -1, .before = TRP_VERSION};
	sigset_t all, none;
	int r;

	if (!u || !u->checked)
		return false;
	/* a signal that has come is acted on now; one that comes later waits for the new image, which inherits the mask */
	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, NULL);
	ev_run(d->loop, EVRUN_NOWAIT);
	u->checked = false;
	if (d->detach || wait_for_others(u)) { /* who asked it to end alone was told that it does */
		sigprocmask(SIG_SETMASK, &none, NULL);
		return !d->detach;
	}
	log_info("upgrade: executing %s", d->program);
	settle(d, u->call, "trpsupd is executed anew (trpsup upgrade): nobody waits for this any more; ask again");
	inherit_pass_on();
	manager_reloading();
	h.caller = u->call ? control_call_fd(u->call) : -1;
	r = handover_give(&h);
	ahead_stop(d);
	if (r == 0) {
		execveat(u->program, "", d->argv, environ, AT_EMPTY_PATH);
		r = -errno;
	}
	ahead_again(d);
	handover_withdraw(&h);
	inherit_take_back();
	sigprocmask(SIG_SETMASK, &none, NULL);
	give_up(u, "%s cannot be executed: %s", d->program, strerror(-r));
	manager_ready();
	return true;
}

void upgrade_done(struct daemon *d)
{
	struct control_call *call = d->handover.caller < 0 ? NULL : control_resume(d->control, d->handover.caller);
	json_t *anew = json_array();

	for (size_t i = 0; i < d->lost.n; i++)
		json_array_append_new(anew, controlmsg_string(d->lost.v[i], strlen(d->lost.v[i])));
	log_info("upgraded from %s to " TRP_VERSION ": %u services go on, %zu do not", d->handover.before, d->taken_over,
		d->lost.n);
	d->handover.caller = -1;
	if (call)
		control_reply(call, json_pack("{s:s,s:s,s:i,s:o}", "before", d->handover.before, "version", TRP_VERSION, "services",
			(int)d->taken_over, "lost", anew), false);
	else
		json_decref(anew);
}

/* ---- in the check ---- */

static void check_record(void *data, const char *service, const json_t *json)
{
	struct profile_errors errors = {0};
	struct daemon *d = data;
	struct profile *p = NULL;
	const char *why = NULL;
	int r;

	if (json && !json_is_true(json_object_get(json, "running")))
		return;
	if (!json)
		why = "its record is not one of this version";
	else if ((r = record_profile(d, service, &p, NULL, &errors)) < 0 || config_check_profile(d->config, p, &errors) < 0)
		why = errors.n ? errors.v[0] : r == -ENOENT ? "its profile was not kept" : "its profile cannot be read";
	if (why)
		printf(LOST "%s: %s\n", service, why);
	profile_free(p);
	profile_errors_free(&errors);
}

/* The programs that it would need. */
static int check_programs(void)
{
	static const char *const names[] = {"trp-init", "trp-router", "trp-keeper", "trp-sdnotify", "trp-observer", "trp-notify", "trp-relay", "trp-learn",
		"trp-logger", "trp-logread"};
	int r = 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(names) && r >= 0; i++) {
		r = daemon_open_program(names[i]);
		if (r >= 0)
			close(r);
	}
	return r;
}

int upgrade_check(const char *config_path)
{
	struct daemon d = {.records = -1};
	struct profile_errors errors = {0};
	cleanup_free char *dir = NULL, *same = NULL;
	int r = config_load(config_path, &d.config, &errors);

	if (r == 0) {
		config_profile_paths(d.config, &d.paths);
		r = config_check_defaults(d.config, &d.paths, &errors);
	}
	for (size_t i = 0; i < errors.n; i++)
		log_error("%s", errors.v[i]);
	profile_errors_free(&errors);
	if (r == 0)
		r = check_programs();
	if (r < 0)
		return 1;
	same = identity(d.config);
	dir = trp_asprintf("%s/records", d.config->run_dir);
	printf("trpsupd " TRP_VERSION "\n%s", same ? same : "");
	d.records = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	record_each(&d, false, check_record, &d);
	trp_close(&d.records);
	config_free(d.config);
	return fflush(stdout) == 0 ? 0 : 1;
}
