/* SPDX-License-Identifier: ISC */
/* oom.h: processes of a service that the kernel has killed for want of memory, and what its profile makes of that ([limits] oom). */
#pragma once

#include "base/util.h"

#include <ev.h>
#include <limits.h>

struct daemon;
struct service;

/* Of one run. */
struct oom {
	int watch;      /* cgroup_oom_watch(); -1: its group cannot be watched, or it has none */
	uint32_t events;
	unsigned seen;  /* of its group's count, which may be older than the run; UINT_MAX: none of it yet */
	unsigned kills; /* of this run */
	unsigned borne; /* of these: when it was asked to end for the first of them */
	unsigned looks; /* since there was last something new */
	ev_timer timer;
	double next_note, pause; /* trp_now_seconds() from which kills that change nothing are told, and for how long they then are not */
};
#define OOM_NONE {.watch = -1, .seen = UINT_MAX}

/* From before its first process on. What is there of the group's count is not its. */
void oom_start(struct service *s);
/* A run that an earlier daemon began: what happened meanwhile counts. */
void oom_adopt(struct service *s);
void oom_stop(struct service *s);
/* Its run is over. True: processes of it were killed for want of memory, and by its profile it has failed. */
bool oom_is_cause(struct service *s);
/* The daemon ends; no service is watched any more. */
void oom_close(struct daemon *d);
