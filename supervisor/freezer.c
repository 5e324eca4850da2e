/* SPDX-License-Identifier: ISC */
#include "supervisor/freezer.h"
#include "base/log.h"
#include "supervisor/events.h"
#include "supervisor/record.h"

#include <stdio.h>
#include <string.h>

/* Of one that nobody uses nothing is logged, and its message stays: it may be so a thousand times a day. */
static void say(struct service *s, bool idle, const char *text)
{
	if (idle)
		event_say(s, "note", text);
	else
		service_say(s, "note", "%s", text);
}

static void set_frozen(struct service *s, bool frozen, bool idle)
{
	const bool by_hand = s->frozen && !s->doze.on;

	s->frozen = frozen;
	s->doze.on = frozen && idle;
	if (by_hand != (frozen && !idle))
		share_changed(s);
}

static int freeze(struct service *s, char *err, size_t err_size)
{
	int r = s->has_cgroup ? cgroup_freeze(&s->cgroup, true) : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP) {
		snprintf(err, err_size, "%s", s->has_cgroup ? CGROUP_NO_FREEZER
							     : "it has no control group");
	} else if (r < 0) {
		snprintf(err, err_size, "cgroup.freeze: %s", strerror(-r));
	}
	return r;
}

int freezer_freeze(struct service *s, bool idle, char *err, size_t err_size)
{
	const bool dozed = s->doze.on;
	int r = 0;

	if (s->frozen && (idle || !dozed))
		return 0;
	if (s->state != STATE_READY) {
		snprintf(err, err_size, "it is %s: only one that is ready can be frozen", service_state_name(s->state));
		return -EBUSY;
	}
	/* written down first: a daemon that is killed in between must not leave one behind of which nobody knows that it stands still */
	set_frozen(s, true, idle);
	record_save(s);
	if (!dozed)
		r = freeze(s, err, err_size);
	if (r < 0) {
		set_frozen(s, false, false);
		record_save(s);
		return r;
	}
	if (dozed)
		doze_unwatch(s);
	watchdog_stop(s); /* it cannot give a sign of life */
	health_update(s);
	say(s, idle, idle ? "frozen: nobody uses it" : "frozen");
	demand_again(s);
	return 0;
}

int freezer_thaw(struct service *s)
{
	const bool idle = s->doze.on;
	int r;

	if (!s->frozen)
		return 0;
	r = s->has_cgroup ? cgroup_freeze(&s->cgroup, false) : 0;
	if (r < 0) {
		log_error("%s: cannot be thawed: cgroup.freeze: %s", s->name, strerror(-r));
		return r;
	}
	doze_unwatch(s);
	set_frozen(s, false, false);
	watchdog_start(s);
	health_update(s);
	say(s, idle, "thawed");
	demand_again(s);
	record_save(s);
	return 0;
}

bool freezer_is_frozen(const struct service *s)
{
	return s->frozen && s->has_cgroup && cgroup_is_frozen(&s->cgroup);
}
