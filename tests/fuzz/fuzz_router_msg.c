/* SPDX-License-Identifier: ISC */
/* First byte: number of descriptors. The rest: a message of router/control.h. What passes the check is carried out on
 * a route table, which must then give back what was put in. */
#include "router/message.h"
#include "router/route.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_route(const struct router_msg *m)
{
	const struct route_key key = {m->listener, m->protocol, m->name_len, m->name};
	struct route_table table = {.seed = 1};
	struct route_channels got = {.v4 = 0}, to = {.v4 = m->channel4, .v6 = m->channel6};
	struct route_key client = key;
	char below[TRP_HANDOFF_NAME_MAX + 1];

	if (route_set(&table, &key, to) < 0)
		return;
	if (m->name_len > 0 && m->name[0] == '*') {
		memcpy(below, m->name, m->name_len);
		below[0] = 'x';
		client.name = below;
	}
	if (route_find(&table, &client, &got) != ROUTE_HIT || got.v4 != to.v4 || got.v6 != to.v6)
		abort();
	if (!route_del(&table, &key) || table.n_routes != 0 || table.n_names != 0)
		abort();
	route_clear(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct router_msg m;

	if (size < 1)
		return 0;
	memset(&m, 0, sizeof(m));
	memcpy(&m, data + 1, size - 1 < sizeof(m) ? size - 1 : sizeof(m));
	if (message_check(&m, size - 1, data[0]) != NULL)
		return 0;
	if (m.type == ROUTER_ROUTE_SET)
		check_route(&m);
	return 0;
}
