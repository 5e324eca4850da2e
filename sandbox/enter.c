/* SPDX-License-Identifier: ISC */
#include "sandbox/enter.h"

#include "base/fdpass.h"
#include "base/io.h"
#include "sandbox/child.h"
#include "sandbox/clone3.h"
#include "sandbox/equip.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int fail(struct sandbox_failure *f, enum sandbox_stage stage, int error)
{
	sandbox_failure_set(f, stage, -error, NULL);
	return error;
}

static int make_plan(const struct sandbox_spec *spec, bool terminal, struct plan *ret, struct sandbox_failure *f)
{
	struct plan_root_entry entries[PLAN_ROOT_MAX];
	cleanup_close int root = -1;
	int n = 0;

	if (spec->root) {
		root = open(spec->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		n = root < 0 ? -errno : plan_root_scan(root, entries);
		if (n < 0)
			return fail(f, SANDBOX_STAGE_ROOT, n);
	}
	return plan_make_entry(spec, entries, (size_t)n, terminal, ret, f);
}

static void run_in_child(const struct child *c, int daemon_end) __attribute__((noreturn));
static void run_in_child(const struct child *c, int daemon_end)
{
	struct child own = *c;

	close(daemon_end); /* or the end of the daemon would never be seen */
	child_run(&own);
}

/* Its children are to be born in that pid namespace; the daemon itself stays where it is. group: of v2, or -1 */
static int clone_into(const struct child *c, int group, int daemon_end, int *ret_pidfd)
{
	cleanup_close int home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = (uint64_t)(uintptr_t)ret_pidfd, .exit_signal = SIGCHLD};
	int error;
	long pid;

	if (group >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group;
	}
	if (home < 0 || setns(c->entry->pidfd, CLONE_NEWPID) < 0)
		return -errno;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		run_in_child(c, daemon_end);
	error = errno;
	if (setns(home, CLONE_NEWPID) < 0)
		abort(); /* all that it starts would be a tenant's */
	return pid < 0 ? -error : (int)pid;
}

/* Nobody is born in a group that has all the processes that it may have, but one that is moved there comes in: who wants to see what a
 * service does that has used them up. */
static int clone_for(const struct sandbox_spec *spec, const struct child *c, int daemon_end, int *ret_pidfd, bool *ret_attach)
{
	const int group = spec->cgroup ? spec->cgroup->v2_fd : -1;
	int r = clone_into(c, group, daemon_end, ret_pidfd);

	*ret_attach = r == -EAGAIN && group >= 0;
	return *ret_attach ? clone_into(c, -1, daemon_end, ret_pidfd) : r;
}

int sandbox_enter(const struct sandbox_spec *spec, const struct sandbox *box, const struct sandbox_terminal *terminal,
	struct sandbox_entry *ret, struct sandbox_failure *ret_failure)
{
	const struct entry entry = {
		.pidfd = box->pidfd, .rows = terminal ? terminal->rows : 0, .columns = terminal ? terminal->columns : 0};
	struct child c = {.spec = spec, .exec_fd = -1, .root_fd = -1, .entry = &entry, .terminal = -1, .master = -1};
	cleanup_close int status = -1, status_end = -1, sync = -1, sync_end = -1;
	int pipe_fds[2], pair[2], doors[CGROUP_V1_MAX] = CGROUP_DOORS_CLOSED, pidfd = -1, r;
	struct plan plan;
	bool attach;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return fail(ret_failure, SANDBOX_STAGE_SYNC, -errno);
	status = pipe_fds[0];
	status_end = pipe_fds[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || trp_set_nonblock(status, true) < 0)
		return fail(ret_failure, SANDBOX_STAGE_SYNC, -errno);
	sync = pair[0];
	sync_end = pair[1];
	r = make_plan(spec, terminal, &plan, ret_failure);
	if (r < 0)
		return r;
	r = spec->cgroup ? cgroup_open_doors(spec->cgroup, doors) : 0;
	if (r < 0) {
		plan_free(&plan);
		return fail(ret_failure, SANDBOX_STAGE_CGROUP, r);
	}
	c.plan = &plan;
	c.groups = doors;
	c.sync_fd = sync_end;
	c.status_fd = status_end;
	weaken_by(spec->envp);
	r = clone_for(spec, &c, sync, &pidfd, &attach);
	weaken_by(NULL);
	cgroup_close_doors(doors);
	plan_free(&plan);
	if (r < 0)
		return fail(ret_failure, SANDBOX_STAGE_ENTER, r);
	*ret = (struct sandbox_entry){
		.child = {.pid = r, .pidfd = pidfd, .status_fd = trp_steal_fd(&status), .owner = box->owner},
		.sync_fd = trp_steal_fd(&sync), .attach = attach};
	return 0;
}

int sandbox_admit(const struct sandbox_spec *spec, struct sandbox_entry *entry, int *ret_master, struct sandbox_failure *ret_failure)
{
	cleanup_close int sync = trp_steal_fd(&entry->sync_fd), master = -1;
	size_t n_fds = 0;
	char word;
	ssize_t n = trp_fd_recv_upto(sync, &word, 1, &master, 1, &n_fds, MSG_DONTWAIT);
	int r;

	if (n <= 0)
		return n < 0 ? fail(ret_failure, SANDBOX_STAGE_SYNC, (int)n) : -EPIPE;
	if (n_fds == 0)
		master = -1;
	r = entry->attach ? cgroup_attach_v2(spec->cgroup, entry->child.pid) : 0;
	if (r < 0)
		return fail(ret_failure, SANDBOX_STAGE_CGROUP, r);
	r = equip_limits(spec, entry->child.owner, entry->child.pid, ret_failure);
	if (r < 0)
		return r;
	r = trp_fd_send(sync, "g", 1, NULL, 0, MSG_DONTWAIT);
	if (r < 0)
		return fail(ret_failure, SANDBOX_STAGE_SYNC, r);
	*ret_master = trp_steal_fd(&master);
	return 0;
}
