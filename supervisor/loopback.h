/* SPDX-License-Identifier: ISC */
/* loopback.h: trp-relay beside a sandbox (adapter = loopback): in a sandbox of its own, but in the network namespace of the service, it connects
 * the clients to the upstream's ordinary listening sockets from their own addresses (router/relay/loopback.c). One for each run of such a
 * service; if it ends first, so does that run. */
#pragma once

#include "sandbox/sandbox.h"

#include <ev.h>

struct service;

struct loopback {
	struct sandbox box; /* pid 0: none */
	int control;        /* it says here what listens, and that it is drained */
	struct sandbox_failure failure; /* stage NONE: its sandbox was made */
	int stop_signal;    /* of the upstream, sent when the relay is drained; 0: not asked for */
	bool lingering;     /* the service's sandbox has ended; what it had sent still goes to the clients */
	ev_io on_end, on_message, on_status;
	ev_timer timer;
};
#define LOOPBACK_NONE {.box = {.pidfd = -1, .status_fd = -1}, .control = -1}

/* After the service's sandbox: starts it. err: its standard error. What goes wrong later ends in instance_lost(). 0 or -errno. */
int loopback_start(struct service *s, int err);
/* Stops the upstream by signo, after the clients that are connected to it but not accepted yet were accepted. False: nothing to be waited
 * for. */
bool loopback_stop_first(struct service *s, int signo);
/* One that runs, started by this daemon or an earlier one. */
void loopback_watch(struct service *s);
/* The service's sandbox has ended: true if the relay still has something to deliver. Then s->run.on_end is stopped, and started again
 * when that is over. */
bool loopback_linger(struct service *s);
/* Whether what it says is read (instance_took()). */
void loopback_listen(struct service *s, bool on);
/* Ends it and waits for its end. */
void loopback_end(struct service *s);
