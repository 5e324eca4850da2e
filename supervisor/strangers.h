/* SPDX-License-Identifier: ISC */
/* strangers.h: children that the daemon has without having started them: of the program that it was before it was executed, or of
 * the shell that executed it. They are reaped, whatever they are. */
#pragma once

struct daemon;
struct strangers;

/* Once at the start, when the daemon has taken over what is its own. NULL: there are none. */
struct strangers *strangers_open(struct daemon *d);
void strangers_close(struct strangers *s);
