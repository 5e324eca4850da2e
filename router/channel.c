/* SPDX-License-Identifier: ISC */
#include "router/channel.h"
#include "base/util.h"

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

int channel_add(struct channel_table *t, uint32_t id, int fd)
{
	struct channel *slot;

	if (t->used + 1 > t->room / 4 * 3 && grow(t) < 0)
		return -ENOMEM;
	slot = slot_of(t, id);
	if (slot->id == 0)
		t->used++;
	else
		close(slot->fd);
	*slot = (struct channel){id, fd};
	return 0;
}

void channel_del(struct channel_table *t, uint32_t id)
{
	struct channel *hole = t->room ? slot_of(t, id) : NULL;
	size_t mask = t->room - 1, i, gap;

	if (!hole || hole->id == 0)
		return;
	close(hole->fd);
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

int channel_find(const struct channel_table *t, uint32_t id)
{
	const struct channel *slot;

	if (id == 0 || t->room == 0)
		return -1;
	slot = slot_of(t, id);
	return slot->id ? slot->fd : -1;
}
