/* SPDX-License-Identifier: ISC */
/* probe.h: a check that is a client: a TCP connection in the service's own network namespace, from lo to lo, whose server's end goes into the service's
 * channel as a router would put it there. So it is accepted as clients are, and to the service it comes from 127.0.0.1 (or ::1). A service gets nothing by it
 * that it has not: both ends belong to its own network. */
#pragma once

#include <ev.h>
#include <stdbool.h>

struct service;

struct probe {
	bool going; /* else the others say nothing */
	int listener, client;
	ev_io on_accept;
};

/* Makes the connection and sends what is to be sent; then health_checked() is told by init, or health_done() or health_not_made(): now or later. */
void probe_begin(struct service *s);
void probe_stop(struct service *s);
