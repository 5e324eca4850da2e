/* SPDX-License-Identifier: ISC */
/* lateclose.h: closes a descriptor that was watched and that another process (trp-keeper, a child) has too.
 *
 * libev never takes a descriptor out of its epoll set: it takes it that close(2) does. That is not so while somebody else has the
 * description: it stays in the set, and when it becomes readable libev finds an event for a number that is closed, or somebody else's, and
 * makes the whole set anew, with one system call for each descriptor of the daemon. */
#pragma once

#include <ev.h>

/* In the next turn of the loop, in which libev can still take out what is readable by now. Its watcher must be stopped. *fd becomes -1. */
void close_later(struct ev_loop *loop, int *fd);
