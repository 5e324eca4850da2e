/* SPDX-License-Identifier: ISC */
/* state.h: what a service does next: a pure table (state x event -> next state, action). No system call, no clock: service.c
 * turns what the kernel says into events and carries the actions out. doc/states.md is printed from it. */
#pragma once

#include <stdint.h>

/* What each one is for: state_text.c, from which doc/states.md is made. */
enum service_state {
	STATE_STOPPED,
	STATE_WAITING,
	STATE_IMAGE,
	STATE_STARTING,
	STATE_READY,
	STATE_RELOADING,
	STATE_LEAVING,
	STATE_STOPPING,
	STATE_RESTARTING,
	STATE_ABORTING,
	STATE_BACKOFF,
	STATE_FAILED,
	STATE_DRAINING,
	STATE_RESTING,
	STATE_IDLE,
	STATE_COUNT
};

enum service_event {
	EVENT_START,
	EVENT_STOP,
	EVENT_RESTART,
	EVENT_RELOAD,
	EVENT_ARM,
	EVENT_REPLACED,
	EVENT_REQUIRED_UP,
	EVENT_REQUIRED_DOWN,
	EVENT_IMAGE_READY,
	EVENT_IMAGE_FAILED,
	EVENT_CLIENT,
	EVENT_UNUSED,
	EVENT_DRAINED,
	EVENT_READY,
	EVENT_RELOADING,
	EVENT_LEAVING,
	EVENT_UNHEALTHY,
	EVENT_NEVER_READY,
	EVENT_WATCHDOG,
	EVENT_MEMORY,
	EVENT_TIMEOUT,
	/* the sandbox ended, or could not be made */
	EVENT_GONE_AGAIN,
	EVENT_GONE_LIMIT,
	EVENT_GONE_FAILED,
	EVENT_GONE_DONE,
	EVENT_GONE_IDLE,
	EVENT_START_TEMPORARY,
	EVENT_START_PERMANENT,
	EVENT_COUNT
};

enum service_action {
	ACTION_NONE,
	ACTION_REQUIRE,
	ACTION_IMAGE,
	ACTION_SPAWN,
	ACTION_UP,
	ACTION_RELOAD,
	ACTION_AWAIT_RELOAD,
	ACTION_RELOADED,
	ACTION_RELOAD_LATE,
	ACTION_AWAIT_END,
	ACTION_TERM,
	ACTION_ABORT,
	ACTION_KILL,
	ACTION_DELAY,
	ACTION_DOWN,
	ACTION_DRAIN,
	ACTION_REST,
	ACTION_IMPOSSIBLE, /* a defect of ours: logged, ignored */
	ACTION_COUNT
};

struct service_transition {
	enum service_state next;
	enum service_action action;
};

struct service_transition service_transition(enum service_state state, enum service_event event);

/* The pause before the next try: first_ms after the first failure in a row, then twice as long each time, never above max_ms. */
uint64_t service_backoff_ms(unsigned failures_in_a_row, uint64_t first_ms, uint64_t max_ms);

/* state_text.c: the names that status and the control protocol have, and what doc/states.md says of each. Static strings. */
const char *service_state_name(enum service_state state);
const char *service_state_help(enum service_state state);
const char *service_event_name(enum service_event event);
const char *service_event_help(enum service_event event);
const char *service_action_name(enum service_action action);
const char *service_action_help(enum service_action action);
