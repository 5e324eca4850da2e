/* SPDX-License-Identifier: ISC */
/* The service state machine: pure, so every cell can be looked at, and the world that feeds it can be played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "supervisor/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEQUENCES 1000000
#define LENGTH    24 /* events of a sequence, at most */

/* States in which a sandbox exists. */
static bool has_sandbox(enum service_state s)
{
	return s == STATE_STARTING || s == STATE_READY || s == STATE_RELOADING || s == STATE_LEAVING || s == STATE_STOPPING ||
		s == STATE_RESTARTING || s == STATE_ABORTING || s == STATE_DRAINING || s == STATE_RESTING;
}

static bool is_gone(enum service_event e)
{
	return e >= EVENT_GONE_AGAIN && e <= EVENT_START_PERMANENT;
}

/* Events that only something inside a sandbox can cause, or the watch over it. */
static bool is_from_inside(enum service_event e)
{
	return e == EVENT_READY || e == EVENT_RELOADING || e == EVENT_LEAVING || e == EVENT_UNHEALTHY || e == EVENT_NEVER_READY ||
		e == EVENT_WATCHDOG || e == EVENT_MEMORY;
}

/* The timer after an action: armed, off, or as it was before. */
enum timer { OFF, ARMED, KEPT };

static const enum timer timers[ACTION_COUNT] = {
	[ACTION_NONE] = KEPT,
	[ACTION_REQUIRE] = OFF,
	[ACTION_IMAGE] = KEPT, /* REQUIRE came before */
	[ACTION_SPAWN] = ARMED,
	[ACTION_UP] = OFF,
	[ACTION_RELOAD] = ARMED,
	[ACTION_AWAIT_RELOAD] = ARMED,
	[ACTION_RELOADED] = OFF,
	[ACTION_RELOAD_LATE] = OFF,
	[ACTION_AWAIT_END] = ARMED,
	[ACTION_TERM] = ARMED,
	[ACTION_ABORT] = ARMED,
	[ACTION_KILL] = ARMED,
	[ACTION_DELAY] = ARMED,
	[ACTION_DOWN] = OFF,
	[ACTION_DRAIN] = ARMED,
	[ACTION_REST] = OFF,
	[ACTION_IMPOSSIBLE] = KEPT,
};

/* However it ends. */
static bool ends_stopped(enum service_state s)
{
	return s == STATE_STOPPING || s == STATE_DRAINING;
}

static void check_cell(enum service_state s, enum service_event e)
{
	struct service_transition t = service_transition(s, e);
	bool takes_timeout = service_transition(t.next, EVENT_TIMEOUT).action != ACTION_IMPOSSIBLE;

	assert_in_range(t.next, 0, STATE_COUNT - 1);
	assert_in_range(t.action, 0, ACTION_COUNT - 1);
	/* a sandbox only comes by SPAWN, where there is none, and only goes by GONE */
	if (!has_sandbox(s) && has_sandbox(t.next))
		assert_int_equal(t.action, ACTION_SPAWN);
	if (t.action == ACTION_SPAWN)
		assert_true(!has_sandbox(s) && t.next == STATE_STARTING);
	if (has_sandbox(s) && !has_sandbox(t.next))
		assert_true(is_gone(e));
	/* its end is possible exactly where there is one, and so is what comes from inside: a tenant may say it at any time */
	if (is_gone(e) || is_from_inside(e))
		assert_int_equal(t.action == ACTION_IMPOSSIBLE, !has_sandbox(s));
	if (is_gone(e) && has_sandbox(s))
		assert_false(has_sandbox(t.next));
	/* what people ask for is possible everywhere */
	if (e <= EVENT_IMAGE_FAILED)
		assert_int_not_equal(t.action, ACTION_IMPOSSIBLE);
	/* nothing is kept once it is down */
	if (t.next != s && (t.next == STATE_STOPPED || t.next == STATE_FAILED))
		assert_int_equal(t.action, ACTION_DOWN);
	/* a timer is armed only where its end is an event */
	if (timers[t.action] == ARMED)
		assert_true(takes_timeout);
	/* and a state that counts on its end has one: the action into it arms it, or it was armed before */
	if (t.next != s && takes_timeout && timers[t.action] != ARMED)
		assert_true(timers[t.action] == KEPT && service_transition(s, EVENT_TIMEOUT).action == ACTION_KILL);
	if (t.action == ACTION_IMPOSSIBLE)
		assert_int_equal(t.next, s);
	/* only START, RESTART and the end of a pause or of a restart bring up what is down */
	if (!has_sandbox(s) && t.action == ACTION_REQUIRE)
		assert_true(e == EVENT_START || e == EVENT_RESTART || (s == STATE_IDLE && e == EVENT_CLIENT) || (s == STATE_BACKOFF && e == EVENT_TIMEOUT));
	/* a lasting error and the start limit are the end, until somebody asks */
	if ((e == EVENT_START_PERMANENT || e == EVENT_GONE_LIMIT) && t.action != ACTION_IMPOSSIBLE)
		assert_int_equal(t.next, ends_stopped(s) ? STATE_STOPPED : s == STATE_RESTARTING ? STATE_WAITING : s == STATE_RESTING ? STATE_IDLE : STATE_FAILED);
	if (e == EVENT_START_TEMPORARY && t.action != ACTION_IMPOSSIBLE)
		assert_int_equal(t.next, ends_stopped(s) ? STATE_STOPPED : s == STATE_RESTARTING ? STATE_WAITING : s == STATE_RESTING ? STATE_IDLE : STATE_BACKOFF);
}

static void test_every_cell(void **state)
{
	(void)state;
	for (int s = 0; s < STATE_COUNT; s++)
		for (int e = 0; e < EVENT_COUNT; e++)
			check_cell((enum service_state)s, (enum service_event)e);
}

static void test_stop_always_ends_stopped(void **state)
{
	(void)state;
	for (int s = 0; s < STATE_COUNT; s++) {
		struct service_transition t = service_transition((enum service_state)s, EVENT_STOP);
		if (has_sandbox((enum service_state)s)) {
			assert_int_equal(t.next, STATE_STOPPING);
			/* the time-out kills, and whatever way it ends, it is stopped */
			assert_int_equal(service_transition(STATE_STOPPING, EVENT_TIMEOUT).action, ACTION_KILL);
			for (int e = EVENT_GONE_AGAIN; e <= EVENT_START_PERMANENT; e++)
				assert_int_equal(service_transition(STATE_STOPPING, (enum service_event)e).next, STATE_STOPPED);
		} else {
			assert_int_equal(t.next, STATE_STOPPED);
		}
	}
}

/* The world around one service: what there is of it, and which events can therefore come. */
struct world {
	enum service_state state;
	int sandboxes;
	bool timer, image;
	enum service_event trace[LENGTH + 8];
	size_t n;
	uint64_t seed;
};

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static bool can_come(const struct world *w, enum service_event e)
{
	if (e == EVENT_TIMEOUT)
		return w->timer;
	if (is_gone(e) || is_from_inside(e))
		return w->sandboxes > 0;
	if (e == EVENT_CLIENT)
		return w->state == STATE_IDLE;
	if (e == EVENT_UNUSED)
		return w->state == STATE_READY;
	if (e == EVENT_DRAINED)
		return w->state == STATE_DRAINING;
	if (e == EVENT_REQUIRED_UP || e == EVENT_REQUIRED_DOWN)
		return w->state == STATE_WAITING;
	if (e == EVENT_IMAGE_READY || e == EVENT_IMAGE_FAILED)
		return w->image;
	return true;
}

static void broken(const struct world *w, const char *what)
{
	fprintf(stderr, "%s in %s after:", what, service_state_name(w->state));
	for (size_t i = 0; i < w->n; i++)
		fprintf(stderr, " %s", service_event_name(w->trace[i]));
	fputc('\n', stderr);
	fail_msg("an invariant does not hold; TRP_SEED=%llu shows it again", (unsigned long long)w->seed);
}

static void feed(struct world *w, enum service_event e)
{
	struct service_transition t = service_transition(w->state, e);
	bool timeout;

	w->trace[w->n++] = e;
	if (t.action == ACTION_IMPOSSIBLE)
		broken(w, "a defect's event");
	if (e == EVENT_TIMEOUT)
		w->timer = false;
	if (is_gone(e)) {
		w->sandboxes--;
		w->timer = false; /* service_gone() */
	}
	w->sandboxes += t.action == ACTION_SPAWN;
	w->image = t.action == ACTION_IMAGE || (w->image && e != EVENT_IMAGE_READY && e != EVENT_IMAGE_FAILED && t.action != ACTION_DOWN);
	w->timer = timers[t.action] == ARMED || (timers[t.action] == KEPT && w->timer);
	w->state = t.next;
	timeout = service_transition(w->state, EVENT_TIMEOUT).action != ACTION_IMPOSSIBLE;
	if (w->sandboxes != has_sandbox(w->state))
		broken(w, w->sandboxes > 1 ? "two instances" : "an instance that its state denies, or none");
	if (w->timer && !timeout)
		broken(w, "a timer is armed, and its end means nothing");
	if (!w->timer && timeout)
		broken(w, "a timer should be armed, and is not");
	if (w->state == STATE_IMAGE && !w->image)
		broken(w, "it waits for an image that nobody makes");
}

/* The shortest way from w to that state, by events that can come: 0 if it is there, -1 if there is none. */
static int distance(const struct world *from, enum service_state to)
{
	struct world queue[STATE_COUNT * 8];
	bool seen[STATE_COUNT][2][2] = {{{false}}};
	int steps[STATE_COUNT * 8];
	size_t n = 1;

	queue[0] = *from;
	steps[0] = 0;
	seen[from->state][from->timer][from->image] = true;
	for (size_t i = 0; i < n; i++) {
		if (queue[i].state == to)
			return steps[i];
		for (int e = 0; e < EVENT_COUNT; e++) {
			struct world w = queue[i];
			if (!can_come(&w, (enum service_event)e))
				continue;
			w.n = 0;
			feed(&w, (enum service_event)e);
			if (seen[w.state][w.timer][w.image])
				continue;
			seen[w.state][w.timer][w.image] = true;
			steps[n] = steps[i] + 1;
			queue[n++] = w;
		}
	}
	return -1;
}

/* A stop ends without anybody's help: its own timer kills, and what is killed is gone. */
static void check_stop(struct world *w)
{
	feed(w, EVENT_STOP);
	if (w->state == STATE_STOPPING) {
		if (!w->timer)
			broken(w, "a stop without an end");
		feed(w, EVENT_TIMEOUT);
		feed(w, (enum service_event)(EVENT_GONE_AGAIN + next_random(&w->seed) % (EVENT_START_PERMANENT - EVENT_GONE_AGAIN + 1)));
	}
	if (w->state != STATE_STOPPED || w->sandboxes || w->timer || w->image)
		broken(w, "not down after a stop");
}

static uint64_t first_seed(void)
{
	const char *given = getenv("TRP_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u;

	seed += seed == 0;
	printf("seed %llu (TRP_SEED)\n", (unsigned long long)seed);
	return seed;
}

static void test_random_sequences(void **state)
{
	uint64_t seed = first_seed();
	bool visited[STATE_COUNT][2][2] = {{{false}}};
	bool cells[STATE_COUNT][EVENT_COUNT] = {{false}};

	(void)state;
	for (int i = 0; i < SEQUENCES; i++) {
		struct world w = {.state = STATE_STOPPED, .seed = seed};
		size_t length = 1 + next_random(&seed) % LENGTH;
		while (w.n < length) {
			enum service_event e = (enum service_event)(next_random(&seed) % EVENT_COUNT);
			if (!can_come(&w, e))
				continue;
			cells[w.state][e] = true;
			feed(&w, e);
		}
		/* never stuck: looked at once for each world that there is */
		bool *known = &visited[w.state][w.timer][w.image];
		if (!*known && distance(&w, STATE_READY) < 0)
			broken(&w, "no way to ready");
		if (!*known && distance(&w, STATE_STOPPED) < 0)
			broken(&w, "no way to stopped");
		*known = true;
		check_stop(&w);
	}
	/* a walk that does not get about shows nothing: each possible cell was passed, but for those of a world that is not played */
	for (int s = 0; s < STATE_COUNT; s++)
		for (int e = 0; e < EVENT_COUNT; e++) {
			bool possible = service_transition((enum service_state)s, (enum service_event)e).action != ACTION_IMPOSSIBLE;
			bool elsewhere = e == EVENT_REQUIRED_UP || e == EVENT_REQUIRED_DOWN || e == EVENT_IMAGE_READY || e == EVENT_IMAGE_FAILED;
			if (!elsewhere && cells[s][e] != possible)
				fail_msg("%s in %s: passed %d, possible %d", service_event_name((enum service_event)e),
					service_state_name((enum service_state)s), cells[s][e], possible);
		}
	for (int s = 0; s < STATE_COUNT; s++)
		assert_true(visited[s][0][0] || visited[s][1][0] || visited[s][0][1]);
}

static void test_backoff_is_bounded(void **state)
{
	uint64_t seed = first_seed();

	(void)state;
	for (int i = 0; i < SEQUENCES; i++) {
		uint64_t first = next_random(&seed) >> (next_random(&seed) % 64), max = next_random(&seed) >> (next_random(&seed) % 64);
		unsigned row = (unsigned)(next_random(&seed) >> (next_random(&seed) % 64));
		uint64_t ms = service_backoff_ms(row, first, max);
		assert_true(ms <= max);
		assert_true(ms >= (first < max ? first : max));
		if (row < UINT32_MAX)
			assert_true(service_backoff_ms(row + 1, first, max) >= ms);
	}
	assert_int_equal(service_backoff_ms(0, 100, 30000), 100);
	assert_int_equal(service_backoff_ms(1, 100, 30000), 100);
	assert_int_equal(service_backoff_ms(2, 100, 30000), 200);
	assert_int_equal(service_backoff_ms(9, 100, 30000), 25600);
	assert_int_equal(service_backoff_ms(10, 100, 30000), 30000);
	assert_int_equal(service_backoff_ms(1000, 100, 30000), 30000);
	assert_int_equal(service_backoff_ms(1000, 0, 30000), 0);
}

static void test_chosen_paths(void **state)
{
	(void)state;
	/* start asked while stopping: it comes back */
	assert_int_equal(service_transition(STATE_STOPPING, EVENT_START).next, STATE_RESTARTING);
	assert_int_equal(service_transition(STATE_RESTARTING, EVENT_GONE_DONE).next, STATE_WAITING);
	/* stop while starting */
	assert_int_equal(service_transition(STATE_STARTING, EVENT_STOP).next, STATE_STOPPING);
	/* clients wait while it is tried again: the channels stay */
	assert_int_equal(service_transition(STATE_READY, EVENT_GONE_AGAIN).action, ACTION_DELAY);
	assert_int_equal(service_transition(STATE_BACKOFF, EVENT_TIMEOUT).action, ACTION_REQUIRE);
	/* a start that takes too long is ended first, and only then tried again */
	assert_int_equal(service_transition(STATE_STARTING, EVENT_TIMEOUT).next, STATE_ABORTING);
	assert_int_equal(service_transition(STATE_ABORTING, EVENT_GONE_AGAIN).next, STATE_BACKOFF);
	/* so is one that cannot become ready; one that is, has said so before */
	assert_int_equal(service_transition(STATE_STARTING, EVENT_NEVER_READY).next, STATE_ABORTING);
	assert_int_equal(service_transition(STATE_READY, EVENT_NEVER_READY).next, STATE_READY);
	/* a reload that does not end leaves the service as it is */
	assert_int_equal(service_transition(STATE_READY, EVENT_RELOAD).next, STATE_RELOADING);
	assert_int_equal(service_transition(STATE_RELOADING, EVENT_TIMEOUT).next, STATE_READY);
	assert_int_equal(service_transition(STATE_RELOADING, EVENT_GONE_AGAIN).action, ACTION_DELAY);
	/* who says that it ends, and does not, is killed */
	assert_int_equal(service_transition(STATE_LEAVING, EVENT_TIMEOUT).action, ACTION_KILL);
	/* who comes while it goes to rest waits until it is idle, and starts it then */
	assert_int_equal(service_transition(STATE_READY, EVENT_UNUSED).next, STATE_RESTING);
	assert_int_equal(service_transition(STATE_RESTING, EVENT_GONE_DONE).next, STATE_IDLE);
	assert_int_equal(service_transition(STATE_IDLE, EVENT_CLIENT).next, STATE_WAITING);
	/* a crash loop is the same as ever: clients do not drive it */
	assert_int_equal(service_transition(STATE_READY, EVENT_GONE_LIMIT).next, STATE_FAILED);
	assert_int_equal(service_transition(STATE_FAILED, EVENT_ARM).next, STATE_IDLE);
	/* one that was replaced serves those whom it has, and is not started again whatever happens */
	assert_int_equal(service_transition(STATE_READY, EVENT_REPLACED).next, STATE_DRAINING);
	assert_int_equal(service_transition(STATE_DRAINING, EVENT_TIMEOUT).action, ACTION_TERM);
	assert_int_equal(service_transition(STATE_DRAINING, EVENT_DRAINED).action, ACTION_TERM);
	assert_int_equal(service_transition(STATE_DRAINING, EVENT_START).next, STATE_DRAINING);
	assert_int_equal(service_transition(STATE_DRAINING, EVENT_GONE_AGAIN).next, STATE_STOPPED);
	/* what is unhealthy is ended before it is tried again */
	assert_int_equal(service_transition(STATE_READY, EVENT_UNHEALTHY).next, STATE_ABORTING);
	assert_int_equal(service_transition(STATE_READY, EVENT_WATCHDOG).action, ACTION_ABORT);
	/* so is what is out of memory; if it goes on so, and does not end, it is killed. A stop is left its time */
	assert_int_equal(service_transition(STATE_READY, EVENT_MEMORY).next, STATE_ABORTING);
	assert_int_equal(service_transition(STATE_READY, EVENT_MEMORY).action, ACTION_TERM);
	assert_int_equal(service_transition(STATE_ABORTING, EVENT_MEMORY).action, ACTION_KILL);
	assert_int_equal(service_transition(STATE_STOPPING, EVENT_MEMORY).action, ACTION_NONE);
}

static void test_names(void **state)
{
	(void)state;
	for (int s = 0; s < STATE_COUNT; s++)
		for (int o = 0; o < s; o++)
			assert_string_not_equal(service_state_name((enum service_state)s), service_state_name((enum service_state)o));
	for (int e = 0; e < EVENT_COUNT; e++)
		for (int o = 0; o < e; o++)
			assert_string_not_equal(service_event_name((enum service_event)e), service_event_name((enum service_event)o));
	for (int a = 0; a < ACTION_COUNT; a++)
		for (int o = 0; o < a; o++)
			assert_string_not_equal(service_action_name((enum service_action)a), service_action_name((enum service_action)o));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_cell), cmocka_unit_test(test_stop_always_ends_stopped),
		cmocka_unit_test(test_random_sequences), cmocka_unit_test(test_backoff_is_bounded), cmocka_unit_test(test_chosen_paths),
		cmocka_unit_test(test_names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
