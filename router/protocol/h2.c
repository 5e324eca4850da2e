/* SPDX-License-Identifier: ISC */
/* The name in the first request of an HTTP/2 connection without TLS ("prior knowledge"). Its fields are decoded when
 * the whole list is there, by nghttp2's HPACK decoder. detail: the request's stream, and PARSE_HEAD,
 * as far as they are known. */
#include "router/protocol/name.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#define FRAME_HEADER   9
#define FRAME_MAX      16384 /* RFC 9113 section 4.2: as long as the server has not said otherwise */
#define FIELDS_MAX     65536 /* of the list as section 6.5.2 counts it: name, value, 32 */
#define FIELD_OVERHEAD 32
#define ARENA_SIZE     (256 * 1024)

enum frame_type { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
#define END_HEADERS 0x04
#define PADDED      0x08
#define PRIORITISED 0x20

struct frame {
	const uint8_t *payload;
	uint32_t len, stream;
	uint8_t type, flags;
};

struct reader {
	const uint8_t *at;
	size_t left;
	size_t before; /* bytes read so far */
};

/* What the decoder allocates, given up as a whole after each opening: no malloc(), and a bound that no client passes. */
static struct {
	_Alignas(16) uint8_t bytes[ARENA_SIZE];
	size_t used;
} arena;

static void *arena_alloc(size_t size, void *data)
{
	const size_t head = 16; /* keeps the size, for realloc */
	uint8_t *p = arena.bytes + arena.used;

	(void)data;
	if (size > ARENA_SIZE || head + (size + 15) / 16 * 16 > ARENA_SIZE - arena.used)
		return NULL;
	arena.used += head + (size + 15) / 16 * 16;
	memcpy(p, &size, sizeof(size));
	return p + head;
}

static void *arena_calloc(size_t n, size_t size, void *data)
{
	void *p = n > 0 && size > ARENA_SIZE / n ? NULL : arena_alloc(n * size, data);

	return p ? memset(p, 0, n * size) : NULL;
}

static void *arena_realloc(void *old, size_t size, void *data)
{
	void *p = arena_alloc(size, data);
	size_t old_size = 0;

	if (!p || !old)
		return p;
	memcpy(&old_size, (uint8_t *)old - 16, sizeof(old_size));
	return memcpy(p, old, old_size < size ? old_size : size);
}

static void arena_free(void *p, void *data)
{
	(void)p;
	(void)data;
}

/* The next frame. False: *out says that more is needed, or that it is bad. */
static bool take_frame(struct reader *r, struct frame *f, struct parse_result *out)
{
	const uint8_t *p = r->at;

	if (r->left < FRAME_HEADER) {
		parse_need(out, r->before + FRAME_HEADER);
		return false;
	}
	f->len = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
	f->type = p[3];
	f->flags = p[4];
	f->stream = (uint32_t)(p[5] & 0x7f) << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8];
	f->payload = p + FRAME_HEADER;
	if (f->len > FRAME_MAX) {
		parse_bad(out, "frame: too long");
		return false;
	}
	if (r->left < FRAME_HEADER + f->len) {
		parse_need(out, r->before + FRAME_HEADER + f->len);
		return false;
	}
	r->at += FRAME_HEADER + f->len;
	r->left -= FRAME_HEADER + f->len;
	r->before += FRAME_HEADER + f->len;
	return true;
}

/* RFC 9113 section 6.2: what is around the fields */
static bool strip(struct frame *f)
{
	uint32_t front = f->flags & PRIORITISED ? 5 : 0, back = 0;

	if (f->flags & PADDED) {
		if (f->len < 1)
			return false;
		back = f->payload[0];
		front++;
	}
	if (front + back > f->len)
		return false;
	f->payload += front;
	f->len -= front + back;
	return true;
}

/* What may come before the first request. NULL: it may. */
static const char *check_early(const struct frame *f, bool first)
{
	if (first)
		return f->type == SETTINGS && f->stream == 0 && f->len % 6 == 0 ? NULL : "preface: no SETTINGS";
	switch (f->type) {
	case DATA:
	case RST_STREAM:
	case CONTINUATION:
		return "frame: of a stream that is not open";
	case PUSH_PROMISE:
		return "frame: no request";
	default: /* those of the connection, and section 5.5: unknown ones are ignored */
		return NULL;
	}
}

struct request {
	struct parse_result authority, host; /* FOUND: it is there */
	size_t size;                         /* of the list so far */
	bool regular;                        /* a field that is no pseudo-field was there */
	bool head;
};

static bool is(const nghttp2_nv *nv, const char *name)
{
	return nv->namelen == strlen(name) && memcmp(nv->name, name, nv->namelen) == 0;
}

/* NULL: right so far. RFC 9113 sections 8.2 and 8.3. */
static const char *take_field(const nghttp2_nv *nv, struct request *rq)
{
	struct parse_result *to = is(nv, ":authority") ? &rq->authority : is(nv, "host") ? &rq->host : NULL;
	bool pseudo = nv->namelen > 0 && nv->name[0] == ':';

	rq->size += nv->namelen + nv->valuelen + FIELD_OVERHEAD;
	if (rq->size > FIELDS_MAX)
		return "fields: too long";
	if (nv->namelen == 0 || (pseudo && rq->regular))
		return "fields: pseudo-field behind others";
	for (size_t i = 0; i < nv->namelen; i++)
		if (nv->name[i] <= ' ' || nv->name[i] >= 0x7f || (nv->name[i] >= 'A' && nv->name[i] <= 'Z'))
			return "fields: name";
	for (size_t i = 0; i < nv->valuelen; i++)
		if (nv->value[i] == 0 || nv->value[i] == '\r' || nv->value[i] == '\n')
			return "fields: value";
	rq->regular |= !pseudo;
	rq->head |= is(nv, ":method") && nv->valuelen == 4 && memcmp(nv->value, "HEAD", 4) == 0;
	if (!to)
		return NULL;
	if (to->verdict == PARSE_FOUND)
		return "host: twice";
	if (!name_take_authority(nv->value, nv->valuelen, to))
		return "host: not a host name";
	to->verdict = PARSE_FOUND;
	return NULL;
}

/* One frame's part of the fields. NULL: right so far. */
static const char *inflate(nghttp2_hd_inflater *hd, const struct frame *f, bool last, struct request *rq)
{
	const uint8_t *at = f->payload;
	size_t left = f->len;
	const char *why;

	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(hd, &nv, &flags, at, left, last);
		if (n < 0)
			return n == NGHTTP2_ERR_NOMEM ? "fields: too long" : "fields: not HPACK";
		at += n;
		left -= (size_t)n;
		if (flags & NGHTTP2_HD_INFLATE_EMIT) {
			why = take_field(&nv, rq);
			if (why)
				return why;
		} else if (flags & NGHTTP2_HD_INFLATE_FINAL || left == 0) {
			return NULL;
		}
	}
}

static void decide(const struct request *rq, struct parse_result *out)
{
	const bool a = rq->authority.verdict == PARSE_FOUND, h = rq->host.verdict == PARSE_FOUND;
	const struct parse_result *name = a ? &rq->authority : &rq->host;

	out->verdict = PARSE_NONE;
	if (!a && !h)
		return;
	/* section 8.3.1: not another one than :authority */
	if (a && h && strcmp(rq->authority.name, rq->host.name) != 0)
		return parse_bad(out, "host: differs from :authority");
	memcpy(out->name, name->name, (size_t)name->name_len + 1);
	out->name_len = name->name_len;
	out->verdict = PARSE_FOUND;
}

/* HEADERS and the CONTINUATIONs behind it, all there. */
static void decode(struct frame f, struct reader r, struct parse_result *out)
{
	static nghttp2_mem mem = {NULL, arena_alloc, arena_free, arena_calloc, arena_realloc};
	struct request rq = {.authority.verdict = PARSE_NONE, .host.verdict = PARSE_NONE};
	nghttp2_hd_inflater *hd;
	const char *why;

	arena.used = 0;
	if (nghttp2_hd_inflate_new2(&hd, &mem) != 0)
		return parse_bad(out, "fields: too long");
	for (;;) {
		why = inflate(hd, &f, f.flags & END_HEADERS, &rq);
		out->detail |= rq.head ? PARSE_HEAD : 0;
		if (why)
			return parse_bad(out, why);
		if (f.flags & END_HEADERS)
			return decide(&rq, out);
		take_frame(&r, &f, out);
	}
}

/* Is the rest of the list there? */
static bool whole(struct frame f, struct reader r, struct parse_result *out)
{
	const uint32_t stream = f.stream;

	while (!(f.flags & END_HEADERS)) {
		if (!take_frame(&r, &f, out))
			return false;
		if (f.type != CONTINUATION || f.stream != stream) {
			parse_bad(out, "frame: CONTINUATION expected");
			return false;
		}
	}
	return true;
}

static void parse_frames(struct reader r, struct parse_result *out)
{
	const size_t begin = r.before;
	struct frame f;
	const char *why;

	for (bool first = true; take_frame(&r, &f, out); first = false) {
		if (!first && f.type == HEADERS) {
			if (f.stream % 2 == 0)
				return parse_bad(out, "HEADERS: stream");
			out->detail = f.stream;
			if (!strip(&f))
				return parse_bad(out, "HEADERS: padding");
			if (whole(f, r, out))
				decode(f, r, out);
			return;
		}
		why = check_early(&f, first);
		if (why)
			return parse_bad(out, why);
	}
	out->whole = out->verdict == PARSE_NEED && r.left == 0 && r.before > begin;
}

void parse_h2(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	const size_t n = sizeof(preface) - 1;

	out->detail = 0;
	if (memcmp(bytes, preface, len < n ? len : n) != 0) {
		out->verdict = PARSE_OTHER;
		return;
	}
	if (len < n)
		return parse_need(out, len + 1); /* it could still be HTTP/1, and end sooner */
	parse_frames((struct reader){bytes + n, len - n, n}, out);
	if (out->verdict == PARSE_NEED && out->need > PARSER_MAX_BYTES)
		parse_bad(out, "frames: too long");
}
