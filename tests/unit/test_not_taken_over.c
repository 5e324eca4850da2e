/* SPDX-License-Identifier: ISC */
/* What trp-keeper had, and for which there is no memory: it is closed, and not known under its name any more, as the number may be another's next.
 * wrap: keep_take_any keep_put keep_drop calloc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/exec.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NUMBER 7u

static const char *what_is_there;
static int taken, left;
static bool no_memory;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return no_memory ? NULL : __real_calloc(n, size);
}

int __wrap_keep_take_any(struct keep *k, const char *owner, const char *what, uint32_t *ret_number);
int __wrap_keep_take_any(struct keep *k, const char *owner, const char *what, uint32_t *ret_number)
{
	int pair[2];

	(void)k, (void)owner;
	if (left > 0 || taken >= 0 || strcmp(what, what_is_there) != 0)
		return -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[1]);
	left++;
	*ret_number = NUMBER;
	return taken = pair[0];
}

void __wrap_keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number);
void __wrap_keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	(void)k, (void)owner;
	assert_string_equal(what, what_is_there);
	assert_int_equal(number, NUMBER);
	assert_true(fcntl(taken, F_GETFD) >= 0);
	left--;
}

void __wrap_keep_put(struct keep *k, const char *owner, const char *what, uint32_t number, int fd);
void __wrap_keep_put(struct keep *k, const char *owner, const char *what, uint32_t number, int fd)
{
	assert_int_equal(fd, -1);
	__wrap_keep_drop(k, owner, what, number);
}

static void adopt_logs(struct service *s)
{
	logs_keep(s->logs, NULL);
}

static void test_no_memory(void **state)
{
	static const struct {
		const char *what;
		void (*adopt)(struct service *s);
	} kinds[] = {{"exec", exec_adopt}, {"channel-before", renew_adopt}, {"out", adopt_logs}, {"err", adopt_logs}};
	const struct log_limits limits = {.size = 1 << 20};
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct service s = {.d = &d, .name = (char *)"web", .key = "web"};
	struct logsink *sink;

	(void)state;
	assert_int_equal(logsink_open(d.loop, &sink), 0);
	assert_int_equal(logs_open(d.loop, sink, "web", &limits, &s.logs), 0);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(kinds); i++) {
		what_is_there = kinds[i].what;
		taken = -1;
		left = 0;
		no_memory = true;
		kinds[i].adopt(&s);
		no_memory = false;
		assert_true(taken >= 0);
		assert_int_equal(left, 0);
		assert_int_equal(fcntl(taken, F_GETFD), -1);
	}
	assert_null(d.execs);
	assert_null(s.renewed);
	logs_close(s.logs);
	logsink_close(sink);
	ev_loop_destroy(d.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
