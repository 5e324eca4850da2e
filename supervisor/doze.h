/* SPDX-License-Identifier: ISC */
/* doze.h: services that stand still while nobody uses them (idle-freeze). Its clients come into its own channels, where nobody takes them: that one
 * lies there is the reason to have it go on. So freezing needs no care for who comes just then, as a stop does: nobody is lost by it. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

struct service;

struct doze {
	bool on;        /* frozen for want of use, not by a call (struct service frozen) */
	bool refused;   /* the kernel does not do it: said once */
	double not_before; /* trp_now_seconds() */
	ev_io *watches; /* of each of its channels, or NULL */
	size_t n;
	ev_timer timer; /* until all stand still */
	unsigned looks;
};

/* It has not been used for long enough: has it stand still, until a client comes. */
void doze_begin(struct service *s);
/* It goes on, if it stands still for want of use. why: for a log. */
void doze_end(struct service *s, const char *why);
/* Nothing is watched any more. It stands still as before. */
void doze_unwatch(struct service *s);
/* One that an earlier daemon had stand still, or not: it does now what its record says, whenever that daemon was killed. */
void doze_adopt(struct service *s);
