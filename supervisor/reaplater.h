/* SPDX-License-Identifier: ISC */
/* reaplater.h: a process of a sandbox may be traced by another one there (syscalls = @debug). When it has ended its pidfd says so, but it is its tracer's until
 * that has waited for it, or has ended, too: reap_status() says 0 as long as the tracer likes. */
#pragma once

#include <ev.h>

/* In the callback of end, a watcher of that pidfd: it is called again in a while, not at once. again is the watcher's owner's, who stops it with the
 * watcher; it needs no more than to be 0 before. */
void reap_later(struct ev_loop *loop, ev_io *end, ev_timer *again);
