/* SPDX-License-Identifier: ISC */
/* What an observer reads: the kernel's messages about sockets, and (from the same bytes) a router's record, through the table into
 * a line. A line is one line, and a table that was filled is empty when all are taken out. */
#include "router/observer/diag.h"
#include "router/observer/line.h"
#include "router/observer/table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct line *l, bool json)
{
	char out[LINE_MAX_BYTES];
	size_t len = line_format(l, json, out);

	if (len == 0 || len > sizeof(out) || memchr(out, '\n', len) != out + len - 1)
		abort();
	for (size_t i = 0; i + 1 < len; i++)
		if ((unsigned char)out[i] < ' ' || (unsigned char)out[i] > '~')
			abort();
}

static void check_record(const uint8_t *data, size_t size)
{
	static struct live *live;
	static struct table t;
	struct ledger_record r;
	struct live_entry *e;

	if (!live) {
		live = aligned_alloc(_Alignof(struct live), sizeof(*live)); /* as mmap() gives it */
		if (!live)
			abort();
		memset(live, 0, sizeof(*live));
		if (table_init(&t, live) < 0)
			abort();
	}
	memset(&r, 0, sizeof(r));
	memcpy(&r, data, size < sizeof(r) ? size : sizeof(r));
	e = table_add(&t, &r);
	if ((e == NULL) != (r.cookie == 0))
		abort();
	if (!e)
		return;
	for (int json = 0; json < 2; json++)
		check_line(&(struct line){.peer = e->peer, .name = e->name, .name_len = e->name_len, .end = LINE_CLOSED}, json);
	table_del(&t, e);
	if (live->n != 0 || table_find(&t, r.cookie))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag_socket s;
	size_t at = 0, before;
	int error = 0;

	do
		before = at;
	while (diag_next(data, size, &at, &s, &error) != DIAG_END && at > before);
	check_record(data, size);
	return 0;
}
