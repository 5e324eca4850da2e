/* SPDX-License-Identifier: ISC */
/* learner.h: trp-learn, the process that watches a run of a service that is learnt from (sandbox/learn/learn.h). What it says
 * is kept by learning.h. If it ends first, so does that run: nothing goes on unwatched. */
#pragma once

#include "base/util.h"
#include "supervisor/pace.h"

#include <ev.h>
#include <sys/types.h>

struct service;

struct learner {
	pid_t pid;    /* 0: none */
	int pidfd;
	int control;  /* it says here what there was */
	int go;       /* its end of the socket to trp-init, until it is started */
	int init_end; /* trp-init's TRP_INIT_LEARN_FD, until the sandbox has been made */
	bool ended;   /* it has told everything */
	bool lingering;
	ev_io on_end, on_message;
	ev_timer timer;
	struct pace pace; /* of what is read from control */
};
#define LEARNER_NONE {.pidfd = -1, .control = -1, .go = -1, .init_end = -1}

/* Before the sandbox is made. 0 or -errno. */
int learner_prepare(struct service *s);
/* After it: starts the process; trp-init waits for it. err: its standard error. */
int learner_start(struct service *s, int err);
/* The sandbox's init has ended. True: the learner has not told everything yet; run.on_end is stopped, and started again when it
 * has ended, after 2 s at the latest. (As long as it has not seen that end, the daemon cannot reap init.) */
bool learner_linger(struct service *s);
/* Takes what it has said, ends it and waits for its end. */
void learner_stop(struct service *s);
