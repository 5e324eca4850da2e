/* SPDX-License-Identifier: ISC */
/* Limits of services: parts of the descriptors in flight, queues, rates. ioctl() is the kernel's answer to how much lies in a
 * channel. wrap: ioctl */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/quota.h"
#include "base/util.h"

#include <fcntl.h>
#include <string.h>

#define SERVICES 100
#define ROOM     8000

int __wrap_ioctl(int fd, unsigned long request, int *ret);

static struct channel_table channels;
static struct quotas quotas;
static int waiting[4096]; /* by descriptor */
static unsigned looks;

int __wrap_ioctl(int fd, unsigned long request, int *ret)
{
	(void)request;
	looks++;
	*ret = waiting[fd] * 768;
	return 0;
}

static struct channel *channel(uint32_t id)
{
	return channel_pick(&channels, id, 0);
}

static void set(uint32_t id, uint32_t queue, uint64_t interval_ns, uint32_t burst)
{
	const struct router_quota q = {
		.rate = {.interval_ns = interval_ns, .burst = burst}, .queue = queue, .n_channels = 1, .channels = {id}};

	assert_int_equal(quota_set(&quotas, &channels, id, &q), 0);
}

static int setup(void **state)
{
	(void)state;
	quotas = (struct quotas){.room = ROOM};
	looks = 0;
	memset(waiting, 0, sizeof(waiting));
	for (uint32_t id = 1; id <= SERVICES; id++) {
		assert_int_equal(channel_add(&channels, id, open("/dev/null", O_RDONLY | O_CLOEXEC)), 0);
		set(id, 0, 0, 0);
	}
	looks = 0;
	return 0;
}

static int teardown(void **state)
{
	const struct router_quota none = {.n_channels = 0};

	(void)state;
	for (uint32_t id = 1; id <= SERVICES; id++) {
		assert_int_equal(quota_set(&quotas, &channels, id, &none), 0);
		channel_del(&channels, id);
	}
	assert_null(quotas.first);
	assert_int_equal(quotas.n, 0);
	free(channels.slots);
	channels = (struct channel_table){0};
	return 0;
}

/* One client more, which stays in the channel */
static int put(uint32_t id, uint64_t now_ns)
{
	int r = quota_admit(&quotas, &channels, channel(id), now_ns);

	if (r == 0) {
		waiting[channel(id)->fd]++;
		if (channel(id)->quota)
			quota_noted(&quotas, channel(id)->quota);
	}
	return r;
}

static int fill(uint32_t id, uint64_t now_ns)
{
	int n = 0;

	while (put(id, now_ns) == 0)
		n++;
	return n;
}

static void test_parts(void **state)
{
	const int share = ROOM / 2 / SERVICES;
	int n = fill(1, 1), sum = n;

	(void)state;
	/* one alone: a quarter of what is left when it has that, so a fifth of the half */
	assert_in_range(n, share + ROOM / 2 / 5 - 2, share + ROOM / 2 / 5 + 2);
	for (uint32_t id = 2; id <= SERVICES; id++) {
		int now = fill(id, id);
		assert_true(now >= share && now <= n);
		n = now;
		sum += now;
	}
	assert_true(sum <= ROOM);
	assert_true(sum > ROOM * 3 / 4);
}

/* A service that takes its clients gets them all, whatever the others do, and is hardly ever looked at. */
static void test_keeps_up(void **state)
{
	(void)state;
	for (uint32_t id = 2; id <= SERVICES; id++)
		fill(id, 1);
	looks = 0;
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(put(1, 1), 0);
		waiting[channel(1)->fd] = 0;
	}
	assert_in_range(looks, 1, 10000 / (ROOM / 2 / SERVICES) + 1);
}

/* What others had beyond their part and have no more is seen, though nobody asks for them. */
static void test_others_became_fewer(void **state)
{
	const uint64_t later = 1000000000;
	int before, after;

	(void)state;
	for (uint32_t id = 2; id <= 20; id++)
		fill(id, 1);
	before = fill(1, 1);
	for (uint32_t id = 2; id <= 20; id++)
		waiting[channel(id)->fd] = 0;
	after = before + fill(1, later);
	assert_true(after > before * 2);
	waiting[channel(1)->fd] = 0;
	assert_int_equal(put(1, later), 0);
}

static void test_queue_and_rate(void **state)
{
	(void)state;
	set(1, 5, 0, 0);
	assert_int_equal(fill(1, 1), 5);
	waiting[channel(1)->fd] = 3;
	assert_int_equal(fill(1, 1), 2);
	set(2, 0, 1000, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(put(2, 5000), 0);
	assert_int_equal(put(2, 5000), -EDQUOT);
	assert_int_equal(put(2, 6000), 0);
}

/* The observer counts what it has read of in the ledger; what it has not read is added. */
static void test_live(void **state)
{
	static struct ledger ledger;
	uint32_t live[3] = {0};
	const struct router_quota q = {.max_live = 4, .service = 2, .n_channels = 1, .channels = {1}};

	(void)state;
	assert_int_equal(quota_set(&quotas, &channels, 1, &q), 0);
	assert_int_equal(put(1, 1), -EUSERS); /* nobody counts */
	memset(&ledger, 0, sizeof(ledger));
	quotas.ledger = &ledger;
	quotas.live = live;
	ledger.head = 10; /* written, and not read */
	ledger.tail = 9;
	assert_int_equal(fill(1, 1), 4);
	ledger.tail = 10;
	live[2] = 4;
	assert_int_equal(put(1, 1), -EUSERS);
	live[2] = 2;
	ledger.head = 12;
	assert_int_equal(fill(1, 1), 2);
	ledger.tail = 12;
	live[2] = 0;
	live[1] = 100; /* somebody else's */
	ledger.head = 20;
	assert_int_equal(fill(1, 1), 4);
}

/* A limit that a reload sets does not count those who came before it, and whom the observer has counted long since. */
static void test_live_later(void **state)
{
	static struct ledger ledger;
	uint32_t live[3] = {0};
	const struct router_quota none = {.service = 2, .n_channels = 1, .channels = {1}};
	const struct router_quota few = {.max_live = 2, .service = 2, .n_channels = 1, .channels = {1}};

	(void)state;
	memset(&ledger, 0, sizeof(ledger));
	quotas.ledger = &ledger;
	quotas.live = live;
	assert_int_equal(quota_set(&quotas, &channels, 1, &none), 0);
	for (int i = 0; i < 5; i++) {
		ledger.head++;
		assert_int_equal(put(1, 1), 0);
	}
	assert_int_equal(quota_set(&quotas, &channels, 1, &few), 0);
	ledger.tail = ledger.head - 1;
	assert_int_equal(put(1, 1), -EUSERS); /* the last is not known to be counted */
	ledger.tail = ledger.head++;
	assert_int_equal(fill(1, 1), 2);
}

/* Clients that are admitted together are sent together: until then the channel does not show them. */
static void test_pending(void **state)
{
	(void)state;
	set(1, 5, 0, 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(quota_admit(&quotas, &channels, channel(1), 1), 0);
	assert_int_equal(quota_admit(&quotas, &channels, channel(1), 1), -EAGAIN);
	for (int i = 0; i < 5; i++)
		quota_noted(&quotas, channel(1)->quota);
	waiting[channel(1)->fd] = 4;
	assert_int_equal(put(1, 1), 0);
	assert_int_equal(put(1, 1), -EAGAIN);
}

/* Services come and go: parts are those of the ones that are there, sums stay right. */
static void test_division(void **state)
{
	const struct router_quota none = {.n_channels = 0};
	uint64_t sum = 0;

	(void)state;
	for (uint32_t id = 1; id <= SERVICES; id++)
		fill(id, id);
	for (uint32_t id = 11; id <= SERVICES; id++)
		assert_int_equal(quota_set(&quotas, &channels, id, &none), 0);
	assert_int_equal(quotas.share, ROOM / 2 / 10);
	for (const struct quota *q = quotas.first; q; q = q->next)
		sum += q->queued > quotas.share ? q->queued - quotas.share : 0;
	assert_int_equal(quotas.beyond, sum);
	quota_leave(&quotas, channel(1));
	assert_null(channel(1)->quota);
	assert_int_equal(put(1, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keeps_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_others_became_fewer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_and_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_live, setup, teardown),
		cmocka_unit_test_setup_teardown(test_live_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_division, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
