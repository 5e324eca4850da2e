/* SPDX-License-Identifier: ISC */
/* A check for which we have no descriptor is none: nobody waits for it, and it is not the service's failure.
 * wrap: accept4 health_not_made */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/probe.c" /* its statics are what is tried */

static unsigned n_not_made;

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	(void)fd, (void)addr, (void)len, (void)flags;
	errno = EMFILE;
	return -1;
}

void __wrap_health_not_made(struct service *s, const char *why);
void __wrap_health_not_made(struct service *s, const char *why)
{
	(void)why;
	n_not_made++;
	probe_stop(s);
}

static void test_no_descriptor(void **state)
{
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct service s = {.d = &d};
	struct probe *b = &s.health.probe;
	struct sockaddr_storage at;
	socklen_t len = loopback_address(AF_INET, false, &at);

	(void)state;
	*b = (struct probe){.going = true, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_int_equal(bind(b->listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(b->listener, 1), 0);
	assert_int_equal(getsockname(b->listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(b->client, (struct sockaddr *)&at, len), 0);
	ev_io_init(&b->on_accept, on_accept, b->listener, EV_READ);
	b->on_accept.data = &s;
	ev_io_start(d.loop, &b->on_accept);
	for (int i = 0; i < 20 && b->going; i++)
		ev_run(d.loop, EVRUN_NOWAIT);
	assert_int_equal(n_not_made, 1);
	ev_loop_destroy(d.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
