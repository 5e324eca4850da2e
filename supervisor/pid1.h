/* SPDX-License-Identifier: ISC */
/* pid1.h: trpsupd as the first process of a container. Process 1 must reap every orphan, and all end with it. So it is one that does
 * nothing else, and the daemon is its child. */
#pragma once

/* Returns in the daemon, at once where this is not process 1. There, process 1 never returns: it passes signals on, starts the daemon
 * again when that is killed (from its file as that is by then, as it may have been upgraded; it takes over what runs), and ends as it ends. */
void pid1_stay_behind(char **argv);
