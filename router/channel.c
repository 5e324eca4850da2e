/* SPDX-License-Identifier: ISC */
#include "router/channel.h"
#include "base/util.h"

#include <string.h>

#define ROOM_MIN 64

static size_t home(const struct channel_table *t, uint32_t id)
{
	return (size_t)((id * 0x9e3779b97f4a7c15u) >> 32) & (t->room - 1);
}

/* The slot of id, or the free one where it would be put */
static struct channel *slot_of(const struct channel_table *t, uint32_t id)
{
	size_t i = home(t, id);

	while (t->slots[i].id != 0 && t->slots[i].id != id)
		i = (i + 1) & (t->room - 1);
	return &t->slots[i];
}

static int grow(struct channel_table *t)
{
	struct channel_table bigger = {.room = t->room ? t->room * 2 : ROOM_MIN, .used = t->used};

	bigger.slots = calloc(bigger.room, sizeof(struct channel));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->room; i++)
		if (t->slots[i].id != 0)
			*slot_of(&bigger, t->slots[i].id) = t->slots[i];
	free(t->slots);
	*t = bigger;
	return 0;
}

static void release(struct channel *slot)
{
	trp_close(&slot->fd);
	free(slot->group);
	slot->group = NULL;
}

/* The slot for id, emptied; NULL: out of memory */
static struct channel *take_slot(struct channel_table *t, uint32_t id)
{
	struct channel *slot;

	if (t->used + 1 > t->room / 4 * 3 && grow(t) < 0)
		return NULL;
	slot = slot_of(t, id);
	if (slot->id == 0)
		t->used++;
	else
		release(slot);
	*slot = (struct channel){.id = id, .fd = -1};
	return slot;
}

int channel_add(struct channel_table *t, uint32_t id, int fd)
{
	struct channel *slot = take_slot(t, id);

	if (!slot)
		return -ENOMEM;
	slot->fd = fd;
	return 0;
}

int channel_group(struct channel_table *t, uint32_t id, const uint32_t *members, uint32_t n)
{
	struct channel_group *group;
	struct channel *slot;

	if (n > CHANNEL_GROUP_MAX)
		return -EINVAL;
	if (n == 0) {
		channel_del(t, id);
		return 0;
	}
	group = calloc(1, sizeof(*group));
	slot = group ? take_slot(t, id) : NULL;
	if (!slot) {
		free(group);
		return -ENOMEM;
	}
	group->n = n;
	memcpy(group->members, members, n * sizeof(*members));
	slot->group = group;
	return 0;
}

void channel_del(struct channel_table *t, uint32_t id)
{
	struct channel *hole = t->room ? slot_of(t, id) : NULL;
	size_t mask = t->room - 1, i, gap;

	if (!hole || hole->id == 0)
		return;
	release(hole);
	hole->id = 0;
	t->used--;
	/* close the gap: what lies behind it and could not be put at its home moves up */
	gap = (size_t)(hole - t->slots);
	for (i = (gap + 1) & mask; t->slots[i].id != 0; i = (i + 1) & mask) {
		if (((i - home(t, t->slots[i].id)) & mask) < ((i - gap) & mask))
			continue;
		t->slots[gap] = t->slots[i];
		t->slots[i].id = 0;
		gap = i;
	}
}

static struct channel *find(const struct channel_table *t, uint32_t id)
{
	struct channel *slot;

	if (id == 0 || t->room == 0)
		return NULL;
	slot = slot_of(t, id);
	return slot->id ? slot : NULL;
}

uint32_t channel_attempts(const struct channel_table *t, uint32_t id)
{
	const struct channel *slot = find(t, id);

	return !slot ? 0 : slot->group ? slot->group->n : 1;
}

struct channel *channel_pick(const struct channel_table *t, uint32_t id, uint32_t attempt)
{
	struct channel *slot = find(t, id);
	struct channel_group *g = slot ? slot->group : NULL;

	if (!slot || !g)
		return attempt == 0 ? slot : NULL;
	if (attempt >= g->n)
		return NULL;
	if (attempt == 0)
		g->next = (g->next + 1) % g->n;
	return find(t, g->members[(g->next + attempt) % g->n]);
}

int channel_find(const struct channel_table *t, uint32_t id, uint32_t attempt)
{
	const struct channel *slot = channel_pick(t, id, attempt);

	return slot ? slot->fd : -1; /* a group in a group has none */
}

void channel_own(struct channel_table *t, uint32_t id, uint32_t service)
{
	struct channel *slot = find(t, id);

	if (slot)
		slot->service = service;
}
