/* SPDX-License-Identifier: ISC */
/* routerproc.h: the daemon's side of trp-router: starts it in an empty sandbox, tells it listeners, channels and
 * routes (router/control.h), replaces it when it ends. Everything it has to know is told again then. */
#pragma once

#include "router/control.h"
#include <ev.h>

struct daemon;
struct routerproc;

/* resync(d): tell everything again by the calls below; a new router has started. */
int routerproc_open(struct daemon *d, void (*resync)(struct daemon *d), struct routerproc **ret, char *err, size_t err_size);
/* Ends it and waits for its end. */
void routerproc_close(struct routerproc *r);

void routerproc_channel_add(struct routerproc *r, uint32_t id, int fd);
void routerproc_channel_del(struct routerproc *r, uint32_t id);
/* Clients of the group's number are spread over the channels; n 0: no such group. At most ROUTER_GROUP_MAX. */
void routerproc_group_set(struct routerproc *r, uint32_t id, const uint32_t *channels, uint32_t n);
/* listener 0 = any; host "" = the default route; channels 0 = answer 503. */
void routerproc_route_set(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host,
	uint32_t channel4, uint32_t channel6);
void routerproc_route_del(struct routerproc *r, uint32_t listener, enum trp_protocol protocol, const char *host);

pid_t routerproc_pid(const struct routerproc *r); /* 0 while there is none */
/* done(data, stats) once, now or later; stats NULL: no router to ask. One question at a time. */
void routerproc_stats(struct routerproc *r, void (*done)(void *data, const struct router_stats *stats), void *data);
