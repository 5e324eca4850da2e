/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs_timers.h"
#include "supervisor/control.h"
#include "supervisor/service.h"

void verb_timers(struct control_call *call, const json_t *params, void *user)
{
	struct daemon *d = user;
	json_t *list = json_array();

	(void)params;
	for (const struct service *s = d->services; s; s = s->next) {
		json_t *timer = s->profile ? timers_describe(s) : NULL;
		if (json_is_object(timer)) {
			json_object_set_new(timer, "service", json_string(s->name));
			json_object_set_new(timer, "state", json_string(service_state_name(s->state)));
			json_array_append(list, timer);
		}
		json_decref(timer);
	}
	control_reply(call, json_pack("{s:o}", "timers", list), false);
}
