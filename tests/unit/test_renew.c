/* SPDX-License-Identifier: ISC */
/* Channels that others have taken the place of, under the same number: trp-keeper has one of them that is open, as long as there is one. A router that
 * an earlier daemon has started is told nothing: it has the first of them still when later ones have come to their ends.
 * wrap: keep_put hold_deal */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/service.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int kept = -1; /* by trp-keeper */

void __wrap_keep_put(struct keep *k, const char *owner, const char *what, uint32_t number, int fd);
void __wrap_keep_put(struct keep *k, const char *owner, const char *what, uint32_t number, int fd)
{
	(void)k;
	assert_string_equal(owner, "web");
	assert_string_equal(what, "channel-before");
	assert_int_equal(number, 7);
	kept = fd;
}

unsigned __wrap_hold_deal(struct service *s, int service_end, unsigned max);
unsigned __wrap_hold_deal(struct service *s, int service_end, unsigned max)
{
	(void)s, (void)service_end, (void)max;
	return 0;
}

/* Their ends that routers have. */
static struct service *follow(struct daemon *d, int ends[3])
{
	static struct service s;

	s = (struct service){.d = d, .name = (char *)"web", .key = "web"};
	for (int i = 0; i < 3; i++) {
		int pair[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		ends[i] = pair[1];
		renew_follow(&s, 7, pair[0]);
		assert_int_equal(kept, pair[0]);
	}
	return &s;
}

static void turn(struct ev_loop *loop)
{
	for (int i = 0; i < 3; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

static void test_any_order(void **state)
{
	static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO)};

	(void)state;
	for (size_t o = 0; o < TRP_ARRAY_SIZE(orders); o++) {
		int ends[3];
		struct service *s = follow(&d, ends);
		for (int i = 0; i < 3; i++) {
			close(ends[orders[o][i]]);
			turn(d.loop);
			assert_int_equal(kept >= 0, i < 2);
			if (kept >= 0)
				assert_true(fcntl(kept, F_GETFD) >= 0);
		}
		assert_null(s->renewed);
	}
	ev_loop_destroy(d.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
