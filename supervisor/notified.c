/* SPDX-License-Identifier: ISC */
/* notified.c: what a service says of itself by sd_notify(3), as trp-sdnotify passes it on, becomes events. */
#include "supervisor/notified.h"
#include "base/io.h"
#include "supervisor/notify.h"
#include "supervisor/reap.h"
#include "supervisor/record.h"
#include "supervisor/service.h"

#include <string.h>
#include <sys/socket.h>

#define MESSAGES_PER_TURN 64
#define STATUS_SECONDS    1.0 /* at most one STATUS= is passed on in this time */
#define RELOADING_SECONDS 1.0 /* at most one reload that it begins itself is looked at in this time */

/* It says that it reloads, or that it has; a datagram may say both. */
static void take_reload(struct service *s, const struct notify_state *state)
{
	struct instance *run = &s->run;

	if (state->reloading && s->state == STATE_RELOADING) {
		if (state->monotonic_us == 0 || state->monotonic_us >= s->reload_asked_us)
			s->reload_seen = true;
	} else if (state->reloading && s->state == STATE_READY && trp_now_seconds() >= run->next_reloading) {
		run->next_reloading = trp_now_seconds() + RELOADING_SECONDS;
		service_event(s, EVENT_RELOADING);
	}
	if (state->ready && s->state == STATE_RELOADING && s->reload_seen)
		service_event(s, EVENT_READY);
}

/* That of a run which an earlier version has started: the service's own socket, on which an empty message is no end. */
static bool is_datagram(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM;
}

static void lost(struct service *s)
{
	ev_io_stop(s->d->loop, &s->run.on_notify);
	if (!s->run.stop_asked && !reap_has_ended(s->run.box.pidfd))
		instance_lost(s, "trp-sdnotify, which hears what it says, has ended");
}

void notified_ready(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	char text[NOTIFY_MAX];
	struct notify_state state;
	pid_t claim = 0;
	unsigned i = 0;

	(void)loop, (void)events;
	for (; i < MESSAGES_PER_TURN && s->run.notify >= 0; i++) {
		/* taken out when it is done, as with init's messages: doing it twice changes nothing */
		ssize_t n = recv(s->run.notify, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC | MSG_PEEK);
		if (n < 0)
			break;
		if (n == 0 && !is_datagram(s->run.notify)) {
			lost(s);
			return;
		}
		notify_parse(text, (size_t)n > sizeof(text) ? 0 : (size_t)n, &state);
		if (state.status[0] && s->state == STATE_STARTING && trp_now_seconds() >= s->run.next_status) {
			s->run.next_status = trp_now_seconds() + STATUS_SECONDS;
			service_say(s, "note", "says: %s", state.status); /* which is not to be taken for a line of ours */
		}
		if (state.ready && !s->run.says_ready) {
			s->run.says_ready = true;
			record_save(s);
		}
		if (state.status[0])
			memcpy(s->run.says, state.status, sizeof(s->run.says));
		if (state.error)
			s->run.says_error = state.error;
		claim = state.main_pid ? state.main_pid : claim;
		instance_check_ready(s);
		take_reload(s, &state);
		watchdog_take(s, &state);
		if (state.stopping)
			service_event(s, EVENT_LEAVING);
		recv(s->run.notify, text, 0, MSG_DONTWAIT);
	}
	if (claim) {
		s->run.claimed = claim;
		instance_claim(s);
	}
	instance_took(s, i);
}
