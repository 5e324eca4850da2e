/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs_upgrade.h"
#include "base/io.h"
#include "supervisor/answer.h"
#include "supervisor/describe.h"
#include "supervisor/keep.h"
#include "supervisor/routerproc.h"
#include "supervisor/upgrade.h"

#include <stdlib.h>

#define LOOK_SECONDS 0.02

/* A call for new routers. While others are being replaced, as for a moment after each start of the daemon on routers of an earlier
 * one, it waits for that. */
struct router_call {
	struct control_call *call; /* NULL: its client has left */
	struct daemon *d;
	ev_timer again;
	double until; /* trp_now_seconds() */
};

static void caller_gone(void *data)
{
	((struct router_call *)data)->call = NULL;
}

static void upgraded(void *data, const char *error)
{
	struct router_call *r = data;

	if (r->call)
		control_on_gone(r->call, NULL, NULL);
	if (r->call && error)
		answer_failed(r->call, error);
	else if (r->call)
		control_reply(r->call, describe_routers(r->d), false);
	free(r);
}

static void on_again(struct ev_loop *loop, ev_timer *t, int events)
{
	struct router_call *r = t->data;

	(void)events;
	if (r->call && routerproc_is_upgrading(r->d->router) && trp_now_seconds() < r->until)
		return;
	ev_timer_stop(loop, t);
	if (r->call)
		routerproc_upgrade(r->d->router, upgraded, r);
	else
		free(r);
}

void verb_router_upgrade(struct control_call *call, const json_t *params, void *user)
{
	struct router_call *r = calloc(1, sizeof(*r));
	struct daemon *d = user;

	(void)params;
	if (!r) {
		answer_failed(call, "out of memory");
		return;
	}
	*r = (struct router_call){.call = call, .d = d, .until = trp_now_seconds() + UPGRADE_PATIENCE_SECONDS};
	control_on_gone(call, caller_gone, r);
	if (!routerproc_is_upgrading(d->router)) {
		routerproc_upgrade(d->router, upgraded, r);
		return;
	}
	ev_timer_init(&r->again, on_again, LOOK_SECONDS, LOOK_SECONDS);
	r->again.data = r;
	ev_timer_start(d->loop, &r->again);
}

void verb_upgrade(struct control_call *call, const json_t *params, void *user)
{
	upgrade_begin(user, call, json_is_true(json_object_get(params, "anyway")));
}

void verb_detach(struct control_call *call, const json_t *params, void *user)
{
	struct daemon *d = user;

	(void)params;
	if (d->stopping || !keep_works(d->keep)) {
		answer_failed(call, d->stopping ? "the daemon stops" : "trp-keeper does not run, so that nothing could be taken over");
		return;
	}
	control_reply(call, NULL, false);
	d->detach = true;
	ev_break(d->loop, EVBREAK_ALL);
}
