/* SPDX-License-Identifier: ISC */
/* A daemon that was killed between two words to trp-keeper leaves one of two descriptors that are of no use without the other. It is closed, and
 * nobody has it any more under its name: the number may be another's next, and trp-keeper would be given that in its place. Half of a channel is
 * not even taken: it is emptied and closed with what nobody took. wrap: keep_has keep_take keep_drop helper_leave */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/service.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const char *there; /* what is kept */
static int taken, left;   /* its descriptor, until it is dropped and closed */

bool __wrap_keep_has(struct keep *k, const char *owner, const char *what, uint32_t number);
bool __wrap_keep_has(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	(void)k, (void)owner, (void)number;
	return strcmp(what, there) == 0;
}

int __wrap_keep_take(struct keep *k, const char *owner, const char *what, uint32_t number);
int __wrap_keep_take(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	(void)k, (void)owner, (void)number;
	if (strcmp(what, there) != 0)
		return -1;
	left++;
	return taken = eventfd(0, EFD_CLOEXEC);
}

void __wrap_keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number);
void __wrap_keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	(void)k, (void)owner, (void)number;
	left -= strcmp(what, there) == 0;
}

void __wrap_helper_leave(struct ev_loop *loop, int pidfd);
void __wrap_helper_leave(struct ev_loop *loop, int pidfd)
{
	(void)loop;
	close(pidfd);
}

static struct daemon d;
static struct service s;

static void adopt_waiting(void)
{
	s.waiting.id = 7;
	hold_adopt(&s);
	assert_int_equal(s.waiting.id, 0);
}

static void adopt_channel(void)
{
	assert_int_equal(route_adopt(&s, &(struct channel){.id = 7}), -ENOENT);
}

static void adopt_sdnotify(void)
{
	sdnotify_adopt(&s);
	assert_null(s.sdnotify);
}

static void test_halves(void **state)
{
	static const struct {
		const char *what;
		void (*adopt)(void);
	} halves[] = {
		{"waiting-router", adopt_waiting}, {"waiting-service", adopt_waiting}, {"channel-router", adopt_channel},
		{"channel-service", adopt_channel}, {"sdnotify", adopt_sdnotify}, {"sdnotify-control", adopt_sdnotify},
	};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(halves); i++) {
		s = (struct service){.d = &d, .name = (char *)"web", .key = "web"};
		there = halves[i].what;
		left = 0;
		taken = -1;
		halves[i].adopt();
		assert_int_equal(left, 0);
		assert_int_equal(fcntl(taken, F_GETFD), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_halves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
