/* SPDX-License-Identifier: ISC */
/* control.c: the daemon. It is trusted: a message that makes no sense ends the observer. */
#include "router/observer/observer.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/util.h"

#include <string.h>
#include <sys/socket.h>

void control_say(struct observer *o, uint16_t type, uint32_t seq)
{
	struct observer_msg m;

	memset(&m, 0, sizeof(m));
	m.magic = OBSERVER_MAGIC;
	m.type = type;
	m.seq = seq;
	m.id = o->sample.number;
	if (trp_fd_send(OBSERVER_CONTROL_FD, &m, sizeof(m), NULL, 0, MSG_DONTWAIT) < 0)
		o->end = true; /* the daemon is gone: its successor has another observer */
}

static void set_log(struct observer *o, const struct observer_msg *m, int *fd)
{
	log_flush(o);
	trp_close(&o->log.fd);
	o->log.fd = trp_steal_fd(fd);
	o->log.json = m->json;
	o->log.size = m->size;
	o->log.max = m->max;
	o->log.full = o->log.torn = false;
}

static void set_service(struct observer *o, const struct observer_msg *m)
{
	if (m->id >= LEDGER_SERVICES)
		log_fatal("control: a service's number");
	free(o->services[m->id]);
	o->services[m->id] = strdup(m->name);
}

static void set_listener(struct observer *o, const struct observer_msg *m)
{
	struct listener_name *l = NULL;

	for (uint32_t i = 0; i < o->n_listeners && !l; i++)
		if (o->listeners[i].id == m->id)
			l = &o->listeners[i];
	if (!l && o->n_listeners < LISTENERS_MAX)
		l = &o->listeners[o->n_listeners++];
	if (!l)
		return;
	l->id = m->id;
	l->port = m->port;
	memcpy(l->name, m->name, sizeof(l->name));
}

static void set_slots(struct observer *o, const struct observer_msg *m)
{
	const uint32_t before = o->n_slots;

	o->n_slots = m->id < LEDGER_SLOTS ? m->id : LEDGER_SLOTS;
	if (o->n_slots <= before)
		return;
	records_take(o); /* also what our predecessor has not read any more: the ends of these may have been told to nobody who knew them */
	if (o->table.live->n > 0)
		sample_start(o, 0, true); /* who of them is still there? */
}

static void apply(struct observer *o, const struct observer_msg *m, int *fd)
{
	switch ((enum observer_msg_type)m->type) {
	case OBSERVER_LOG:
		if (*fd < 0)
			log_fatal("control: a log without a descriptor");
		set_log(o, m, fd);
		break;
	case OBSERVER_NO_LOG:
		log_flush(o);
		trp_close(&o->log.fd);
		break;
	case OBSERVER_SERVICE:
		set_service(o, m);
		break;
	case OBSERVER_LISTENER:
		set_listener(o, m);
		break;
	case OBSERVER_SLOTS:
		set_slots(o, m);
		break;
	case OBSERVER_SAMPLE:
		records_take(o);
		sample_start(o, m->seq, false);
		break;
	case OBSERVER_READY:
	case OBSERVER_FULL:
	case OBSERVER_SAMPLED:
	default:
		log_fatal("control: a message of an unknown kind");
	}
}

void control_ready(struct observer *o)
{
	for (int i = 0; i < 256 && !o->end; i++) {
		struct observer_msg m;
		cleanup_close int fd = -1;
		size_t n_fds = 0;
		ssize_t len = trp_fd_recv_upto(OBSERVER_CONTROL_FD, &m, sizeof(m), &fd, 1, &n_fds, MSG_DONTWAIT);
		if (len == -EAGAIN)
			return;
		if (len == 0 || len == -ECONNRESET) {
			o->end = true;
			return;
		}
		if (len != sizeof(m) || m.magic != OBSERVER_MAGIC)
			log_fatal("control: not a message");
		m.name[sizeof(m.name) - 1] = '\0';
		apply(o, &m, &fd);
	}
}
