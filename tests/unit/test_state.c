/* SPDX-License-Identifier: ISC */
/* The service state machine: pure, so every cell can be looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "supervisor/state.h"

#include <stdio.h>
#include <string.h>

/* States in which a sandbox exists. */
static bool has_sandbox(enum service_state s)
{
	return s == STATE_STARTING || s == STATE_READY || s == STATE_STOPPING || s == STATE_RESTARTING || s == STATE_ABORTING;
}

static bool is_gone(enum service_event e)
{
	return e == EVENT_GONE_AGAIN || e == EVENT_GONE_FAILED || e == EVENT_GONE_DONE;
}

static void test_every_cell(void **state)
{
	(void)state;
	for (int s = 0; s < STATE_COUNT; s++)
		for (int e = 0; e < EVENT_COUNT; e++) {
			struct service_transition t = service_transition((enum service_state)s, (enum service_event)e);
			assert_in_range(t.next, 0, STATE_COUNT - 1);
			assert_in_range(t.action, 0, ACTION_COUNT - 1);
			/* a sandbox only comes by SPAWN and only goes by GONE */
			if (!has_sandbox((enum service_state)s) && has_sandbox(t.next))
				assert_int_equal(t.action, ACTION_SPAWN);
			if (has_sandbox((enum service_state)s) && !has_sandbox(t.next))
				assert_true(is_gone((enum service_event)e));
			/* the end of a sandbox is possible exactly where there is one */
			if (is_gone((enum service_event)e))
				assert_int_equal(t.action == ACTION_IMPOSSIBLE, !has_sandbox((enum service_state)s));
			/* nothing is kept once it is down */
			if (t.next != (enum service_state)s && (t.next == STATE_STOPPED || t.next == STATE_FAILED))
				assert_int_equal(t.action, ACTION_DOWN);
			if (t.action == ACTION_IMPOSSIBLE)
				assert_int_equal(t.next, s);
		}
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
			for (int e = EVENT_GONE_AGAIN; e <= EVENT_GONE_DONE; e++)
				assert_int_equal(service_transition(STATE_STOPPING, (enum service_event)e).next, STATE_STOPPED);
		} else {
			assert_int_equal(t.next, STATE_STOPPED);
		}
	}
}

/* Random events as the world can send them: never two sandboxes, never stuck. */
static void test_random_walk(void **state)
{
	enum service_state s = STATE_STOPPED;
	uint64_t seed = 88172645463325252u;
	int sandboxes = 0;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		enum service_event e = (enum service_event)(seed % EVENT_COUNT);
		struct service_transition t = service_transition(s, e);
		if (t.action == ACTION_IMPOSSIBLE)
			continue; /* the world cannot send it here */
		if (t.action == ACTION_SPAWN)
			sandboxes++;
		if (is_gone(e))
			sandboxes--;
		assert_in_range(sandboxes, 0, 1);
		s = t.next;
		assert_int_equal(sandboxes, has_sandbox(s));
	}
}

static void test_chosen_paths(void **state)
{
	(void)state;
	/* start asked while stopping: it comes back */
	assert_int_equal(service_transition(STATE_STOPPING, EVENT_START).next, STATE_RESTARTING);
	assert_int_equal(service_transition(STATE_RESTARTING, EVENT_GONE_DONE).next, STATE_WAITING);
	/* clients wait while it is tried again: the channels stay */
	assert_int_equal(service_transition(STATE_READY, EVENT_GONE_AGAIN).action, ACTION_DELAY);
	assert_int_equal(service_transition(STATE_BACKOFF, EVENT_TIMEOUT).action, ACTION_REQUIRE);
	/* a start that takes too long is ended first, and only then tried again */
	assert_int_equal(service_transition(STATE_STARTING, EVENT_TIMEOUT).next, STATE_ABORTING);
	assert_int_equal(service_transition(STATE_ABORTING, EVENT_GONE_AGAIN).next, STATE_BACKOFF);
}

static void test_names(void **state)
{
	(void)state;
	for (int s = 0; s < STATE_COUNT; s++)
		for (int o = 0; o < s; o++)
			assert_string_not_equal(service_state_name((enum service_state)s), service_state_name((enum service_state)o));
	for (int e = 0; e < EVENT_COUNT; e++)
		assert_non_null(service_event_name((enum service_event)e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_cell), cmocka_unit_test(test_stop_always_ends_stopped),
		cmocka_unit_test(test_random_walk), cmocka_unit_test(test_chosen_paths), cmocka_unit_test(test_names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
