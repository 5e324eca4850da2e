/* SPDX-License-Identifier: ISC */
/* channel.h: one handoff channel: a SEQPACKET socketpair for (service, port, family). The daemon keeps both ends for as long
 * as the service is up, so clients that are queued in it survive a crash of the upstream or of the router. */
#pragma once

#include "base/util.h"

struct channel {
	uint32_t id; /* in the router; never 0, never used again */
	uint16_t port;
	uint16_t family;  /* AF_INET or AF_INET6 */
	bool listened;    /* an adapter took it since the service was last down: clients may be sent there */
	bool taken;       /* ... since this instance was spawned: it listens now */
	int router_end;   /* sends */
	int service_end;  /* receives; bound to the name that adapters recognise (sandbox/initmsg.h) */
};

int channel_open(uint16_t port, uint16_t family, struct channel *ret);
void channel_close(struct channel *c);
/* Numbers for channels and groups of them. */
uint32_t channel_next_id(void);
/* Puts the clients that wait in from into to, as they are, until that is full. Nobody else takes them out of from any more. */
void channel_move(struct channel *from, const struct channel *to);
/* False once a service has shut its shared end down: it must be made anew then. */
bool channel_is_usable(const struct channel *c);
