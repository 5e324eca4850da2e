/* SPDX-License-Identifier: ISC */
#include "supervisor/keeptable.h"

#include <string.h>

/* FNV-1a. The names are the administrator's. */
static uint32_t *chain_of(struct keep_table *t, const char *owner)
{
	uint32_t hash = 0x811c9dc5u;

	for (size_t i = 0; i < sizeof(t->items[0].key.owner) && owner[i]; i++)
		hash = (hash ^ (unsigned char)owner[i]) * 0x01000193u;
	return &t->chains[hash % KEEP_CHAINS];
}

/* What leads to it: the head of its chain, or the next of the one before. */
static uint32_t *link_to(struct keep_table *t, const struct keep_item *i)
{
	uint32_t number = (uint32_t)(i - t->items) + 1, *at = chain_of(t, i->key.owner);

	while (*at != number)
		at = &t->items[*at - 1].next;
	return at;
}

struct keep_item *keep_table_find(struct keep_table *t, const struct keep_key *key)
{
	for (uint32_t at = *chain_of(t, key->owner); at; at = t->items[at - 1].next)
		if (memcmp(&t->items[at - 1].key, key, sizeof(*key)) == 0)
			return &t->items[at - 1];
	return NULL;
}

struct keep_item *keep_table_add(struct keep_table *t, const struct keep_key *key, int fd)
{
	uint32_t *head = chain_of(t, key->owner);
	struct keep_item *i = &t->items[t->n];

	if (t->n == KEEP_MAX)
		return NULL;
	*i = (struct keep_item){.key = *key, .fd = fd, .next = *head};
	*head = ++t->n;
	return i;
}

void keep_table_remove(struct keep_table *t, struct keep_item *i)
{
	struct keep_item *last = &t->items[t->n - 1];

	*link_to(t, i) = i->next;
	if (i != last) {
		*link_to(t, last) = (uint32_t)(i - t->items) + 1;
		*i = *last;
	}
	t->n--;
}

struct keep_item *keep_table_next_of(struct keep_table *t, const char *owner, const struct keep_item *i)
{
	uint32_t at = i ? i->next : *chain_of(t, owner);

	while (at && strncmp(t->items[at - 1].key.owner, owner, sizeof(i->key.owner)) != 0)
		at = t->items[at - 1].next;
	return at ? &t->items[at - 1] : NULL;
}
