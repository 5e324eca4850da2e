/* SPDX-License-Identifier: ISC */
/* handover.h: the few things that trpsupd passes to the program that is executed in its place (upgrade.h), and that the keeper does
 * not have: by their numbers, in TRPSUPD_HANDOVER of the environment. For this one process: nobody's child reads it. */
#pragma once

#include <stdbool.h>

struct handover {
	int lock;    /* of the run directory; -1: nothing was handed over, this is a start as any other */
	int control; /* the control socket, listening */
	int caller;  /* who asked for the upgrade, and waits for its end; -1: nobody */
	char before[64]; /* the version that it was */
};
#define HANDOVER_NONE {.lock = -1, .control = -1, .caller = -1}

/* Before any descriptor is opened: takes it out of the environment. What is none is as if it were not there. */
void handover_take(struct handover *ret);
/* Just before execve(2). 0 or -errno. */
int handover_give(const struct handover *h);
/* execve(2) has failed. */
void handover_withdraw(const struct handover *h);
