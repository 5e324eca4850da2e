/* SPDX-License-Identifier: ISC */
/* trp-sdnotify: receives what a service says by sd_notify(3), and the descriptors that come along, so that trpsupd takes none of a tenant's: to close one can
 * take as long as its owner likes (SO_LINGER, much memory to be freed). What comes is passed on to the daemon as text; descriptors are kept for
 * the service's next run (FDSTORE=1), or closed, which is the answer to BARRIER=1.
 *
 * One for each service with ready = notify, from its first run until it is down, whatever daemons come and go: it ends when nobody has the other end of
 * its control socket. Started by the daemon with an id of the service's range as argument. May never: open, read or write what it holds, connect, execute, signal. */
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"
#include "base/util.h"
#include "sandbox/beside.h"
#include "supervisor/notify.h"
#include "supervisor/sdnotify/kept.h"
#include "supervisor/sdnotifymsg.h"

#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#define RUNS_MAX     4   /* one, and one beside it, and those whose daemon has not let go yet */
#define FILES_MAX    1024 /* it needs about 200, and those that it gives to the inits of its runs count while they are on the way */
#define PER_WINDOW   200 /* datagrams of all that are taken in */
#define WINDOW_MS    100

struct run {
	int sock, relay;
	size_t len; /* of text, which the relay has no room for; 0: none waits */
	bool starved; /* ... for which there was no memory: tried again in the next window */
	char text[NOTIFY_MAX];
};

static struct run runs[RUNS_MAX];
static size_t n_runs;
static uint32_t refused;
static uint64_t window_ms;
static unsigned in_window;
static bool counted; /* something has changed since the daemon was told, which it is at the end of the window */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void say_count(void)
{
	const struct sdnotify_msg m = {.magic = SDNOTIFY_MAGIC, .type = SDNOTIFY_KEPT, .kept = kept_count(), .refused = refused};

	/* a daemon that has not read the last one asks again */
	counted = trp_is_shortage(trp_fd_send(SDNOTIFY_FD, &m, sizeof(m), NULL, 0, MSG_DONTWAIT));
}

static void end_run(size_t i)
{
	close(runs[i].sock);
	close(runs[i].relay);
	runs[i] = runs[--n_runs];
}

/* fds: its datagram socket, the relay, and the one to its init if there is one. */
static void begin_run(uint32_t max, int *fds, size_t n)
{
	kept_limit(max);
	if (n == 3) {
		kept_give(fds[2]);
		close(fds[2]);
	}
	if (n_runs == RUNS_MAX)
		end_run(0);
	runs[n_runs].sock = fds[0];
	runs[n_runs].relay = fds[1];
	runs[n_runs].starved = false;
	runs[n_runs++].len = 0;
	say_count();
}

static void take_order(void)
{
	struct sdnotify_msg m;
	int fds[3];
	size_t n_fds = 0;
	ssize_t n = trp_fd_recv_upto(SDNOTIFY_FD, &m, sizeof(m), fds, 3, &n_fds, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return;
	if (n == 0 || n == -ECONNRESET)
		exit(0); /* neither daemon nor keeper has it: the service is down */
	if (n != sizeof(m) || m.magic != SDNOTIFY_MAGIC || (m.type == SDNOTIFY_RUN && n_fds < 2))
		log_fatal("not a message of this trpsupd");
	if (m.type == SDNOTIFY_RUN)
		begin_run(m.max, fds, n_fds);
	else
		say_count();
}

static void pass_on(struct run *r)
{
	int error = r->len > 0 ? trp_fd_send(r->relay, r->text, r->len, NULL, 0, MSG_DONTWAIT) : 0;

	r->starved = trp_is_shortage(error);
	if (error != -EAGAIN && !r->starved)
		r->len = 0;
}

static bool any_starved(void)
{
	for (size_t i = 0; i < n_runs; i++)
		if (runs[i].starved)
			return true;
	return false;
}

/* A datagram with its descriptors. What it says is the daemon's to understand, but for them. */
static void take_datagram(struct run *r)
{
	struct notify_state said;
	int fds[TRP_FDPASS_MAX];
	size_t n_fds = 0;
	ssize_t n = trp_fd_recv_upto(r->sock, r->text, sizeof(r->text), fds, TRP_FDPASS_MAX, &n_fds, MSG_DONTWAIT);
	uint32_t before = kept_count(), not_taken = refused;

	in_window++;
	if (n <= 0) /* too long, too many descriptors: closed already */
		return;
	notify_parse(r->text, (size_t)n, &said);
	if (said.store_remove && said.store_name[0])
		kept_remove(said.store_name);
	for (size_t i = 0; i < n_fds; i++)
		if (said.store && !said.barrier)
			refused += !kept_add(fds[i], said.store_name);
		else
			close(fds[i]); /* of a barrier: that is what is waited for */
	r->len = (size_t)n;
	pass_on(r);
	counted |= kept_count() != before || refused != not_taken;
}

/* A new window begins when the one before is over. Milliseconds until then, if something waits for it; -1: nothing does. */
static int window_left(void)
{
	uint64_t now = now_ms();

	if (now >= window_ms + WINDOW_MS) {
		window_ms = now;
		in_window = 0;
		if (counted)
			say_count();
		for (size_t i = 0; i < n_runs; i++)
			if (runs[i].starved)
				pass_on(&runs[i]);
	}
	return in_window < PER_WINDOW && !counted && !any_starved() ? -1 : (int)(window_ms + WINDOW_MS - now);
}

static void turn(void)
{
	struct pollfd p[1 + 2 * RUNS_MAX];
	int wait = window_left();
	size_t n = n_runs;

	p[0] = (struct pollfd){.fd = SDNOTIFY_FD, .events = POLLIN};
	for (size_t i = 0; i < n; i++) {
		p[1 + 2 * i] = (struct pollfd){.fd = in_window < PER_WINDOW && runs[i].len == 0 ? runs[i].sock : -1, .events = POLLIN};
		p[2 + 2 * i] = (struct pollfd){.fd = runs[i].relay, .events = runs[i].len > 0 && !runs[i].starved ? POLLOUT : 0};
	}
	if (poll(p, 1 + 2 * n, wait) < 0)
		return;
	for (size_t i = n; i-- > 0;) { /* backwards: end_run() moves the last one */
		if (p[2 + 2 * i].revents & (POLLHUP | POLLERR)) {
			end_run(i);
			continue;
		}
		if (p[2 + 2 * i].revents & POLLOUT)
			pass_on(&runs[i]);
		if (p[1 + 2 * i].revents)
			take_datagram(&runs[i]);
	}
	if (p[0].revents)
		take_order();
}

static const char *lock_down(uid_t id)
{
	const struct beside_rule rules[] = {
		{SCMP_SYS(poll), 0, {}},
		{SCMP_SYS(ppoll), 0, {}},
		{SCMP_SYS(recvmsg), 0, {}},
		{SCMP_SYS(sendmsg), 1, {BESIDE_NO_BITS(2, MSG_FASTOPEN)}},
		{SCMP_SYS(close), 0, {}},
		{SCMP_SYS(fstat), 0, {}},
		{SCMP_SYS(kcmp), 2, {BESIDE_EQUALS(0, getpid()), BESIDE_EQUALS(2, KCMP_FILE)}},
		{SCMP_SYS(clock_gettime), 0, {}},
		{SCMP_SYS(write), 1, {BESIDE_EQUALS(0, STDERR_FILENO)}},
		{SCMP_SYS(restart_syscall), 0, {}},
		{SCMP_SYS(exit_group), 0, {}},
	};
	static const struct beside_attempt never[] = {
		{"openat() works", SYS_openat, {-1, (long)"/", 0}},
		{"read() works", SYS_read, {-1}},
		{"write() works on any descriptor", SYS_write, {-1}},
		{"recvfrom() works", SYS_recvfrom, {-1}},
		{"socket() works", SYS_socket, {1, 1}},
		{"connect() works", SYS_connect, {-1}},
		{"accept4() works", SYS_accept4, {-1}},
		{"listen() works", SYS_listen, {-1}},
		{"setsockopt() works", SYS_setsockopt, {-1}},
		{"shutdown() works", SYS_shutdown, {-1}},
		{"ioctl() works", SYS_ioctl, {-1}},
		{"fcntl() works", SYS_fcntl, {-1}},
		{"pidfd_send_signal() works", SYS_pidfd_send_signal, {-1}},
		{"kill() works", SYS_kill, {0x7fffffff, 0}},
		{"execve() works", SYS_execve, {(long)""}},
		{"execveat() works", SYS_execveat, {-1, (long)""}},
		{"clone3() works", SYS_clone3, {0}},
		{"mmap() works", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
		{"ptrace() works", SYS_ptrace, {-1}},
		{"setns() works", SYS_setns, {-1}},
		{"kcmp() works for others", SYS_kcmp, {1, 1, KCMP_FILE, 0, 0}},
	};
	const struct rlimit files = {FILES_MAX, FILES_MAX};
	const char *what = setrlimit(RLIMIT_NOFILE, &files) < 0 ? "limits" : beside_nobody(id);

	if (!what)
		what = beside_filter(rules, TRP_ARRAY_SIZE(rules), NULL, 0);
	return what ? what : beside_try(never, TRP_ARRAY_SIZE(never));
}

int main(int argc, char **argv)
{
	const char *what;
	sigset_t all;
	int r;

	log_init("trp-sdnotify", LOG_LEVEL_INFO);
	if (argc != 2 || strcmp(argv[1], "--version") == 0) {
		bool asked = argc == 2;
		puts(asked ? "trp-sdnotify " TRP_VERSION : "trp-sdnotify is started by trpsupd");
		return asked ? 0 : 2;
	}
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		log_fatal("sigprocmask: %m");
	r = kept_init();
	if (r < 0)
		log_fatal("memory files and pipes: %s", strerror(-r));
	what = lock_down((uid_t)strtoul(argv[1], NULL, 10));
	if (what)
		log_fatal("%s: %m", what);
	for (;;)
		turn();
}
