/* SPDX-License-Identifier: ISC */
#include "router/quota.h"
#include "base/util.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#define MESSAGE_BYTES 768 /* what the smallest message takes of a send buffer */
#define LOOK_NS       (10u * 1000 * 1000) /* pause between two looks at all */

static uint32_t beyond(const struct quotas *t, const struct quota *q)
{
	return q->queued > t->share ? q->queued - t->share : 0;
}

static void set_queued(struct quotas *t, struct quota *q, uint32_t queued)
{
	t->beyond -= beyond(t, q);
	q->queued = queued;
	t->beyond += beyond(t, q);
}

/* There is a service more or less. */
static void divide(struct quotas *t)
{
	t->share = t->n ? t->room / 2 / t->n : 0;
	t->beyond = 0;
	for (struct quota *q = t->first; q; q = q->next)
		t->beyond += beyond(t, q);
}

static bool has_room(const struct quotas *t, const struct quota *q)
{
	uint64_t common = t->room - (uint64_t)t->share * t->n;

	if (q->queue && q->queued >= q->queue)
		return false;
	return q->queued < t->share || (t->beyond < common && beyond(t, q) < (common - t->beyond) / 4);
}

/* Without an observer it cannot be told: nobody is let in. */
static bool has_live(const struct quotas *t, struct quota *q)
{
	if (q->max_live == 0)
		return true;
	if (!t->live)
		return false;
	if (__atomic_load_n(&t->ledger->tail, __ATOMIC_ACQUIRE) >= q->mark)
		q->unseen = 0;
	return (uint64_t)__atomic_load_n(&t->live[q->service], __ATOMIC_RELAXED) + q->unseen < q->max_live;
}

void quota_noted(struct quotas *t, struct quota *q)
{
	q->pending--;
	if (t->ledger) /* without a limit, too: one may be set later, and who came before must not count as unseen for ever */
		q->mark = t->ledger->head;
}

static void look(struct quotas *t, struct channel_table *channels, struct quota *q)
{
	uint32_t queued = q->pending;

	for (uint32_t i = 0; i < q->n_channels; i++) {
		struct channel *c = channel_pick(channels, q->channels[i], 0);
		int bytes = 0;
		if (!c || c->quota != q)
			continue;
		if (ioctl(c->fd, SIOCOUTQ, &bytes) == 0)
			c->queued = ((uint32_t)bytes + MESSAGE_BYTES - 1) / MESSAGE_BYTES;
		queued += c->queued;
	}
	set_queued(t, q, queued);
}

/* Those who have more than their share: they may have become fewer. */
static void look_at_all(struct quotas *t, struct channel_table *channels, uint64_t now_ns)
{
	if (now_ns - t->looked_ns < LOOK_NS)
		return;
	t->looked_ns = now_ns;
	for (struct quota *q = t->first; q; q = q->next)
		if (beyond(t, q))
			look(t, channels, q);
}

int quota_admit(struct quotas *t, struct channel_table *channels, struct channel *c, uint64_t now_ns)
{
	struct quota *q = c->quota;

	if (!q)
		return 0;
	if (!has_live(t, q))
		return -EUSERS;
	if (!rate_take(&q->rate, &q->full_ns, now_ns))
		return -EDQUOT;
	if (!has_room(t, q))
		look(t, channels, q);
	if (!has_room(t, q))
		look_at_all(t, channels, now_ns);
	if (!has_room(t, q))
		return -EAGAIN;
	q->pending++;
	q->unseen++;
	q->mark = UINT64_MAX; /* until quota_noted() */
	c->queued++;
	set_queued(t, q, q->queued + 1);
	return 0;
}

void quota_leave(struct quotas *t, struct channel *c)
{
	struct quota *q = c->quota;

	if (!q)
		return;
	set_queued(t, q, q->queued > c->queued ? q->queued - c->queued : 0);
	c->quota = NULL;
}

static struct quota **find(struct quotas *t, uint32_t id)
{
	struct quota **q = &t->first;

	while (*q && (*q)->id != id)
		q = &(*q)->next;
	return q;
}

static struct quota *add(struct quotas *t, uint32_t id)
{
	struct quota *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->id = id;
	q->next = t->first;
	t->first = q;
	t->n++;
	return q;
}

static void forget(struct quotas *t, struct quota **at)
{
	struct quota *q = *at;

	*at = q->next;
	t->n--;
	free(q);
}

int quota_set(struct quotas *t, struct channel_table *channels, uint32_t id, const struct router_quota *limits)
{
	struct quota *q = *find(t, id);

	if (!q && limits->n_channels == 0)
		return 0;
	if (!q)
		q = add(t, id);
	if (!q)
		return -ENOMEM;
	for (uint32_t i = 0; i < q->n_channels; i++) {
		struct channel *c = channel_pick(channels, q->channels[i], 0);
		if (c && c->quota == q)
			c->quota = NULL;
	}
	q->rate = (struct rate){limits->rate.interval_ns, limits->rate.burst};
	q->queue = limits->queue;
	q->max_live = limits->max_live;
	q->service = limits->service;
	q->n_channels = limits->n_channels;
	memcpy(q->channels, limits->channels, sizeof(q->channels));
	for (uint32_t i = 0; i < q->n_channels; i++) {
		struct channel *c = channel_pick(channels, q->channels[i], 0);
		if (c && c->fd >= 0)
			c->quota = q;
	}
	look(t, channels, q);
	if (q->n_channels == 0)
		forget(t, find(t, id));
	divide(t);
	return 0;
}
