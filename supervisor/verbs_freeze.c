/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs_freeze.h"
#include "supervisor/answer.h"
#include "supervisor/freezer.h"

#include <stdio.h>
#include <string.h>

#define LOOK_SECONDS 0.005
#define LOOKS_MAX    2000 /* a process that waits for a disk stands still when that answers */

/* A call that is answered when all stand still. */
struct freezing {
	struct daemon *d;
	struct control_call *call; /* NULL: its client has left */
	struct strv names;
	json_t *failed; /* by name: why */
	ev_timer look;
	unsigned looks;
};

static void freezing_free(struct freezing *f)
{
	ev_timer_stop(f->d->loop, &f->look);
	strv_free(&f->names);
	json_decref(f->failed);
	free(f);
}

static void on_gone(void *data)
{
	freezing_free(data);
}

static json_t *result(const char *name, const struct service *s, const char *why)
{
	return json_pack("{s:s,s:s,s:b,s:s}", "service", name, "state", s ? service_state_name(s->state) : "stopped", "ok", why == NULL, "text",
		why ? why : s && s->frozen ? "frozen" : "");
}

static void answer(struct freezing *f)
{
	json_t *results = json_array();

	for (size_t i = 0; i < f->names.n; i++) {
		const char *why = json_string_value(json_object_get(f->failed, f->names.v[i]));
		const struct service *s = service_find(f->d, f->names.v[i]);
		if (!why && !(s && freezer_is_frozen(s)))
			why = s && s->frozen ? "a process of it does not stand still yet" : "it was thawed or ended meanwhile";
		json_array_append_new(results, result(f->names.v[i], s, why));
	}
	control_on_gone(f->call, NULL, NULL);
	control_reply(f->call, json_pack("{s:o}", "results", results), false);
	freezing_free(f);
}

static bool is_over(const struct freezing *f)
{
	for (size_t i = 0; i < f->names.n; i++) {
		const struct service *s = service_find(f->d, f->names.v[i]);
		if (s && s->frozen && !freezer_is_frozen(s))
			return false;
	}
	return true;
}

static void on_look(struct ev_loop *loop, ev_timer *t, int events)
{
	struct freezing *f = t->data;

	(void)loop, (void)events;
	if (is_over(f) || ++f->looks == LOOKS_MAX)
		answer(f);
}

void verb_freeze(struct control_call *call, const json_t *params, void *user)
{
	struct freezing *f = calloc(1, sizeof(*f));
	struct daemon *d = user;

	if (!f) {
		answer_failed(call, "out of memory");
		return;
	}
	*f = (struct freezing){.d = d, .call = call, .failed = json_object()};
	ev_timer_init(&f->look, on_look, LOOK_SECONDS, LOOK_SECONDS);
	f->look.data = f;
	if (!answer_services(call, params, d, &f->names)) {
		freezing_free(f);
		return;
	}
	control_on_gone(call, on_gone, f);
	for (size_t i = 0; i < f->names.n; i++) {
		struct service *s = service_find(d, f->names.v[i]);
		char err[200] = "it does not run";
		if (!s || freezer_freeze(s, false, err, sizeof(err)) < 0)
			json_object_set_new(f->failed, f->names.v[i], json_string(err));
	}
	if (is_over(f))
		answer(f);
	else
		ev_timer_start(d->loop, &f->look);
}

void verb_thaw(struct control_call *call, const json_t *params, void *user)
{
	json_t *results = json_array();
	struct strv names = {0};
	struct daemon *d = user;

	if (answer_services(call, params, d, &names)) {
		for (size_t i = 0; i < names.n; i++) {
			struct service *s = service_find(d, names.v[i]);
			int r = s ? freezer_thaw(s) : -ESRCH;
			json_array_append_new(results, result(names.v[i], s, r == -ESRCH ? "it does not run" : r < 0 ? strerror(-r) : NULL));
		}
		control_reply(call, json_pack("{s:O}", "results", results), false);
	}
	strv_free(&names);
	json_decref(results);
}
