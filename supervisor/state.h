/* SPDX-License-Identifier: ISC */
/* state.h: what a service does next: a pure table (state x event -> next state, action). No system call, no clock: service.c
 * turns what the kernel says into events and carries the actions out. */
#pragma once

enum service_state {
	STATE_STOPPED,
	STATE_WAITING,    /* for what it requires */
	STATE_IMAGE,      /* its root is being built */
	STATE_STARTING,   /* sandbox, setup steps, upstream until it is ready */
	STATE_READY,
	STATE_STOPPING,   /* asked to stop; then STOPPED */
	STATE_RESTARTING, /* asked to stop; then started again */
	STATE_ABORTING,   /* start took too long: being ended; then as a failure */
	STATE_BACKOFF,    /* failed, tried again after a delay */
	STATE_FAILED,     /* given up until somebody starts it */
	STATE_COUNT
};

enum service_event {
	EVENT_START,        /* somebody wants it up */
	EVENT_STOP,
	EVENT_RESTART,
	EVENT_REQUIRED_UP,  /* all that it requires is ready */
	EVENT_REQUIRED_DOWN, /* something that it requires has failed for good */
	EVENT_IMAGE_READY,
	EVENT_IMAGE_FAILED,
	EVENT_READY,
	EVENT_TIMEOUT,      /* the timer of this state */
	EVENT_GONE_AGAIN,   /* the sandbox ended (or could not be made); the policy says: once more */
	EVENT_GONE_FAILED,  /* ... a failure, and no further try */
	EVENT_GONE_DONE,    /* ... as it should, and no further try */
	EVENT_COUNT
};

enum service_action {
	ACTION_NONE,
	ACTION_REQUIRE,  /* start what it requires; REQUIRED_UP when all is ready */
	ACTION_IMAGE,    /* have its root built; IMAGE_READY at once if it is there */
	ACTION_SPAWN,    /* make the sandbox; arm the start timer */
	ACTION_UP,       /* it serves: routes, waiting starters */
	ACTION_TERM,     /* stop signal; arm the stop timer */
	ACTION_KILL,     /* SIGKILL to the whole group */
	ACTION_DELAY,    /* arm the back-off timer; channels and routes stay: clients wait */
	ACTION_DOWN,     /* withdraw routes and channels, release everything */
	ACTION_IMPOSSIBLE, /* a defect of ours: logged, ignored */
	ACTION_COUNT
};

struct service_transition {
	enum service_state next;
	enum service_action action;
};

struct service_transition service_transition(enum service_state state, enum service_event event);
const char *service_state_name(enum service_state state);
const char *service_event_name(enum service_event event);
