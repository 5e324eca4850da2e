/* SPDX-License-Identifier: ISC */
/* ahead.h: what the next start of a service can take, made when there is time. Never woken while nothing is started. */
#pragma once

#include "supervisor/daemon.h"

void ahead_init(struct daemon *d);
/* Before the first start, with as little memory as may be. */
void ahead_begin(void);
/* Something was started and has taken it. */
void ahead_again(struct daemon *d);
void ahead_stop(struct daemon *d);
