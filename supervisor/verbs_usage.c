/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs_usage.h"
#include "base/io.h"
#include "supervisor/answer.h"
#include "supervisor/describe.h"
#include "supervisor/observer.h"

#include <string.h>

static json_t *usage_of(const struct service *s)
{
	uint64_t memory = UINT64_MAX, pids = UINT64_MAX, cpu = UINT64_MAX, in = UINT64_MAX, out = UINT64_MAX;

	if (s->has_cgroup && s->run.running) {
		cgroup_usage(&s->cgroup, &memory, &pids, &cpu);
		cgroup_io_usage(&s->cgroup, &in, &out);
	}
	return json_pack("{s:s,s:s,s:b,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "service", s->name, "state", service_state_name(s->state), "frozen",
		s->frozen, "frozen_idle", s->doze.on, "pid", s->run.running ? json_integer(s->run.box.pid) : json_null(), "cpu_us", describe_number(cpu),
		"memory", describe_number(memory), "memory_limit", describe_number(s->profile->limit_memory), "processes", describe_number(pids), "io_read", describe_number(in), "io_written", describe_number(out),
		"connections", describe_number(observer_live(s->d->observer, s->number)));
}

void verb_usage(struct control_call *call, const json_t *params, void *user)
{
	struct daemon *d = user;
	struct strv names = {0};
	json_t *list = json_array();

	if (json_object_get(params, "services") && !answer_services(call, params, d, &names)) {
		json_decref(list);
		return;
	}
	for (const struct service *s = d->services; s; s = s->next)
		if (names.n > 0 ? strv_has(&names, s->name) : service_is_active(s))
			json_array_append_new(list, usage_of(s));
	control_reply(call, json_pack("{s:f,s:o}", "uptime", (double)trp_now_ms() / 1000.0, "services", list), false);
	strv_free(&names);
}
