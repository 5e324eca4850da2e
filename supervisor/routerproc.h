/* SPDX-License-Identifier: ISC */
/* routerproc.h: the daemon's side of trp-router: starts as many as trpsup.conf says, each in an empty sandbox, tells all of
 * them listeners, channels and routes (router/control.h), replaces one that ends without the others noticing, and all of
 * them by those of another program file. A new one is told everything again. */
#pragma once

#include "router/control.h"
#include <ev.h>
#include <stdbool.h>

struct channel;
struct daemon;
struct routerproc;

/* resync(d): tell everything but the listeners again by the calls below; a new router has started. */
int routerproc_open(struct daemon *d, void (*resync)(struct daemon *d), struct routerproc **ret, char *err, size_t err_size);
/* What an earlier daemon left has been taken over: clients may come, and would not have found it before. */
void routerproc_listen(struct routerproc *r);
/* Ends them and waits for their end. */
void routerproc_close(struct routerproc *r);

/* Tells of d->listeners[index], new or changed. */
void routerproc_listener_set(struct routerproc *r, size_t index);
void routerproc_listener_del(struct routerproc *r, uint32_t id);
void routerproc_limits_set(struct routerproc *r); /* [clients] */
/* service: its number in the ledger */
void routerproc_channel_add(struct routerproc *r, uint32_t service, const struct channel *c);
void routerproc_channel_del(struct routerproc *r, uint32_t id);
/* Its receiver takes messages with several clients; until it is added again. */
void routerproc_channel_several(struct routerproc *r, uint32_t id);
/* Clients of the group's number are spread over the channels; n 0: no such group. At most ROUTER_GROUP_MAX. */
void routerproc_group_set(struct routerproc *r, uint32_t id, const uint32_t *channels, uint32_t n);
/* done(data, true) once, later, when all routers have done what they were told before: no client goes where it led to earlier. False, at once or
 * later: that cannot be known now, as routers of an earlier daemon still serve. */
void routerproc_barrier(struct routerproc *r, void (*done)(void *data, bool all), void *data);
/* Nobody waits for that any more. */
void routerproc_barrier_forget(struct routerproc *r, const void *data);
/* A client that a router has handed on, taken back: it is told why it cannot be served. fd: borrowed. */
void routerproc_refuse(
	struct routerproc *r, uint32_t service, enum router_verdict verdict, const struct trp_handoff *h, int fd);
/* limits of the service with these channels; without channels: forgotten. */
void routerproc_quota_set(struct routerproc *r, uint32_t id, const struct router_quota *quota);
/* burst 0: what comes in a second, at least 10 */
struct router_rate routerproc_rate(uint64_t interval_ns, uint64_t burst);
/* listener 0 = any; host "" = the default route; channels 0 = answer 503; plain: never redirected to https. */
void routerproc_route_set(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host,
	uint32_t service, bool plain, uint32_t channel4, uint32_t channel6);
void routerproc_route_del(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host);

pid_t routerproc_pid(const struct routerproc *r); /* of the first; 0 while there is none */
/* Of those that serve; with retired: of those that only finish what they have begun. Returns how many. */
size_t routerproc_pids(const struct routerproc *r, bool retired, pid_t *ret_pids, size_t max);
/* Whatever they do. */
size_t routerproc_all(const struct routerproc *r, pid_t *ret_pids, size_t max);
bool routerproc_is_upgrading(const struct routerproc *r);
/* Do those that serve know what they were told? False while they are an earlier daemon's, to whom this one cannot talk. */
bool routerproc_knows(const struct routerproc *r);
/* ROUTER_EXPLAIN. done(data, answer) once, now or later; NULL: no router to ask. In the order of the questions. */
void routerproc_explain(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host,
	void (*done)(void *data, const struct router_msg *answer), void *data);
/* done(data, stats) once, now or later: the sums of all routers, those that have finished included; stats NULL: there is none
 * to ask, or none answers. One question at a time. */
void routerproc_stats(struct routerproc *r, void (*done)(void *data, const struct router_stats *stats), void *data);
/* Opens trp-router anew and replaces all routers by it, when they are ready; those that are replaced finish what they have
 * begun. done(data, error) once, now or later; error not NULL: why not, and nothing has changed. */
void routerproc_upgrade(struct routerproc *r, void (*done)(void *data, const char *error), void *data);
