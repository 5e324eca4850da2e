/* SPDX-License-Identifier: ISC */
/* Kills a process just before one of the system calls by which it changes something: crash-at N PID, or crash-at N PROGRAM ARGUMENT...,
 * which executes the program in its own place and is attached to it from its first instruction on. Says on standard output "attached",
 * then each call that counts (its number and name), the last with "killed before"; with N = 0 it only counts. SIGTERM detaches it. Its
 * children are not looked at.
 * N:ERROR: the call is not made and fails with that error (EMFILE, ENOSPC or ENOMEM), and the process goes on. What counts then are the calls that can fail so. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <elf.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <linux/ptrace.h>
#include <unistd.h>

/* What leaves something behind that a later process could see, or takes something away: what was read from a socket is not there
 * for the next. */
static const struct {
	unsigned long long nr;
	const char *name;
} calls[] = {
#define CALL(name) {SYS_##name, #name}
	CALL(openat), CALL(mkdirat), CALL(unlinkat), CALL(renameat2), CALL(linkat), CALL(symlinkat), CALL(mknodat), CALL(write), CALL(writev),
	CALL(pwrite64), CALL(sendto), CALL(sendmsg), CALL(sendmmsg), CALL(read), CALL(recvfrom), CALL(recvmsg), CALL(accept4), CALL(bind),
	CALL(listen), CALL(connect), CALL(shutdown), CALL(setsockopt), CALL(mount), CALL(umount2), CALL(open_tree), CALL(move_mount),
	CALL(mount_setattr), CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(pivot_root), CALL(clone), CALL(clone3), CALL(execve),
	CALL(execveat), CALL(waitid), CALL(wait4), CALL(kill), CALL(pidfd_send_signal), CALL(fchown), CALL(fchownat), CALL(fchmod),
	CALL(fchmodat), CALL(ftruncate), CALL(fallocate), CALL(fsetxattr), CALL(setns), CALL(unshare), CALL(bpf), CALL(ioctl), CALL(prlimit64),
	CALL(socketpair), CALL(pipe2), CALL(memfd_create), CALL(flock), CALL(fsync), CALL(sched_setscheduler),
#ifdef SYS_mkdir /* older forms, which not every architecture has */
	CALL(open), CALL(mkdir), CALL(rmdir), CALL(unlink), CALL(rename), CALL(renameat), CALL(chmod), CALL(chown), CALL(lchown), CALL(fork),
	CALL(vfork), CALL(accept),
#else
	CALL(renameat),
#endif
};

/* What makes a descriptor; what needs room on a disk. All that changes something may want for memory. */
static const unsigned long long makes_descriptor[] = {
#ifdef SYS_open
	SYS_open, SYS_dup2, SYS_epoll_create, SYS_accept, SYS_pipe,
#endif
	SYS_openat, SYS_openat2, SYS_socket, SYS_socketpair, SYS_pipe2, SYS_accept4, SYS_memfd_create, SYS_pidfd_open, SYS_pidfd_getfd, SYS_clone3, SYS_open_tree,
	SYS_fsopen, SYS_fsmount, SYS_dup, SYS_dup3, SYS_epoll_create1, SYS_eventfd2, SYS_timerfd_create, SYS_inotify_init1, SYS_bpf};
static const unsigned long long needs_room[] = {
#ifdef SYS_mkdir
	SYS_mkdir, SYS_rename, SYS_symlink, SYS_link,
#endif
	SYS_write, SYS_writev, SYS_pwrite64, SYS_mkdirat, SYS_renameat, SYS_renameat2, SYS_symlinkat, SYS_linkat, SYS_ftruncate, SYS_fallocate, SYS_fsync,
	SYS_fsetxattr};

static const struct fault {
	const char *name;
	int error;
	const unsigned long long *calls; /* NULL: those that change something */
	size_t n_calls;
} faults[] = {
	{"EMFILE", EMFILE, makes_descriptor, sizeof(makes_descriptor) / sizeof(*makes_descriptor)},
	{"ENOSPC", ENOSPC, needs_room, sizeof(needs_room) / sizeof(*needs_room)},
	{"ENOMEM", ENOMEM, NULL, 0},
};

/* Where it is to happen. */
static struct {
	unsigned long at;
	const struct fault *fault; /* NULL: it is killed */
	unsigned long n;           /* so many calls were counted */
	bool refusing;             /* it is in the call that fails */
} plan;

static volatile sig_atomic_t leave;

static void on_term(int signo)
{
	(void)signo;
	leave = 1;
}

/* NULL: it changes nothing. */
static const char *name_of(const struct ptrace_syscall_info *i)
{
	const unsigned long long nr = i->entry.nr, *args = i->entry.args;

	if (nr == SYS_write && args[0] == STDERR_FILENO) /* its log */
		return NULL;
	if (nr == SYS_openat && !(args[2] & (O_CREAT | O_WRONLY | O_RDWR)))
		return NULL;
#ifdef SYS_open
	if (nr == SYS_open && !(args[1] & (O_CREAT | O_WRONLY | O_RDWR)))
		return NULL;
#endif
	for (size_t n = 0; n < sizeof(calls) / sizeof(*calls); n++)
		if (calls[n].nr == nr)
			return calls[n].name;
	return NULL;
}

static bool is_file(pid_t pid, unsigned long long fd)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, (int)fd);
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A signal that kills needs none, nor does a word to an eventfd: nothing is to be tried after either. */
static bool needs_memory(pid_t pid, unsigned long long nr, const unsigned long long *args)
{
	char path[64], target[64];
	ssize_t n;

	if (nr == SYS_pidfd_send_signal)
		return args[1] != SIGKILL;
	if (nr != SYS_write)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, (int)args[0]);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return strcmp(target, "anon_inode:[eventfd]") != 0;
}

/* One of the fault's calls. NULL: it cannot fail so. */
static const char *name_of_fault(pid_t pid, const struct ptrace_syscall_info *i)
{
	static char number[24];
	const unsigned long long nr = i->entry.nr, *args = i->entry.args;
	const char *name = name_of(i);

	if (!plan.fault->calls)
		return name && needs_memory(pid, nr, args) ? name : NULL;
	if ((nr == SYS_write || nr == SYS_writev) && (args[0] == STDERR_FILENO || !is_file(pid, args[0])))
		return NULL;
	for (size_t n = 0; n < plan.fault->n_calls; n++)
		if (plan.fault->calls[n] == nr) {
			snprintf(number, sizeof(number), "call-%llu", nr);
			return name ? name : number;
		}
	return NULL;
}

/* Instead of the call there is none. */
static void refuse(pid_t pid)
{
	long none = -1;
	struct iovec io = {&none, sizeof(none)};

#if defined(__x86_64__)
	(void)io;
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), none);
#else
	ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &io);
#endif
	plan.refusing = true;
}

/* At the end of the call that was none. */
static void answer(pid_t pid)
{
	struct user_regs_struct regs;
	struct iovec io = {&regs, sizeof(regs)};

	plan.refusing = false;
	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io) < 0)
		return;
#if defined(__x86_64__)
	regs.rax = (unsigned long long)-plan.fault->error;
#else
	regs.regs[0] = (unsigned long long)-plan.fault->error;
#endif
	ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &io);
}

/* At a call: true if it was the last. */
static bool count(pid_t pid)
{
	struct ptrace_syscall_info info;
	const char *name;
	bool last;

	if (plan.refusing)
		answer(pid);
	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return false;
	name = plan.fault ? name_of_fault(pid, &info) : name_of(&info);
	if (!name)
		return false;
	last = ++plan.n == plan.at;
	if (last && plan.fault)
		refuse(pid);
	else if (last)
		kill(pid, SIGKILL);
	printf("%s%lu %s\n", !last ? "" : plan.fault ? "refused " : "killed before ", plan.n, name);
	fflush(stdout);
	return last && !plan.fault;
}

static int trace(pid_t pid)
{
	int status;

	puts("attached");
	fflush(stdout);
	for (bool interrupted = false;;) {
		int signo, event;
		if (leave && !interrupted)
			interrupted = ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0;
		if (waitpid(pid, &status, __WALL) < 0) {
			if (errno == EINTR)
				continue;
			return 1;
		}
		if (!WIFSTOPPED(status))
			break;
		signo = WSTOPSIG(status);
		event = status >> 16;
		if (leave && interrupted) {
			ptrace(PTRACE_DETACH, pid, 0, event || signo == (SIGTRAP | 0x80) ? 0 : signo);
			break;
		}
		if (signo == (SIGTRAP | 0x80) && count(pid))
			break;
		ptrace(PTRACE_SYSCALL, pid, 0, event || signo == (SIGTRAP | 0x80) ? 0 : signo);
	}
	fflush(stdout);
	return 0;
}

static int attach(pid_t pid)
{
	struct sigaction act = {.sa_handler = on_term};

	sigaction(SIGTERM, &act, NULL); /* interrupts waitpid() */
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0) {
		fprintf(stderr, "crash-at: %d: %s\n", (int)pid, strerror(errno));
		return 1;
	}
	return 0;
}

/* The tracer must be nobody's child, least of all of the program. Standard output is the tracer's, and nothing that we do is counted or refused but execve(2). */
static void start_tracer(void)
{
	int output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t us = getpid(), child;
	int ready[2];
	char byte;

	if (output < 0 || null < 0 || dup2(null, STDOUT_FILENO) < 0 || pipe(ready) < 0)
		exit(1);
	child = fork();
	if (child == 0) {
		if (fork() != 0)
			_exit(0);
		close(ready[0]);
		if (dup2(output, STDOUT_FILENO) < 0 || attach(us) != 0)
			_exit(1);
		close(ready[1]);
		_exit(trace(us));
	}
	close(ready[1]);
	waitpid(child, NULL, 0);
	if (read(ready[0], &byte, 1) < 0)
		exit(1);
	close(ready[0]);
}

/* N or N:ERROR. */
static bool read_plan(const char *text)
{
	char *end;

	plan.at = strtoul(text, &end, 10);
	for (size_t i = 0; *end == ':' && i < sizeof(faults) / sizeof(*faults); i++)
		if (strcmp(end + 1, faults[i].name) == 0)
			plan.fault = &faults[i];
	return *end == '\0' || plan.fault;
}

int main(int argc, char **argv)
{
	if (argc < 3 || !read_plan(argv[1])) {
		fputs("usage: crash-at N[:ERROR] PID | crash-at N[:ERROR] PROGRAM ARGUMENT...\n", stderr);
		return 2;
	}
	if (argc == 3 && isdigit((unsigned char)argv[2][0])) {
		pid_t pid = (pid_t)strtol(argv[2], NULL, 10);
		return attach(pid) != 0 ? 1 : trace(pid);
	}
	start_tracer();
	execv(argv[2], argv + 2);
	fprintf(stderr, "crash-at: %s: %s\n", argv[2], strerror(errno));
	return 127;
}
