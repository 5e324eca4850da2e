/* SPDX-License-Identifier: ISC */
/* prestop.h: the steps of pre-stop, which trp-init runs (sandbox/init/stops.c) before the main process gets its stop signal. They have
 * stop-timeout for all; then the one that runs is killed and the signal goes out, for which there is stop-timeout anew. */
#pragma once

#include "supervisor/service.h"

/* Is its stop, which begins now, to begin with them? Only if it was ready and its main process is there. */
bool prestop_wanted(const struct service *s);
/* What init says of them. Untrusted, as all that comes from inside. */
void prestop_take(struct service *s, const struct trp_init_msg *msg);
/* The time is over. True if it was theirs: the signal is on its way now. */
bool prestop_late(struct service *s);
