/* SPDX-License-Identifier: ISC */
/* A daemon that was killed between two words to trp-keeper leaves one of two descriptors that are of no use without the other. It is closed, and
 * nobody has it any more under its name: the number may be another's next, and trp-keeper would be given that in its place. Half of a channel is
 * not even taken: it is emptied and closed with what nobody took. wrap: keep_has keep_take keep_drop helper_leave renew_follow routerproc_channel_del quota_tell */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/service.h"
#include "supervisor/worker.h"

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

static char order[100]; /* what happened, with blanks behind */

static void happens(const char *what)
{
	size_t len = strlen(order);

	snprintf(order + len, sizeof(order) - len, "%s ", what);
}

void __wrap_keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number);
void __wrap_keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	(void)k, (void)owner, (void)number;
	if (there && strcmp(what, there) == 0) {
		left--;
		assert_true(fcntl(taken, F_GETFD) >= 0); /* trp-keeper may be another one by that very word, and is given all that is known */
	}
	happens(what);
}

void __wrap_renew_follow(struct service *service, uint32_t id, int service_end);
void __wrap_renew_follow(struct service *service, uint32_t id, int service_end)
{
	(void)service, (void)id;
	close(service_end);
	happens("follow");
}

void __wrap_routerproc_channel_del(struct routerproc *r, uint32_t id);
void __wrap_routerproc_channel_del(struct routerproc *r, uint32_t id)
{
	(void)r, (void)id;
}

void __wrap_quota_tell(struct service *service);
void __wrap_quota_tell(struct service *service)
{
	(void)service;
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

static void adopt_worker(void)
{
	struct worker *w = worker_new(NULL, 1);

	assert_non_null(w);
	assert_false(worker_adopt(w, &(struct worker_launch){.keep = NULL}));
	free(w);
}

static void test_halves(void **state)
{
	static const struct {
		const char *what;
		void (*adopt)(void);
	} halves[] = {
		{"waiting-router", adopt_waiting}, {"waiting-service", adopt_waiting}, {"channel-router", adopt_channel},
		{"channel-service", adopt_channel}, {"sdnotify", adopt_sdnotify}, {"sdnotify-control", adopt_sdnotify},
		{"process", adopt_worker}, {"control", adopt_worker},
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

/* A daemon that is killed between any two of these leaves no half that would be let go of with the clients of the end that is taken over. */
static void test_a_channel_that_is_left(void **state)
{
	(void)state;
	there = NULL;
	order[0] = '\0';
	s.channels[0] = (struct channel){.id = 7, .router_end = eventfd(0, EFD_CLOEXEC), .service_end = eventfd(0, EFD_CLOEXEC)};
	s.n_channels = 1;
	route_rest(&s);
	assert_int_equal(s.n_channels, 0);
	assert_string_equal(order, "follow channel-service channel-router ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_a_channel_that_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
