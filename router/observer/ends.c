/* SPDX-License-Identifier: ISC */
/* ends.c: what the kernel says of sockets: those that died, and, when somebody wants to know, those that live. */
#include "router/observer/diag.h"
#include "router/observer/observer.h"
#include "base/log.h"
#include "base/util.h"

#include <string.h>
#include <sys/socket.h>

#define DATAGRAMS_MAX 256 /* in one turn */
#define DATAGRAM_ROOM 8192
#define ENDS_TURNS    256 /* more than its socket holds */
#define RETRY_NS      2000000000u /* after a look that was not to be had */
/* Between two looks for those whose end nobody was told, as long as there is anybody (else nothing wakes us): the kernel tells no end for
 * which it had no memory just then, and who counts for ever keeps a service from being idle. */
#define AUDIT_NS      600000000000u

static void take_figures(struct line *l, const struct diag_socket *s)
{
	*l = (struct line){.bytes_in = s->bytes_in, .bytes_out = s->bytes_out, .rtt_us = s->rtt_us, .retrans = s->retrans};
}

static void look_at_ends(struct observer *o, const char *buf, size_t len)
{
	struct diag_socket s;
	struct line figures;
	enum diag_result r;
	size_t at = 0;
	int error;

	while ((r = diag_next(buf, len, &at, &s, &error)) != DIAG_END) {
		struct live_entry *e = r == DIAG_SOCKET ? table_find(&o->table, s.cookie) : NULL;
		if (!e)
			continue; /* somebody else's */
		take_figures(&figures, &s);
		records_end(o, e, s.has_info ? LINE_CLOSED : LINE_LOST, &figures);
	}
}

bool ends_ready(struct observer *o)
{
	static char buf[ENDS_BUFFER];
	size_t lens[DATAGRAMS_MAX], n = 0, used = 0, at = 0;
	ssize_t len = 0;

	while (n < DATAGRAMS_MAX && sizeof(buf) - used >= DATAGRAM_ROOM) {
		len = recv(OBSERVER_ENDS_FD, buf + used, sizeof(buf) - used, MSG_DONTWAIT);
		if (len < 0 && errno == ENOBUFS) {
			o->ends_lost = true; /* some were; those that lie there are good */
			continue;
		}
		if (len <= 0)
			break;
		lens[n++] = (size_t)len;
		used += ((size_t)len + 7) & ~(size_t)7;
	}
	records_take(o);
	for (size_t i = 0; i < n; i++) {
		look_at_ends(o, buf + at, lens[i]);
		at += (lens[i] + 7) & ~(size_t)7;
	}
	/* The kernel says it once, and goes on losing them until all are taken: only a look from then on finds who is missing. */
	if (o->ends_lost && len < 0) {
		o->ends_lost = false;
		log_note_line(o, "ends-lost", 1);
		sample_start(o, 0, true);
	}
	return n > 0;
}

/* ---- those that live ---- */

static void answer(struct observer *o)
{
	struct sample *s = &o->sample;

	if (s->answer)
		control_say(o, OBSERVER_SAMPLED, s->answer);
	s->answer = 0;
}

/* Who was there before the look and was not found has ended without our being told. */
static void end_unseen(struct observer *o)
{
	const struct line nothing = {.end = LINE_LOST};
	struct live *live = o->table.live;

	for (uint32_t i = 0; i < live->n_touched && i < LIVE_MAX; i++) {
		struct live_entry *e = &live->entries[i];
		if (e->cookie && e->sampled != o->sample.number && e->accepted_ns < o->sample.began_ns)
			records_end(o, e, LINE_LOST, &nothing);
	}
}

/* Ports of listeners, each once; false: that was the last. Who must be found may have come by a listener that is no more: then it is
 * looked at all of them, of any port (0). */
static bool next_port(const struct observer *o, uint32_t n, uint16_t *ret)
{
	*ret = 0;
	if (o->sample.resync)
		return n == 0;
	for (uint32_t i = 0; i < o->n_listeners; i++) {
		bool before = false;
		for (uint32_t j = 0; j < i; j++)
			before |= o->listeners[j].port == o->listeners[i].port;
		*ret = o->listeners[i].port;
		if (!before && n-- == 0)
			return true;
	}
	return false;
}

static void end_sample(struct observer *o)
{
	struct sample *s = &o->sample;

	/* who was not found had died before, and what was told of that lies there now, as do the routers' records of him */
	for (int i = 0; s->resync && !s->failed && i < ENDS_TURNS && ends_ready(o); i++)
		;
	s->running = false;
	if (s->resync && !s->failed)
		end_unseen(o);
	if (s->resync)
		s->due_ns = observer_clock() + (s->failed ? RETRY_NS : AUDIT_NS);
	answer(o);
	if (!s->wanted)
		return;
	s->wanted = false;
	s->answer = s->later;
	s->later = 0;
	sample_start(o, 0, s->wanted_resync);
	s->wanted_resync = false;
}

static void next_dump(struct observer *o)
{
	struct sample *s = &o->sample;
	char request[DIAG_REQUEST_MAX];
	uint16_t port;

	if (!next_port(o, s->next / 2, &port)) {
		end_sample(o);
		return;
	}
	size_t len = diag_request(request, s->next % 2 ? AF_INET : AF_INET6, port, s->next + 1);
	s->next++;
	if (send(OBSERVER_DIAG_FD, request, len, MSG_DONTWAIT) < 0) {
		s->failed = true; /* what was not asked for is not missing */
		end_sample(o);
	}
}

void sample_start(struct observer *o, uint32_t seq, bool resync)
{
	struct sample *s = &o->sample;

	if (s->running) {
		s->wanted = true;
		s->wanted_resync |= resync;
		s->later = seq ? seq : s->later;
		return;
	}
	s->answer = seq ? seq : s->answer;
	s->running = true;
	s->resync = resync;
	s->failed = false;
	s->number++;
	s->next = 0;
	s->began_ns = observer_clock();
	next_dump(o);
}

int sample_due(struct observer *o)
{
	struct sample *s = &o->sample;
	const uint64_t now = observer_clock();
	const bool due = s->due_ns && now >= s->due_ns;

	if (s->running)
		return -1;
	if (o->table.live->n == 0) { /* who comes wakes us */
		s->due_ns = 0;
		return -1;
	}
	if (due || s->due_ns == 0)
		s->due_ns = now + AUDIT_NS;
	if (due)
		sample_start(o, 0, true);
	return (int)((s->due_ns - now) / 1000000u) + 1;
}

static void take_sample(struct observer *o, const struct diag_socket *s)
{
	struct live_entry *e = table_find(&o->table, s->cookie);

	if (!e)
		return;
	e->sampled = o->sample.number;
	e->local = s->local;
	e->remote = s->peer;
	e->state = s->state;
	e->bytes_in = s->bytes_in;
	e->bytes_out = s->bytes_out;
	e->rtt_us = s->rtt_us;
	e->retrans = s->retrans;
}

void diag_ready(struct observer *o)
{
	static char buf[64 * 1024];
	struct diag_socket s;
	enum diag_result r;
	size_t at = 0;
	int error = 0;
	ssize_t len = recv(OBSERVER_DIAG_FD, buf, sizeof(buf), MSG_DONTWAIT);

	if (len < 0 && errno != EAGAIN && errno != EINTR) {
		log_error("sockets that live cannot be looked at: %m");
		o->end = true; /* nobody knows how far the kernel has come: another observer asks anew */
	}
	if (len <= 0)
		return;
	while ((r = diag_next(buf, (size_t)len, &at, &s, &error)) != DIAG_END) {
		if (r == DIAG_SOCKET)
			take_sample(o, &s);
		if (r == DIAG_ERROR)
			o->sample.failed = true;
		if ((r == DIAG_DONE || r == DIAG_ERROR) && o->sample.running)
			next_dump(o);
	}
}
