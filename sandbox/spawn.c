/* SPDX-License-Identifier: ISC */
/* spawn.c: the daemon's side of starting a sandbox: takes what is made of one as far as it is the same for all (spare.h), has its first process
 * made (forker.h), and gives it what only the daemon can. */
#include "base/fdpass.h"
#include "base/io.h"
#include "sandbox/equip.h"
#include "sandbox/forker.h"
#include "sandbox/sources.h"
#include "sandbox/spare.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* All that one start holds until it is done. */
struct spawn {
	const struct sandbox_spec *spec;
	struct sandbox_failure *failure;
	struct plan_root_entry entries[PLAN_ROOT_MAX];
	int n_entries;
	struct plan plan;
	int *trees; /* the first plan.n_base are the spare's */
	int root_fd;
	int groups[CGROUP_V1_MAX];
	struct spare spare;
	int birthplace; /* cgroup_birthplace() */
	uid_t owner;
	pid_t pid;
	int pidfd; /* until it is the caller's */
};

static int fail(struct spawn *sp, enum sandbox_stage stage, int error, const char *detail)
{
	sandbox_failure_set(sp->failure, stage, error < 0 ? -error : error, detail);
	return error < 0 ? error : -error;
}

static int prepare_plan(struct spawn *sp)
{
	const char *root = sp->spec->root;
	int r;

	if (root) {
		sp->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (sp->root_fd < 0)
			return fail(sp, SANDBOX_STAGE_ROOT, -errno, root);
		sp->n_entries = plan_root_scan(sp->root_fd, sp->entries);
		if (sp->n_entries < 0)
			return fail(sp, SANDBOX_STAGE_ROOT, sp->n_entries, root);
	}
	r = plan_make(sp->spec, sp->entries, (size_t)sp->n_entries, &sp->plan, sp->failure);
	if (r < 0)
		return r;
	sp->trees = calloc(sp->plan.n_sources + 1, sizeof(*sp->trees));
	if (!sp->trees)
		return fail(sp, SANDBOX_STAGE_NONE, -ENOMEM, NULL);
	for (size_t i = 0; i < sp->plan.n_sources; i++)
		sp->trees[i] = -1;
	return sources_open(&sp->plan, sp->plan.n_base, sp->plan.n_sources, sp->root_fd, sp->trees, sp->failure);
}

/* The highest id but two, which are nobody's by custom. */
uid_t sandbox_owner(uint32_t uid_base, uint32_t uid_count)
{
	return uid_base + uid_count - (uid_count > 2 ? 3 : 1);
}

/* The child itself is to set it up, and so must own it. */
static bool makes_own_network(const struct plan_base *base)
{
	return base->own_all_addresses || (weakened(CONTROL_CAPABILITIES) && base->own_network);
}

/* What was made ahead, or now. */
static int get_spare(struct spawn *sp, const struct plan_base *base)
{
	int r = 0;

	if (!sp->spec->may_be_prepared || !spare_take(base, &sp->spare))
		r = spare_begin(base, &sp->spare, sp->failure);
	if (r == 0 && !makes_own_network(base) && !weakened(CONTROL_NETNS))
		r = spare_make_network(&sp->spare, sp->failure);
	if (r == 0)
		memcpy(sp->trees, sp->spare.trees, sp->plan.n_base * sizeof(*sp->trees));
	return r;
}

/* Did the child end by itself before it was told anything? Then what it said is the cause. */
static int cause(struct spawn *sp, int error)
{
	struct sandbox_failure said;

	if (sp->spare.status[0] >= 0 && read(sp->spare.status[0], &said, sizeof(said)) == sizeof(said)) {
		*sp->failure = said;
		return -said.error;
	}
	return error;
}

static int bear(struct spawn *sp, const struct plan_base *base)
{
	const struct sandbox *network_of = sp->spec->network_of;
	struct order_parts parts = {.spec = sp->spec, .plan = &sp->plan, .trees = sp->trees, .groups = sp->groups, .birth = BIRTH_NOWHERE};
	int r;

	parts.birth.owner = sp->owner;
	parts.birth.new_network = makes_own_network(base);
	parts.birth.network_is_ready = sp->spare.network >= 0;
	parts.birth.among_tenants = network_of != NULL; /* it is in the group of that one */
	parts.birth.network = network_of ? network_of->pidfd : sp->spare.network;
	parts.birth.cgroup = sp->birthplace;
	parts.birth.sync = trp_steal_fd(&sp->spare.sync[1]);
	parts.birth.status = trp_steal_fd(&sp->spare.status[1]);
	r = forker_bear(&parts, &sp->pid, &sp->pidfd);
	return r < 0 ? cause(sp, fail(sp, SANDBOX_STAGE_CLONE, r, NULL)) : 0;
}

static int write_proc(
	struct spawn *sp, enum sandbox_stage stage, const char *file, const char *text)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", sp->pid, file);
	r = trp_write_file(AT_FDCWD, path, text);
	return r < 0 ? fail(sp, stage, r, file) : 0;
}

static int map_ids(struct spawn *sp)
{
	char map[64];
	int r;

	if (weakened(CONTROL_USERNS))
		return 0;
	snprintf(map, sizeof(map), "0 %u %u\n", sp->spec->uid_base, sp->spec->uid_count);
	r = write_proc(sp, SANDBOX_STAGE_USERNS, "uid_map", map);
	return r < 0 ? r : write_proc(sp, SANDBOX_STAGE_USERNS, "gid_map", map);
}

/* If it could not be born there. */
static int attach_cgroup(struct spawn *sp)
{
	const struct cgroup *cg = sp->spec->cgroup;
	int r = cg && sp->birthplace < 0 ? cgroup_attach_v2(cg, sp->pid) : 0;

	return r < 0 ? fail(sp, SANDBOX_STAGE_CGROUP, r, cg->name) : 0;
}

static int idmap_trees(struct spawn *sp)
{
	char path[64];
	cleanup_close int userns = -1;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", sp->pid);
	userns = open(path, O_RDONLY | O_CLOEXEC);
	if (userns < 0)
		return fail(sp, SANDBOX_STAGE_USERNS, -errno, path);
	return sources_idmap(&sp->plan, sp->trees, userns, sp->failure);
}

static int let_go(struct spawn *sp)
{
	int r = trp_fd_send(sp->spare.sync[0], "g", 1, NULL, 0, 0);

	return r < 0 ? fail(sp, SANDBOX_STAGE_SYNC, r, NULL) : 0;
}

/* What only the daemon may do for the waiting child, then the word that lets it go. */
static int equip_child(struct spawn *sp)
{
	int r = map_ids(sp);

	if (r == 0)
		r = attach_cgroup(sp);
	if (r == 0)
		r = equip_limits(sp->spec, sp->owner, sp->pid, sp->failure);
	if (r == 0)
		r = equip_scheduling(sp->spec->scheduling, sp->pid, sp->failure);
	if (r == 0)
		r = sources_own(&sp->plan, sp->trees, sp->spec->uid_base, sp->failure);
	if (r == 0)
		r = idmap_trees(sp);
	return r < 0 ? r : let_go(sp);
}

static void release(struct spawn *sp)
{
	if (sp->trees)
		sources_close(sp->trees + sp->plan.n_base, sp->plan.n_sources - sp->plan.n_base);
	plan_free(&sp->plan);
	free(sp->trees);
	trp_close(&sp->root_fd);
	cgroup_close_doors(sp->groups);
	spare_discard(&sp->spare);
	if (sp->pidfd >= 0)
		forker_end_child(&sp->pidfd);
}

int sandbox_spawn(
	const struct sandbox_spec *spec, struct sandbox *ret, struct sandbox_failure *ret_failure)
{
	struct spawn sp = {.spec = spec, .failure = ret_failure, .root_fd = -1, .groups = CGROUP_DOORS_CLOSED, .spare = SPARE_NONE, .pidfd = -1,
		.owner = sandbox_owner(spec->uid_base, spec->uid_count), .birthplace = spec->cgroup ? cgroup_birthplace(spec->cgroup) : -1};
	struct plan_base base;
	int r;

	weaken_by(spec->envp);
	plan_base_of(spec, &base);
	r = prepare_plan(&sp);
	if (r == 0)
		r = get_spare(&sp, &base);
	if (r == 0)
		r = equip_open_group(spec->cgroup, sp.groups, ret_failure);
	if (r == 0)
		r = bear(&sp, &base);
	if (r == 0) {
		r = equip_child(&sp);
		if (r < 0)
			r = cause(&sp, r);
	}
	if (r == 0)
		*ret = (struct sandbox){
			.pid = sp.pid,
			.pidfd = trp_steal_fd(&sp.pidfd),
			.status_fd = trp_steal_fd(&sp.spare.status[0]),
			.owner = sp.owner,
		};
	release(&sp);
	weaken_by(NULL);
	return r;
}
