/* SPDX-License-Identifier: ISC */
/* timers.h: services that are run by time ([timer]). Armed by trpsupd's start (start in trpsup.conf, enable), or by a first `trpsup start`;
 * until `trpsup stop`. One descriptor (timerfd_create(2)) wakes the daemon when the first of all is due, or when the clock was
 * set; nothing wakes it before. When a service was run last, and how that ended, is kept in STATE_DIR/timers/NAME.
 *
 * Two runs at a time never happen: a time that comes while the last run is still going on is passed over, and counted. */
#pragma once

#include "supervisor/timerdue.h"
#include <jansson.h>

struct daemon;
struct service;

enum timer_result { TIMER_NONE, TIMER_RUNS, TIMER_OK, TIMER_FAILED, TIMER_STOPPED };

struct service_timer {
	bool armed;
	bool known; /* what is kept was read */
	struct timer_due due;
	double last, ended; /* of the last run; real, 0: none */
	bool since_boot;    /* that was in this boot of the machine */
	unsigned result;    /* enum timer_result */
	unsigned passed_over;
	char why[200];      /* it failed */
};

struct timers;
/* 0 or -errno */
int timers_open(struct daemon *d, struct timers **ret);
void timers_close(struct timers *t);
/* After services were taken over from an earlier daemon: what became due meanwhile is run. */
void timers_adopted(struct daemon *d);

/* Was a run of that time, of which an earlier version has written no more, in this boot of the machine? Right if nobody has set the clock. */
bool timers_since_boot(double last);

/* Its times count from now on. Nothing for one without. */
void timers_arm(struct service *s);
void timers_disarm(struct service *s);
/* It has another profile than old (may be NULL). */
void timers_profile(struct service *s, const struct profile *old);
/* It has another state than from (enum service_state). */
void timers_state(struct service *s, int from);
/* For status: an object, or null. */
json_t *timers_describe(const struct service *s);
