/* SPDX-License-Identifier: ISC */
/* strangers.h: children that the daemon has without having started them: of the program that it was before it was executed, or of
 * the shell that executed it. They are reaped, whatever they are. */
#pragma once

struct daemon;
struct strangers;

/* At the start, before the daemon starts anything: all children that it has. NULL: there are none. */
struct strangers *strangers_find(struct daemon *d);
/* When it has taken over what is its own: the rest of them is watched. */
void strangers_watch(struct daemon *d, struct strangers **all);
void strangers_close(struct strangers *s);
