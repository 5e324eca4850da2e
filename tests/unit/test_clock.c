/* SPDX-License-Identifier: ISC */
/* The time of day is set by a year while services run: whatever is counted from a moment on does not notice.
 * wrap: clock_gettime ev_time ev_now service_say service_transition record_save share_changed reap_kill logs_note
 * wrap: routerproc_barrier observer_live ledgers_handed_on route_is_queued trp_fd_recv hold_update */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/events.h"
#include "supervisor/sdnotify.c" /* its statics are what is tried */
#include "supervisor/demand.h"
#include "supervisor/depend.h"
#include "supervisor/timeout.h"
#include "tests/unit/nothing.h"

#include <string.h>

#define NOW  1795651200.0
#define YEAR (365 * 86400.0)

static double real, mono;
static struct daemon d;
static struct profile p;
static struct service s, other;
static enum service_event last_event;
static unsigned n_barriers, n_killed;

int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	double v = clock == CLOCK_REALTIME ? real : mono;

	*t = (struct timespec){.tv_sec = (time_t)v, .tv_nsec = (long)((v - (double)(time_t)v) * 1e9)};
	return 0;
}

ev_tstamp __wrap_ev_time(void);
ev_tstamp __wrap_ev_time(void)
{
	return real;
}

ev_tstamp __wrap_ev_now(struct ev_loop *loop);
ev_tstamp __wrap_ev_now(struct ev_loop *loop)
{
	(void)loop;
	return real;
}

NOTHING(service_say)
NOTHING(record_save)
NOTHING(share_changed)
NOTHING(logs_note)
NOTHING(hold_update)

struct service_transition __wrap_service_transition(enum service_state state, enum service_event event);
struct service_transition __wrap_service_transition(enum service_state state, enum service_event event)
{
	last_event = event;
	return (struct service_transition){state, ACTION_NONE};
}

void __wrap_routerproc_barrier(struct routerproc *r, void (*done)(void *data, bool all), void *data);
void __wrap_routerproc_barrier(struct routerproc *r, void (*done)(void *data, bool all), void *data)
{
	(void)r, (void)done, (void)data;
	n_barriers++;
}

uint64_t __wrap_observer_live(const struct observer *o, uint32_t number);
uint64_t __wrap_observer_live(const struct observer *o, uint32_t number)
{
	(void)o, (void)number;
	return 0;
}

uint64_t __wrap_ledgers_handed_on(const struct ledgers *l, uint32_t number);
uint64_t __wrap_ledgers_handed_on(const struct ledgers *l, uint32_t number)
{
	(void)l, (void)number;
	return 0;
}

bool __wrap_route_is_queued(const struct service *service);
bool __wrap_route_is_queued(const struct service *service)
{
	(void)service;
	return false;
}

void __wrap_reap_kill(int pidfd, int signal);
void __wrap_reap_kill(int pidfd, int signal)
{
	(void)pidfd, (void)signal;
	n_killed++;
}

ssize_t __wrap_trp_fd_recv(int fd, void *buf, size_t len, int *fds, size_t n, int flags);
ssize_t __wrap_trp_fd_recv(int fd, void *buf, size_t len, int *fds, size_t n, int flags)
{
	const struct sdnotify_msg m = {.magic = SDNOTIFY_MAGIC, .type = SDNOTIFY_KEPT, .kept = 1};

	(void)fd, (void)fds, (void)n, (void)flags;
	memcpy(buf, &m, len);
	return (ssize_t)len;
}

static int setup(void **state)
{
	(void)state;
	real = NOW;
	mono = 5000;
	n_barriers = n_killed = 0;
	last_event = 0;
	d = (struct daemon){.loop = ev_loop_new(EVFLAG_AUTO), .records = -1, .services = &s};
	p = (struct profile){0};
	s = (struct service){.d = &d, .name = (char *)"job", .profile = &p, .state = STATE_READY};
	other = (struct service){.d = &d, .name = (char *)"other", .profile = &p, .state = STATE_STOPPED};
	return d.loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	events_free(s.events);
	ev_loop_destroy(d.loop);
	return 0;
}

static void pass(double seconds)
{
	real += seconds;
	mono += seconds;
}

static void test_start_limit(void **state)
{
	(void)state;
	p.start_limit_burst = 3;
	p.start_limit_ms = 120000;
	for (int i = 0; i < 10; i++) {
		service_gone(&s, EVENT_GONE_AGAIN);
		assert_int_equal(last_event, EVENT_GONE_AGAIN);
		if (i == 0)
			real -= YEAR;
		pass(200);
	}
	/* and three within the time are three, whatever the clock shows */
	for (int i = 0; i < 3; i++, real += YEAR)
		service_gone(&s, EVENT_GONE_AGAIN);
	assert_int_equal(last_event, EVENT_GONE_LIMIT);
}

/* The pause between tries is short again after a run that lasted. */
static void test_backoff(void **state)
{
	(void)state;
	s.failures_in_a_row = 7;
	s.up_since = mono;
	real -= YEAR;
	pass(3600);
	service_gone(&s, EVENT_GONE_AGAIN);
	assert_int_equal(s.failures_in_a_row, 1);
	s.failures_in_a_row = 7;
	s.up_since = mono;
	real += YEAR;
	pass(0.5);
	service_gone(&s, EVENT_GONE_AGAIN);
	assert_int_equal(s.failures_in_a_row, 8);
}

static unsigned failed_checks(void)
{
	s.health.going = true;
	health_done(&s, false, "it says no");
	return s.health.count.failures;
}

static void test_start_period(void **state)
{
	(void)state;
	p.check_start_ms = 30000;
	p.check_failures = 100;
	s.up_since = mono;
	real += YEAR;
	pass(20);
	assert_int_equal(failed_checks(), 0);
	real -= 2 * YEAR;
	pass(20);
	assert_int_equal(failed_checks(), 1);
}

static void look(void)
{
	s.use_timer.cb(d.loop, &s.use_timer, EV_TIMER);
}

static void test_idle_stop(void **state)
{
	(void)state;
	p.start = START_ON_DEMAND;
	p.idle_stop_ms = 80000;
	demand_update(&s);
	real += YEAR;
	pass(10);
	look();
	assert_int_equal(n_barriers, 0);
	real -= 2 * YEAR;
	pass(60);
	look();
	assert_int_equal(n_barriers, 0);
	pass(10);
	look();
	assert_int_equal(n_barriers, 1);
	ev_timer_stop(d.loop, &s.use_timer);
}

/* As much as its profile allows it, not less and not for ever. */
static void test_extension(void **state)
{
	double left;

	(void)state;
	p.timeout_extension_ms = 600000;
	s.run.running = true;
	timeout_grant(&s, 90000);
	real += YEAR;
	timeout_extend(&s, 300ull * 1000000);
	left = ev_timer_remaining(d.loop, &s.timer);
	assert_true(left > 250);
	real -= 2 * YEAR;
	timeout_extend(&s, 100000ull * 1000000);
	left = ev_timer_remaining(d.loop, &s.timer);
	assert_true(left < 700);
	timeout_set(&s, 0);
}

/* What runs once has set the clock, say: whoever waits for it is started. */
static void test_required(void **state)
{
	char *name = other.name;

	(void)state;
	p.ready = READY_EXIT;
	p.command = (struct strv){.v = &name, .n = 1};
	other.profile = &p;
	other.state = STATE_STARTING;
	other.run.reported = other.run.upstream_runs = true;
	d.services = &other;
	other.next = &s;
	s.profile = &(struct profile){.requires = {.v = &name, .n = 1}};
	s.state = STATE_WAITING;
	s.since = real;
	s.changed = mono;
	pass(1);
	real -= YEAR;
	instance_judge(&other, 0);
	other.state = STATE_STOPPED;
	depend_await(&s);
	assert_int_equal(last_event, EVENT_REQUIRED_UP);
}

/* What trp-sdnotify says is counted for a second, not for a year: then it would be ended as one that floods. */
static void test_sdnotify(void **state)
{
	struct sdnotify n = {.s = &s, .d = &d};

	(void)state;
	n.on_message.data = &n;
	pace_init(&n.says, d.loop, SAYS_IN_A_SECOND, SAYS_AT_ONCE, never_again, &n);
	for (int i = 0; i < 2 * SAYS_AT_ONCE; i++) {
		on_message(d.loop, &n.on_message, EV_READ);
		if (i == 0)
			real -= YEAR;
		pass(5);
	}
	assert_int_equal(n_killed, 0);
	/* all that its socket held, as the daemon had to wait */
	for (int i = 0; i < 300; i++)
		on_message(d.loop, &n.on_message, EV_READ);
	assert_int_equal(n_killed, 0);
	for (int i = 0; i < SAYS_AT_ONCE; i++, real += YEAR)
		on_message(d.loop, &n.on_message, EV_READ);
	assert_true(n_killed > 0);
	pace_stop(&n.says);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_start_limit), TEST(test_backoff), TEST(test_start_period), TEST(test_idle_stop), TEST(test_extension),
		TEST(test_required), TEST(test_sdnotify)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
