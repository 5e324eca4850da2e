/* SPDX-License-Identifier: ISC */
#include "init.h"
#include "base/log.h"
#include "sandbox/weaken.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

/* Signals that another process of the host sends to init's pid are meant for the service. Those that end a
 * program also end a setup step. */
static const struct {
	int signo;
	bool stop;
} passed_on[] = {{SIGTERM, true}, {SIGINT, true}, {SIGQUIT, true}, {SIGHUP, false}, {SIGUSR1, false},
	{SIGUSR2, false}, {SIGWINCH, false}, {SIGCONT, false}, {SIGALRM, false}, {SIGPWR, false}};

static int open_signals(void)
{
	sigset_t all, wanted;
	int fd;

	sigfillset(&all);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(passed_on); i++)
		sigaddset(&wanted, passed_on[i].signo);
	/* the others stay blocked and do nothing, but for SIGPIPE: trp_fd_send() avoids it */
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		steps_child_ended(pid, status);
	if (pid < 0)
		steps_no_child_left();
}

static void read_signals(int fd)
{
	struct signalfd_siginfo si;

	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			continue; /* several may be one: reap() looks for itself */
		for (size_t i = 0; i < TRP_ARRAY_SIZE(passed_on); i++)
			if (passed_on[i].signo == (int)si.ssi_signo)
				steps_obey(&(struct init_order){
					.stop = passed_on[i].stop, .signo = passed_on[i].signo});
	}
	reap();
}

/* Bounded in one turn of the loop only by what the daemon sends: it is trusted. */
static void read_control(void)
{
	struct init_order order;

	while (control_read(&order))
		steps_obey(&order);
}

static int next_timeout(void)
{
	return trp_sooner(trp_sooner(ready_timeout(), check_timeout()), trp_sooner(adapter_timeout(), steps_timeout()));
}

static void loop(int signals)
{
	struct pollfd p[4 + 1 + ADAPTERS_MAX];

	while (steps_result() < 0) {
		size_t n;
		p[0] = (struct pollfd){.fd = signals, .events = POLLIN};
		p[1] = (struct pollfd){.fd = control_fd(),
			.events = (short)(POLLIN | (control_wants_write() ? POLLOUT : 0))};
		p[2] = (struct pollfd){.fd = ready_fd(), .events = POLLIN};
		p[3] = (struct pollfd){.fd = check_fd(), .events = POLLIN};
		n = adapter_poll_fill(p + 4);
		if (poll(p, 4 + n, next_timeout()) < 0)
			continue; /* all signals are blocked: ENOMEM at most, and it passes */
		if (p[2].revents)
			ready_read(); /* before the end of who wrote it */
		if (p[3].revents)
			check_read();
		if (p[0].revents)
			read_signals(signals);
		if (p[1].revents & (POLLIN | POLLHUP | POLLERR))
			read_control();
		if (p[1].revents & POLLOUT)
			control_flush();
		adapter_poll_done(p + 4, n);
		steps_tick();
		ready_tick();
		check_tick();
	}
}

int main(int argc, char **argv)
{
	int r, signals;

	log_init("trp-init", LOG_LEVEL_INFO);
	/* first of all: the upstream has the same uid, and must not attach to us or read our descriptors */
	if (!weakened(CONTROL_INIT_DUMPABLE) && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_fatal("prctl(PR_SET_DUMPABLE): %m");
	r = steps_parse(argc, argv);
	if (r < 0)
		log_fatal("usage: trp-init [fd:N] [PIDFILE] STEPS STOPS ARGC ARG... [ARGC ARG...]..., absolute paths");
	/* before a descriptor of ours can have that number */
	r = trap_open(TRP_INIT_NOTIFY_FD);
	if (r < 0)
		log_fatal("descriptor %d is not the socket to trp-notify: %s", TRP_INIT_NOTIFY_FD, strerror(-r));
	r = kept_open(TRP_INIT_KEPT_FD);
	if (r < 0)
		log_fatal("descriptor %d is not a socket: %s", TRP_INIT_KEPT_FD, strerror(-r));
	r = learn_wait(TRP_INIT_LEARN_FD);
	if (r < 0)
		log_fatal("trp-learn does not watch: %s", strerror(-r));
	signals = open_signals();
	if (signals < 0)
		log_fatal("cannot receive signals: %s", strerror(-signals));
	r = control_open(TRP_INIT_CONTROL_FD);
	if (r < 0)
		log_fatal("descriptor %d is not the control socket: %s", TRP_INIT_CONTROL_FD, strerror(-r));
	read_control(); /* the channels, sent before we were started */
	r = adapter_open();
	if (r < 0)
		log_fatal("cannot bind @%s: %s", TRP_ADAPTER_ADDRESS, strerror(-r));
	steps_start();
	loop(signals);
	control_finish();
	return steps_result();
}
