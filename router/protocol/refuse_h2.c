/* SPDX-License-Identifier: ISC */
/* The answer to an HTTP/2 client: SETTINGS as the server's preface, an acknowledgement of the client's, the response
 * on its stream if that is known, and GOAWAY. */
#include "router/protocol/refuse.h"

#include <stdio.h>
#include <string.h>

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, GOAWAY = 7 }; /* RFC 9113 section 6 */
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
/* RFC 7541 appendix A */
enum { NAME_STATUS = 8, NAME_CACHE_CONTROL = 24, NAME_CONTENT_LENGTH = 28, NAME_CONTENT_TYPE = 31, NAME_RETRY_AFTER = 53 };
/* RFC 7541 section 6.3: no dynamic table. Who has made it smaller than 4096 bytes by its SETTINGS, which are acknowledged here, expects to be
 * told so first (section 4.2). */
enum { TABLE_SIZE_0 = 0x20 };

struct answer {
	uint8_t *at;
	size_t len;
};

static void put(struct answer *a, const void *bytes, size_t n)
{
	memcpy(a->at + a->len, bytes, n);
	a->len += n;
}

static void put_frame(struct answer *a, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t n)
{
	const uint8_t head[9] = {0, (uint8_t)(n >> 8), (uint8_t)n, type, flags, (uint8_t)(stream >> 24),
		(uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};

	put(a, head, sizeof(head));
	put(a, payload, n);
}

/* RFC 7541 section 6.2.2: literal without indexing, name of the static table, not Huffman coded */
static void put_field(struct answer *a, uint8_t name, const char *value)
{
	const uint8_t n = (uint8_t)strlen(value), low[2] = {name, n}, high[3] = {15, (uint8_t)(name - 15), n};

	if (name < 15)
		put(a, low, sizeof(low));
	else
		put(a, high, sizeof(high));
	put(a, value, n);
}

size_t refuse_h2(const struct refuse_page *p, bool respond, uint32_t stream, uint32_t error, char *out)
{
	struct answer a = {(uint8_t *)out, 0}, fields;
	uint8_t list[128];
	const uint8_t goaway[8] = {(uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8),
		(uint8_t)stream, 0, 0, 0, (uint8_t)error};
	char length[12];

	put_frame(&a, SETTINGS, 0, 0, "", 0);
	put_frame(&a, SETTINGS, ACK, 0, "", 0);
	if (respond && stream != 0) {
		fields = (struct answer){list, 0};
		put(&fields, (const uint8_t[]){TABLE_SIZE_0}, 1);
		snprintf(length, sizeof(length), "%zu", p->len);
		put_field(&fields, NAME_STATUS, p->status);
		put_field(&fields, NAME_CONTENT_TYPE, "text/html; charset=utf-8");
		put_field(&fields, NAME_CONTENT_LENGTH, length);
		put_field(&fields, NAME_CACHE_CONTROL, "no-store");
		if (p->retry_after)
			put_field(&fields, NAME_RETRY_AFTER, p->retry_after);
		put_frame(&a, HEADERS, END_HEADERS | (p->head ? END_STREAM : 0), stream, list, fields.len);
		if (!p->head)
			put_frame(&a, DATA, END_STREAM, stream, p->text, p->len);
	}
	put_frame(&a, GOAWAY, 0, 0, goaway, sizeof(goaway));
	return a.len;
}
