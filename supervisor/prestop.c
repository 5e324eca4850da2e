/* SPDX-License-Identifier: ISC */
#include "supervisor/prestop.h"
#include "supervisor/reap.h"
#include "supervisor/record.h"
#include "supervisor/timeout.h"

#include <string.h>

bool prestop_wanted(const struct service *s)
{
	return s->profile->pre_stop.n > 0 && s->state != STATE_ABORTING && s->up_since > 0 && s->run.running && s->run.main_known;
}

static void say_end(struct service *s, const struct trp_init_msg *msg)
{
	const struct profile_commands *steps = &s->profile->pre_stop;
	const char *program = steps->v[msg->value].v[0];
	char text[100];

	if (msg->value <= s->run.last_stop_end)
		return;
	s->run.last_stop_end = msg->value;
	if (msg->type == TRP_INIT_STOP_EXEC_FAILED) {
		service_say(s, "note", "%s:%u: pre-stop: cannot execute %s inside its root: %s; stopping all the same",
			steps->where[msg->value].file, steps->where[msg->value].line, program, strerror(msg->value2));
	} else if (msg->value2 != 0) {
		reap_text(msg->value2, text, sizeof(text));
		service_say(s, "note", "pre-stop step %d (%s) %s; stopping all the same", msg->value + 1, program, text);
	}
}

void prestop_take(struct service *s, const struct trp_init_msg *msg)
{
	size_t n = s->profile->pre_stop.n;

	if (!s->run.pre_stop)
		return;
	if (msg->type == TRP_INIT_STOPS_OVER) {
		s->run.pre_stop = false;
		timeout_again(s);
	} else if (msg->value >= 0 && (size_t)msg->value < n && msg->type != TRP_INIT_STOP_STEP) {
		say_end(s, msg);
	} else if (msg->value > s->run.last_stop && (size_t)msg->value < n) { /* who repeats one wants to fill our log */
		s->run.last_stop = msg->value;
		service_say(s, "note", "pre-stop step %d of %zu", msg->value + 1, n);
	}
	record_save(s);
}

bool prestop_late(struct service *s)
{
	if (!s->run.pre_stop || !s->run.running)
		return false;
	s->run.pre_stop = false;
	service_say(s, "note", "pre-stop takes longer than %.3g s; going on without it", (double)s->profile->stop_timeout_ms / 1000.0);
	/* a relay that is still being waited for tells it itself */
	if (s->run.loopback.stop_signal == 0)
		(void)instance_tell_stop(s, s->profile->stop_signal);
	record_save(s);
	return true;
}
