/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs_events.h"
#include "base/log.h"
#include "supervisor/answer.h"
#include "supervisor/enable.h"
#include "supervisor/events.h"
#include "supervisor/load.h"
#include "supervisor/service.h"

#include <stdio.h>
#include <string.h>

void verb_events(struct control_call *call, const json_t *params, void *user)
{
	const json_t *since = json_object_get(params, "since");
	struct strv names = {0};

	if (since && !json_is_null(since) && !json_is_number(since)) {
		answer_invalid(call, "since");
	} else if (!control_wants_more(call)) {
		control_error(call, "org.varlink.service.ExpectedMore", NULL);
	} else if (!json_object_get(params, "services") || answer_future_services(call, params, user, &names)) {
		events_stream(call, user, &names, json_number_value(since), json_is_true(json_object_get(params, "follow")));
	}
	strv_free(&names);
}

/* Can it be started with the daemon? */
static bool has_profile(struct control_call *call, struct daemon *d, const char *name)
{
	struct profile_errors errors = {0};
	struct profile *p = NULL;
	int r = profile_load(&d->paths, name, &p, &errors);

	if (r < 0)
		answer_bad_profile(call, name, r, &errors);
	profile_errors_free(&errors);
	profile_free(p);
	return r == 0;
}

static bool named_in_config(struct control_call *call, const struct daemon *d, const char *name)
{
	char text[400];

	if (!strv_has(&d->config->start, name))
		return false;
	snprintf(text, sizeof(text), "%s is started with the daemon because 'start' in %s names it: take it out there", name,
		d->config->file ? d->config->file : "trpsup.conf");
	answer_failed(call, text);
	return true;
}

/* One that is run by time need not wait for the daemon's next start for its times to count, or not to. */
static void set_timer(struct daemon *d, const char *name, bool on)
{
	struct profile_errors errors = {0};
	struct service *s = service_find(d, name);

	if (on && !d->stopping && load_service(d, name, false, &s, &errors) == 0 && profile_is_timed(s->profile)) {
		timers_arm(s);
		service_event(s, EVENT_ARM);
	} else if (!on && s && s->timed.armed) {
		timers_disarm(s);
		if (s->state == STATE_IDLE)
			service_event(s, EVENT_STOP);
	}
	profile_errors_free(&errors);
}

static void change(struct control_call *call, const json_t *params, struct daemon *d, bool on)
{
	json_t *results = json_array();
	struct strv names = {0};
	bool ok = answer_names(call, params, &names);

	/* all, before the first is changed */
	for (size_t i = 0; ok && i < names.n; i++)
		ok = on ? has_profile(call, d, names.v[i]) : !named_in_config(call, d, names.v[i]);
	for (size_t i = 0; ok && i < names.n; i++) {
		int r = enable_set(d, names.v[i], on);
		if (r < 0) {
			char text[300];
			snprintf(text, sizeof(text), "%s: %s/enabled cannot be written: %s", names.v[i], d->config->state_dir, strerror(-r));
			answer_failed(call, text);
			ok = false;
		} else {
			log_info("%s: %s%s", names.v[i], on ? "enabled" : "disabled", r == 0 ? " already" : "");
			set_timer(d, names.v[i], on);
			json_array_append_new(results, json_pack("{s:s,s:b}", "service", names.v[i], "changed", r));
		}
	}
	if (ok)
		control_reply(call, json_pack("{s:O}", "results", results), false);
	json_decref(results);
	strv_free(&names);
}

void verb_enable(struct control_call *call, const json_t *params, void *user)
{
	change(call, params, user, true);
}

void verb_disable(struct control_call *call, const json_t *params, void *user)
{
	change(call, params, user, false);
}
