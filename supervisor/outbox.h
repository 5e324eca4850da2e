/* SPDX-License-Identifier: ISC */
/* outbox.h: messages to one router, in their order. What its socket has no room for waits here, so that the daemon neither
 * blocks nor takes a router that is busy for one that is stuck. Bounded in bytes. */
#pragma once

#include "router/control.h"
#include <stdbool.h>
#include <stddef.h>

#define OUTBOX_MAX   (64u << 20)
#define OUTBOX_SLICE 1024 /* messages for each flush */

struct outbox_item;

struct outbox {
	struct outbox_item *first, *last;
	size_t bytes, n;
	size_t max; /* 0: OUTBOX_MAX */
};

/* Keeps a copy (with its own duplicate of fd; -1: none). 0, -ENOBUFS: more than max waits, -ENOMEM, or what dup(2) says. */
int outbox_keep(struct outbox *o, const struct router_msg *m, int fd);
/* Sends, or keeps a copy. 0, or as outbox_keep(), or what sendmsg(2) says. */
int outbox_send(struct outbox *o, int sock, const struct router_msg *m, int fd);
/* Sends of what waits as much as there is room for, at most OUTBOX_SLICE. The number sent, or -errno. */
int outbox_flush(struct outbox *o, int sock);
/* Takes the first out. ret_fd: the caller's, or -1. False: there is none. */
bool outbox_take(struct outbox *o, struct router_msg *ret, int *ret_fd);
void outbox_clear(struct outbox *o);
