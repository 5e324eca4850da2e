/* SPDX-License-Identifier: ISC */
/* spawn.c: the daemon's side of starting a sandbox. */
#include "base/fdpass.h"
#include "base/io.h"
#include "sandbox/child.h"
#include "sandbox/sources.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)

/* All that one start holds until it is done. */
struct spawn {
	const struct sandbox_spec *spec;
	struct sandbox_failure *failure;
	struct plan_root_entry entries[PLAN_ROOT_MAX];
	int n_entries;
	struct plan plan;
	int *trees;
	dev_t *own;
	int root_fd;
	int status[2]; /* pipe: [0] the daemon reads */
	int sync[2];   /* socketpair: [0] the daemon's */
	pid_t pid;
	int pidfd;
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
	sp->own = calloc(sp->plan.n_tmpfs, sizeof(*sp->own));
	if (!sp->trees || !sp->own)
		return fail(sp, SANDBOX_STAGE_NONE, -ENOMEM, NULL);
	for (size_t i = 0; i < sp->plan.n_sources; i++)
		sp->trees[i] = -1;
	return sources_open(&sp->plan, sp->root_fd, sp->trees, sp->failure);
}

static int prepare_channels(struct spawn *sp)
{
	if (pipe2(sp->status, O_CLOEXEC) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp->sync) < 0)
		return fail(sp, SANDBOX_STAGE_SYNC, -errno, NULL);
	int r = trp_set_nonblock(sp->status[0], true);
	return r < 0 ? fail(sp, SANDBOX_STAGE_SYNC, r, NULL) : 0;
}

static void run_in_child(struct spawn *sp) __attribute__((noreturn));
static void run_in_child(struct spawn *sp)
{
	struct child c = {
		.spec = sp->spec,
		.plan = &sp->plan,
		.trees = sp->trees,
		.own = sp->own,
		.sync_fd = sp->sync[1],
		.status_fd = sp->status[1],
		.exec_fd = sp->spec->exec_fd,
		.root_fd = -1,
	};

	close(sp->sync[0]); /* or the end of the daemon would never be seen */
	child_run(&c);
}

/* Without CLONE_VM: the child is an ordinary forked copy, on its own copy of this stack. */
static int clone_child(struct spawn *sp)
{
	const struct cgroup *cg = sp->spec->cgroup;
	struct clone_args args = {
		.flags = NAMESPACES | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&sp->pidfd,
		.exit_signal = SIGCHLD,
	};
	long pid;

	if (!sp->spec->host_network)
		args.flags |= CLONE_NEWNET;
	if (cg && cg->v2_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cg->v2_fd;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		run_in_child(sp);
	if (pid < 0)
		return fail(sp, SANDBOX_STAGE_CLONE, -errno, NULL);
	sp->pid = (pid_t)pid;
	return 0;
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

	snprintf(map, sizeof(map), "0 %u %u\n", sp->spec->uid_base, sp->spec->uid_count);
	r = write_proc(sp, SANDBOX_STAGE_USERNS, "uid_map", map);
	return r < 0 ? r : write_proc(sp, SANDBOX_STAGE_USERNS, "gid_map", map);
}

static int attach_cgroup(struct spawn *sp)
{
	const struct cgroup *cg = sp->spec->cgroup;
	int r = cg ? cgroup_attach(cg, sp->pid, false) : 0;

	return r < 0 ? fail(sp, SANDBOX_STAGE_CGROUP, r, cg->name) : 0;
}

/* Raising a hard limit, or lowering the score, takes the host's CAP_SYS_RESOURCE, which only the
 * daemon can have. The child sets the exact values itself, late: they must not hinder its own
 * steps. */
static int raise_limits(struct spawn *sp)
{
	char score[16];

	for (size_t i = 0; i < sp->plan.n_steps; i++) {
		const struct plan_step *s = &sp->plan.steps[i];
		struct rlimit limit;
		if (s->op != PLAN_RLIMIT)
			continue;
		if (prlimit(sp->pid, (unsigned)s->resource, NULL, &limit) < 0)
			return fail(sp, s->stage, -errno, s->text);
		if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= s->number)
			continue;
		limit.rlim_max = s->number;
		if (prlimit(sp->pid, (unsigned)s->resource, &limit, NULL) < 0)
			return fail(sp, s->stage, -errno, s->text);
	}
	snprintf(score, sizeof(score), "%d", sp->spec->oom_score_adj);
	return write_proc(sp, SANDBOX_STAGE_RLIMIT, "oom_score_adj", score);
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

/* What only the daemon may do for the waiting child, then the word that lets it go. */
static int equip_child(struct spawn *sp)
{
	int r = map_ids(sp);

	if (r == 0)
		r = attach_cgroup(sp);
	if (r == 0)
		r = raise_limits(sp);
	if (r == 0)
		r = idmap_trees(sp);
	if (r < 0)
		return r;
	r = trp_fd_send(sp->sync[0], "g", 1, NULL, 0, 0);
	return r < 0 ? fail(sp, SANDBOX_STAGE_SYNC, r, NULL) : 0;
}

static void discard_child(struct spawn *sp)
{
	siginfo_t info;

	if (sp->pidfd < 0)
		return;
	syscall(SYS_pidfd_send_signal, sp->pidfd, SIGKILL, NULL, 0);
	while (waitid(P_PIDFD, (id_t)sp->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
}

static void release(struct spawn *sp)
{
	if (sp->trees)
		sources_close(sp->trees, sp->plan.n_sources);
	plan_free(&sp->plan);
	free(sp->trees);
	free(sp->own);
	trp_close(&sp->root_fd);
	for (int i = 0; i < 2; i++) {
		trp_close(&sp->status[i]);
		trp_close(&sp->sync[i]);
	}
	trp_close(&sp->pidfd);
}

int sandbox_spawn(
	const struct sandbox_spec *spec, struct sandbox *ret, struct sandbox_failure *ret_failure)
{
	struct spawn sp = {
		.spec = spec,
		.failure = ret_failure,
		.root_fd = -1,
		.status = {-1, -1},
		.sync = {-1, -1},
		.pidfd = -1,
	};
	int r = prepare_plan(&sp);

	if (r == 0)
		r = prepare_channels(&sp);
	if (r == 0)
		r = clone_child(&sp);
	if (r == 0)
		r = equip_child(&sp);
	if (r < 0)
		discard_child(&sp);
	else
		*ret = (struct sandbox){
			.pid = sp.pid,
			.pidfd = trp_steal_fd(&sp.pidfd),
			.status_fd = trp_steal_fd(&sp.status[0]),
		};
	release(&sp);
	return r;
}
