/* SPDX-License-Identifier: ISC */
/* cgroup_birth.c: in which groups a process may be born (CLONE_INTO_CGROUP). Runs in the daemon, which has one thread.
 *
 * Since Linux 6.14, and in stable kernels from 6.6 on at least, a group counts how often cgroup.kill was written to it, so that a process that is just being
 * forked there does not get away: who comes into the world and finds another count than before is killed. For one that is born in another group
 * than its parent's the kernel takes the count before from the parent's group (cgroup_css_set_fork() in kernel/cgroup/cgroup.c): it is killed
 * each time, unless both groups were killed as often. The count cannot be read. So a group that was ever killed is marked, and who is to run there is
 * born elsewhere and moved; and it is tried whether the daemon's own group is one from which others can be born into a new one. */
#include "sandbox/cgroup_host.h"
#include "base/io.h"
#include "sandbox/clone3.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define MARK      "user.trpsup.killed" /* the mark goes with the group, whichever daemon made it */
#define TRY_GROUP "@birth" /* no service can have this name */
#define TRIES     100 /* of 1 ms */

void cgroup_no_births(const struct cgroup *cg)
{
	if (cg->v2_fd >= 0) /* if that fails the mark cannot be read either, or the next start does what this one would have */
		fsetxattr(cg->v2_fd, MARK, "", 0, 0);
}

int cgroup_birthplace(const struct cgroup *cg)
{
	return cg->births && fgetxattr(cg->v2_fd, MARK, NULL, 0) < 0 && errno == ENODATA ? cg->v2_fd : -1;
}

/* Who has just ended keeps it for a moment. */
static void remove_try_group(int v2_fd)
{
	for (int i = 0; i < TRIES && unlinkat(v2_fd, TRY_GROUP, AT_REMOVEDIR) < 0 && errno == EBUSY; i++)
		trp_sleep_ms(1);
}

static bool lives_in(int group)
{
	struct clone_args args = {.flags = CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
	siginfo_t info = {0};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	while (pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	return pid > 0 && info.si_code == CLD_EXITED;
}

bool cgroup_births_work(int v2_fd)
{
	cleanup_close int group = -1;
	bool works = false;

	if (v2_fd < 0)
		return false;
	remove_try_group(v2_fd); /* of a daemon that was killed */
	if (mkdirat(v2_fd, TRY_GROUP, 0755) < 0)
		return false;
	group = openat(v2_fd, TRY_GROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group >= 0)
		works = lives_in(group);
	remove_try_group(v2_fd);
	return works;
}
