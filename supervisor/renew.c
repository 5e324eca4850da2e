/* SPDX-License-Identifier: ISC */
/* renew.c: between two runs of a service that took several clients in one message. The next run may not take such messages
 * (another profile, another program), and says so only when it has the channel already. So it is given a new channel, under the same
 * number, with the clients singly in it. Routers go on sending to the old one until they have read of the new one; what
 * comes there is moved too, until all of them have closed it, which is the end of file at our end: no client is lost between. The same is
 * done with the channel in which clients have waited (hold.c). */
#include "base/io.h"
#include "supervisor/lateclose.h"
#include "supervisor/service.h"

#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOVED_PER_TURN 256

struct renewed {
	struct renewed *next;
	struct service *s;
	uint32_t id; /* of the channel that took its place */
	int service_end;
	ev_io on_client;
};

/* One is about to be closed. A router that is told nothing any more may have an older one of that number still. */
static void keep_newest(const struct service *s, uint32_t id)
{
	const struct renewed *r = s->renewed;

	while (r && r->id != id)
		r = r->next;
	keep_put(s->d->keep, s->name, "channel-before", id, r ? r->service_end : -1);
}

static void drop(struct renewed *old)
{
	struct renewed **at = &old->s->renewed;

	while (*at != old)
		at = &(*at)->next;
	*at = old->next;
	ev_io_stop(old->s->d->loop, &old->on_client);
	keep_newest(old->s, old->id);
	shutdown(old->service_end, SHUT_RD);
	hold_deal(old->s, old->service_end, UINT_MAX);
	close_later(old->s->d->loop, &old->service_end);
	free(old);
}

/* Is it read to its end, or will nothing come of it? */
static bool has_ended(int service_end)
{
	char byte;
	ssize_t n = recv(service_end, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void on_client(struct ev_loop *loop, ev_io *w, int events)
{
	struct renewed *old = w->data;

	(void)loop;
	(void)events;
	hold_deal(old->s, old->service_end, MOVED_PER_TURN);
	if (has_ended(old->service_end))
		drop(old);
}

/* A daemon that is killed leaves the last one to the next. */
static void add(struct service *s, struct renewed *old, uint32_t id, int service_end)
{
	*old = (struct renewed){.next = s->renewed, .s = s, .id = id, .service_end = service_end};
	s->renewed = old;
	ev_io_init(&old->on_client, on_client, old->service_end, EV_READ);
	old->on_client.data = old;
	ev_io_start(s->d->loop, &old->on_client);
	keep_put(s->d->keep, s->name, "channel-before", id, service_end);
}

void renew_follow(struct service *s, uint32_t id, int service_end)
{
	struct renewed *old = calloc(1, sizeof(*old));

	if (old) {
		add(s, old, id, service_end);
		return;
	}
	keep_newest(s, id);
	channel_let_go(service_end);
	close(service_end);
}

/* The daemon was killed before it had said that something else is in its place: what comes there has arrived. */
static bool in_use(const struct service *s, int service_end)
{
	bool is = s->waiting.id && trp_same_file(s->waiting.service_end, service_end);

	for (size_t i = 0; i < s->n_channels; i++)
		is |= trp_same_file(s->channels[i].service_end, service_end);
	return is;
}

void renew_adopt(struct service *s)
{
	uint32_t id;
	int fd;

	while ((fd = keep_take_any(s->d->keep, s->name, "channel-before", &id)) >= 0) {
		if (!in_use(s, fd)) {
			renew_follow(s, id, fd);
			continue;
		}
		keep_drop(s->d->keep, s->name, "channel-before", id);
		close(fd);
	}
}

int renew_channel(struct service *s, struct channel *c)
{
	struct renewed *old = calloc(1, sizeof(*old));
	struct channel fresh;
	int r = old ? channel_open(c->port, c->family, s->profile->queue, &fresh) : -ENOMEM;

	if (r < 0) {
		free(old);
		return r;
	}
	fresh.id = c->id;
	fresh.nonblock = c->nonblock;
	/* clients with long names take more room singly: those that wait all find it, and the bound is for who comes then */
	r = channel_widen(&fresh);
	if (r == 0)
		channel_move(c->service_end, &fresh);
	if (r == 0)
		r = channel_narrow(&fresh, s->profile->queue);
	if (r < 0) {
		channel_close(&fresh);
		free(old);
		return r;
	}
	routerproc_channel_add(s->d->router, s->number, &fresh);
	add(s, old, c->id, c->service_end);
	trp_close(&c->router_end);
	*c = fresh;
	return 0;
}

void renew_stop(struct service *s)
{
	while (s->renewed)
		drop(s->renewed);
}

void renew_hand_over(struct service *from, struct service *to)
{
	for (struct renewed *r = from->renewed; r; r = r->next)
		r->s = to;
	to->renewed = from->renewed;
	from->renewed = NULL;
}
