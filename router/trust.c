/* SPDX-License-Identifier: ISC */
#include "router/trust.h"
#include "base/util.h"

#include <stdlib.h>
#include <string.h>

void trust_clear(struct trust *t)
{
	free(t->ranges);
	*t = (struct trust){0};
}

int trust_add(struct trust *t, uint32_t listener, const struct trp_cidr *ranges, uint32_t n)
{
	struct trp_cidr *grown;

	if (t->listener != listener)
		trust_clear(t);
	t->listener = listener;
	if (n > TRUST_MAX - t->n)
		return -E2BIG;
	grown = reallocarray(t->ranges, t->n + n, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memcpy(grown + t->n, ranges, n * sizeof(*grown));
	t->ranges = grown;
	t->n += n;
	return 0;
}

void trust_take(struct trust *t, struct trust *told, uint32_t listener)
{
	trust_clear(t);
	if (told->listener == listener)
		*t = *told;
	else
		free(told->ranges);
	*told = (struct trust){0};
}

bool trust_has(const struct trust *t, const struct trp_addr *peer)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (trp_cidr_has(&t->ranges[i], peer))
			return true;
	return false;
}
