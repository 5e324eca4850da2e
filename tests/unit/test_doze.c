/* SPDX-License-Identifier: ISC */
/* Services that stand still: whatever happens in whatever order, and wherever the daemon is killed, none is left frozen whom a client wants,
 * and none of whom nobody knows it. wrap: cgroup_freeze cgroup_is_frozen livesocks_count record_save event_say service_say
 * wrap: watchdog_start watchdog_stop health_update demand_again
 * wrap: ev_io_start ev_io_stop ev_timer_start ev_timer_stop */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "supervisor/doze.h"
#include "supervisor/freezer.h"
#include "supervisor/livesocks.h"
#include "supervisor/record.h"
#include "tests/unit/nothing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS   1000000
#define CHANNELS 2
#define SETTLES  40

static struct daemon d;
static struct profile p; /* no other instance has its name */
static struct service s;

/* The kernel, the clients, the loop and the disk. */
static struct {
	bool group, stand; /* its group is to stand still; all of it does */
	bool fails;        /* the next write to the group */
	bool waits[CHANNELS];
	unsigned live;
	ev_io *watched[CHANNELS];
	ev_timer *timer;
	bool frozen, dozes; /* as recorded */
	bool called;        /* somebody asked for it to be frozen, and not to be thawed since */
	unsigned kill_in;   /* at so many of what it changes the daemon is killed; 0: it is not */
	jmp_buf dead;
} w;

static uint32_t seed;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
	return seed % n;
}

static void may_die(void)
{
	if (w.kill_in > 0 && --w.kill_in == 0)
		longjmp(w.dead, 1);
}

int __wrap_cgroup_freeze(const struct cgroup *cg, bool freeze);
int __wrap_cgroup_freeze(const struct cgroup *cg, bool freeze)
{
	(void)cg;
	may_die();
	if (w.fails) {
		w.fails = false;
		return -EIO;
	}
	w.group = freeze;
	w.stand &= freeze;
	return 0;
}

bool __wrap_cgroup_is_frozen(const struct cgroup *cg);
bool __wrap_cgroup_is_frozen(const struct cgroup *cg)
{
	(void)cg;
	return w.stand;
}

int __wrap_livesocks_count(const struct cgroup *cg, size_t *ret);
int __wrap_livesocks_count(const struct cgroup *cg, size_t *ret)
{
	(void)cg;
	*ret = w.live;
	return rnd(50) == 0 ? -EIO : 0;
}

void __wrap_record_save(struct service *of);
void __wrap_record_save(struct service *of)
{
	may_die();
	w.frozen = of->frozen;
	w.dozes = of->doze.on;
}

/* What is said, and what else stands still with it, is not looked at here. */
NOTHING(event_say)
NOTHING(service_say)
NOTHING(watchdog_start)
NOTHING(watchdog_stop)
NOTHING(health_update)
NOTHING(demand_again)

void __wrap_ev_io_start(struct ev_loop *loop, ev_io *io);
void __wrap_ev_io_start(struct ev_loop *loop, ev_io *io)
{
	(void)loop;
	w.watched[io->fd] = io;
}

void __wrap_ev_io_stop(struct ev_loop *loop, ev_io *io);
void __wrap_ev_io_stop(struct ev_loop *loop, ev_io *io)
{
	(void)loop;
	if (w.watched[io->fd] == io)
		w.watched[io->fd] = NULL;
}

void __wrap_ev_timer_start(struct ev_loop *loop, ev_timer *t);
void __wrap_ev_timer_start(struct ev_loop *loop, ev_timer *t)
{
	(void)loop;
	w.timer = t;
}

void __wrap_ev_timer_stop(struct ev_loop *loop, ev_timer *t);
void __wrap_ev_timer_stop(struct ev_loop *loop, ev_timer *t)
{
	(void)loop;
	if (w.timer == t)
		w.timer = NULL;
}

/* The service takes who waits, unless it stands still; those whom it has leave as they like. */
static void serve(void)
{
	for (int i = 0; i < CHANNELS && !w.stand; i++) {
		w.live += w.waits[i];
		w.waits[i] = false;
	}
}

static void look_at_clients(void)
{
	for (int i = 0; i < CHANNELS; i++)
		if (w.watched[i] && w.waits[i])
			w.watched[i]->cb(NULL, w.watched[i], EV_READ);
}

static void time_comes(void)
{
	ev_timer *t = w.timer;

	w.timer = NULL;
	if (t)
		t->cb(NULL, t, EV_TIMER);
}

static void freeze_by_call(void)
{
	char err[200];

	w.called = true;
	if (freezer_freeze(&s, false, err, sizeof(err)) < 0)
		w.called = s.frozen && !s.doze.on;
}

static void thaw_by_call(void)
{
	if (freezer_thaw(&s) == 0)
		w.called = false;
}

static void happen(unsigned event)
{
	switch (event) {
	case 0:
		w.waits[rnd(CHANNELS)] = true;
		break;
	case 1:
		serve();
		break;
	case 2:
		w.live -= w.live > 0;
		break;
	case 3:
		if (w.live == 0 || rnd(4) == 0) /* one may just have come */
			doze_begin(&s);
		break;
	case 4:
		w.stand = w.group;
		break;
	case 5:
		look_at_clients();
		break;
	case 6:
		time_comes();
		break;
	case 7:
		freeze_by_call();
		break;
	case 8:
		thaw_by_call();
		break;
	case 9:
		doze_end(&s, "it has something to do");
		break;
	case 10:
		w.fails = true;
		break;
	default:
		w.kill_in = 1 + rnd(4);
	}
}

static void begin(void)
{
	s = (struct service){.d = &d, .name = (char *)"web", .profile = &p, .state = STATE_READY, .has_cgroup = true, .run.running = true,
		.n_channels = CHANNELS, .frozen = w.frozen, .doze.on = w.dozes};
	for (int i = 0; i < CHANNELS; i++)
		s.channels[i].service_end = i;
	doze_adopt(&s);
}

/* A daemon that is killed has no watchers any more. */
static void next_daemon(void)
{
	free(s.doze.watches);
	memset(w.watched, 0, sizeof(w.watched));
	w.timer = NULL;
	w.kill_in = 0;
	begin();
}

/* All comes to rest: nothing more is asked for, writes succeed, the kernel and the service go on. */
static void settle(void)
{
	w.fails = false;
	w.kill_in = 0;
	for (int i = 0; i < SETTLES; i++) {
		w.stand = w.group;
		serve();
		look_at_clients();
		time_comes();
	}
}

static void check(void)
{
	bool anybody = w.live > 0 || w.waits[0] || w.waits[1];

	assert_int_equal(w.group, s.frozen);
	assert_int_equal(w.frozen, s.frozen);
	assert_int_equal(w.dozes, s.doze.on);
	assert_true(s.frozen || !s.doze.on);
	assert_false(s.doze.on && anybody);
	assert_true(!s.frozen || s.doze.on || w.called);
	for (int i = 0; i < CHANNELS; i++)
		assert_int_equal(w.watched[i] != NULL, s.doze.on);
}

static void test_random_events(void **state)
{
	static unsigned i, event, thawed, dozed, by_call; /* not in registers, which longjmp() may set back */

	(void)state;
	log_set_level((enum log_level)0); /* failures are meant */
	seed = 20261127;
	begin();
	for (i = 0; i < EVENTS; i++) {
		event = rnd(12);
		if (setjmp(w.dead) == 0)
			happen(event);
		else
			next_daemon();
		if (rnd(8) == 0) {
			settle();
			check();
			dozed += s.doze.on;
			by_call += s.frozen && !s.doze.on;
			thawed += !s.frozen;
		}
	}
	/* each has been often */
	assert_true(dozed > EVENTS / 1000 && by_call > EVENTS / 1000 && thawed > EVENTS / 1000);
	doze_unwatch(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_events)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
