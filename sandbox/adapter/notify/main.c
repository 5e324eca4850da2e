/* SPDX-License-Identifier: ISC */
/* trp-notify: serves the listeners of one sandbox whose program nothing can be preloaded into.
 *
 * Started by the daemon beside the sandbox, with three descriptors: 3 a control socket, in which the service's channels lie; 4
 * the other end of trp-init's TRP_INIT_NOTIFY_FD; 5 a pidfd of trp-init. May never: read what a client sent, connect,
 * execute, look at a process or file that is not the sandbox's. */
#include "notify.h"
#include "base/fdpass.h"
#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define CALLS_PER_TURN 64

static int hand_over = -1; /* trp-init's socket, until the filter's descriptor has come */
static int init_pidfd = -1;

static int move_up(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, NOTIFY_OWN_FDS);

	if (up < 0)
		log_fatal("descriptor %d: %m", fd);
	close(fd);
	return up;
}

/* Nothing else comes over that socket. */
static void take_filter(void)
{
	char byte;
	int fd = -1, r;
	ssize_t n = trp_fd_recv(hand_over, &byte, 1, &fd, 1, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return;
	trp_close(&hand_over);
	if (n == 0)
		return; /* the sandbox ends before its upstream was started */
	r = n < 0 ? (int)n : call_open(fd);
	if (r < 0)
		log_fatal("the filter's descriptor: %s", strerror(-r));
}

static int handle(const struct call *c)
{
	struct channel *ch;

	if (c->nr == SYS_listen)
		return listen_call(c);
	if (c->nr == SYS_bind)
		return bind_call(c);
	ch = channel_of(c);
	if (!ch)
		return c->nr == SYS_getsockname || c->nr == SYS_getpeername ? name_call(c) : CALL_PASS_ON;
	switch (c->nr) {
#if defined(SYS_accept)
	case SYS_accept:
#endif
	case SYS_accept4:
		return accept_call(ch, c);
	case SYS_getsockname:
		return getsockname_call(ch, c);
	case SYS_getpeername:
		return -ENOTCONN;
	case SYS_getsockopt:
		return getsockopt_call(ch, c);
	case SYS_setsockopt:
		return setsockopt_call(ch, c);
	case SYS_shutdown:
		return shutdown_call(ch, c);
	default:
		return CALL_PASS_ON;
	}
}

static void read_calls(void)
{
	struct pollfd p = {.fd = call_fd(), .events = POLLIN};
	struct call c;

	for (int i = 0; i < CALLS_PER_TURN && poll(&p, 1, 0) > 0 && p.revents & POLLIN; i++) {
		if (!call_receive(&c))
			continue;
		accept_forget(c.tid);
		call_answer(&c, handle(&c));
	}
	if (p.revents & (POLLHUP | POLLERR) && !(p.revents & POLLIN))
		call_close(); /* the upstream and all its children are gone: init ends next */
}

/* Until trp-init has ended: nobody is left who could call us then. */
static void loop(void)
{
	struct pollfd p[4 + CHANNELS_MAX];

	for (;;) {
		size_t n;
		p[0] = (struct pollfd){.fd = init_pidfd, .events = POLLIN};
		p[1] = (struct pollfd){.fd = channels_control_fd(), .events = POLLIN};
		p[2] = (struct pollfd){.fd = hand_over, .events = POLLIN};
		p[3] = (struct pollfd){.fd = call_fd(), .events = POLLIN};
		n = accept_poll_fill(p + 4);
		if (poll(p, 4 + n, trp_sooner(accept_timeout(), channels_timeout())) < 0)
			continue; /* all signals are blocked: ENOMEM at most, and it passes */
		if (p[0].revents)
			return;
		if (p[1].revents)
			channels_read();
		if (p[2].revents)
			take_filter();
		accept_poll_done(p + 4, n);
		if (p[3].revents)
			read_calls();
	}
}

static void set_limits(void)
{
	struct rlimit files = {4096, 4096}, none = {1, 1}; /* 1: no dump, not even to a core_pattern with "|" */

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		log_fatal("cannot set limits: %m");
}

int main(int argc, char **argv)
{
	sigset_t all;
	int r;

	log_init("trp-notify", LOG_LEVEL_INFO);
	if (argc > 1) {
		bool asked = strcmp(argv[1], "--version") == 0;
		puts(asked ? "trp-notify " TRP_VERSION : "trp-notify is started by trpsupd");
		return asked ? 0 : 2;
	}
	sigfillset(&all); /* SIGKILL ends us; the daemon sends no other */
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		log_fatal("sigprocmask: %m");
	set_limits();
	r = channels_open(TRP_INIT_CONTROL_FD);
	if (r < 0)
		log_fatal("descriptor %d is no control socket with channels: %s", TRP_INIT_CONTROL_FD, strerror(-r));
	hand_over = move_up(TRP_INIT_NOTIFY_FD);
	init_pidfd = move_up(NOTIFY_PIDFD_FD);
	if (lockdown_enter(init_pidfd) < 0)
		return 1;
	loop();
	return 0;
}
