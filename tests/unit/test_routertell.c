/* SPDX-License-Identifier: ISC */
/* Clients that are to be refused by a router which ends before it has read of them: another one does it, or the next.
 * wrap: reap_kill */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/routertell.c" /* its statics are what is tried */
#include "base/fdpass.h"
#include "base/io.h"
#include "supervisor/reap.h"

#include <fcntl.h>

#define WORKERS 2

static struct daemon d;
static struct routerproc r;
static int ends[WORKERS];

int __wrap_reap_kill(int pidfd, int signo);
int __wrap_reap_kill(int pidfd, int signo)
{
	(void)pidfd, (void)signo;
	return 0;
}

static void add(unsigned slot)
{
	struct worker *w = worker_new(&r, slot);
	int pair[2];

	assert_non_null(w);
	assert_int_equal(trp_fd_pair(pair), 0);
	w->loop = d.loop;
	w->control = pair[0];
	ends[slot] = pair[1];
	w->listening = true;
	w->unread = routers_unread;
	w->next = r.workers;
	r.workers = w;
}

static int set_up(void **state)
{
	(void)state;
	d = (struct daemon){.loop = ev_loop_new(EVFLAG_AUTO)};
	r = (struct routerproc){.d = &d};
	for (unsigned i = 0; i < WORKERS; i++)
		add(i);
	return d.loop ? 0 : -1;
}

static void end_first(void)
{
	struct worker *w = r.workers;

	r.workers = w->next;
	worker_free(w);
}

static int tear_down(void **state)
{
	(void)state;
	while (r.workers)
		end_first();
	outbox_clear(&r.refused);
	for (unsigned i = 0; i < WORKERS; i++)
		trp_close(&ends[i]);
	ev_loop_destroy(d.loop);
	return 0;
}

static void refuse(uint32_t service)
{
	const struct trp_handoff h = {.protocol = TRP_PROTO_HTTP1};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	routerproc_refuse(&r, service, VERDICT_NO_SERVICE, &h, fd);
	close(fd);
}

/* Is it told the router at this end, with a descriptor? */
static bool told(int end, enum router_msg_type type, uint32_t service)
{
	struct router_msg m = {0};
	int fd = -1;
	bool is = trp_fd_recv(end, &m, sizeof(m), &fd, 1, MSG_DONTWAIT) == sizeof(m) && m.type == type && m.service == service && fd >= 0;

	trp_close(&fd);
	return is;
}

/* They have ended, but we have not heard of it yet. */
static void test_one_that_has_ended(void **state)
{
	struct router_msg early = {.type = ROUTER_CLIENT_ADD};

	(void)state;
	trp_close(&ends[1]); /* of the first */
	refuse(1);
	assert_true(told(ends[0], ROUTER_REFUSE, 1));
	trp_close(&ends[0]);
	refuse(2);
	refuse(3);
	worker_send(r.workers, &early, 0);
	assert_int_equal(r.refused.n, 3);
	add(0);
	routers_give_refused(&r, r.workers);
	assert_true(told(ends[0], ROUTER_REFUSE, 2));
	assert_true(told(ends[0], ROUTER_REFUSE, 3));
	assert_true(told(ends[0], ROUTER_CLIENT_ADD, 0));
	assert_int_equal(r.refused.n, 0);
}

/* It ends with what waits for it. */
static void test_what_waits_for_it(void **state)
{
	struct router_msg other = {.type = ROUTER_ROUTE_DEL};
	struct worker *w = r.workers;
	struct router_msg m;
	int n = 0;

	(void)state;
	while (!w->out.first)
		worker_send(w, &other, -1);
	refuse(4);
	assert_int_equal(w->out.n, 2);
	end_first();
	assert_true(told(ends[0], ROUTER_REFUSE, 4));
	assert_true(trp_fd_recv(ends[0], &m, sizeof(m), NULL, 0, MSG_DONTWAIT) < 0); /* nothing else */
	w = r.workers;
	while (!w->out.first && n++ < 100000)
		worker_send(w, &other, -1);
	refuse(5);
	end_first();
	assert_int_equal(r.refused.n, 1);
	add(0);
	routers_give_refused(&r, r.workers);
	assert_true(told(ends[0], ROUTER_REFUSE, 5));
}

/* The next one ends at once, too. */
static void test_the_next_one_ends(void **state)
{
	(void)state;
	end_first();
	end_first();
	refuse(6);
	assert_int_equal(r.refused.n, 1);
	trp_close(&ends[0]);
	add(0);
	trp_close(&ends[0]);
	routers_give_refused(&r, r.workers);
	assert_int_equal(r.refused.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_that_has_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_waits_for_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_next_one_ends, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
