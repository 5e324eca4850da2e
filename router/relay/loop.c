/* SPDX-License-Identifier: ISC */
#include "router/relay/relay.h"
#include "base/log.h"

#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#define EVENTS_MAX 256
#define RESERVED   64 /* standard descriptors, control, channels, epoll */

static volatile sig_atomic_t signalled;

static void on_terminate(int signo)
{
	signalled = signo;
}

static void set_signals(void)
{
	struct sigaction end = {.sa_handler = on_terminate}, ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	/* only epoll_pwait() lets it in: none is lost between the look at the flag and the sleep */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGPIPE, &ignore, NULL); /* splice(2) has no MSG_NOSIGNAL */
	sigaction(SIGHUP, &ignore, NULL);
}

void relay_update_clock(struct relay *r)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	r->now_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int relay_watch(struct relay *r, int fd, uint32_t events, struct source *source)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};

	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

void relay_unwatch_close(struct relay *r, int *fd)
{
	if (*fd >= 0)
		epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	trp_close(fd);
}

void relay_enqueue(struct relay *r, struct conn *c)
{
	if (c->queued)
		return;
	c->queued = true;
	c->next = NULL;
	if (r->run_last)
		r->run_last->next = c;
	else
		r->run_first = c;
	r->run_last = c;
}

/* Each one once: who comes back to the queue waits for the next turn. */
static void run_queue(struct relay *r)
{
	struct conn *c = r->run_first;

	r->run_first = r->run_last = NULL;
	while (c) {
		struct conn *next = c->next;
		c->queued = false;
		conn_run(r, c);
		c = next;
	}
}

int relay_init(struct relay *r, size_t fd_limit)
{
	size_t kept = RESERVED + r->n_sets * TARGETS_MAX + 2 * RELAY_PIPES_MAX; /* with the health checks under way */
	int err = 0;

	if (fd_limit < kept + 2 * 8)
		return -EMFILE;
	r->conns_max = (fd_limit - kept) / 2;
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll_fd < 0)
		return -errno;
	for (int i = 0; i < CLOCK_COUNT; i++)
		r->clocks[i].prev = r->clocks[i].next = &r->clocks[i];
	set_signals();
	relay_update_clock(r);
	r->control_source.kind = SOURCE_CONTROL;
	if (r->control_fd >= 0)
		err = relay_watch(r, r->control_fd, EPOLLIN, &r->control_source);
	for (size_t i = 0; i < r->n_channels && err == 0 && !r->stopping; i++) /* asked to end already: they are closed */
		err = relay_watch(r, r->channels[i].fd, EPOLLIN, &r->channels[i].source);
	if (err == 0)
		err = peers_init(r);
	return err < 0 ? err : check_init(r);
}

static struct conn *conn_of(struct source *s, int side)
{
	return (struct conn *)(void *)((char *)(s - side) - offsetof(struct conn, side));
}

static void dispatch(struct relay *r, struct source *s, uint32_t events)
{
	switch ((enum source_kind)s->kind) {
	case SOURCE_CONTROL:
		control_ready(r);
		return;
	case SOURCE_CHANNEL:
		intake_ready(r, (struct channel *)(void *)s);
		return;
	case SOURCE_CLIENT:
		conn_ready(r, conn_of(s, 0), 0, events);
		return;
	case SOURCE_TARGET:
		conn_ready(r, conn_of(s, 1), 1, events);
		return;
	case SOURCE_CHECK:
		check_ready(r, (struct check *)(void *)s);
		return;
	case SOURCE_DIAL:
		loopback_dialed(r, (struct channel *)(void *)((char *)s - offsetof(struct channel, dial_source)));
		return;
	}
}

int relay_run(struct relay *r)
{
	struct epoll_event events[EVENTS_MAX];
	sigset_t none;

	sigemptyset(&none);
	while (!signalled && !r->end && !(r->stopping && r->n_conns == 0 && r->drain_due_ns == 0)) {
		int timeout = trp_sooner(trp_sooner(loopback_run(r), control_run(r)), trp_sooner(conn_expire(r), check_run(r))), n;
		n = epoll_pwait(r->epoll_fd, events, EVENTS_MAX, r->run_first ? 0 : timeout, &none);
		if (n < 0 && errno != EINTR)
			return -errno;
		relay_update_clock(r);
		for (int i = 0; i < n; i++)
			dispatch(r, events[i].data.ptr, events[i].events);
		run_queue(r);
		conn_free_dead(r);
	}
	return 0;
}
