/* SPDX-License-Identifier: ISC */
/* notify-attack: a program that knows of the notify adapter and wants more of it than it should have.
 *	notify-attack PORT
 * One line for each attempt, "ATTACK name no" is the right answer; then it serves each client one line. Static. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void result(const char *name, int gained)
{
	printf("ATTACK %s %s\n", name, gained ? "YES" : "no");
	fflush(stdout);
}

static long load_filter(unsigned long flags)
{
	struct sock_filter insns[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog prog = {1, insns};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

static int listen_on(int port, int family)
{
	int fd = socket(family, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET ? bind(fd, (struct sockaddr *)&in, sizeof(in)) : bind(fd, (struct sockaddr *)&in6, sizeof(in6)))
		return -1;
	return listen(fd, 16) < 0 ? -1 : fd;
}

/* Not by SO_DOMAIN, which is emulated: only a unix socket knows who is at its other end. */
static int is_channel(int fd)
{
	struct ucred peer = {.uid = 0};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid != (uid_t)-1;
}

/* The adapter must not have opened anything for us but what listen and accept give. */
static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int flip[2];
static int flipping = 1, target_fd;

static void *flipper(void *unused)
{
	(void)unused;
	while (__atomic_load_n(&flipping, __ATOMIC_RELAXED)) {
		dup2(flip[0], target_fd);
		dup2(flip[1], target_fd);
	}
	return NULL;
}

/* A descriptor that is a listener in one moment and a file in the next, in all trapped calls. */
static void race(int channel)
{
	pthread_t t;
	int before = descriptors(), value;
	struct sockaddr_storage sa;

	flip[0] = channel;
	flip[1] = open("/proc/self/status", O_RDONLY);
	target_fd = 200;
	pthread_create(&t, NULL, flipper, NULL);
	for (int i = 0; i < 3000; i++) {
		socklen_t len = sizeof(value);
		getsockopt(target_fd, SOL_SOCKET, SO_TYPE, &value, &len);
		setsockopt(target_fd, IPPROTO_TCP, 1, &value, sizeof(value));
		len = sizeof(sa);
		getsockname(target_fd, (struct sockaddr *)&sa, &len);
		listen(target_fd, 5);
	}
	__atomic_store_n(&flipping, 0, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	close(target_fd);
	close(flip[1]);
	result("race leaves descriptors", descriptors() != before);
}

/* Pointers to nowhere, to the adapter's likely places, lengths that do not fit. */
static void bad_pointers(int channel)
{
	static const long places[] = {0, 1, 4096, -1, -4096, 0x7ffffffff000, 0x400000, 0x555555554000};
	int good = 0;

	fcntl(channel, F_SETFL, O_NONBLOCK);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++) {
			good += syscall(SYS_accept4, channel, places[i], places[j], -1) >= 0;
			good += syscall(SYS_accept4, channel, places[i] ? places[i] : 1, places[j], 0) >= 0;
			syscall(SYS_getsockname, channel, places[i], places[j]);
			syscall(SYS_getsockopt, channel, IPPROTO_TCP, 11, places[i], places[j]);
			syscall(SYS_setsockopt, channel, IPPROTO_TCP, 1, places[i], places[j]);
			syscall(SYS_setsockopt, channel, SOL_SOCKET, SO_LINGER, places[i], places[j]);
		}
	result("accept at bad pointers", good);
	for (long fd = -5; fd < 0; fd++)
		good += syscall(SYS_listen, fd, 5) == 0 || syscall(SYS_shutdown, fd, 2) == 0;
	good += syscall(SYS_listen, 0x100000000L | (unsigned)channel, 5) != 0; /* int: the kernel takes the low half */
	result("descriptors that are none", good);
}

/* Calls that are interrupted, and callers that die, thousands of times. */
static void interrupted(int channel)
{
	int before = descriptors(), status;

	fcntl(channel, F_SETFL, 0);
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			accept(channel, NULL, NULL);
			_exit(7);
		}
		usleep(i % 3 * 300);
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid || WIFEXITED(status))
			result("a killed call came back", 1);
	}
	result("killed calls leave descriptors", descriptors() != before);
}

static void compat_call(void)
{
#if defined(__x86_64__)
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long r;
		/* int 0x80: listen of another architecture's number; the process must be ended */
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(363), "b"(0), "c"(5) : "memory");
		_exit(r >= 0 ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	result("calls of another architecture", !WIFSIGNALED(status));
	pid = fork();
	if (pid == 0)
		_exit(syscall(0x40000000L | SYS_listen, 0, 5) == 0);
	waitpid(pid, &status, 0);
	result("x32 calls", WIFEXITED(status) && WEXITSTATUS(status));
#endif
}

int main(int argc, char **argv)
{
	int channel, other, port = argc > 1 ? atoi(argv[1]) : 80;

	result("a second notify descriptor", load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER) >= 0);
	result("a filter of its own", load_filter(0) >= 0);
	result("a filter with TSYNC", load_filter(SECCOMP_FILTER_FLAG_TSYNC) >= 0);
	result("strict mode", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) >= 0);
	result("a descriptor left by init", descriptors() != 3);
	result("memory of init", syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0) >= 0 || ptrace(PTRACE_ATTACH, 1, 0, 0) >= 0);

	other = listen_on(port + 1, AF_INET6);
	result("a channel for a foreign port", other < 0 || is_channel(other));
	channel = listen_on(port, AF_INET6);
	result("its own port is not served", channel < 0 || !is_channel(channel));
	compat_call();
	bad_pointers(channel);
	race(channel);
	interrupted(channel);
	/* wide open, then the adapter must still know what it gave */
	fcntl(channel, F_SETFL, 0);
	printf("done\n");
	fflush(stdout);
	for (;;) {
		int fd = accept(channel, NULL, NULL);
		if (fd >= 0 && write(fd, "served\n", 7) != 7)
			perror("write");
		close(fd);
	}
}
