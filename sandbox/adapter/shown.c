/* SPDX-License-Identifier: ISC */
#include "shown.h"
#include "base/rawsys.h"

#define WAYS 4
#define SETS 4096 /* a power of two */
#define BUSY 1    /* a cookie of the kernel is larger: it counts per processor from 1 << 8 or so */

/* Threads read and write at once: the cookie is BUSY while an entry is written, and is looked at again after an entry was
 * copied. */
static struct entry {
	uint64_t cookie; /* atomic; 0: free */
	struct trp_addr peer, local;
	int family; /* in which to show them, if they can be */
} entries[SETS][WAYS];

static uint32_t n_noted; /* atomic */

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return trp_raw_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

static struct entry *set_of(uint64_t cookie)
{
	return entries[cookie * 0x9e3779b97f4a7c15u >> 52 & (SETS - 1)];
}

static void ask_local(int fd, struct trp_addr *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	out->family = 0;
	if (trp_raw_getsockname(fd, &sa, &len) == 0)
		trp_addr_from_sockaddr(out, (const struct sockaddr *)&sa);
}

/* An entry to be filled in, its cookie BUSY; NULL: others are at all of them */
static struct entry *claim(struct entry *set, uint32_t turn)
{
	for (uint32_t i = 0; i <= WAYS; i++) {
		/* a free one, else the one whose turn it is */
		struct entry *e = &set[i < WAYS ? i : turn % WAYS];
		uint64_t old = __atomic_load_n(&e->cookie, __ATOMIC_RELAXED);
		if ((i < WAYS ? old == 0 : old != BUSY) &&
			__atomic_compare_exchange_n(
				&e->cookie, &old, BUSY, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return e;
	}
	return NULL;
}

void shown_note(int client, int listener_family, int socket_family, const struct trp_handoff *h)
{
	bool proxied = h->flags & TRP_HANDOFF_PROXIED;
	struct entry *e;
	uint64_t cookie;

	if (!proxied && listener_family == socket_family)
		return;
	cookie = cookie_of(client);
	e = cookie > BUSY ? claim(set_of(cookie), __atomic_fetch_add(&n_noted, 1, __ATOMIC_RELAXED)) : NULL;
	if (!e)
		return;
	e->peer = h->peer;
	e->local = h->local;
	if (!proxied)
		ask_local(client, &e->local);
	e->family = listener_family;
	__atomic_store_n(&e->cookie, cookie, __ATOMIC_RELEASE);
}

socklen_t shown_name(int fd, bool peer, struct sockaddr_storage *out)
{
	uint64_t cookie = shown_none() ? 0 : cookie_of(fd);
	struct entry *set = set_of(cookie);
	size_t len;

	for (int i = 0; cookie > BUSY && i < WAYS; i++) {
		if (__atomic_load_n(&set[i].cookie, __ATOMIC_ACQUIRE) != cookie)
			continue;
		const struct trp_addr a = peer ? set[i].peer : set[i].local;
		const int family = set[i].family;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&set[i].cookie, __ATOMIC_RELAXED) != cookie || a.family == 0)
			return 0;
		len = trp_addr_to_sockaddr(&a, family, out);
		return (socklen_t)(len ? len : trp_addr_to_sockaddr(&a, 0, out));
	}
	return 0;
}

bool shown_none(void)
{
	return __atomic_load_n(&n_noted, __ATOMIC_RELAXED) == 0;
}
