/* SPDX-License-Identifier: ISC */
#pragma once

#include <ev.h>

/* Callback of s->run.on_notify: reads a bounded number of datagrams. */
void notified_ready(struct ev_loop *loop, ev_io *w, int events);
