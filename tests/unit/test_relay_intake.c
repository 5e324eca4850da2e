/* SPDX-License-Identifier: ISC */
/* While the relay takes no clients a channel does not keep it busy, whatever a router does with its end: that it was shut down is told without being asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* each program of ours has a control.c, and each of these a PER_TURN */
#include "router/relay/loop.c"
#include "router/relay/intake.c"
#undef PER_TURN
#define watch_all loopback_watch_all
#include "router/relay/loopback.c"

#include <sys/epoll.h>
#include <sys/socket.h>

void control_ready(struct relay *relay)
{
	(void)relay;
}

int control_run(struct relay *relay)
{
	(void)relay;
	return -1;
}

void control_drained(struct relay *relay)
{
	(void)relay;
}

void control_listens(struct relay *relay, uint16_t port, uint16_t family, bool v6only)
{
	(void)relay, (void)port, (void)family, (void)v6only;
}

static struct relay r;
static int router_end;

static int set_up(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || shutdown(pair[1], SHUT_RD) < 0) /* as the daemon makes them */
		return -1;
	router_end = pair[1];
	memset(&r, 0, sizeof(r));
	r.control_fd = -1;
	r.n_channels = r.n_sets = 1;
	r.channels[0] = (struct channel){.source = {SOURCE_CHANNEL}, .fd = pair[0], .set = &r.sets[0], .watched = true, .client_fd = -1, .dial_fd = -1};
	return relay_init(&r, 4096);
}

static int tear_down(void **state)
{
	(void)state;
	for (struct pipe_pair *p = r.pipes, *next; p; p = next) { /* that are kept for the next connection */
		next = p->next;
		close(p->fd[0]);
		close(p->fd[1]);
		free(p);
	}
	relay_unwatch_close(&r, &r.channels[0].fd);
	close(r.epoll_fd);
	close(router_end);
	return 0;
}

static int events(void)
{
	struct epoll_event e;

	return epoll_wait(r.epoll_fd, &e, 1, 0);
}

static void test_full(void **state)
{
	(void)state;
	assert_int_equal(events(), 0);
	r.n_conns = r.conns_max;
	intake_ready(&r, &r.channels[0]);
	assert_true(r.intake_off);
	assert_int_equal(send(router_end, "x", 1, 0), 1);
	assert_int_equal(events(), 0);
	assert_int_equal(shutdown(router_end, SHUT_WR), 0);
	for (int i = 0; i < 2 && events() > 0; i++)
		intake_ready(&r, &r.channels[0]);
	assert_int_equal(events(), 0);
	/* seen when there is room again */
	r.n_conns = 0;
	intake_switch(&r, true);
	assert_int_equal(events(), 1);
	intake_ready(&r, &r.channels[0]);
	assert_int_equal(r.channels[0].fd, -1);
	assert_int_equal(events(), 0);
}

static void test_loopback(void **state)
{
	struct channel *ch = &r.channels[0];

	(void)state;
	r.opt.loopback = true;
	loopback_watch(&r, ch); /* nobody listens yet */
	assert_false(ch->watched);
	assert_int_equal(shutdown(router_end, SHUT_WR), 0);
	for (int i = 0; i < 2 && events() > 0; i++)
		loopback_ready(&r, ch);
	assert_int_equal(events(), 0);
	r.upstreams[0].open = true;
	loopback_watch(&r, ch);
	assert_true(ch->watched);
	assert_int_equal(events(), 1);
	loopback_ready(&r, ch);
	assert_int_equal(ch->fd, -1);
	assert_int_equal(events(), 0);
}

/* The program's end of the connection that the channel is waiting for, which is there by now. */
static int set_up_dial(struct channel *ch)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(own);
	cleanup_close int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(listen(listener, 2), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&own, &len), 0);
	ch->dial_source.kind = SOURCE_DIAL;
	ch->dial_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	connect(ch->dial_fd, (struct sockaddr *)&own, sizeof(own));
	assert_int_equal(relay_watch(&r, ch->dial_fd, EPOLLOUT | EPOLLONESHOT, &ch->dial_source), 0);
	ch->client_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(ch->client_fd, (struct sockaddr *)&own, sizeof(own)), 0);
	return accept(listener, NULL, NULL);
}

static void assert_open(struct channel *ch, int target)
{
	struct conn *c = peers_find(&r, &ch->handoff.peer, &ch->handoff.local);

	assert_int_equal(ch->dial_fd, -1);
	assert_non_null(c);
	assert_int_equal(c->state, CONN_OPEN);
	assert_int_equal(c->fd[1], target);
	conn_give_way(&r, &ch->handoff);
	run_queue(&r);
	conn_free_dead(&r);
}

static void test_dialed_later(void **state)
{
	struct channel *ch = &r.channels[0];
	int program = set_up_dial(ch), target = ch->dial_fd;

	(void)state;
	r.opt.loopback = true;
	assert_int_equal(events(), 1);
	loopback_dialed(&r, ch);
	assert_open(ch, target);
	close(program);
}

/* Its time for another try has come, and so has the answer: the program has a client already. */
static void test_dialed_at_the_last_moment(void **state)
{
	struct channel *ch = &r.channels[0];
	int program = set_up_dial(ch), target = ch->dial_fd;

	(void)state;
	r.opt.loopback = true;
	r.opt.connect_timeout_ms = 1000;
	ch->due_ns = ch->full_since_ns = r.now_ns;
	loopback_run(&r);
	assert_open(ch, target);
	close(program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_loopback, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dialed_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dialed_at_the_last_moment, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
