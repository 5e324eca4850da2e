/* SPDX-License-Identifier: ISC */
#include "sandbox/equip.h"

#include "base/io.h"
#include "sandbox/plan.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <stdio.h>

int equip_become_owner(uid_t uid, struct owner *o)
{
	return owner_enter(o, weakened(CONTROL_USERNS) ? 0 : uid);
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
