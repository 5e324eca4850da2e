/* SPDX-License-Identifier: ISC */
/* The daemon had to wait (for a disk, for the processor, for a machine that stood still): what a service has said meanwhile is heard before it is told that
 * it has said nothing. wrap: service_event service_say record_save logs_note reap_has_ended probe_begin probe_stop share_changed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fdpass.h"
#include "base/io.h"
#include "supervisor/events.h"
#include "supervisor/notified.h"
#include "supervisor/service.h"
#include "supervisor/timeout.h"
#include "tests/unit/nothing.h"

#include <string.h>
#include <sys/socket.h>

#define WATCHDOG_S 3600.0
#define MANY       200

static struct daemon d;
static struct profile p;
static struct service s;
static int service_end, has_ended;
static unsigned n_watchdog, n_timeout, n_ready;

void __wrap_service_event(struct service *service, enum service_event event);
void __wrap_service_event(struct service *service, enum service_event event)
{
	n_watchdog += event == EVENT_WATCHDOG;
	n_timeout += event == EVENT_TIMEOUT;
	if (event != EVENT_READY)
		return;
	n_ready++;
	service->state = STATE_READY;
	timeout_set(service, 0);
}

int __wrap_reap_has_ended(int pidfd);
int __wrap_reap_has_ended(int pidfd)
{
	(void)pidfd;
	return has_ended;
}

NOTHING(service_say)
NOTHING(record_save)
NOTHING(logs_note)
NOTHING(probe_begin)
NOTHING(probe_stop)
NOTHING(share_changed)

static int setup(void **state)
{
	int pair[2];

	(void)state;
	if (trp_fd_pair(pair) < 0)
		return -1;
	service_end = pair[1];
	d = (struct daemon){.loop = ev_loop_new(EVFLAG_AUTO), .records = -1};
	p = (struct profile){.watchdog_ms = (uint64_t)(WATCHDOG_S * 1000), .ready = READY_NOTIFY};
	s = (struct service){.d = &d, .name = (char *)"web", .profile = &p, .state = STATE_READY, .run.running = true, .run.upstream_runs = true, .run.main_known = true,
		.run.notify = pair[0], .run.control = -1, .run.box.pidfd = -1, .run.watchdog_us = (uint64_t)(WATCHDOG_S * 1e6)};
	ev_init(&s.run.on_control, NULL);
	ev_io_init(&s.run.on_notify, notified_ready, s.run.notify, EV_READ);
	s.run.on_notify.data = &s;
	ev_io_start(d.loop, &s.run.on_notify);
	n_watchdog = n_timeout = n_ready = 0;
	has_ended = 0;
	return d.loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	watchdog_stop(&s);
	ev_io_stop(d.loop, &s.run.on_notify);
	events_free(s.events);
	ev_loop_destroy(d.loop);
	close(s.run.notify);
	close(service_end);
	return 0;
}

static void say(const char *text)
{
	assert_int_equal(send(service_end, text, strlen(text), MSG_DONTWAIT), (ssize_t)strlen(text));
}

/* As the loop does it when the timer has run out. */
static void over(ev_timer *t)
{
	ev_timer_stop(d.loop, t);
	t->cb(d.loop, t, EV_TIMER);
}

static void test_watchdog(void **state)
{
	(void)state;
	watchdog_start(&s);
	for (int i = 0; i < MANY; i++)
		say("STATUS=works");
	say("WATCHDOG=1");
	over(&s.run.watchdog);
	assert_int_equal(n_watchdog, 0);
	assert_true(ev_is_active(&s.run.watchdog));
	say("STATUS=works");
	over(&s.run.watchdog);
	assert_int_equal(n_watchdog, 1);
}

/* How it ended is seen by its pidfd. */
static void test_ended(void **state)
{
	(void)state;
	watchdog_start(&s);
	has_ended = 1;
	over(&s.run.watchdog);
	assert_int_equal(n_watchdog, 0);
}

/* Its time begins when it is started, not when this turn of the loop began. */
static void test_long_turn(void **state)
{
	(void)state;
	trp_sleep_ms(1000);
	watchdog_start(&s);
	assert_true(ev_timer_remaining(d.loop, &s.run.watchdog) > WATCHDOG_S - 0.5);
	ev_now_update(d.loop);
	assert_true(ev_timer_remaining(d.loop, &s.run.watchdog) > WATCHDOG_S - 0.5);
}

static void on_control(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop, (void)w, (void)events;
	if (s.health.going)
		health_checked(&s, (int32_t)s.health.number, 200);
}

static void test_check(void **state)
{
	(void)state;
	p.check_kind = CHECK_HTTP;
	p.check_interval_ms = 1000000;
	p.check_failures = 3;
	p.check_status.from = p.check_status.to = 200;
	health_update(&s);
	assert_true(s.health.going);
	ev_io_init(&s.run.on_control, on_control, s.run.notify, EV_READ);
	ev_io_start(d.loop, &s.run.on_control);
	over(&s.health.timer);
	ev_io_stop(d.loop, &s.run.on_control);
	assert_int_equal(s.health.count.failures, 0);
	assert_false(s.health.going);
	assert_true(ev_is_active(&s.health.timer));
	over(&s.health.timer); /* the next one, which is not answered */
	assert_true(s.health.going);
	over(&s.health.timer);
	assert_int_equal(s.health.count.failures, 1);
	health_stop(&s);
}

static void test_start_timeout(void **state)
{
	(void)state;
	s.state = STATE_STARTING;
	timeout_set(&s, 90000);
	say("READY=1");
	over(&s.timer);
	assert_int_equal(n_timeout, 0);
	assert_int_equal(n_ready, 1);
	s.state = STATE_STARTING;
	s.run.says_ready = false;
	timeout_set(&s, 90000);
	say("EXTEND_TIMEOUT_USEC=60000000");
	s.timer_most = trp_now_seconds() + 1000;
	over(&s.timer);
	assert_int_equal(n_timeout, 0);
	assert_true(ev_timer_remaining(d.loop, &s.timer) > 30);
	over(&s.timer);
	assert_int_equal(n_timeout, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_watchdog), TEST(test_ended), TEST(test_long_turn), TEST(test_check), TEST(test_start_timeout)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
