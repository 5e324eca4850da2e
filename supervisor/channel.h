/* SPDX-License-Identifier: ISC */
/* channel.h: one handoff channel: a SEQPACKET socketpair for (service, port, family). The daemon keeps both ends for as long
 * as the service is up, so clients that are queued in it survive a crash of the upstream or of the router. */
#pragma once

#include "base/handoff.h"
#include "base/util.h"

#include <sys/resource.h>

struct channel {
	uint32_t id; /* in the router; never 0, never used again */
	uint16_t port;
	uint16_t family;  /* AF_INET or AF_INET6 */
	bool listened;    /* an adapter took it in this run: clients may be sent there */
	bool nonblock;    /* sockets with O_NONBLOCK may lie in it: its receivers look at TRP_HANDOFF_NONBLOCK */
	bool several;     /* messages with several clients may lie in it (base/several.h) */
	int router_end;   /* sends */
	int service_end;  /* receives; bound to the name that adapters recognise (sandbox/initmsg.h) */
};

/* How many numbers of descriptors the soft limit is to leave free, of that many: clients that are taken out of a channel, for a moment, have room there
 * when there is none elsewhere. */
rlim_t channel_reserve(rlim_t nofile);
/* queue: clients that may wait in it; 0: as many as RLIMIT_NOFILE gives reason for. 0 or -errno. */
int channel_open(uint16_t port, uint16_t family, uint64_t queue, struct channel *ret);
/* The same bound, changed. What waits already stays. */
int channel_set_queue(struct channel *c, uint64_t queue);
/* One that no service is ever given: clients wait in it until their service is up (hold.h). No port, no family. */
int channel_open_waiting(uint64_t queue, struct channel *ret);
void channel_close(struct channel *c);
/* Numbers for channels and groups of them. */
uint32_t channel_next_id(void);
/* An earlier daemon gave it away. */
void channel_id_used(uint32_t id);
/* From now on messages with several clients may be sent there. The same bound holds; fewer clients may wait, in small
 * messages a third of it (doc/protocol.md). 0; -ENOSPC:
 * the queue is too small for that; or -errno. */
int channel_take_several(struct channel *c, uint64_t queue);
/* Puts the clients that wait at that end singly into to, in their order, until that is full; one that found no room is let go,
 * and those of its message. Nobody else takes them out of there any more. */
void channel_move(int from_service_end, const struct channel *to);
/* Takes all clients out of there that are there now, at most max; each goes to give(), which does not keep fd. Returns how many. Only what
 * no process of the service has, or while none lives: SO_LINGER is off then, and stays so (whose close(2) comes last would wait for
 * as long as it says). */
unsigned channel_deal(
	int service_end, unsigned max, void (*give)(void *data, const struct trp_handoff *h, int fd), void *data);
/* CLOCK_MONOTONIC nanoseconds at which the first that waits there was accepted; 0: nobody waits. Of a channel that only we read. */
uint64_t channel_first(int service_end);
/* Does somebody wait there, checks of the daemon (probe.c) left aside? While nobody else reads of it. */
bool channel_has_client(int service_end);
/* Puts a client there. 0 or -errno, as trp_fd_send(). */
int channel_put(const struct channel *c, const struct trp_handoff *h, int fd);
/* Room for all that may have to be put there, and back to the bound of the profile. */
int channel_widen(struct channel *c);
int channel_narrow(struct channel *c, uint64_t queue);
/* Lets those go that still wait at that end. Nobody but us has it any more. */
void channel_let_go(int service_end);
/* What a run may have set on its end, which the next one has too, is as it was made. */
void channel_restore(const struct channel *c);
/* False once a service has shut its shared end down: it must be made anew then. */
bool channel_is_usable(const struct channel *c);
