/* SPDX-License-Identifier: ISC */
#include "router/router.h"
#include "base/util.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#define EVENTS_MAX 256

void router_update_clock(struct router *r)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts); /* vdso: no system call */
	r->now_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int router_watch(struct router *r, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

void router_unwatch(struct router *r, int fd)
{
	epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int router_init(struct router *r, int control_fd)
{
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll_fd < 0)
		return -errno;
	r->control_fd = control_fd;
	r->control_open = true;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(r->listeners); i++)
		r->listeners[i].fd = -1;
	wait_init(r);
	/* the rest for what others have in flight that retire, or have died */
	r->quotas.room = (uint32_t)(r->fd_limit / 4 * 3) / (r->routers ? r->routers : 1);
	router_update_clock(r);
	return router_watch(r, control_fd, EPOLLIN, SOURCE_DATA(SOURCE_CONTROL, 0, 0));
}

/* Both are what anybody may be. */
static int schedule(bool many)
{
	const struct sched_param none = {0};

	return syscall(SYS_sched_setscheduler, 0, many ? SCHED_BATCH : SCHED_OTHER, &none) < 0 ? -errno : 0;
}

int router_try_tempo(void)
{
	int r = schedule(true);

	return r < 0 ? r : schedule(false);
}

static int dispatch(struct router *r, const struct epoll_event *ev, const char **why)
{
	uint32_t index = (uint32_t)ev->data.u64;
	uint32_t generation = (uint32_t)(ev->data.u64 >> 32) & 0xffffffu;

	switch ((enum source)(ev->data.u64 >> 56)) {
	case SOURCE_CONTROL:
		return control_ready(r, why);
	case SOURCE_LISTENER:
		listener_ready(r, index);
		break;
	case SOURCE_WAITER:
		wait_ready(r, index, generation, ev->events);
		break;
	}
	return 0;
}

/* Milliseconds until something is due without an event, -1: nothing is */
static int next_timeout(struct router *r)
{
	int timeout = wait_expire(r), pause;

	if (r->paused_until_ns && r->now_ns >= r->paused_until_ns)
		listeners_resume(r); /* or it pauses once more */
	if (r->paused_until_ns == 0)
		return timeout;
	pause = (int)((r->paused_until_ns - r->now_ns) / 1000000u) + 1;
	return trp_sooner(timeout, pause);
}

/* Retired, and nobody waits any more: the last words. */
static bool is_finished(struct router *r)
{
	if (!r->retired || r->pool.n > 0)
		return false;
	if (r->control_open)
		control_reply_stats(r, 0);
	return true;
}

int router_run(struct router *r, const char **why)
{
	struct epoll_event events[EVENTS_MAX];
	int n, err;

	while (!is_finished(r)) {
		n = epoll_wait(r->epoll_fd, events, EVENTS_MAX, next_timeout(r));
		if (n < 0 && errno != EINTR) {
			*why = "epoll_wait";
			return -errno;
		}
		router_update_clock(r);
		if (r->adapts && tempo_look(&r->tempo, r->now_ns, r->stats.accepted))
			schedule(r->tempo.many);
		for (int i = 0; i < n; i++) {
			err = dispatch(r, &events[i], why);
			if (err < 0)
				return err;
		}
	}
	return 0;
}
