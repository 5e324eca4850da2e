/* SPDX-License-Identifier: ISC */
#include "supervisor/ledger.h"
#include "base/io.h"
#include "base/log.h"
#include "base/util.h"
#include "supervisor/keep.h"
#include "router/verdict.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define KEPT_BY "@ledger"

struct ledgers {
	int fd, wake_fd;
	struct ledger *slots[LEDGER_SLOTS]; /* NULL: never used; what nobody wrote to takes no memory */
	unsigned n_used;                    /* the highest used, and 1 */
	uint32_t last_number;
	bool recording;
};

static const off_t memory_size = (off_t)sizeof(struct ledger) * LEDGER_SLOTS;

static int make_memory(struct ledgers *l)
{
	l->fd = memfd_create("trpsup-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (l->fd < 0 || ftruncate(l->fd, memory_size) < 0 ||
		fcntl(l->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return l->wake_fd < 0 ? -errno : 0;
}

/* Both, or neither: the observer sleeps by one and reads the other. One in which there is something else, of another version, is left to the routers
 * that have it. */
static int adopt_memory(struct ledgers *l, struct keep *keep)
{
	l->fd = keep_take(keep, KEPT_BY, "memory", 0);
	l->wake_fd = keep_take(keep, KEPT_BY, "wake", 0);
	if (l->fd >= 0 && l->wake_fd >= 0 && trp_has_size(l->fd, (uint64_t)memory_size))
		return 0;
	if (l->fd >= 0)
		log_warn("what routers have counted is of another version: it begins anew");
	trp_close(&l->fd);
	trp_close(&l->wake_fd);
	return -ENOENT;
}

static bool map_slot(struct ledgers *l, unsigned slot)
{
	const off_t at = (off_t)sizeof(struct ledger) * slot;
	struct ledger *map;

	if (slot >= LEDGER_SLOTS)
		return false;
	if (!l->slots[slot]) {
		map = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, at);
		if (map == MAP_FAILED)
			return false;
		l->slots[slot] = map;
		l->n_used = slot < l->n_used ? l->n_used : slot + 1;
	}
	return true;
}

/* Slots that somebody has written to: of routers that serve on, and of those that have ended, whose counters still count. */
static void map_written(struct ledgers *l)
{
	const off_t size = sizeof(struct ledger);
	off_t at = 0;

	while ((at = lseek(l->fd, at, SEEK_DATA)) >= 0 && map_slot(l, (unsigned)(at / size)))
		at = (at / size + 1) * size;
}

int ledgers_open(struct keep *keep, struct ledgers **ret)
{
	struct ledgers *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->fd = l->wake_fd = -1;
	r = adopt_memory(l, keep);
	if (r == 0)
		map_written(l);
	else
		r = make_memory(l);
	if (r < 0)
		ledgers_close(l);
	if (r < 0)
		return r;
	keep_put(keep, KEPT_BY, "memory", 0, l->fd);
	keep_put(keep, KEPT_BY, "wake", 0, l->wake_fd);
	*ret = l;
	return 0;
}

void ledgers_close(struct ledgers *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < l->n_used; i++)
		if (l->slots[i])
			munmap(l->slots[i], sizeof(struct ledger));
	trp_close(&l->fd);
	trp_close(&l->wake_fd);
	free(l);
}

bool ledgers_use_slot(struct ledgers *l, unsigned slot)
{
	if (!map_slot(l, slot))
		return false;
	ledgers_record(l, l->recording);
	return true;
}

int ledgers_fd(const struct ledgers *l)
{
	return l->fd;
}

int ledgers_wake_fd(const struct ledgers *l)
{
	return l->wake_fd;
}

void ledgers_record(struct ledgers *l, bool on)
{
	l->recording = on;
	for (unsigned i = 0; i < l->n_used; i++)
		if (l->slots[i])
			__atomic_store_n(&l->slots[i]->recording, on, __ATOMIC_RELAXED);
}

void ledgers_number_used(struct ledgers *l, uint32_t number)
{
	if (number < LEDGER_SERVICES && number > l->last_number)
		l->last_number = number;
}

uint32_t ledgers_number(struct ledgers *l)
{
	return l->last_number + 1 < LEDGER_SERVICES ? ++l->last_number : 0;
}

/* A router may have written anything there: a sum wraps, and that is all. */
static void add(const struct ledger_counts *from, uint64_t sum[VERDICT_COUNT])
{
	for (int v = 0; v < VERDICT_COUNT; v++)
		sum[v] += __atomic_load_n(&from->n[v], __ATOMIC_RELAXED);
}

static json_t *to_json(const uint64_t sum[VERDICT_COUNT])
{
	json_t *o = json_object();

	for (int v = 0; v < VERDICT_COUNT; v++)
		if (router_verdict_word((unsigned)v))
			json_object_set_new(o, router_verdict_word((unsigned)v), json_integer((json_int_t)sum[v]));
	return o;
}

json_t *ledgers_of_service(const struct ledgers *l, uint32_t number)
{
	uint64_t sum[VERDICT_COUNT] = {0};

	for (unsigned i = 0; i < l->n_used && number < LEDGER_SERVICES; i++)
		if (l->slots[i])
			add(&l->slots[i]->services[number], sum);
	return to_json(sum);
}

uint64_t ledgers_handed_on(const struct ledgers *l, uint32_t number)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < l->n_used && number < LEDGER_SERVICES; i++)
		if (l->slots[i])
			sum += __atomic_load_n(&l->slots[i]->services[number].n[VERDICT_HANDED_ON], __ATOMIC_RELAXED);
	return sum;
}

json_t *ledgers_of_listener(const struct ledgers *l, uint32_t listener, uint8_t protocol)
{
	uint64_t sum[VERDICT_COUNT] = {0};

	for (unsigned i = 0; i < l->n_used && listener < LEDGER_LISTENERS && protocol < LEDGER_PROTOCOLS; i++)
		if (l->slots[i])
			add(&l->slots[i]->listeners[listener][protocol], sum);
	return to_json(sum);
}

unsigned ledgers_used(const struct ledgers *l)
{
	return l->n_used;
}
