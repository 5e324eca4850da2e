/* SPDX-License-Identifier: ISC */
/* manager.h: what is said to who started the daemon, if that listens: sd_notify(3). Without NOTIFY_SOCKET nothing happens. */
#pragma once

#include <ev.h>

/* All is up, or a reload is done. */
void manager_ready(void);
/* trpsup.conf is read anew, or the program is executed anew; manager_ready() follows. */
void manager_reloading(void);
void manager_stopping(void);
/* WATCHDOG_USEC: says that it lives, twice in that time. A loop that is stuck does not. */
void manager_watchdog(struct ev_loop *loop);
void manager_watchdog_end(struct ev_loop *loop);
