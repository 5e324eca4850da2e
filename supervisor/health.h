/* SPDX-License-Identifier: ISC */
/* health.h: is a service that runs well? Its profile names a check ([health]), which is made again and again while it is ready and not frozen;
 * with ready = check also before, until it is ready.
 *
 *   health.c          when a check is made, and what follows from it
 *   health_count.c    how many make it healthy or unhealthy (pure)
 *   probe.c           a client of our own, through its channel; what comes back is read by its init (sandbox/init/check.c)
 *   health_command.c  a command inside its sandbox
 *
 * Nothing of an answer is read in the daemon but a number, and of a command the first bytes of its output, to be shown. */
#pragma once

#include "supervisor/probe.h"
#include <ev.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum health_state { HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

/* Checks in a row, since the run began. */
struct health_count {
	unsigned state; /* enum health_state */
	unsigned failures, successes;
};
enum health_news { HEALTH_SAME, HEALTH_NOW_HEALTHY, HEALTH_NOW_UNHEALTHY };

/* One more check. excused: a failure before the first success does not count. most, least: failures and successes of the profile. */
enum health_news health_count(struct health_count *c, bool passed, bool excused, uint64_t most, uint64_t least);

struct health_command;

struct health {
	struct health_count count;
	double since;    /* ev_time() of its last change; 0: none */
	char last[200];  /* why the last check that failed did; "": none has */
	uint32_t number; /* of the last check */
	bool going;      /* one is under way */
	double pause;    /* seconds to the next, while it starts */
	ev_timer timer;  /* the next one; or, while one is under way, its end */
	struct probe probe;
	struct health_command *command; /* NULL: none runs */
};

struct service;

/* A new run: nothing is known of it. */
void health_reset(struct service *s);
/* Something has changed on which it depends whether checks are made. Also for one that an earlier daemon had checked. */
void health_update(struct service *s);
/* Its profile has other keys of [health]. */
void health_profile(struct service *s);
/* The run is over. */
void health_stop(struct service *s);
/* What its init says came back: untrusted. */
void health_checked(struct service *s, int32_t number, int32_t result);
/* With ready = check: have enough of them passed? */
bool health_is_ready(const struct service *s);
bool health_is_unhealthy(const struct service *s);
/* Of status; NULL: nothing is checked. */
json_t *health_describe(const struct service *s);

/* The check that is under way has an end: for its two ways of being made. text: why it failed. */
void health_done(struct service *s, bool passed, const char *text);
/* It could not be made, which says nothing about the service. */
void health_not_made(struct service *s, const char *why);

/* health_command.c. 0; or -errno with a sentence in err. */
int health_command_begin(struct service *s, char *err, size_t err_size);
void health_command_late(struct service *s); /* its time is over */
void health_command_abort(struct service *s); /* without a word; nothing happens if none runs */
/* Ends one that an earlier daemon left. */
void health_command_adopt(struct service *s);
