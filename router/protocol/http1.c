/* SPDX-License-Identifier: ISC */
/* The name in the head of an HTTP/1 request. detail: PARSE_HEAD. The whole head is looked at before the answer, because
 * a second Host behind the first must not pass: the server behind might believe that one. */
#include "router/protocol/name.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define METHOD_MAX      32
#define EMPTY_LINES_MAX 4

struct text {
	const uint8_t *at;
	size_t len;
};

static bool equals(struct text t, const char *word)
{
	return t.len == strlen(word) && strncasecmp((const char *)t.at, word, t.len) == 0;
}

/* RFC 9110 section 5.6.2: tchar */
static bool is_token_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_len(struct text t)
{
	size_t i = 0;

	while (i < t.len && is_token_char(t.at[i]))
		i++;
	return i;
}

/* The next line without its CR LF (or bare LF, RFC 9112 section 2.2). False: it does not end in
 * here. */
static bool take_line(struct text *rest, struct text *ret)
{
	const uint8_t *lf = memchr(rest->at, '\n', rest->len);

	if (!lf)
		return false;
	ret->at = rest->at;
	ret->len = (size_t)(lf - rest->at);
	rest->at += ret->len + 1;
	rest->len -= ret->len + 1;
	if (ret->len > 0 && lf[-1] == '\r')
		ret->len--;
	return true;
}

/* A CR that ends no line, or a NUL: programs differ in what they make of it. */
static bool has_odd_byte(struct text line)
{
	return line.len > 0 && (memchr(line.at, '\r', line.len) || memchr(line.at, 0, line.len));
}

struct request {
	struct text method, target;
	uint8_t major, minor;
};

/* method SP target SP HTTP/x.y. OTHER when there is no sign of HTTP in the line. */
static enum parse_verdict parse_request_line(struct text line, struct request *ret)
{
	static const char version[] = " HTTP/";
	const size_t version_len = sizeof(version) - 1;
	const uint8_t *v;
	struct text t;

	if (!memmem(line.at, line.len, version, version_len))
		return PARSE_OTHER;
	ret->method = (struct text){line.at, token_len(line)};
	if (line.len < ret->method.len + 1 + version_len + 3 || has_odd_byte(line))
		return PARSE_BAD;
	v = line.at + line.len - version_len - 3;
	t = (struct text){
		line.at + ret->method.len + 1, (size_t)(v - line.at) - ret->method.len - 1};
	if (v < t.at || t.len == 0 || memchr(t.at, ' ', t.len) || memchr(t.at, '\t', t.len))
		return PARSE_BAD;
	if (memcmp(v, version, version_len) != 0 || v[7] != '.' || v[6] < '0' || v[6] > '9' ||
		v[8] < '0' || v[8] > '9')
		return PARSE_BAD;
	ret->target = t;
	ret->major = (uint8_t)(v[6] - '0');
	ret->minor = (uint8_t)(v[8] - '0');
	return PARSE_FOUND;
}

/* RFC 3986 section 3.1 */
static bool is_scheme(struct text t)
{
	for (size_t i = 0; i < t.len; i++)
		if (!isalpha(t.at[i]) && (i == 0 || !(isdigit(t.at[i]) || memchr("+-.", t.at[i], 3))))
			return false;
	return t.len > 0;
}

/* The authority of a target in absolute-form or (CONNECT) authority-form, RFC 9112 section 3.2.
 * Returns false for a target in none of the four forms; ret->at NULL: origin-form, asterisk-form. */
static bool target_authority(const struct request *rq, struct text *ret)
{
	const uint8_t *sep, *end;
	struct text t = rq->target;

	ret->at = NULL;
	if (equals(rq->method, "CONNECT")) {
		*ret = t;
		return true;
	}
	if (t.at[0] == '/' || (t.len == 1 && t.at[0] == '*'))
		return true;
	sep = memmem(t.at, t.len, "://", 3);
	if (!sep || !is_scheme((struct text){t.at, (size_t)(sep - t.at)}))
		return false;
	ret->at = sep + 3;
	for (end = ret->at; end < t.at + t.len; end++)
		if (*end == '/' || *end == '?' || *end == '#')
			break;
	ret->len = (size_t)(end - ret->at);
	return true;
}

static struct text trim(struct text t)
{
	while (t.len > 0 && (t.at[0] == ' ' || t.at[0] == '\t')) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
		t.len--;
	return t;
}

/* The fields up to the empty line: verdict FOUND when they are all there and host (at NULL: none)
 * is the only Host. RFC 9112 sections 5 and 3.2. */
static void parse_fields(struct text rest, struct text *host, struct parse_result *out)
{
	struct text line, name;

	while (take_line(&rest, &line)) {
		if (line.len == 0) {
			out->verdict = PARSE_FOUND;
			return;
		}
		if (has_odd_byte(line))
			return parse_bad(out, "field: bare CR or NUL");
		name = (struct text){line.at, token_len(line)};
		if (name.len == 0 || name.len == line.len || line.at[name.len] != ':')
			return parse_bad(out, "field: not name and colon, or folded");
		if (!equals(name, "host"))
			continue;
		if (host->at)
			return parse_bad(out, "Host: twice");
		*host = trim((struct text){line.at + name.len + 1, line.len - name.len - 1});
	}
	out->verdict = PARSE_NEED;
}

/* Everything is there: which name? */
static void decide(const struct request *rq, struct text host, struct parse_result *out)
{
	struct text authority;

	if (!target_authority(rq, &authority))
		return parse_bad(out, "request line: target");
	if (!host.at && rq->minor > 0)
		return parse_bad(out, "Host: missing");
	if (host.at && host.len > 0 && !name_take_authority(host.at, host.len, out))
		return parse_bad(out, "Host: not a host name");
	if (authority.at && !name_take_authority(authority.at, authority.len, out))
		return parse_bad(out, "request line: not a host name");
	out->verdict = authority.at || host.len > 0 ? PARSE_FOUND : PARSE_NONE;
}

/* RFC 9112 section 2.2: some clients send one behind the body of the request before; servers ignore them. A few, so
 * that nobody sends nothing else. */
static void skip_empty_lines(struct text *t)
{
	for (int i = 0; i < EMPTY_LINES_MAX; i++) {
		size_t n = t->len > 1 && t->at[0] == '\r' && t->at[1] == '\n' ? 2 : t->len > 0 && t->at[0] == '\n';
		t->at += n;
		t->len -= n;
	}
}

static bool could_begin(struct text t)
{
	size_t n = token_len(t);

	return n > 0 && n <= METHOD_MAX && (n == t.len || t.at[n] == ' ');
}

/* No line of HTTP has one, and of what has there may be no end of a line to wait for. */
static bool has_nul_in_line(struct text t)
{
	const uint8_t *nul = memchr(t.at, 0, t.len);

	return nul && !memchr(t.at, '\n', (size_t)(nul - t.at));
}

static void parse_head(struct text rest, struct parse_result *out)
{
	struct text line, host = {NULL, 0};
	struct request rq;

	if (has_nul_in_line(rest)) {
		out->verdict = PARSE_OTHER;
		return;
	}
	if (!take_line(&rest, &line)) {
		out->verdict = PARSE_NEED;
		return;
	}
	out->verdict = parse_request_line(line, &rq);
	if (out->verdict == PARSE_BAD)
		return parse_bad(out, "request line");
	if (out->verdict != PARSE_FOUND)
		return;
	if (rq.major == 2 && equals(rq.method, "PRI")) {
		/* RFC 9113 section 3.4: HTTP/2 at once, see h2.c */
		out->verdict = PARSE_OTHER;
		return;
	}
	if (rq.major != 1)
		return parse_bad(out, "request line: version");
	parse_fields(rest, &host, out);
	if (out->verdict == PARSE_FOUND)
		decide(&rq, host, out);
}

void parse_http1(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	struct text all = {bytes, len};

	skip_empty_lines(&all);
	if (all.len == 0 || (all.len == 1 && all.at[0] == '\r'))
		return parse_need(out, len + 1);
	if (!could_begin(all)) {
		out->verdict = PARSE_OTHER;
		return;
	}
	out->detail = all.len > 4 && memcmp(all.at, "HEAD ", 5) == 0 ? PARSE_HEAD : 0;
	parse_head(all, out);
	if (out->verdict != PARSE_NEED)
		return;
	if (len >= PARSER_MAX_BYTES)
		return parse_bad(out, "head: too long");
	parse_need(out, len + 1);
}
