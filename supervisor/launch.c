/* SPDX-License-Identifier: ISC */
#include "supervisor/launch.h"
#include "base/io.h"
#include "supervisor/box/box.h"
#include "supervisor/credentials.h"
#include "supervisor/profile/envfile.h"
#include "supervisor/secrets.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int read_secret(void *data, const struct profile_secret *secret, char *value)
{
	struct service *s = data;
	int r = secret_get(s->d->config->state_dir, secret->service ? secret->service : s->name, secret->name, value);

	if (r < 0)
		snprintf(s->message, sizeof(s->message), "%s:%u: secret: %s: %s", secret->where.file, secret->where.line, secret->name,
			strerror(-r));
	return r;
}

int launch_site(struct service *s, struct box_site *ret)
{
	struct box_site site = {.profile = s->profile,
		.service = s->name,
		.run_name = s->key,
		.state_dir = s->d->config->state_dir,
		.run_dir = s->d->config->run_dir,
		.root = s->root,
		.adapter = s->adapter,
		.uid_base = s->uid_base,
		.seccomp = s->seccomp,
		.cgroup = s->has_cgroup ? &s->cgroup : NULL,
		.secret = read_secret,
		.credentials = -1,
		.data = s};
	int r = s->adapter == ADAPTER_RELAY ? 0 : prepare_user(s, &site.uid, &site.gid);

	if (r == 0)
		*ret = site;
	return r;
}

int launch_environment(struct service *s, struct env_set *ret, char *err, size_t err_size)
{
	struct profile_errors errors = {0};
	int r = envfile_read_all(s->profile, ret, &errors);

	for (size_t i = 1; i < errors.n; i++) /* the first is said by who asked */
		logs_note(s->logs, "%s", errors.v[i]);
	if (errors.n > 0)
		snprintf(err, err_size, "%s", errors.v[0]);
	profile_errors_free(&errors);
	return r;
}

/* fds[0] is /dev/null's. */
static int spawn(const struct sandbox_spec *described, bool may_be_prepared, int exec_fd, struct sandbox_fd *fds, size_t n_fds, struct sandbox *ret,
	struct sandbox_failure *ret_failure)
{
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct sandbox_spec spec = *described;

	if (null < 0)
		return -errno;
	for (size_t i = 0; i < n_fds; i++)
		if (fds[i].from < 0)
			fds[i].from = null;
	spec.may_be_prepared = may_be_prepared;
	spec.exec_fd = exec_fd;
	spec.fds = fds;
	spec.n_fds = n_fds;
	return sandbox_spawn(&spec, ret, ret_failure);
}

/* So that a program may open /dev/stdout by name, as web servers do for their logs. */
static int give_pipes(const struct box_site *site, const int out_err[2])
{
	for (int i = 0; i < 2; i++)
		if (fchown(out_err[i], site->uid_base + site->uid, site->uid_base + site->gid) < 0)
			return -errno;
	return 0;
}

int launch_service(struct service *s, const int out_err[2], int control, int notify, int kept)
{
	const bool relay = s->adapter == ADAPTER_RELAY;
	cleanup_close int program = relay ? daemon_open_program("trp-relay") : -1;
	struct sandbox_fd fds[7] = {{-1, 0}, {out_err[0], 1}, {out_err[1], 2}, {control, TRP_INIT_CONTROL_FD}};
	cleanup_close int credentials = -1;
	struct env_set env = {0};
	struct box_site site;
	struct box *box = NULL;
	size_t n_fds = 4;
	int r;

	if (notify >= 0)
		fds[n_fds++] = (struct sandbox_fd){notify, TRP_INIT_NOTIFY_FD};
	if (s->run.learner.init_end >= 0)
		fds[n_fds++] = (struct sandbox_fd){s->run.learner.init_end, TRP_INIT_LEARN_FD};
	if (kept >= 0)
		fds[n_fds++] = (struct sandbox_fd){kept, TRP_INIT_KEPT_FD};
	if (relay && program < 0) {
		snprintf(s->message, sizeof(s->message), "cannot open %s/trp-relay", config_libexec());
		return program;
	}
	r = launch_site(s, &site);
	if (r == 0 && !relay)
		r = give_pipes(&site, out_err);
	if (r == 0)
		r = launch_environment(s, &env, s->message, sizeof(s->message));
	if (r == 0 && s->profile->n_credentials > 0)
		r = credentials_mount(s, site.uid_base + site.uid, site.uid_base + site.gid, &credentials);
	site.credentials = credentials;
	site.env = &env;
	if (r == 0)
		r = box_make(&site, &box);
	env_set_free(&env);
	if (r == 0)
		r = spawn(box_spec(box), !relay, relay ? program : s->d->init_exec_fd, fds, n_fds, &s->run.box, &s->run.failure);
	box_free(box);
	return r;
}

/* The tight filter it loads itself, and tries (router/relay/lockdown.c). */
static int loopback_filter(const struct seccomp_filter **ret)
{
	static const char *const words[] = {"@default", "seccomp"};
	static struct seccomp_filter compiled;
	int r = compiled.insns ? 0 : seccomp_compile(words, TRP_ARRAY_SIZE(words), &compiled);

	*ret = &compiled;
	return r;
}

int launch_loopback(struct service *s, int err, int control)
{
	cleanup_close int program = daemon_open_program("trp-relay");
	cleanup_close int diag = sandbox_socket(&s->run.box, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	struct sandbox_fd fds[] = {{-1, 0}, {-1, 1}, {err, 2}, {control, TRP_INIT_CONTROL_FD}, {diag, TRP_RELAY_DIAG_FD}};
	struct sandbox_spec spec;
	struct box_site site;
	struct box *box = NULL;
	int r;

	if (program < 0 || diag < 0)
		return program < 0 ? program : diag;
	r = launch_site(s, &site);
	if (r == 0)
		r = loopback_filter(&site.seccomp);
	if (r == 0)
		r = box_make_loopback(&site, &box);
	if (r == 0) {
		spec = *box_spec(box);
		spec.network_of = &s->run.box;
		r = spawn(&spec, false, program, fds, TRP_ARRAY_SIZE(fds), &s->run.loopback.box, &s->run.loopback.failure);
	}
	box_free(box);
	return r;
}
