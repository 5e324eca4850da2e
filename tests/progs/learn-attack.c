/* SPDX-License-Identifier: ISC */
/* learn-attack MODE: a hostile service that is being learnt from. Says "done" on its standard output and waits. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void done(void)
{
	puts("done");
	fflush(stdout);
	for (;;)
		pause();
}

/* None may work: a learning run allows nothing that is dangerous. */
static void forbidden(void)
{
	static const struct {
		const char *name;
		long nr, args[5];
	} calls[] = {{"unshare", SYS_unshare, {CLONE_NEWUSER}}, {"mount", SYS_mount, {0, (long)"/", 0, 0, 0}},
		{"bpf", SYS_bpf, {0}}, {"io_uring_setup", SYS_io_uring_setup, {1}}, {"keyctl", SYS_keyctl, {0}},
		{"userfaultfd", SYS_userfaultfd, {0}}, {"perf_event_open", SYS_perf_event_open, {0}},
		{"ptrace", SYS_ptrace, {PTRACE_TRACEME}}, {"process_vm_readv", SYS_process_vm_readv, {1}},
		{"clone", SYS_clone, {CLONE_NEWNET | SIGCHLD}}, {"socket", SYS_socket, {AF_PACKET, SOCK_RAW, 0}}};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const long *a = calls[i].args;
		if (syscall(calls[i].nr, a[0], a[1], a[2], a[3], a[4]) != -1 || errno != ENOSYS)
			printf("WORKED %s\n", calls[i].name);
	}
}

/* Processes that end while others begin, with threads' and vfork's ways among them, and one that is killed in between. */
static void processes(void)
{
	for (volatile int i = 0; i < 300; i++) {
		pid_t pid = i % 3 == 0 ? vfork() : fork();
		if (pid == 0) {
			if (i % 3 == 1 && fork() == 0)
				_exit(0);
			_exit(0);
		}
		if (i % 3 == 2 && pid > 0)
			kill(pid, SIGKILL);
		if (i % 5 == 0)
			while (waitpid(-1, NULL, WNOHANG) > 0)
				;
	}
	while (wait(NULL) > 0)
		;
	kill(getpid(), SIGSTOP); /* somebody of us goes on: see main() */
}

/* Names of every kind: very many, long, with what would steer a terminal or begin a line of a profile. */
static void names(void)
{
	char path[300];

	for (int i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "/tmp/%0200d", i);
		close(open(path, O_WRONLY | O_CREAT, 0600));
		unlink(path);
	}
	close(open("/tmp/\n[sandbox]\nroot = host\033[2J", O_WRONLY | O_CREAT, 0600));
	close(open("/tmp/\xff\xfe", O_WRONLY | O_CREAT, 0600));
}

/* Arguments that are no memory, no path, no address; numbers that are no call. */
static void nonsense(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	memset(a.sun_path, 'x', sizeof(a.sun_path));
	for (long i = 0; i < 2000; i++) {
		syscall(SYS_openat, AT_FDCWD, (i % 2) * -1l, 0);
		syscall(SYS_openat, -1, "relative", O_CREAT);
		syscall(SYS_ioctl, 0, 0x10000 + i, 0);
		syscall(i, -1, -1, -1, -1, -1, -1); /* none of these can hurt with such arguments */
		syscall(5000 + i);
		if (i == 13) /* rt_sigaction, exit and the like are among them */
			i = 400;
	}
	bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof(a));
	syscall(SYS_connect, 0, -1, 1000000);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	pid_t child;

	if (strcmp(mode, "forbidden") == 0)
		forbidden();
	else if (strcmp(mode, "names") == 0)
		names();
	else if (strcmp(mode, "nonsense") == 0)
		nonsense();
	else if (strcmp(mode, "flood") == 0) {
		puts("done");
		fflush(stdout);
		for (;;) /* for ever */
			syscall(SYS_getpid);
	} else if (strcmp(mode, "processes") == 0) {
		child = fork();
		if (child == 0) {
			processes();
			_exit(7);
		}
		int status;
		while (waitpid(child, &status, WUNTRACED) > 0 && WIFSTOPPED(status)) {
			puts("STOPPED");
			kill(child, SIGCONT);
		}
		printf("status %d\n", WEXITSTATUS(status));
	}
	done();
}
