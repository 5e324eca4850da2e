/* SPDX-License-Identifier: ISC */
#include "supervisor/freezer.h"
#include "base/log.h"
#include "supervisor/record.h"

#include <stdio.h>
#include <string.h>

int freezer_freeze(struct service *s, char *err, size_t err_size)
{
	int r;

	if (s->frozen)
		return 0;
	if (s->state != STATE_READY) {
		snprintf(err, err_size, "it is %s: only one that is ready can be frozen", service_state_name(s->state));
		return -EBUSY;
	}
	r = s->has_cgroup ? cgroup_freeze(&s->cgroup, true) : -EOPNOTSUPP;
	if (r == -EOPNOTSUPP) {
		snprintf(err, err_size, "%s", s->has_cgroup ? "this host has no cgroup v2 tree, or a kernel before 5.2 (cgroup.freeze)"
							     : "it has no control group");
	} else if (r < 0) {
		snprintf(err, err_size, "cgroup.freeze: %s", strerror(-r));
	}
	if (r < 0)
		return r;
	s->frozen = true;
	watchdog_stop(s); /* it cannot give a sign of life */
	health_update(s);
	service_say(s, "note", "frozen");
	record_save(s);
	return 0;
}

int freezer_thaw(struct service *s)
{
	int r;

	if (!s->frozen)
		return 0;
	r = s->has_cgroup ? cgroup_freeze(&s->cgroup, false) : 0;
	if (r < 0) {
		log_error("%s: cannot be thawed: cgroup.freeze: %s", s->name, strerror(-r));
		return r;
	}
	s->frozen = false;
	watchdog_start(s);
	health_update(s);
	service_say(s, "note", "thawed");
	record_save(s);
	return 0;
}

bool freezer_is_frozen(const struct service *s)
{
	return s->frozen && s->has_cgroup && cgroup_is_frozen(&s->cgroup);
}
