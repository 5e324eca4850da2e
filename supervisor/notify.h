/* SPDX-License-Identifier: ISC */
/* notify.h: the sd_notify(3) socket of one service: a datagram socket in its own run directory, bind mounted into its sandbox. */
#pragma once

#include "base/util.h"
#include <sys/types.h>

#define NOTIFY_MAX 4096 /* bytes of a datagram that are looked at; a longer one is ignored */

/* path is replaced if it exists; writable for uid/gid. Returns 0 and a non-blocking descriptor, or -errno. */
int notify_open(const char *path, uid_t uid, gid_t gid, int *ret_fd);

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
	char status[200]; /* STATUS=, printable ASCII only; "" if there was none */
};
/* Pure: what a datagram of a tenant says. Unknown lines are ignored. Fuzzed. */
void notify_parse(const char *text, size_t len, struct notify_state *out);
