/* SPDX-License-Identifier: ISC */
/* state_text.c: states, events and actions in words. */
#include "supervisor/state.h"
#include "base/util.h"

#include <assert.h>

struct text {
	const char *name, *help;
};

static const struct text states[] = {
	[STATE_STOPPED] = {"stopped", "Nothing of it runs, and nobody wants it."},
	[STATE_WAITING] = {"waiting", "Held until what it requires is ready. Clients wait in its channels if it was up before."},
	[STATE_IMAGE] = {"image", "Its root or its disk is being made."},
	[STATE_STARTING] = {"starting", "Its sandbox, its setup steps, then the upstream until it is ready."},
	[STATE_READY] = {"ready", "It serves."},
	[STATE_RELOADING] = {"reloading", "It serves, and reads its own configuration again."},
	[STATE_LEAVING] = {"leaving", "It has said that it ends by itself (`STOPPING=1`)."},
	[STATE_STOPPING] = {"stopping", "Asked to end; then it is stopped."},
	[STATE_RESTARTING] = {"restarting", "Asked to end; then it is started again."},
	[STATE_ABORTING] = {"aborting", "Asked to end because it failed (not ready in time, unhealthy, no sign of life, out of memory); then its policy says."},
	[STATE_BACKOFF] = {"backoff", "It failed and is tried again after a pause. Clients wait in its channels if it was up before."},
	[STATE_FAILED] = {"failed", "Given up until somebody starts it."},
	[STATE_DRAINING] = {"draining", "Another instance of it serves (`restart --overlap`); it finishes with those who have a connection to it."},
	[STATE_RESTING] = {"resting", "Asked to end because nobody uses it; then it is idle."},
	[STATE_IDLE] = {"idle", "Nothing of it runs; the first client starts it (`start = on-demand`), or its time (`[timer]`)."},
};

static const struct text events[] = {
	[EVENT_START] = {"start", "Somebody wants it up: a call, another service that requires it, the daemon's start."},
	[EVENT_STOP] = {"stop", "Somebody wants it down."},
	[EVENT_RESTART] = {"restart", "Down and up again."},
	[EVENT_RELOAD] = {"reload", "`trpsup reload NAME`."},
	[EVENT_ARM] = {"arm", "Somebody wants it to be there when it is needed (`start = on-demand`)."},
	[EVENT_REPLACED] = {"replaced", "Another instance of it is ready and has taken its place."},
	[EVENT_REQUIRED_UP] = {"required-up", "All that it requires is ready."},
	[EVENT_REQUIRED_DOWN] = {"required-down", "Something that it requires has failed for good, or ended."},
	[EVENT_IMAGE_READY] = {"image-ready", "Its root and its disk are there."},
	[EVENT_IMAGE_FAILED] = {"image-failed", "They cannot be made."},
	[EVENT_CLIENT] = {"client", "Somebody waits for it."},
	[EVENT_UNUSED] = {"unused", "Nobody has used it for `idle-stop`, and nobody can come to it now."},
	[EVENT_DRAINED] = {"drained", "Nobody has a connection to it any more."},
	[EVENT_READY] = {"ready", "It is ready, by what `ready` in its profile says; or it has reloaded."},
	[EVENT_RELOADING] = {"reloading", "It says itself that it reloads."},
	[EVENT_LEAVING] = {"leaving", "It says itself that it ends."},
	[EVENT_UNHEALTHY] = {"unhealthy", "Its checks have failed as often as its profile bears."},
	[EVENT_NEVER_READY] = {"never-ready", "It can no longer say that it is ready (`ready = fd:N`: closed without a newline)."},
	[EVENT_WATCHDOG] = {"watchdog", "Its sign of life has not come, or it asked for this."},
	[EVENT_MEMORY] = {"out-of-memory", "The kernel has killed a process of it for want of memory, and its profile does not bear that; while it is aborting: several more."},
	[EVENT_TIMEOUT] = {"timeout", "The timer that an action armed."},
	[EVENT_GONE_AGAIN] = {"gone-again", "It ended, and by its policy it is tried again."},
	[EVENT_GONE_LIMIT] = {"gone-limit", "The same, but it has failed too often (the start limit)."},
	[EVENT_GONE_FAILED] = {"gone-failed", "It ended with a failure, and by its policy there is no further try."},
	[EVENT_GONE_DONE] = {"gone-done", "It ended as it should."},
	[EVENT_GONE_IDLE] = {"gone-idle", "It ended as it should, and its next client starts it."},
	[EVENT_START_TEMPORARY] = {"start-temporary",
		"It could not be started, by an error that may pass: no memory, too many processes, an address or a file in use."},
	[EVENT_START_PERMANENT] = {"start-permanent",
		"It could not be started, by one that stays: no such program or user, a control that the host lacks."},
};

static const struct text actions[] = {
	[ACTION_NONE] = {"-", "Nothing; a timer that is armed stays so."},
	[ACTION_REQUIRE] = {"require", "Start what it requires; required-up when all is ready. No timer."},
	[ACTION_IMAGE] = {"image", "Have its root and its disk made; image-ready at once if they are there."},
	[ACTION_SPAWN] = {"spawn", "Make the sandbox; arm the timer with `start-timeout`."},
	[ACTION_UP] = {"up", "It serves: its routes, those who wait for it. No timer."},
	[ACTION_RELOAD] = {"reload", "Send `reload-signal`; arm the timer with `reload-timeout`."},
	[ACTION_AWAIT_RELOAD] = {"await-reload", "Arm the timer with `reload-timeout`."},
	[ACTION_RELOADED] = {"reloaded", "Tell those who wait for the reload. No timer."},
	[ACTION_RELOAD_LATE] = {"reload-late", "Tell them that it did not come to an end; the service is left as it is. No timer."},
	[ACTION_AWAIT_END] = {"await-end", "Arm the timer with `stop-timeout`."},
	[ACTION_TERM] = {"term", "Send `stop-signal`; arm the timer with `stop-timeout`."},
	[ACTION_ABORT] = {"abort", "Send SIGABRT; arm the timer with `stop-timeout`."},
	[ACTION_KILL] = {"kill", "SIGKILL to all of it; arm the timer for once more."},
	[ACTION_DELAY] = {"delay", "Arm the timer with the pause between tries. Channels and routes stay."},
	[ACTION_DOWN] = {"down", "Withdraw its routes and channels, release all that it had. No timer."},
	[ACTION_DRAIN] = {"drain", "See whether anybody has a connection to it; arm the timer with `drain`."},
	[ACTION_REST] = {"rest", "Keep its routes, and the channel in which clients wait; release all else. No timer."},
	[ACTION_IMPOSSIBLE] = {"impossible", "Cannot happen: logged as a defect, and ignored."},
};

static_assert(TRP_ARRAY_SIZE(states) == STATE_COUNT, "a name for each state");
static_assert(TRP_ARRAY_SIZE(events) == EVENT_COUNT, "a name for each event");
static_assert(TRP_ARRAY_SIZE(actions) == ACTION_COUNT, "a name for each action");

const char *service_state_name(enum service_state state)
{
	return states[state].name;
}

const char *service_state_help(enum service_state state)
{
	return states[state].help;
}

const char *service_event_name(enum service_event event)
{
	return events[event].name;
}

const char *service_event_help(enum service_event event)
{
	return events[event].help;
}

const char *service_action_name(enum service_action action)
{
	return actions[action].name;
}

const char *service_action_help(enum service_action action)
{
	return actions[action].help;
}
