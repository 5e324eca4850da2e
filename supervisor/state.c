/* SPDX-License-Identifier: ISC */
#include "supervisor/state.h"

#include <assert.h>

/* clang-format off */
#define S(next, action) {STATE_##next, ACTION_##action}
#define STAY(state)     S(state, NONE)
#define NEVER(state)    S(state, IMPOSSIBLE)

static const struct service_transition table[STATE_COUNT][EVENT_COUNT] = {
	[STATE_STOPPED] = {
		[EVENT_START]         = S(WAITING, REQUIRE),
		[EVENT_STOP]          = STAY(STOPPED),
		[EVENT_RESTART]       = S(WAITING, REQUIRE),
		[EVENT_REQUIRED_UP]   = STAY(STOPPED),
		[EVENT_REQUIRED_DOWN] = STAY(STOPPED),
		[EVENT_IMAGE_READY]   = STAY(STOPPED), /* built for somebody who has left */
		[EVENT_IMAGE_FAILED]  = STAY(STOPPED),
		[EVENT_READY]         = NEVER(STOPPED),
		[EVENT_TIMEOUT]       = NEVER(STOPPED),
		[EVENT_GONE_AGAIN]    = NEVER(STOPPED),
		[EVENT_GONE_FAILED]   = NEVER(STOPPED),
		[EVENT_GONE_DONE]     = NEVER(STOPPED),
	},
	[STATE_WAITING] = {
		[EVENT_START]         = STAY(WAITING),
		[EVENT_STOP]          = S(STOPPED, DOWN),
		[EVENT_RESTART]       = STAY(WAITING),
		[EVENT_REQUIRED_UP]   = S(IMAGE, IMAGE),
		[EVENT_REQUIRED_DOWN] = S(FAILED, DOWN),
		[EVENT_IMAGE_READY]   = STAY(WAITING),
		[EVENT_IMAGE_FAILED]  = STAY(WAITING),
		[EVENT_READY]         = NEVER(WAITING),
		[EVENT_TIMEOUT]       = NEVER(WAITING),
		[EVENT_GONE_AGAIN]    = NEVER(WAITING),
		[EVENT_GONE_FAILED]   = NEVER(WAITING),
		[EVENT_GONE_DONE]     = NEVER(WAITING),
	},
	[STATE_IMAGE] = {
		[EVENT_START]         = STAY(IMAGE),
		[EVENT_STOP]          = S(STOPPED, DOWN),
		[EVENT_RESTART]       = STAY(IMAGE),
		[EVENT_REQUIRED_UP]   = STAY(IMAGE),
		[EVENT_REQUIRED_DOWN] = STAY(IMAGE),
		[EVENT_IMAGE_READY]   = S(STARTING, SPAWN),
		[EVENT_IMAGE_FAILED]  = S(FAILED, DOWN),
		[EVENT_READY]         = NEVER(IMAGE),
		[EVENT_TIMEOUT]       = NEVER(IMAGE),
		[EVENT_GONE_AGAIN]    = NEVER(IMAGE),
		[EVENT_GONE_FAILED]   = NEVER(IMAGE),
		[EVENT_GONE_DONE]     = NEVER(IMAGE),
	},
	[STATE_STARTING] = {
		[EVENT_START]         = STAY(STARTING),
		[EVENT_STOP]          = S(STOPPING, TERM),
		[EVENT_RESTART]       = S(RESTARTING, TERM),
		[EVENT_REQUIRED_UP]   = STAY(STARTING),
		[EVENT_REQUIRED_DOWN] = STAY(STARTING),
		[EVENT_IMAGE_READY]   = STAY(STARTING),
		[EVENT_IMAGE_FAILED]  = STAY(STARTING),
		[EVENT_READY]         = S(READY, UP),
		[EVENT_TIMEOUT]       = S(ABORTING, TERM),
		[EVENT_GONE_AGAIN]    = S(BACKOFF, DELAY),
		[EVENT_GONE_FAILED]   = S(FAILED, DOWN),
		[EVENT_GONE_DONE]     = S(STOPPED, DOWN),
	},
	[STATE_READY] = {
		[EVENT_START]         = STAY(READY),
		[EVENT_STOP]          = S(STOPPING, TERM),
		[EVENT_RESTART]       = S(RESTARTING, TERM),
		[EVENT_REQUIRED_UP]   = STAY(READY),
		[EVENT_REQUIRED_DOWN] = STAY(READY),
		[EVENT_IMAGE_READY]   = STAY(READY),
		[EVENT_IMAGE_FAILED]  = STAY(READY),
		[EVENT_READY]         = STAY(READY),
		[EVENT_TIMEOUT]       = NEVER(READY),
		[EVENT_GONE_AGAIN]    = S(BACKOFF, DELAY),
		[EVENT_GONE_FAILED]   = S(FAILED, DOWN),
		[EVENT_GONE_DONE]     = S(STOPPED, DOWN),
	},
	[STATE_STOPPING] = {
		[EVENT_START]         = S(RESTARTING, NONE),
		[EVENT_STOP]          = STAY(STOPPING),
		[EVENT_RESTART]       = S(RESTARTING, NONE),
		[EVENT_REQUIRED_UP]   = STAY(STOPPING),
		[EVENT_REQUIRED_DOWN] = STAY(STOPPING),
		[EVENT_IMAGE_READY]   = STAY(STOPPING),
		[EVENT_IMAGE_FAILED]  = STAY(STOPPING),
		[EVENT_READY]         = STAY(STOPPING),
		[EVENT_TIMEOUT]       = S(STOPPING, KILL),
		[EVENT_GONE_AGAIN]    = S(STOPPED, DOWN),
		[EVENT_GONE_FAILED]   = S(STOPPED, DOWN),
		[EVENT_GONE_DONE]     = S(STOPPED, DOWN),
	},
	[STATE_RESTARTING] = {
		[EVENT_START]         = STAY(RESTARTING),
		[EVENT_STOP]          = S(STOPPING, NONE),
		[EVENT_RESTART]       = STAY(RESTARTING),
		[EVENT_REQUIRED_UP]   = STAY(RESTARTING),
		[EVENT_REQUIRED_DOWN] = STAY(RESTARTING),
		[EVENT_IMAGE_READY]   = STAY(RESTARTING),
		[EVENT_IMAGE_FAILED]  = STAY(RESTARTING),
		[EVENT_READY]         = STAY(RESTARTING),
		[EVENT_TIMEOUT]       = S(RESTARTING, KILL),
		[EVENT_GONE_AGAIN]    = S(WAITING, REQUIRE),
		[EVENT_GONE_FAILED]   = S(WAITING, REQUIRE),
		[EVENT_GONE_DONE]     = S(WAITING, REQUIRE),
	},
	[STATE_ABORTING] = {
		[EVENT_START]         = STAY(ABORTING),
		[EVENT_STOP]          = S(STOPPING, NONE),
		[EVENT_RESTART]       = S(RESTARTING, NONE),
		[EVENT_REQUIRED_UP]   = STAY(ABORTING),
		[EVENT_REQUIRED_DOWN] = STAY(ABORTING),
		[EVENT_IMAGE_READY]   = STAY(ABORTING),
		[EVENT_IMAGE_FAILED]  = STAY(ABORTING),
		[EVENT_READY]         = STAY(ABORTING),
		[EVENT_TIMEOUT]       = S(ABORTING, KILL),
		[EVENT_GONE_AGAIN]    = S(BACKOFF, DELAY),
		[EVENT_GONE_FAILED]   = S(FAILED, DOWN),
		[EVENT_GONE_DONE]     = S(FAILED, DOWN),
	},
	[STATE_BACKOFF] = {
		[EVENT_START]         = S(WAITING, REQUIRE),
		[EVENT_STOP]          = S(STOPPED, DOWN),
		[EVENT_RESTART]       = S(WAITING, REQUIRE),
		[EVENT_REQUIRED_UP]   = STAY(BACKOFF),
		[EVENT_REQUIRED_DOWN] = STAY(BACKOFF),
		[EVENT_IMAGE_READY]   = STAY(BACKOFF),
		[EVENT_IMAGE_FAILED]  = STAY(BACKOFF),
		[EVENT_READY]         = NEVER(BACKOFF),
		[EVENT_TIMEOUT]       = S(WAITING, REQUIRE),
		[EVENT_GONE_AGAIN]    = NEVER(BACKOFF),
		[EVENT_GONE_FAILED]   = NEVER(BACKOFF),
		[EVENT_GONE_DONE]     = NEVER(BACKOFF),
	},
	[STATE_FAILED] = {
		[EVENT_START]         = S(WAITING, REQUIRE),
		[EVENT_STOP]          = S(STOPPED, DOWN),
		[EVENT_RESTART]       = S(WAITING, REQUIRE),
		[EVENT_REQUIRED_UP]   = STAY(FAILED),
		[EVENT_REQUIRED_DOWN] = STAY(FAILED),
		[EVENT_IMAGE_READY]   = STAY(FAILED),
		[EVENT_IMAGE_FAILED]  = STAY(FAILED),
		[EVENT_READY]         = NEVER(FAILED),
		[EVENT_TIMEOUT]       = NEVER(FAILED),
		[EVENT_GONE_AGAIN]    = NEVER(FAILED),
		[EVENT_GONE_FAILED]   = NEVER(FAILED),
		[EVENT_GONE_DONE]     = NEVER(FAILED),
	},
};
/* clang-format on */

struct service_transition service_transition(enum service_state state, enum service_event event)
{
	assert(state < STATE_COUNT && event < EVENT_COUNT);
	return table[state][event];
}

const char *service_state_name(enum service_state state)
{
	static const char *const names[] = {
		[STATE_STOPPED] = "stopped",
		[STATE_WAITING] = "waiting",
		[STATE_IMAGE] = "image",
		[STATE_STARTING] = "starting",
		[STATE_READY] = "ready",
		[STATE_STOPPING] = "stopping",
		[STATE_RESTARTING] = "restarting",
		[STATE_ABORTING] = "aborting",
		[STATE_BACKOFF] = "backoff",
		[STATE_FAILED] = "failed",
	};
	static_assert(sizeof(names) / sizeof(names[0]) == STATE_COUNT, "a name for each state");
	return names[state];
}

const char *service_event_name(enum service_event event)
{
	static const char *const names[] = {
		[EVENT_START] = "start",
		[EVENT_STOP] = "stop",
		[EVENT_RESTART] = "restart",
		[EVENT_REQUIRED_UP] = "required-up",
		[EVENT_REQUIRED_DOWN] = "required-down",
		[EVENT_IMAGE_READY] = "image-ready",
		[EVENT_IMAGE_FAILED] = "image-failed",
		[EVENT_READY] = "ready",
		[EVENT_TIMEOUT] = "timeout",
		[EVENT_GONE_AGAIN] = "gone-again",
		[EVENT_GONE_FAILED] = "gone-failed",
		[EVENT_GONE_DONE] = "gone-done",
	};
	static_assert(sizeof(names) / sizeof(names[0]) == EVENT_COUNT, "a name for each event");
	return names[event];
}
