/* SPDX-License-Identifier: ISC */
/* observer.h: the daemon's side of trp-observer: starts it in an empty sandbox, gives it the routers' records, the kernel's news of
 * sockets and the access log's file, replaces it when it ends. What it has to know is told again then; the table of open
 * connections lies in memory of ours and stays. */
#pragma once

#include "router/live.h"
#include <ev.h>
#include <stdbool.h>

struct daemon;
struct observer;
struct service;

/* 0; or -errno with a sentence in err. With access-log = no there is none: *ret is NULL, which all calls below take. */
int observer_open(struct daemon *d, struct observer **ret, char *err, size_t err_size);
/* Ends it and waits for its end. */
void observer_close(struct observer *o);

void observer_service(struct observer *o, const struct service *s); /* its name */
void observer_listener(struct observer *o, size_t index);           /* that one of the daemon's: name and port */
void observer_slots(struct observer *o);                            /* how many of the ledger are in use */
pid_t observer_pid(const struct observer *o);                       /* 0: none runs */

/* The memory with struct live, -1: nobody observes. */
int observer_live_fd(const struct observer *o);
/* Connections of a service that are open now. UINT64_MAX: nobody counts them; number 0 is shared by all who have none of their own. */
uint64_t observer_live(const struct observer *o, uint32_t number);

/* The kernel is asked for all that are open. Then done(data, look): those whose sampled is look, or that of a later one, were there; 0: no
 * observer answered. Once, now or later. */
void observer_sample(struct observer *o, void (*done)(void *data, uint32_t look), void *data);
/* A copy of the first entry from *at on that was there at that look or since; *at moves behind it. Numbers are in range, the addresses are
 * IPv6 or v4-mapped; the name may be anything. False: there are no more. */
bool observer_next(const struct observer *o, uint32_t look, uint32_t *at, struct live_entry *ret);
/* It was kicked, if it is still there: its line will say so. */
void observer_mark_kicked(struct observer *o, uint32_t at, uint64_t cookie);
