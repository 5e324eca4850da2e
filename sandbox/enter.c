/* SPDX-License-Identifier: ISC */
#include "sandbox/enter.h"

#include "base/fdpass.h"
#include "base/io.h"
#include "sandbox/equip.h"
#include "sandbox/forker.h"
#include "sandbox/weaken.h"

#include <fcntl.h>

static int fail(struct sandbox_failure *f, enum sandbox_stage stage, int error)
{
	sandbox_failure_set(f, stage, -error, NULL);
	return error;
}

static int make_plan(const struct sandbox_spec *spec, bool terminal, struct plan *ret, struct sandbox_failure *f)
{
	struct plan_root_entry entries[PLAN_ROOT_MAX] = {0};
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

/* group: of v2, or -1 */
static int bear(struct order_parts *parts, int group, struct sandbox_entry *ret)
{
	int sync[2], status[2], r = equip_ways(sync, status);

	if (r < 0)
		return r;
	parts->birth.cgroup = group;
	parts->birth.sync = sync[1];
	parts->birth.status = status[1];
	r = forker_bear(parts, &ret->child.pid, &ret->child.pidfd);
	if (r < 0) {
		close(sync[0]);
		close(status[0]);
		return r;
	}
	ret->sync_fd = sync[0];
	ret->child.status_fd = status[0];
	return 0;
}

/* Nobody is born in a group that has all the processes that it may have, but one that is moved there comes in: who wants to see what a
 * service does that has used them up. Nor in one that was killed. */
static int bear_for(struct order_parts *parts, struct sandbox_entry *ret)
{
	const struct cgroup *cg = parts->spec->cgroup;
	const int group = cg ? cgroup_birthplace(cg) : -1;
	int r = bear(parts, group, ret);

	ret->attach = cg && group < 0;
	if (r != -EAGAIN || group < 0)
		return r;
	ret->attach = true;
	return bear(parts, -1, ret);
}

int sandbox_enter(const struct sandbox_spec *spec, const struct sandbox *box, const struct sandbox_terminal *terminal,
	struct sandbox_entry *ret, struct sandbox_failure *ret_failure)
{
	int doors[CGROUP_V1_MAX] = CGROUP_DOORS_CLOSED, r;
	struct plan plan;
	struct order_parts parts = {.spec = spec, .plan = &plan, .groups = doors, .birth = BIRTH_NOWHERE};
	struct sandbox_entry entry = {.child.owner = box->owner};

	parts.birth.among_tenants = true;
	parts.birth.entry = (struct entry){
		.pidfd = box->pidfd, .rows = terminal ? terminal->rows : 0, .columns = terminal ? terminal->columns : 0};
	r = make_plan(spec, terminal, &plan, ret_failure);
	if (r < 0)
		return r;
	r = equip_open_group(spec->cgroup, doors, ret_failure);
	if (r < 0) {
		plan_free(&plan);
		return r;
	}
	weaken_by(spec->envp);
	r = bear_for(&parts, &entry);
	weaken_by(NULL);
	cgroup_close_doors(doors);
	plan_free(&plan);
	if (r < 0)
		return fail(ret_failure, SANDBOX_STAGE_ENTER, r);
	*ret = entry;
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
