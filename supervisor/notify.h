/* SPDX-License-Identifier: ISC */
/* notify.h: what a service says by sd_notify(3). trp-sdnotify receives it. */
#pragma once

#include "base/util.h"
#include <sys/types.h>

#define NOTIFY_MAX 4096 /* bytes of a datagram that are looked at; a longer one is ignored */

struct notify_state {
	bool ready;
	bool reloading;
	bool stopping;
	bool watchdog, trigger;   /* WATCHDOG=1, WATCHDOG=trigger */
	bool has_watchdog_us;     /* WATCHDOG_USEC= was there */
	uint64_t watchdog_us;
	uint64_t extend_us;       /* EXTEND_TIMEOUT_USEC=; 0 if there was none */
	int error;                /* ERRNO=, 1 to 4095; 0 if there was none */
	uint64_t monotonic_us; /* MONOTONIC_USEC=, of RELOADING=1; 0 if there was none */
	pid_t main_pid; /* MAINPID=, as the sandbox counts; 0 if there was none */
	bool store, store_remove; /* FDSTORE=1, FDSTOREREMOVE=1 */
	bool barrier;  /* BARRIER=1 */
	char store_name[64]; /* FDNAME=, printable ASCII without ':'; "" if there was none that is valid */
	char status[200]; /* STATUS=, printable ASCII only; "" if there was none */
};
/* Pure: what a datagram of a tenant says. Unknown lines are ignored. Fuzzed. */
void notify_parse(const char *text, size_t len, struct notify_state *out);
