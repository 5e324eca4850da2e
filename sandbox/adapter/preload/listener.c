/* SPDX-License-Identifier: ISC */
#include "preload.h"

#include <stddef.h>
#include <string.h>

#define LISTENERS_MAX 32

static struct listener listeners[LISTENERS_MAX];

static uint32_t key_of(const struct channel_id *id)
{
	return (uint32_t)id->family << 16 | id->port;
}

struct listener *listener_find(const struct channel_id *id)
{
	uint32_t key = key_of(id);

	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		uint32_t here = __atomic_load_n(&listeners[i].key, __ATOMIC_ACQUIRE);
		if (here == key)
			return &listeners[i];
		if (here == 0)
			return NULL;
	}
	return NULL;
}

socklen_t listener_bound(const struct channel_id *id, struct sockaddr_storage *ret)
{
	const struct listener *l = listener_find(id);
	struct trp_addr any = {.family = id->family, .port = htons(id->port)};

	if (!l || !l->bound_len)
		return (socklen_t)trp_addr_to_sockaddr(&any, 0, ret);
	memcpy(ret, &l->bound, l->bound_len);
	return l->bound_len;
}

/* Of all: who stops one says so here first, and nobody takes it back. */
static uint32_t any_stopped; /* atomic */

void listener_stop(struct listener *l, bool stopped)
{
	if (stopped)
		__atomic_store_n(&any_stopped, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&l->stopped, stopped, __ATOMIC_SEQ_CST);
}

bool listener_any_stopped(void)
{
	return __atomic_load_n(&any_stopped, __ATOMIC_SEQ_CST);
}

struct listener *listener_known(const struct channel_id *id, int fd)
{
	struct listener *l = listener_find(id);
	struct options held = {.set = 0};

	if (l || __atomic_load_n(&listeners[LISTENERS_MAX - 1].key, __ATOMIC_ACQUIRE)) /* known, or full */
		return l;
	options_snapshot(&held, fd, AF_UNIX);
	l = listener_get(id);
	if (l)
		options_take(&l->options, &held);
	return l;
}

/* Entries are never given back, so a claimed key stays where it is and threads need no lock. */
struct listener *listener_get(const struct channel_id *id)
{
	uint32_t key = key_of(id);

	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		uint32_t here = 0;
		if (__atomic_compare_exchange_n(&listeners[i].key, &here, key, false,
			    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
			here == key)
			return &listeners[i];
	}
	return NULL;
}
