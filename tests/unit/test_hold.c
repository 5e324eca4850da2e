/* SPDX-License-Identifier: ISC */
/* Clients that wait for a service that is not up. A router has the other end of where they wait, and may have been taken over: whatever it does there, the
 * daemon is not kept busy by it, and those who wait are still seen. wrap: routerproc_refuse logs_note routerproc_channel_add */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/hold.c" /* its statics are what is tried */
#include "base/fdpass.h"
#include "base/several.h"

#include <sys/socket.h>

#define HOLD_MS 50u

static struct daemon d;
static struct profile p = {.hold_ms = HOLD_MS};
static struct service s;
static unsigned n_refused, n_turns;
static uint32_t told; /* of which channel routers were told last */

void __wrap_routerproc_refuse(struct routerproc *r, uint32_t service, enum router_verdict verdict, const struct trp_handoff *h, int fd);
void __wrap_routerproc_refuse(struct routerproc *r, uint32_t service, enum router_verdict verdict, const struct trp_handoff *h, int fd)
{
	(void)r, (void)service, (void)verdict, (void)h, (void)fd;
	n_refused++;
}

void __wrap_logs_note(struct logs *l, const char *fmt, ...);
void __wrap_logs_note(struct logs *l, const char *fmt, ...)
{
	(void)l, (void)fmt;
}

void __wrap_routerproc_channel_add(struct routerproc *r, uint32_t service, const struct channel *c);
void __wrap_routerproc_channel_add(struct routerproc *r, uint32_t service, const struct channel *c)
{
	(void)r, (void)service;
	told = c->id;
}

static int set_up(void **state)
{
	(void)state;
	d.loop = ev_loop_new(EVFLAG_AUTO);
	s = (struct service){.d = &d, .profile = &p, .state = STATE_STARTING, .place = PLACE_WAITING};
	n_refused = n_turns = told = 0;
	if (!d.loop || channel_open_waiting(0, &s.waiting) < 0)
		return -1;
	watch(&s);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hold_end(&s);
	renew_stop(&s);
	ev_loop_destroy(d.loop);
	return 0;
}

static void on_turn(struct ev_loop *loop, ev_prepare *w, int events)
{
	(void)loop, (void)w, (void)events;
	n_turns++;
}

static void on_over(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)w, (void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void run(double seconds)
{
	ev_prepare turn;
	ev_timer over;

	ev_prepare_init(&turn, on_turn);
	ev_timer_init(&over, on_over, seconds, 0.);
	ev_prepare_start(d.loop, &turn);
	ev_timer_start(d.loop, &over);
	ev_run(d.loop, 0);
	ev_prepare_stop(d.loop, &turn);
}

static void send_client(void)
{
	struct trp_handoff h = {.protocol = TRP_PROTO_HTTP1, .accepted_ns = trp_now_ns()};

	assert_int_equal(trp_fd_send(s.waiting.router_end, &h, trp_handoff_seal(&h, "a", 1), &d.lock, 1, 0), 0);
}

static void test_who_waits_too_long_is_refused(void **state)
{
	(void)state;
	send_client();
	run(0.01);
	assert_int_equal(n_refused, 0);
	run(0.1);
	assert_int_equal(n_refused, 1);
	send_client(); /* it goes on */
	run(0.1);
	assert_int_equal(n_refused, 2);
	assert_true(n_turns < 20);
}

/* An empty message looks like the end: there was nobody, and we were told so again and again. */
static void test_empty_messages(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(send(s.waiting.router_end, "", 0, 0), 0);
	send_client();
	run(0.2);
	assert_true(n_turns < 20);
	assert_int_equal(n_refused, 1);
	assert_int_equal(send(s.waiting.router_end, "", 0, 0), 0);
	run(0.1);
	assert_true(n_turns < 30);
}

static void test_shut_down_by_a_router(void **state)
{
	(void)state;
	assert_int_equal(shutdown(s.waiting.router_end, SHUT_WR), 0);
	run(0.2);
	assert_true(n_turns < 20);
	for (int i = 0; i < 1000 && !channel_is_usable(&s.waiting); i++)
		run(0.1);
	assert_true(channel_is_usable(&s.waiting)); /* another one, under the same number */
	assert_int_equal(told, s.waiting.id);
	send_client();
	run(0.2);
	assert_int_equal(n_refused, 1);
	assert_null(s.renewed);
}

/* When that router has ended it is seen to at once, and who waits there goes on waiting. */
static void test_shut_down_with_somebody_in_it(void **state)
{
	(void)state;
	send_client();
	run(0.01);
	hold_check(&s);
	assert_int_equal(told, 0);
	assert_int_equal(shutdown(s.waiting.router_end, SHUT_WR), 0);
	hold_check(&s);
	assert_int_equal(told, s.waiting.id);
	assert_true(channel_is_usable(&s.waiting) && hold_anybody(&s));
	send_client();
	run(0.2);
	assert_int_equal(n_refused, 2);
	assert_true(n_turns < 20);
}

/* What cannot be a message is taken out, and counts. */
static void test_what_is_no_message(void **state)
{
	static char longer[TRP_SEVERAL_SIZE + 1];
	unsigned sent = 0;

	(void)state;
	while (send(s.waiting.router_end, longer, sizeof(longer), MSG_DONTWAIT) > 0)
		sent++;
	assert_true(sent > 0);
	run(0.05);
	assert_true(n_turns < 20 + sent);
	send_client();
	run(0.1);
	assert_int_equal(n_refused, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_waits_too_long_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_empty_messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shut_down_by_a_router, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shut_down_with_somebody_in_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_message, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
