/* SPDX-License-Identifier: ISC */
/* handon.c: clients leave for their services. Those that one turn of a listener accepted are sent together: one system
 * call for each channel, and one for each run of descriptors that follow each other to close them. One alone is sent at
 * once, by sendmsg and close.
 *
 * The descriptors are closed as soon as all are sent: as long as anybody else has it, a client would not see the
 * service's close. */
#include "router/router.h"
#include "base/util.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whose channel it is that is tried: of a name that several services share, the one is counted that gets the client. */
static void set_via(struct handon_client *h, const struct channel *c)
{
	h->via = c ? c->id : 0;
	if (c && c->service)
		h->service = c->service;
}

/* O_NONBLOCK of the client's socket for the receiver there. Most programs want it, and so need not set it themselves; who does not know
 * that it can be set, an adapter or library of an earlier version, gets it clear. It costs nothing where accept4(2) sets it, so that is done
 * as long as it was right the last time. */
static void suit(struct router *r, struct handon_client *h, const struct channel *c)
{
	const bool knows = c && c->nonblock;

	if (c)
		r->listeners[h->client.listener].nonblock = knows;
	if (h->client.nonblock && !knows && fcntl(h->client.fd, F_SETFL, 0) == 0)
		h->client.nonblock = false;
	h->header.flags &= ~TRP_HANDOFF_NONBLOCK;
	if (h->client.nonblock)
		h->header.flags |= TRP_HANDOFF_NONBLOCK;
}

/* May another client go there? 0 or why not. */
static int admit(struct router *r, struct handon_client *h, struct channel *c)
{
	int err;

	if (!c || c->fd < 0) /* a group in a group has none */
		return -ENOENT;
	err = quota_admit(&r->quotas, &r->channels, c, r->now_ns);
	h->quota = err == 0 ? c->quota : NULL;
	return err;
}

static void noted(struct router *r, struct handon_client *h)
{
	if (h->quota)
		quota_noted(&r->quotas, h->quota);
	h->quota = NULL;
}

/* Another member of the group, if it is one. 0 or the error that the client is told of: a full queue rather than a
 * missing service. */
static int send_elsewhere(struct router *r, struct handon_client *h, int err)
{
	uint32_t attempts = channel_attempts(&r->channels, h->to);

	for (uint32_t i = 0; i < attempts && err != -ETOOMANYREFS; i++) {
		struct channel *c = channel_pick(&r->channels, h->to, i);
		if (c && c->fd == h->channel)
			continue; /* that is where err comes from */
		set_via(h, c);
		noted(r, h); /* the one before does not get it */
		int now = admit(r, h, c);
		if (now == 0)
			suit(r, h, c);
		if (now == 0)
			now = trp_fd_send(c->fd, &h->header, h->len, &h->client.fd, 1, MSG_DONTWAIT);
		if (now == 0 || now == -ETOOMANYREFS)
			return now;
		if (err != -EAGAIN && err != -EDQUOT && err != -EUSERS)
			err = now;
	}
	return err;
}

static void finish(struct router *r, struct handon_client *h, int err)
{
	struct note note = {.name = h->header.name, .name_len = h->header.name_len};

	if (err < 0)
		err = send_elsewhere(r, h, err);
	h->done = true;
	h->sent = err == 0;
	note.service = h->service;
	if (h->sent) {
		r->stats.handed_on++;
		note.verdict = VERDICT_HANDED_ON;
		note.channel = h->via;
		note_client(r, &h->client, &note);
	} else if (err == -EAGAIN || err == -ETOOMANYREFS) {
		client_refuse(r, &h->client, REFUSE_QUEUE_FULL, &note);
	} else if (err == -EDQUOT) {
		client_refuse(r, &h->client, REFUSE_OVER_RATE, &note);
	} else if (err == -EUSERS) {
		client_refuse(r, &h->client, REFUSE_TOO_MANY, &note);
	} else {
		client_refuse(r, &h->client, REFUSE_NO_SERVICE, &note);
	}
	noted(r, h);
}

/* All in one message, or none: what is in the way of that is told by sending them singly. */
static bool send_together(struct router *r, struct handon_client *const *clients, size_t n)
{
	int fds[HANDON_MAX];

	for (size_t i = 0; i < n; i++) {
		trp_several_put(r->handon.packed, i, &clients[i]->header);
		fds[i] = clients[i]->client.fd;
	}
	return trp_fd_send(clients[0]->channel, r->handon.packed, n * TRP_SLOT_BYTES, fds, n, MSG_DONTWAIT) == 0;
}

/* All that go into the channel of the first, in their order. A call ends at the first that does not fit; the next one
 * says why, and those behind are tried as well. */
static void send_channel(struct router *r, struct handon_client *first)
{
	struct handon_client *clients[HANDON_MAX];
	struct trp_fd_msg msgs[HANDON_MAX];
	const int channel = first->channel;
	size_t n = 0, at = 0;

	for (struct handon_client *h = first; h < &r->handon.clients[r->handon.n]; h++)
		if (!h->done && h->error == 0 && h->channel == channel) {
			clients[n] = h;
			msgs[n++] = (struct trp_fd_msg){&h->header, h->len, h->client.fd};
		}
	if (first->several && n > 1 && send_together(r, clients, n))
		while (at < n)
			finish(r, clients[at++], 0);
	while (at < n) {
		int sent = trp_fd_send_many(channel, msgs + at, n - at, MSG_DONTWAIT);
		if (sent < 0)
			finish(r, clients[at++], sent);
		for (; sent > 0; sent--)
			finish(r, clients[at++], 0);
	}
}

/* Nearly in order already: accept4() gives the lowest number that is free. */
static void sort(int *fds, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j > 0 && fds[j - 1] > fds[j]; j--) {
			int swap = fds[j];
			fds[j] = fds[j - 1];
			fds[j - 1] = swap;
		}
}

static void close_sent(const struct handon *b)
{
	int fds[HANDON_MAX];
	size_t n = 0, end;

	for (uint32_t i = 0; i < b->n; i++)
		if (b->clients[i].sent)
			fds[n++] = b->clients[i].client.fd;
	sort(fds, n);
	for (size_t i = 0; i < n; i = end) {
		end = i + 1;
		while (end < n && fds[end] == fds[end - 1] + 1)
			end++;
		if (end == i + 1)
			close(fds[i]);
		else
			close_range((unsigned)fds[i], (unsigned)fds[end - 1], 0);
	}
}

void handon_hold(struct router *r)
{
	r->handon.held = true;
}

static void pick_channel(struct router *r, struct handon_client *h)
{
	struct channel *c = channel_pick(&r->channels, h->to, 0);

	h->channel = c ? c->fd : -1;
	h->several = c && c->several;
	h->quota = NULL;
	h->error = admit(r, h, c);
	set_via(h, c);
	if (h->error == 0)
		suit(r, h, c);
}

static bool send_all(struct router *r)
{
	struct handon *b = &r->handon;

	if (b->n == 0)
		return false;
	for (uint32_t i = 0; i < b->n; i++)
		pick_channel(r, &b->clients[i]);
	for (uint32_t i = 0; i < b->n; i++) {
		struct handon_client *h = &b->clients[i];
		if (!h->done && h->error < 0)
			finish(r, h, h->error);
		else if (!h->done)
			send_channel(r, h);
	}
	close_sent(b);
	b->n = 0;
	return true;
}

bool handon_flush(struct router *r)
{
	r->handon.held = false;
	return send_all(r);
}

void handon_add(
	struct router *r, const struct client *c, uint32_t to, uint32_t service, const char *name, uint8_t name_len)
{
	struct handon *b = &r->handon;
	struct handon_client *h = &b->clients[b->n++];

	h->client = *c;
	h->to = to;
	h->service = service;
	h->done = h->sent = false;
	h->header.protocol = c->protocol;
	h->header.flags = client_flags(c);
	h->header.listener = r->listeners[c->listener].id;
	h->header.accepted_ns = c->accepted_ns;
	h->header.peer = c->peer;
	h->header.local = c->local;
	h->len = trp_handoff_seal(&h->header, name, name_len);
	if (!b->held || b->n == HANDON_MAX)
		send_all(r);
}
