/* SPDX-License-Identifier: ISC */
/* spare.c: see spare.h. Runs in the daemon, which has one thread. */
#include "sandbox/spare.h"
#include "base/io.h"
#include "sandbox/child.h"
#include "sandbox/clone3.h"
#include "sandbox/equip.h"
#include "sandbox/network.h"
#include "sandbox/obstacle.h"
#include "sandbox/sources.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NAMESPACES  (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
#define MEMORY_SIZE (512 * 1024) /* of one that is kept; pages that are not written to cost nothing */

static struct spare kept = SPARE_NONE;
static struct plan_base last; /* what was wanted at the last start will be wanted again */
static bool has_last, last_in_group;

/* While one is born. */
struct birth {
	const struct spare_wish *wish;
	struct spare *spare;
	struct sandbox_failure *failure;
	bool network_is_ready;
};

static int failed(struct sandbox_failure *f, enum sandbox_stage stage, int error, const char *detail)
{
	sandbox_failure_set(f, stage, -error, detail);
	return error;
}

static int fail(struct birth *b, enum sandbox_stage stage, int error, const char *detail)
{
	return failed(b->failure, stage, error, detail);
}

/* The memory and the descriptors by which it is told whose it is, and says what went wrong. */
static int open_ways(struct spare *s, size_t memory_size)
{
	int pipe_fds[2], pair[2];

	s->memory_size = memory_size > MEMORY_SIZE ? memory_size : MEMORY_SIZE;
	s->memory = mmap(NULL, s->memory_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->memory == MAP_FAILED) {
		s->memory = NULL;
		return -errno;
	}
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	s->status = pipe_fds[0];
	s->status_end = pipe_fds[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	s->sync = pair[0];
	s->sync_end = pair[1];
	return trp_set_nonblock(s->status, true);
}

static int prepare(struct spare *s, size_t memory_size, struct sandbox_failure *f)
{
	int r = plan_make_base(&s->base, &s->plan);

	if (r < 0)
		return failed(f, SANDBOX_STAGE_NONE, r, NULL);
	s->trees = calloc(s->plan.n_sources + 1, sizeof(*s->trees));
	if (!s->trees)
		return failed(f, SANDBOX_STAGE_NONE, -ENOMEM, NULL);
	r = sources_open(&s->plan, 0, s->plan.n_sources, -1, s->trees, f);
	if (r < 0)
		return r;
	s->n_trees = s->plan.n_sources;
	r = open_ways(s, memory_size);
	return r < 0 ? failed(f, SANDBOX_STAGE_SYNC, r, NULL) : 0;
}

int spare_begin(const struct plan_base *base, size_t memory_size, struct spare *ret, struct sandbox_failure *ret_failure)
{
	struct spare s = SPARE_NONE;
	int r;

	s.base = *base;
	r = prepare(&s, memory_size, ret_failure);
	if (r < 0)
		spare_discard(&s);
	else
		*ret = s;
	return r;
}

static void run_in_child(struct birth *b) __attribute__((noreturn));
static void run_in_child(struct birth *b)
{
	static dev_t own[16];
	struct child c = {
		.plan = &b->spare->plan,
		.trees = b->spare->trees,
		.own = own,
		.sync_fd = b->spare->sync_end,
		.status_fd = b->spare->status_end,
		.exec_fd = -1,
		.root_fd = -1,
		.network_is_ready = b->network_is_ready,
		.terminal = -1,
		.master = -1,
	};

	close(b->spare->sync); /* or the end of the daemon would never be seen */
	if (b->spare->plan.n_tmpfs > TRP_ARRAY_SIZE(own))
		_exit(1);
	child_run(&c);
}

/* The child itself is to set it up, and so must own it. */
static bool makes_own_network(const struct plan_base *base)
{
	return base->own_all_addresses || (weakened(CONTROL_CAPABILITIES) && base->own_network);
}

/* Where the child is to be born. *ret_home: for network_leave(). */
static int enter_network(struct birth *b, int *ret_home)
{
	const struct plan_base *base = &b->spare->base;
	const struct sandbox *of = b->wish->network_of;
	char detail[64] = "";
	int r;

	*ret_home = -1;
	if (!of && (!base->own_network || makes_own_network(base) || weakened(CONTROL_NETNS)))
		return 0;
	if (of)
		r = network_enter(of);
	else if (b->spare->network >= 0)
		r = network_enter_fd(b->spare->network);
	else
		r = network_enter_new(base->first_unprivileged_port, detail, sizeof(detail));
	if (r < 0)
		return fail(b, SANDBOX_STAGE_NETNS, r, detail);
	b->network_is_ready = !of;
	*ret_home = r;
	return 0;
}

/* With what stands in the way, if it is a setting of the host. */
static int fail_clone(struct birth *b, int error)
{
	cleanup_close int dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char why[sizeof(b->failure->detail)] = "";

	if (dir >= 0 && (error == EPERM || error == ENOSPC || error == EACCES))
		obstacle_userns(dir, error == ENOSPC, false, why, sizeof(why));
	return fail(b, SANDBOX_STAGE_CLONE, -error, why);
}

/* Without CLONE_VM: the child is an ordinary forked copy, on its own copy of this stack. */
static int clone_child(struct birth *b)
{
	const struct cgroup *cg = b->wish->cgroup;
	struct clone_args args = {
		.flags = NAMESPACES | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&b->spare->pidfd,
		.exit_signal = SIGCHLD,
	};
	struct owner owner;
	int home, error;
	long pid;

	if (makes_own_network(&b->spare->base))
		args.flags |= CLONE_NEWNET;
	args.flags &= ~weaken_namespaces();
	if (cg && cg->v2_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cg->v2_fd;
		b->spare->in_cgroup = true;
	}
	error = enter_network(b, &home);
	if (error < 0)
		return error;
	error = equip_become_owner(b->wish->owner, &owner);
	if (error < 0) {
		network_leave(home);
		return fail(b, SANDBOX_STAGE_CLONE, error, NULL);
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		run_in_child(b);
	error = errno;
	owner_leave(&owner);
	network_leave(home);
	if (pid < 0)
		return fail_clone(b, error);
	b->spare->pid = (pid_t)pid;
	return 0;
}

/* What is the child's from now on. Of the trees only the tmpfs are needed once more: their owners are not known yet. */
static void leave_to_child(struct spare *s)
{
	for (size_t i = 0; i < s->n_trees; i++)
		if (!s->plan.sources[i].tmpfs)
			trp_close(&s->trees[i]);
	plan_free(&s->plan);
	trp_close(&s->status_end);
	trp_close(&s->sync_end);
	trp_close(&s->network);
}

int spare_bear(struct spare *s, const struct spare_wish *wish, struct sandbox_failure *ret_failure)
{
	struct birth b = {.wish = wish, .spare = s, .failure = ret_failure};
	int r;

	s->owner = wish->owner;
	r = clone_child(&b);
	if (r == 0)
		leave_to_child(s);
	return r;
}

static bool is_born(const struct spare *s)
{
	return s->pidfd >= 0;
}

/* Is there one, and is it as the last start would have had it? */
static bool is_wanted(const struct spare *s)
{
	struct pollfd p = {.fd = s->pidfd, .events = POLLIN};

	return s->memory && is_born(s) != last_in_group && (!is_born(s) || poll(&p, 1, 0) == 0) && plan_base_equal(&s->base, &last);
}

bool spare_take(const struct plan_base *base, const struct spare_wish *wish, struct spare *ret)
{
	last = *base;
	has_last = true;
	last_in_group = wish->cgroup && wish->cgroup->v2_fd >= 0;
	if (weaken_any() || !is_wanted(&kept) || wish->memory_size > kept.memory_size)
		return false;
	*ret = kept;
	kept = (struct spare)SPARE_NONE;
	return true;
}

void spare_discard(struct spare *s)
{
	siginfo_t info;

	if (s->pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
		while (waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED) < 0 && errno == EINTR)
			;
	}
	if (s->trees)
		sources_close(s->trees, s->n_trees);
	free(s->trees);
	if (s->memory)
		munmap(s->memory, s->memory_size);
	trp_close(&s->pidfd);
	trp_close(&s->status);
	trp_close(&s->sync);
	trp_close(&s->status_end);
	trp_close(&s->sync_end);
	trp_close(&s->network);
	plan_free(&s->plan);
	*s = (struct spare)SPARE_NONE;
}

static int make_network(struct spare *s)
{
	char detail[64];
	int fd = network_make(s->base.first_unprivileged_port, detail, sizeof(detail));

	s->network = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

int sandbox_prepare(uid_t owner)
{
	struct spare_wish wish = {.owner = owner};
	struct sandbox_failure failure;
	int r;

	if (!has_last || last.own_all_addresses || !last.own_network || is_wanted(&kept))
		return 0;
	spare_discard(&kept);
	r = spare_begin(&last, 0, &kept, &failure);
	if (r == 0)
		r = last_in_group ? make_network(&kept) : spare_bear(&kept, &wish, &failure);
	if (r < 0)
		spare_discard(&kept);
	return r;
}

void sandbox_unprepare(void)
{
	spare_discard(&kept);
}
