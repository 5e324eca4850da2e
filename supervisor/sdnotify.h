/* SPDX-License-Identifier: ISC */
/* sdnotify.h: the daemon's side of trp-sdnotify (sdnotify/main.c). It belongs to a service, not to a run, and outlives the daemon; with a service that is
 * down it ends, and with it all that it keeps. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct daemon;
struct service;
struct sdnotify;

/* Before a run with ready = notify: s->run.notify is where its datagrams come. *ret_kept: its init's TRP_INIT_KEPT_FD, the caller's to
 * close; -1: nothing is kept. 0 or -errno. */
int sdnotify_run(struct service *s, int *ret_kept);
/* Has the run beside s, which takes its place, go on with what s has. */
void sdnotify_hand_over(struct service *from, struct service *to);
/* Takes over that of an earlier daemon, if there was one. */
void sdnotify_adopt(struct service *s);
/* Lets go of it, and it of all that it keeps. */
void sdnotify_end(struct service *s);
/* How many descriptors it keeps, and has refused to; 0 if there is none. */
unsigned sdnotify_kept(const struct service *s, unsigned *ret_refused);
pid_t sdnotify_pid(const struct service *s); /* 0: none */
/* The control group of a service's, in fresh memory; NULL: no memory. */
char *sdnotify_group(const char *service);
/* Groups of those that have ended go; false: not all can yet. */
bool sdnotify_sweep(struct daemon *d);
/* At the daemon's end, after all services. */
void sdnotify_close(struct daemon *d);
