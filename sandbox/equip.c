/* SPDX-License-Identifier: ISC */
#include "sandbox/equip.h"

#include "base/io.h"
#include "sandbox/plan.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define SLICE_NS 100000 /* the least that the kernel takes */

int equip_become_owner(uid_t uid, struct owner *o)
{
	return owner_enter(o, weakened(CONTROL_USERNS) ? 0 : uid);
}

int equip_ways(int ret_sync[2], int ret_status[2])
{
	int sync[2], status[2], r;

	if (pipe2(status, O_CLOEXEC) < 0)
		return -errno;
	r = trp_set_nonblock(status[0], true);
	if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0)
		r = -errno;
	for (int i = 0; i < 2; i++) {
		if (r < 0) {
			close(status[i]);
			continue;
		}
		ret_sync[i] = sync[i];
		ret_status[i] = status[i];
	}
	return r;
}

/* That it stands still is seen as soon as it is to, if nobody is in it. In one with processes it takes a moment, and who is born there meanwhile stands
 * still, too: nobody waits for that one. */
int equip_open_group(const struct cgroup *cg, int ret[CGROUP_V1_MAX], struct sandbox_failure *ret_failure)
{
	int r = !cg ? 0 : cgroup_is_frozen(cg) ? -EAGAIN : cgroup_open_doors(cg, ret);

	if (r < 0)
		sandbox_failure_set(ret_failure, SANDBOX_STAGE_CGROUP, -r, cg->name);
	return r;
}

static int fail(struct sandbox_failure *f, int error, const char *detail)
{
	sandbox_failure_set(f, SANDBOX_STAGE_RLIMIT, -error, detail);
	return error;
}

/* Raising a hard limit, or lowering the score, takes the host's CAP_SYS_RESOURCE, which only the
 * daemon can have. The child sets the exact values itself, late: they must not hinder its own
 * steps. */
static int raise_limits(const struct sandbox_spec *spec, pid_t pid, struct sandbox_failure *f)
{
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		const struct sandbox_rlimit *wanted = &spec->rlimits[i];
		struct rlimit limit;
		if (prlimit(pid, (unsigned)wanted->resource, NULL, &limit) < 0)
			return fail(f, -errno, plan_rlimit_name(wanted->resource));
		if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= wanted->limit)
			continue;
		limit.rlim_max = wanted->limit;
		if (prlimit(pid, (unsigned)wanted->resource, &limit, NULL) < 0)
			return fail(f, -errno, plan_rlimit_name(wanted->resource));
	}
	return 0;
}

/* Who owns its user namespace may do that, also a daemon that lacks CAP_SYS_RESOURCE. */
int equip_limits(const struct sandbox_spec *spec, uid_t owner, pid_t pid, struct sandbox_failure *ret_failure)
{
	struct owner own;
	char path[64], score[16];
	int r = equip_become_owner(owner, &own);

	if (r < 0)
		return fail(ret_failure, r, NULL);
	r = raise_limits(spec, pid, ret_failure);
	owner_leave(&own);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	snprintf(score, sizeof(score), "%d", spec->oom_score_adj);
	r = trp_write_file(AT_FDCWD, path, score);
	return r < 0 ? fail(ret_failure, r, "oom_score_adj") : 0;
}

/* Who is woken waits behind who computes until that one's slice is over, or its own would end earlier: ticks, or not at all. Its share is the
 * same. All else stays as the daemon was started: to better that would take a capability. */
int equip_scheduling(enum sandbox_scheduling scheduling, pid_t pid, struct sandbox_failure *ret_failure)
{
	const bool batch = scheduling == SANDBOX_BATCH;
	struct sched_attr attr = {.size = sizeof(attr)};

	if (scheduling == SANDBOX_NORMAL)
		return 0;
	if (syscall(SYS_sched_getattr, pid, &attr, sizeof(attr), 0) < 0)
		return batch ? fail(ret_failure, -errno, "SCHED_BATCH") : 0;
	if (batch)
		attr.sched_policy = SCHED_BATCH;
	attr.sched_runtime = batch ? 0 : SLICE_NS;
	return syscall(SYS_sched_setattr, pid, &attr, 0) < 0 && batch ? fail(ret_failure, -errno, "SCHED_BATCH") : 0;
}
