/* SPDX-License-Identifier: ISC */
/* notifier.h: trp-notify, the process beside a sandbox that serves the listeners of a program into which nothing can be preloaded
 * (sandbox/adapter/notify/notify.h). One for each run of a service with adapter = notify; if it ends first, so does that run. */
#pragma once

#include "base/util.h"

#include <ev.h>
#include <sys/types.h>

struct service;

struct notifier {
	pid_t pid;     /* 0: none */
	int pidfd;
	int control;   /* it says here that a port listens */
	int hand_over; /* its end of the socket to trp-init, until it is started */
	ev_io on_end, on_message;
};
#define NOTIFIER_NONE {.pidfd = -1, .control = -1, .hand_over = -1}

/* Before the sandbox is made: *ret_init_end becomes its init's TRP_INIT_NOTIFY_FD, the caller's to close. */
int notifier_prepare(struct service *s, int *ret_init_end);
/* After it: starts the process. err: its standard error. What goes wrong later ends in instance_lost(). */
int notifier_start(struct service *s, int err);
/* One that runs, started by this daemon or an earlier one. */
void notifier_watch(struct service *s);
/* Whether what it says is read (instance_took()). */
void notifier_listen(struct service *s, bool on);
/* Ends it and waits for its end. */
void notifier_stop(struct service *s);
