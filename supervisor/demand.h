/* SPDX-License-Identifier: ISC */
/* demand.h: services that are started by their first client and stopped when nobody uses them (start = on-demand), and those that are frozen
 * before or instead (idle-freeze, doze.h). A client waits in the channel of hold.h while nothing of the service runs: that it is there is the
 * reason to start it. */
#pragma once

#include <stdbool.h>

struct service;

/* After its state has changed: whether it is used is looked at while it is ready, and no longer. */
void demand_update(struct service *s);
/* From now on: it was frozen or thawed, or its profile says another time. */
void demand_again(struct service *s);
/* Routes are to lead away from it, as it may be stopped. */
bool demand_quiet(const struct service *s);
/* At the daemon's end. */
void demand_stop(struct service *s);
