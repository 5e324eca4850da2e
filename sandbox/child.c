/* SPDX-License-Identifier: ISC */
/* child.c: runs a plan. IN THE CHILD, from clone3 to execveat: the first error is reported and ends
 * it. */
#include "sandbox/child.h"

#include "base/io.h"
#include "sandbox/network.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PR_SET_MDWE_ 65 /* Linux 6.3 */

static int close_between(int first, int end)
{
	if (first >= end)
		return 0;
	return syscall(SYS_close_range, first, end - 1, 0) < 0 ? -errno : 0;
}

/* End of file instead of the word: the daemon gave up or is gone. */
static int step_wait(struct child *c, const struct plan_step *s)
{
	char word;
	ssize_t n;

	(void)s;
	do
		n = recv(c->sync_fd, &word, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		_exit(1);
	trp_close(&c->sync_fd);
	return 0;
}

static int step_groups(struct child *c, const struct plan_step *s)
{
	(void)s;
	return cgroup_enter(c->groups);
}

static int step_cgroupns(struct child *c, const struct plan_step *s)
{
	(void)c, (void)s;
	return unshare(CLONE_NEWCGROUP) < 0 ? -errno : 0;
}

static int step_loopback(struct child *c, const struct plan_step *s)
{
	(void)s;
	return c->network_is_ready ? 0 : network_loopback_up();
}

static int step_port_start(struct child *c, const struct plan_step *s)
{
	return c->network_is_ready ? 0 : network_first_port(s->number, c->detail, sizeof(c->detail));
}

/* Through the old root's /proc: what is below user there is that of the caller's namespace. */
static int step_sysctl(struct child *c, const struct plan_step *s)
{
	char text[24];

	(void)c;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)s->number);
	return trp_write_file(AT_FDCWD, s->path, text);
}

/* PR_SET_MDWE(2const); kernels without it have the filter do it. */
static int step_mdwe(struct child *c, const struct plan_step *s)
{
	(void)c, (void)s;
	return prctl(PR_SET_MDWE_, 1 /* PR_MDWE_REFUSE_EXEC_GAIN */, 0, 0, 0) < 0 && sandbox_has_mdwe() ? -errno : 0;
}

static int step_hostname(struct child *c, const struct plan_step *s)
{
	(void)c;
	return sethostname(s->text, strlen(s->text)) < 0 ? -errno : 0;
}

/* *fd gets a close-on-exec number of at least min. The old number stays open; it is swept away
 * later. */
static int move_up(int *fd, int min)
{
	int up = fcntl(*fd, F_DUPFD_CLOEXEC, min);

	if (up < 0)
		return -errno;
	*fd = up;
	return 0;
}

static int sweep(const struct sandbox_spec *spec, int low, int high)
{
	int next = 0;

	for (size_t i = 0; i < spec->n_fds; i++) {
		int r = close_between(next, spec->fds[i].to);
		if (r < 0)
			return r;
		next = spec->fds[i].to + 1;
	}
	int r = close_between(next, low);
	if (r == 0)
		r = close_between(low + 1, high);
	if (r == 0 && syscall(SYS_close_range, high + 1, ~0U, 0) < 0)
		r = -errno;
	return r;
}

/* All that is needed goes above the highest wanted number first, so that no dup3() lands on a
 * descriptor that is still to be read from. What was only saved there is swept away with the
 * daemon's own. */
static int step_fds(struct child *c, const struct plan_step *s)
{
	const struct sandbox_spec *spec = c->spec;
	int above = spec->n_fds ? spec->fds[spec->n_fds - 1].to + 1 : 0;
	int saved[PLAN_FDS_MAX];
	int r;

	(void)s;
	r = move_up(&c->status_fd, above);
	if (r == 0 && c->exec_fd >= 0)
		r = move_up(&c->exec_fd, above);
	for (size_t i = 0; i < spec->n_fds && r == 0; i++) {
		saved[i] = spec->fds[i].from == SANDBOX_FD_TERMINAL ? c->terminal : spec->fds[i].from;
		r = move_up(&saved[i], above);
		if (r < 0)
			snprintf(c->detail, sizeof(c->detail), "descriptor %d", spec->fds[i].to);
	}
	for (size_t i = 0; i < spec->n_fds && r == 0; i++)
		if (dup3(saved[i], spec->fds[i].to, 0) < 0)
			r = -errno;
	if (r < 0 || weakened(CONTROL_DESCRIPTORS))
		return r;
	if (c->exec_fd < 0)
		return sweep(spec, c->status_fd, c->status_fd);
	return c->status_fd < c->exec_fd ? sweep(spec, c->status_fd, c->exec_fd)
					 : sweep(spec, c->exec_fd, c->status_fd);
}

static int step_rlimit(struct child *c, const struct plan_step *s)
{
	struct rlimit limit = {.rlim_cur = s->number, .rlim_max = s->number};

	(void)c;
	return setrlimit((unsigned)s->resource, &limit) < 0 ? -errno : 0;
}

/* By the system call, whose struct is all zero for "default": libc does not let its own two signals be set. */
void child_default_signals(void)
{
	static const char by_default[32];

	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, by_default, NULL, sizeof(uint64_t)); /* KILL and STOP cannot be set */
}

static int step_signals(struct child *c, const struct plan_step *s)
{
	uint64_t none = 0;

	(void)c, (void)s;
	return syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none)) < 0 ? -errno : 0;
}

static int step_session(struct child *c, const struct plan_step *s)
{
	(void)c;
	if (!weakened(CONTROL_SESSION) && setsid() < 0 && errno != EPERM) /* EPERM: we lead a group already, as pid 1 may */
		return -errno;
	/* else the keys of the daemon's session would be ours; ENOSYS: there are no keys here */
	if (!weakened(CONTROL_KEYRING) && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return -errno;
	umask(022);
	return chdir(s->path) < 0 ? -errno : 0;
}

static int step_seccomp(struct child *c, const struct plan_step *s)
{
	struct sock_fprog prog = {.len = c->spec->seccomp->len, .filter = c->spec->seccomp->insns};

	(void)s;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 ? -errno : 0;
}

static int step_exec(struct child *c, const struct plan_step *s)
{
	(void)s;
	if (c->exec_fd < 0)
		return child_exec_by_name(c);
	syscall(SYS_execveat, c->exec_fd, "", c->spec->argv, c->spec->envp, AT_EMPTY_PATH);
	return -errno;
}

static int (*const run[])(struct child *c, const struct plan_step *s) = {
	[PLAN_WAIT] = step_wait,
	[PLAN_GROUPS] = step_groups,
	[PLAN_CGROUPNS] = step_cgroupns,
	[PLAN_NS_ROOT] = child_ns_root,
	[PLAN_LOOPBACK] = step_loopback,
	[PLAN_PORT_START] = step_port_start,
	[PLAN_HOSTNAME] = step_hostname,
	[PLAN_PRIVATE] = child_private,
	[PLAN_ROOT] = child_root,
	[PLAN_TREE] = child_tree,
	[PLAN_SYMLINK] = child_symlink,
	[PLAN_TMPFS] = child_tmpfs,
	[PLAN_DATA] = child_data,
	[PLAN_DIR] = child_dir,
	[PLAN_PROC] = child_proc,
	[PLAN_MASK] = child_mask,
	[PLAN_READONLY] = child_readonly,
	[PLAN_SEAL] = child_seal,
	[PLAN_PIVOT] = child_pivot,
	[PLAN_FDS] = step_fds,
	[PLAN_RLIMIT] = step_rlimit,
	[PLAN_BOUNDING] = child_bounding,
	[PLAN_IDS] = child_ids,
	[PLAN_DROP_CAPS] = child_drop_caps,
	[PLAN_NO_NEW_PRIVS] = child_no_new_privs,
	[PLAN_SESSION] = step_session,
	[PLAN_LANDLOCK] = child_landlock,
	[PLAN_SECCOMP] = step_seccomp,
	[PLAN_EXEC] = step_exec,
	[PLAN_ALL_ADDRESSES] = child_all_addresses,
	[PLAN_SYSCTL] = step_sysctl,
	[PLAN_MDWE] = step_mdwe,
	[PLAN_ENTER] = child_enter,
	[PLAN_TERMINAL] = child_terminal,
	[PLAN_INSIDE] = child_inside,
	[PLAN_CONTROLLING] = child_controlling,
	[PLAN_SIGNALS] = step_signals,
};
_Static_assert(TRP_ARRAY_SIZE(run) == PLAN_OP_COUNT, "code for each step");

static void report(const struct child *c, const struct plan_step *s, int error)
{
	struct sandbox_failure f;
	const char *detail = c->detail[0] ? c->detail : s->path ? s->path : s->text;

	sandbox_failure_set(&f, s->stage, error, detail);
	/* one write of less than PIPE_BUF is whole or not at all; nobody is left to tell if it
	 * fails */
	if (write(c->status_fd, &f, sizeof(f)) < 0)
		_exit(2);
}

void child_run(struct child *c)
{
	for (size_t i = 0; i < c->plan->n_steps; i++) {
		const struct plan_step *s = &c->plan->steps[i];
		int r;

		if (!weaken_step(c, s, &r))
			r = run[s->op](c, s);
		if (r < 0) {
			report(c, s, -r);
			break;
		}
	}
	_exit(1);
}
