/* SPDX-License-Identifier: ISC */
#include "several.h"

#include <errno.h>
#include <string.h>

_Static_assert(TRP_SLOT_BYTES > sizeof(struct trp_handoff), "the length tells one client from several");
_Static_assert(TRP_SLOT_BYTES % 8 == 0, "slots are aligned as the message is");

void trp_several_put(void *msg, size_t i, const struct trp_handoff *h)
{
	char *slot = (char *)msg + i * TRP_SLOT_BYTES;

	/* nothing of an earlier client, who may have been another service's */
	memcpy(slot, h, h->size);
	memset(slot + h->size, 0, TRP_SLOT_BYTES - h->size);
}

/* The header in size bytes. 0 or -EBADMSG */
static int header(const void *at, size_t size, struct trp_handoff *ret)
{
	if (size > sizeof(*ret))
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, at, size);
	return trp_handoff_check(ret, size);
}

static size_t size_of(const void *at)
{
	uint16_t size;

	memcpy(&size, (const char *)at + offsetof(struct trp_handoff, size), sizeof(size));
	return size;
}

int trp_several_check(const void *msg, size_t len, size_t n_fds)
{
	struct trp_handoff h;

	if (len <= sizeof(h))
		return n_fds == 1 && header(msg, len, &h) == 0 ? 1 : -EBADMSG;
	if (n_fds < 2 || n_fds > TRP_SEVERAL_MAX || len != n_fds * TRP_SLOT_BYTES)
		return -EBADMSG;
	for (size_t i = 0; i < n_fds; i++) {
		const char *slot = (const char *)msg + i * TRP_SLOT_BYTES;
		if (header(slot, size_of(slot), &h) < 0)
			return -EBADMSG;
	}
	return (int)n_fds;
}

void trp_several_get(const void *msg, size_t i, struct trp_handoff *ret)
{
	const char *slot = (const char *)msg + i * TRP_SLOT_BYTES;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret, slot, size_of(slot));
}
