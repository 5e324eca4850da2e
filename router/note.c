/* SPDX-License-Identifier: ISC */
/* note.c: what became of a client: counted always, and written down for the observer where it is asked for. */
#include "router/router.h"
#include "base/util.h"

#include <string.h>
#include <sys/socket.h>

_Static_assert((int)VERDICT_COUNT <= LEDGER_VERDICTS, "each verdict has a counter");

/* A number that no other socket of this machine has until it is started anew: addresses and ports are used again, and
 * there may be two clients who differ by our own address only. */
static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

static void wake_reader(const struct router *r)
{
	const uint64_t one = 1;

	if (r->may_wake && write(ROUTER_WAKE_FD, &one, sizeof(one)) < 0)
		return; /* EAGAIN: it was woken 2^64 times */
}

void note_client(struct router *r, const struct client *c, const struct note *n)
{
	const struct listener *l = &r->listeners[c->listener];
	struct ledger_record record;

	ledger_count(r->ledger, l->id, c->protocol, n->service, (uint8_t)n->verdict);
	if (!ledger_records(r->ledger))
		return;
	router_update_clock(r);
	record = (struct ledger_record){
		.cookie = n->verdict == VERDICT_HANDED_ON || n->taken_back ? cookie_of(c->fd) : 0,
		.accepted_ns = c->accepted_ns,
		.decided_ns = r->now_ns,
		.listener = l->id,
		.service = n->service,
		.channel = n->channel,
		.peer = c->peer,
		.protocol = c->protocol,
		.verdict = (uint8_t)n->verdict,
		.flags = (uint8_t)client_flags(c),
		.name_len = n->name_len,
	};
	memcpy(record.name, n->name ? n->name : "", n->name_len);
	if (ledger_append(r->ledger, &record))
		wake_reader(r);
}
