/* SPDX-License-Identifier: ISC */
#include "preload.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

#define WAITERS_MAX 1024
#define WAKE_TRIES  200 /* a millisecond each */

/* SIGURG is ignored by default: should one arrive late, after an exec, it does nothing */
#define WAKE_SIGNAL SIGURG

static struct {
	int tid; /* atomic: 0 = free, -1 = being filled in */
	struct channel_id id;
	int fd;
	bool woken; /* atomic */
} waiters[WAITERS_MAX];

/* Fills the slot in if it is still with tid. */
static bool claim_slot(int i, int tid, const struct channel_id *id, int fd)
{
	if (!__atomic_compare_exchange_n(&waiters[i].tid, &tid, -1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	waiters[i].id = *id;
	waiters[i].fd = fd;
	waiters[i].woken = false;
	__atomic_store_n(&waiters[i].tid, (int)trp_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0), __ATOMIC_SEQ_CST);
	return true;
}

static bool is_thread(int pid, int tid)
{
	return trp_syscall(SYS_tgkill, pid, tid, 0, 0, 0, 0) == 0;
}

/* A free one, else that of a thread that was cancelled while it waited, or copied by fork */
static int take_slot(const struct channel_id *id, int fd)
{
	int pid;

	for (int i = 0; i < WAITERS_MAX; i++)
		if (claim_slot(i, 0, id, fd))
			return i;
	pid = (int)trp_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
	for (int i = 0; i < WAITERS_MAX; i++) {
		int tid = __atomic_load_n(&waiters[i].tid, __ATOMIC_SEQ_CST);
		if (tid > 0 && !is_thread(pid, tid) && claim_slot(i, tid, id, fd))
			return i;
	}
	return -1;
}

static void free_slot(int slot)
{
	__atomic_store_n(&waiters[slot].tid, 0, __ATOMIC_RELEASE);
}

/* struct sigaction as the kernel has it; the C library's is another */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
#if defined(__x86_64__)
	void (*restorer)(void);
#endif
	uint64_t mask;
};

static void nothing(int signo)
{
	(void)signo;
}

#if defined(__x86_64__)
void trp_preload_restorer(void);
__asm__(".text\n.hidden trp_preload_restorer\n.type trp_preload_restorer,@function\n"
	"trp_preload_restorer:\n\tmov $15, %eax\n\tsyscall\n");
#endif

/* Has the program no handler of its own for it? */
static bool program_leaves_signal(struct kernel_sigaction *ret)
{
	return trp_syscall(SYS_rt_sigaction, WAKE_SIGNAL, 0, (long)ret, 8, 0, 0) == 0 &&
		(ret->handler == nothing || ret->handler == SIG_DFL || ret->handler == SIG_IGN);
}

/* A handler without SA_RESTART, so that a blocked recvmsg(2) ends with EINTR. It stays: taking it away
 * again could race with the last signal. A program that has its own handler keeps it. */
static bool prepare_signal(void)
{
	struct kernel_sigaction old, new = {.handler = nothing};

#if defined(__x86_64__)
	new.flags = 0x04000000; /* SA_RESTORER */
	new.restorer = trp_preload_restorer;
#endif
	if (!program_leaves_signal(&old))
		return false;
	if (old.handler == nothing)
		return true;
	return trp_syscall(SYS_rt_sigaction, WAKE_SIGNAL, (long)&new, 0, 8, 0, 0) == 0;
}

static const uint64_t wake_set = UINT64_C(1) << (WAKE_SIGNAL - 1);

/* Many servers have one thread for all signals, and block them in those that accept. */
static bool unblock_signal(void)
{
	struct kernel_sigaction now;
	uint64_t blocked = 0;

	return trp_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&blocked, sizeof(blocked), 0, 0) == 0 && blocked & wake_set &&
		program_leaves_signal(&now) &&
		trp_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&wake_set, 0, sizeof(wake_set), 0, 0) == 0;
}

void wait_enter(const struct channel_id *id, int fd, struct wait *ret)
{
	ret->slot = take_slot(id, fd);
	ret->unblocked = unblock_signal();
}

bool wait_leave(const struct wait *w)
{
	const bool woken = w->slot >= 0 && __atomic_load_n(&waiters[w->slot].woken, __ATOMIC_SEQ_CST);

	if (w->slot >= 0)
		free_slot(w->slot);
	if (w->unblocked)
		trp_syscall(SYS_rt_sigprocmask, SIG_BLOCK, (long)&wake_set, 0, sizeof(wake_set), 0, 0);
	return woken;
}

/* Returns how many threads wait; signo 0 only counts them. */
static int signal_waiters(const struct channel_id *id, int fd, int own_pid, int signo)
{
	const int own_tid = (int)trp_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
	int n = 0;

	for (int i = 0; i < WAITERS_MAX; i++) {
		int tid = __atomic_load_n(&waiters[i].tid, __ATOMIC_SEQ_CST);
		/* we ourselves: in a signal's handler */
		if (tid <= 0 || tid == own_tid || waiters[i].id.port != id->port || waiters[i].id.family != id->family ||
			(fd >= 0 && waiters[i].fd != fd))
			continue;
		__atomic_store_n(&waiters[i].woken, true, __ATOMIC_SEQ_CST);
		/* a thread that was copied by fork or has died cannot be waited for */
		if (trp_syscall(SYS_tgkill, own_pid, tid, signo, 0, 0, 0) < 0)
			free_slot(i);
		else
			n++;
	}
	return n;
}

bool wait_interrupt(int tid)
{
	return prepare_signal() &&
		trp_syscall(SYS_tgkill, trp_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0), tid, WAKE_SIGNAL, 0, 0, 0) == 0;
}

void wait_wake(const struct channel_id *id, int fd)
{
	int pid = (int)trp_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
	struct timespec ms = {.tv_nsec = 1000000};

	if (signal_waiters(id, fd, pid, 0) == 0 || !prepare_signal())
		return;
	/* again and again: a thread may have entered its slot but not yet the system call */
	for (int i = 0; i < WAKE_TRIES && signal_waiters(id, fd, pid, WAKE_SIGNAL) > 0; i++)
		trp_syscall(SYS_nanosleep, (long)&ms, 0, 0, 0, 0, 0);
}
