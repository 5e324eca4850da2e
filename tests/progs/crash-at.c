/* SPDX-License-Identifier: ISC */
/* Kills a process just before one of the system calls by which it changes something: crash-at N PID, or crash-at N PROGRAM ARGUMENT...,
 * which executes the program in its own place and is attached to it from its first instruction on. Says on standard output "attached",
 * then each call that counts (its number and name), the last with "killed before"; with N = 0 it only counts. SIGTERM detaches it. Its
 * children are not looked at. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
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
	CALL(fchmodat), CALL(ftruncate), CALL(fallocate), CALL(setns), CALL(unshare), CALL(bpf), CALL(ioctl), CALL(prlimit64),
	CALL(socketpair), CALL(pipe2), CALL(memfd_create), CALL(flock), CALL(fsync), CALL(sched_setscheduler),
#ifdef SYS_mkdir /* older forms, which not every architecture has */
	CALL(open), CALL(mkdir), CALL(rmdir), CALL(unlink), CALL(rename), CALL(renameat), CALL(chmod), CALL(chown), CALL(lchown), CALL(fork),
	CALL(vfork), CALL(accept),
#else
	CALL(renameat),
#endif
};

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

/* At a call: true if it was the last. */
static bool count(pid_t pid, unsigned long kill_at, unsigned long *n)
{
	struct ptrace_syscall_info info;
	const char *name;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return false;
	name = name_of(&info);
	if (!name)
		return false;
	++*n;
	if (*n == kill_at)
		kill(pid, SIGKILL);
	printf("%s%lu %s\n", *n == kill_at ? "killed before " : "", *n, name);
	return *n == kill_at;
}

static int trace(pid_t pid, unsigned long kill_at)
{
	unsigned long n = 0;
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
		if (signo == (SIGTRAP | 0x80) && count(pid, kill_at, &n))
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

/* The tracer must be nobody's child, least of all of the program. */
static void start_tracer(unsigned long kill_at)
{
	pid_t us = getpid(), child;
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		exit(1);
	child = fork();
	if (child == 0) {
		if (fork() != 0)
			_exit(0);
		close(ready[0]);
		if (attach(us) != 0)
			_exit(1);
		close(ready[1]);
		_exit(trace(us, kill_at));
	}
	close(ready[1]);
	waitpid(child, NULL, 0);
	if (read(ready[0], &byte, 1) < 0)
		exit(1);
	close(ready[0]);
}

int main(int argc, char **argv)
{
	unsigned long kill_at;
	int null;

	if (argc < 3) {
		fputs("usage: crash-at N PID | crash-at N PROGRAM ARGUMENT...\n", stderr);
		return 2;
	}
	kill_at = strtoul(argv[1], NULL, 10);
	if (argc == 3 && isdigit((unsigned char)argv[2][0])) {
		pid_t pid = (pid_t)strtol(argv[2], NULL, 10);
		return attach(pid) != 0 ? 1 : trace(pid, kill_at);
	}
	start_tracer(kill_at);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC); /* standard output is the tracer's */
	dup2(null, STDOUT_FILENO);
	execv(argv[2], argv + 2);
	fprintf(stderr, "crash-at: %s: %s\n", argv[2], strerror(errno));
	return 127;
}
