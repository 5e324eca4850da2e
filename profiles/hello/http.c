/* SPDX-License-Identifier: ISC */
#include "http.h"

#include <string.h>
#include <strings.h>

/* The first line from p that is complete, without its end; *next is behind it. NULL: no line end yet. */
static const char *line_end(const char *p, const char *end, const char **next)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));

	if (!lf)
		return NULL;
	*next = lf + 1;
	return lf > p && lf[-1] == '\r' ? lf - 1 : lf;
}

static bool printable(const char *p, const char *end)
{
	for (; p < end; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return true;
}

static bool is_word(const char *p, const char *end, const char *word)
{
	return (size_t)(end - p) == strlen(word) && strncasecmp(p, word, strlen(word)) == 0;
}

/* METHOD SP TARGET SP HTTP/1.x */
static bool parse_request_line(const char *p, const char *end, struct request *r)
{
	const char *sp1 = memchr(p, ' ', (size_t)(end - p)), *sp2;

	if (!sp1 || sp1 == p)
		return false;
	sp2 = memchr(sp1 + 1, ' ', (size_t)(end - sp1 - 1));
	if (!sp2 || sp2 == sp1 + 1 || end - sp2 != 9 || memcmp(sp2 + 1, "HTTP/1.", 7) != 0 ||
		(end[-1] != '0' && end[-1] != '1'))
		return false;
	if (!printable(p, sp1) || !printable(sp1 + 1, sp2))
		return false;
	r->get = sp1 - p == 3 && memcmp(p, "GET", 3) == 0;
	r->head = sp1 - p == 4 && memcmp(p, "HEAD", 4) == 0;
	r->target = sp1 + 1;
	r->target_len = (size_t)(sp2 - sp1 - 1);
	r->keep_alive = end[-1] == '1';
	return true;
}

/* Connection: a list of options */
static void parse_connection(const char *p, const char *end, struct request *r)
{
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
		const char *last = stop;
		while (p < last && (*p == ' ' || *p == '\t'))
			p++;
		while (last > p && (last[-1] == ' ' || last[-1] == '\t'))
			last--;
		if (is_word(p, last, "close"))
			r->keep_alive = false;
		else if (is_word(p, last, "keep-alive"))
			r->keep_alive = true;
		p = stop + 1;
	}
}

static bool parse_field(const char *p, const char *end, struct request *r)
{
	const char *colon = memchr(p, ':', (size_t)(end - p)), *value;

	if (!colon || colon == p || !printable(p, colon))
		return false;
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (is_word(p, colon, "connection")) {
		parse_connection(value, end, r);
	} else if (is_word(p, colon, "content-length")) {
		r->has_body |= !is_word(value, end, "0");
	} else if (is_word(p, colon, "transfer-encoding")) {
		r->has_body = true;
	} else if (is_word(p, colon, "host")) {
		if (r->host_len || !printable(value, end))
			return false;
		r->host = value;
		r->host_len = (size_t)(end - value);
	}
	return true;
}

enum head_verdict http_parse(const char *bytes, size_t len, struct request *ret)
{
	const char *end = bytes + len, *p = bytes, *next, *stop;
	struct request r = {.host = ""};

	stop = line_end(p, end, &next);
	if (!stop)
		return HEAD_MORE;
	if (!parse_request_line(p, stop, &r))
		return HEAD_BAD;
	for (p = next;; p = next) {
		stop = line_end(p, end, &next);
		if (!stop)
			return HEAD_MORE;
		if (stop == p)
			break;
		if (!parse_field(p, stop, &r))
			return HEAD_BAD;
	}
	r.head_len = (size_t)(next - bytes);
	*ret = r;
	return HEAD_COMPLETE;
}
