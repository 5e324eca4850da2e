/* SPDX-License-Identifier: ISC */
/* Clients that wait for a service that is not up. A router has the other end of where they wait, and may have been taken over: whatever it does there, the
 * daemon is not kept busy by it, and those who wait are still seen. wrap: instance_catch_up routerproc_refuse logs_note routerproc_channel_add keep_has keep_take keep_take_any keep_drop */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/hold.c" /* its statics are what is tried */
#include "base/fdpass.h"
#include "base/several.h"

#include <sys/socket.h>

#define HOLD_MS 500u
#define FEW     1000 /* turns of the loop, of which some are ours; one that never sleeps has tens of thousands */

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

static bool is_ready; /* the service has said so */

void __wrap_instance_catch_up(struct service *service);
void __wrap_instance_catch_up(struct service *service)
{
	if (is_ready)
		service->place = PLACE_CHANNELS; /* where its clients are put then */
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

/* What an earlier daemon left with trp-keeper, -1: nothing */
static struct {
	const char *what;
	int fd;
	bool taken, dropped;
} kept[] = {{.what = "waiting-router"}, {.what = "waiting-service"}, {.what = "channel-before"}};

static const char *last_dropped;

static int find_kept(const char *what)
{
	for (int i = 0; i < (int)TRP_ARRAY_SIZE(kept); i++)
		if (strcmp(kept[i].what, what) == 0 && kept[i].fd >= 0)
			return i;
	return -1;
}

bool __wrap_keep_has(struct keep *k, const char *owner, const char *what, uint32_t number);
bool __wrap_keep_has(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	(void)k, (void)owner, (void)number;
	return find_kept(what) >= 0;
}

int __wrap_keep_take(struct keep *k, const char *owner, const char *what, uint32_t number);
int __wrap_keep_take(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	int i = find_kept(what);

	(void)k, (void)owner, (void)number;
	if (i < 0 || kept[i].taken)
		return -1;
	kept[i].taken = true;
	return kept[i].fd;
}

int __wrap_keep_take_any(struct keep *k, const char *owner, const char *what, uint32_t *ret_number);
int __wrap_keep_take_any(struct keep *k, const char *owner, const char *what, uint32_t *ret_number)
{
	*ret_number = s.waiting.id;
	return __wrap_keep_take(k, owner, what, s.waiting.id);
}

void __wrap_keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number);
void __wrap_keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	int i = find_kept(what);

	(void)k, (void)owner, (void)number;
	if (i >= 0)
		kept[i].dropped = true;
	last_dropped = what;
}

static int set_up(void **state)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(kept); i++)
		kept[i].fd = -1, kept[i].taken = kept[i].dropped = false;
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

/* However slow the machine is. */
static void run_until_refused(unsigned n)
{
	for (int i = 0; i < 600 && n_refused < n; i++)
		run(0.1);
	assert_int_equal(n_refused, n);
}

static void send_client(void)
{
	struct trp_handoff h = {.protocol = TRP_PROTO_HTTP1, .listener = 1, .accepted_ns = trp_now_ns()};

	assert_int_equal(trp_fd_send(s.waiting.router_end, &h, trp_handoff_seal(&h, "a", 1), &d.lock, 1, 0), 0);
}

static void test_who_waits_too_long_is_refused(void **state)
{
	(void)state;
	send_client();
	run(0.01);
	assert_int_equal(n_refused, 0);
	run_until_refused(1);
	send_client(); /* it goes on */
	run_until_refused(2);
	assert_true(n_turns < FEW);
}

/* The daemon had to wait for so long, and what the service has said meanwhile is not read yet. */
static void test_who_waited_for_the_daemon_is_served(void **state)
{
	(void)state;
	send_client();
	run(0.01);
	trp_sleep_ms(2 * HOLD_MS);
	is_ready = true;
	on_timer(d.loop, &s.hold_timer, EV_TIMER);
	assert_int_equal(n_refused, 0);
	is_ready = false;
	s.place = PLACE_WAITING;
	on_timer(d.loop, &s.hold_timer, EV_TIMER);
	assert_int_equal(n_refused, 1);
}

/* An empty message looks like the end: there was nobody, and we were told so again and again. */
static void test_empty_messages(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(send(s.waiting.router_end, "", 0, 0), 0);
	send_client();
	run_until_refused(1);
	assert_true(n_turns < FEW);
	assert_int_equal(send(s.waiting.router_end, "", 0, 0), 0);
	run(0.1);
	assert_true(n_turns < FEW);
}

static void test_shut_down_by_a_router(void **state)
{
	(void)state;
	assert_int_equal(shutdown(s.waiting.router_end, SHUT_WR), 0);
	run(0.2);
	assert_true(n_turns < FEW);
	for (int i = 0; i < 1000 && !channel_is_usable(&s.waiting); i++)
		run(0.1);
	assert_true(channel_is_usable(&s.waiting)); /* another one, under the same number */
	assert_int_equal(told, s.waiting.id);
	send_client();
	run_until_refused(1);
	assert_null(s.renewed);
}

/* When that router has ended it is seen to at once, and who waits there goes on waiting. */
static void test_shut_down_with_somebody_in_it(void **state)
{
	(void)state;
	p.hold_ms = 600000; /* however long this takes */
	send_client();
	run(0.01);
	hold_check(&s);
	assert_int_equal(told, 0);
	assert_int_equal(shutdown(s.waiting.router_end, SHUT_WR), 0);
	hold_check(&s);
	assert_int_equal(told, s.waiting.id);
	assert_true(channel_is_usable(&s.waiting) && hold_anybody(&s));
	send_client();
	p.hold_ms = HOLD_MS;
	expire(&s);
	run_until_refused(2);
	assert_true(n_turns < FEW);
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
	assert_true(n_turns < FEW + sent);
	send_client();
	run_until_refused(1);
}

/* A daemon was killed when it had said that those who still come to where clients have waited are to be passed on, but not yet that nobody
 * waits there any more. They are not passed on to where they are already. */
static void test_adopted_before_it_was_left(void **state)
{
	(void)state;
	unwatch(&s);
	kept[0].fd = s.waiting.router_end;
	kept[1].fd = s.waiting.service_end;
	kept[2].fd = dup(s.waiting.service_end);
	hold_adopt(&s);
	renew_adopt(&s);
	watch(&s);
	assert_true(s.waiting.id != 0);
	send_client();
	run(0.03);
	assert_true(n_turns < FEW);
	assert_true(hold_anybody(&s));
	run_until_refused(1);
	assert_true(n_turns < FEW);
	assert_true(kept[2].taken && kept[2].dropped);
	assert_false(kept[0].dropped || kept[1].dropped);
}

/* ... or when it had said half of that: what is not taken over is let go of with those who are in it, and so must not be the end that is taken
 * over under another name. */
static void test_adopted_while_it_was_left(void **state)
{
	(void)state;
	last_dropped = NULL;
	kept[0].fd = s.waiting.router_end;
	kept[1].fd = s.waiting.service_end;
	drop(&s, s.waiting.id);
	assert_true(kept[0].dropped && kept[1].dropped);
	assert_string_equal(last_dropped, "waiting-router");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_waits_too_long_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_waited_for_the_daemon_is_served, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_empty_messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shut_down_by_a_router, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shut_down_with_somebody_in_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_adopted_before_it_was_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_adopted_while_it_was_left, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
