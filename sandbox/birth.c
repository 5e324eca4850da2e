/* SPDX-License-Identifier: ISC */
/* birth.c: the birth of a sandbox's process. IN THE FORKER (forker.h), and in its child up to its plan. */
#include "base/io.h"
#include "sandbox/child.h"
#include "sandbox/clone3.h"
#include "sandbox/equip.h"
#include "sandbox/forker.h"
#include "sandbox/obstacle.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)

#ifdef __has_feature /* clang's */
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static int fail(struct sandbox_failure *f, enum sandbox_stage stage, int error, const char *detail)
{
	sandbox_failure_set(f, stage, -error, detail);
	return error;
}

/* PR_SET_MDWE is of the memory, so that of a program that wants it must not be ours; nor if what a sanitizer knows of the stack would be both's; nor if
 * we had to wait for it among tenants. */
static bool shares_memory(const struct order *o)
{
	return !SANITIZED && !o->spec.memory_deny_write_execute && !o->birth.among_tenants;
}

static void run_in_child(void *data) __attribute__((noreturn));
static void run_in_child(void *data)
{
	struct order *o = data;
	struct child c = {
		.spec = &o->spec,
		.plan = &o->plan,
		.trees = o->trees,
		.groups = o->groups,
		.own = o->own,
		.sync_fd = o->birth.sync,
		.status_fd = o->birth.status,
		.exec_fd = o->spec.exec_fd,
		.root_fd = -1,
		.network_is_ready = o->birth.network_is_ready,
		.entry = &o->birth.entry,
		.masks = {-1, -1},
		.terminal = -1,
		.master = -1,
	};

	/* else the forker speaks at once. If nobody is there to be told, the plan will see */
	if (shares_memory(o))
		(void)send(FORKER_SOCKET, &(pid_t){FORKER_BORN}, sizeof(pid_t), MSG_NOSIGNAL);
	close(FORKER_SOCKET);
	close(FORKER_HOME);
	child_run(&c);
}

/* clone3(2) whose child calls fn(data) on a stack of its own: on ours it would write over what we come back to. */
static long clone_on(struct clone_args *args, void (*fn)(void *data), void *data)
{
	long ret;
#if defined(__x86_64__)
	register void (*call)(void *) __asm__("r12") = fn;
	register void *with __asm__("r13") = data;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone3), "D"(args), "S"(sizeof(*args)), "r"(call), "r"(with)
			 : "rcx", "r11", "cc", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = SYS_clone3;
	register long x0 __asm__("x0") = (long)args;
	register long x1 __asm__("x1") = sizeof(*args);
	register void (*call)(void *) __asm__("x9") = fn;
	register void *with __asm__("x10") = data;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x0, x10\n\t"
			 "blr x9\n\t"
			 "brk #1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(call), "r"(with)
			 : "x30", "cc", "memory");
	ret = x0;
#else
#error "no way to make a child on a stack of its own for this architecture"
#endif
	return ret;
}

/* -errno or its number. If it shares our memory we go on when it is at execve(2), or has ended. (CLONE_VFORK also keeps the kernel from setting our
 * oom_score_adj with the child's.) */
static long make_child(struct order *o, pid_t *born, void *stack, size_t stack_size)
{
	struct clone_args args = {.flags = CLONE_PARENT | CLONE_CLEAR_SIGHAND | CLONE_PARENT_SETTID, .parent_tid = (uint64_t)(uintptr_t)born};
	long pid;

	if (o->birth.entry.pidfd < 0)
		args.flags |= NAMESPACES | (o->birth.new_network ? CLONE_NEWNET : 0);
	args.flags &= ~weaken_namespaces();
	if (o->birth.cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)o->birth.cgroup;
	}
	if (shares_memory(o)) {
		args.flags |= CLONE_VM | CLONE_VFORK;
		args.stack = (uint64_t)(uintptr_t)stack;
		args.stack_size = stack_size;
		return clone_on(&args, run_in_child, o);
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		run_in_child(o);
	return pid < 0 ? -errno : pid;
}

/* With what stands in the way, if it is a setting of the host. */
static int fail_clone(struct sandbox_failure *f, int error)
{
	cleanup_close int dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char why[sizeof(f->detail)] = "";

	if (dir >= 0 && (error == -EPERM || error == -ENOSPC || error == -EACCES))
		obstacle_userns(dir, error == -ENOSPC, false, why, sizeof(why));
	return fail(f, SANDBOX_STAGE_CLONE, error, why);
}

/* A sandbox's first process. Its number, or -errno and what failed. */
static int bear_first(struct order *o, pid_t *born, void *stack, size_t stack_size, struct sandbox_failure *ret_failure)
{
	struct owner owner;
	long pid;
	int r;

	if (o->birth.network >= 0 && setns(o->birth.network, CLONE_NEWNET) < 0)
		return fail(ret_failure, SANDBOX_STAGE_NETNS, -errno, NULL);
	r = equip_become_owner(o->birth.owner, &owner);
	if (r < 0)
		return fail(ret_failure, SANDBOX_STAGE_CLONE, r, NULL);
	pid = make_child(o, born, stack, stack_size);
	owner_leave(&owner);
	return pid < 0 ? fail_clone(ret_failure, (int)pid) : (int)pid;
}

/* One that is to be in the pid namespace of a sandbox that runs; the rest it does itself. */
static int bear_entry(struct order *o, pid_t *born, void *stack, size_t stack_size, struct sandbox_failure *ret_failure)
{
	cleanup_close int home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	long pid;

	if (home < 0 || setns(o->birth.entry.pidfd, CLONE_NEWPID) < 0)
		return fail(ret_failure, SANDBOX_STAGE_ENTER, -errno, NULL);
	pid = make_child(o, born, stack, stack_size);
	if (setns(home, CLONE_NEWPID) < 0)
		_exit(1); /* the next one would be made among a tenant's */
	return pid < 0 ? fail(ret_failure, SANDBOX_STAGE_ENTER, (int)pid, NULL) : (int)pid;
}

pid_t birth(struct order *o, pid_t *born, void *stack, size_t stack_size)
{
	struct sandbox_failure failure = {0};
	pid_t pid;

	weaken_by(o->spec.envp);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* the ids of the child before have taken it from our memory */
	pid = (o->birth.entry.pidfd < 0 ? bear_first : bear_entry)(o, born, stack, stack_size, &failure);
	if (pid < 0 && write(o->birth.status, &failure, sizeof(failure)) < 0)
		_exit(1);
	if (o->birth.network >= 0 && setns(FORKER_HOME, CLONE_NEWNET) < 0)
		_exit(1); /* the next one would be made in a tenant's network */
	weaken_by(NULL);
	return pid;
}
