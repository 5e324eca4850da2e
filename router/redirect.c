/* SPDX-License-Identifier: ISC */
#include "router/redirect.h"

#include <stdio.h>
#include <string.h>

#define ACME_PATH "/.well-known/acme-challenge/"

struct text {
	const uint8_t *at;
	size_t len;
};

/* What stands between the first and the last blank of the request line, and there is at least one byte. */
static bool find_target(const uint8_t *head, size_t len, struct text *ret)
{
	const uint8_t *end, *from, *to;

	while (len > 0 && (*head == '\r' || *head == '\n')) { /* RFC 9112 section 2.2 */
		head++;
		len--;
	}
	end = memchr(head, '\n', len);
	from = memchr(head, ' ', end ? (size_t)(end - head) : len);
	to = from ? memrchr(from, ' ', (size_t)((end ? end : head + len) - from)) : NULL;
	if (!to || to - from < 2)
		return false;
	*ret = (struct text){from + 1, (size_t)(to - from - 1)};
	return true;
}

/* The path and query; slash: there must be one before it. False: the target is neither in origin-form nor in
 * absolute-form (RFC 9112 section 3.2). */
static bool find_path(const uint8_t *head, size_t len, struct text *ret, bool *slash)
{
	const uint8_t *at, *end;
	struct text t;

	*slash = false;
	if (!find_target(head, len, &t))
		return false;
	*ret = t;
	if (t.at[0] == '/')
		return true;
	at = memmem(t.at, t.len, "://", 3);
	if (!at)
		return false;
	end = t.at + t.len;
	for (at += 3; at < end && *at != '/' && *at != '?' && *at != '#'; at++)
		;
	*ret = (struct text){at, (size_t)(end - at)};
	*slash = at == end || *at != '/';
	return true;
}

bool redirect_wanted(const uint8_t *head, size_t len)
{
	struct text path;
	bool slash;

	if (len == 0)
		return true;
	if (!find_path(head, len, &path, &slash))
		return false;
	return path.len < strlen(ACME_PATH) || memcmp(path.at, ACME_PATH, strlen(ACME_PATH)) != 0;
}

/* RFC 3986 appendix A, but for "#": a fragment is no part of a request. "%" stays: what is encoded is not encoded again. */
static bool stands_in_uri(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		(c && strchr("-._~:/?[]@!$&'()*+,;=%", c));
}

/* False: no room */
static bool put(char *out, size_t *n, const char *text, size_t len)
{
	if (len > REDIRECT_LOCATION_MAX - *n)
		return false;
	memcpy(out + *n, text, len);
	*n += len;
	return true;
}

static bool put_encoded(char *out, size_t *n, struct text t)
{
	static const char digits[] = "0123456789ABCDEF";
	bool fits = true;

	for (size_t i = 0; i < t.len && fits; i++) {
		const char byte = (char)t.at[i];
		const char encoded[3] = {'%', digits[t.at[i] >> 4], digits[t.at[i] & 15]};
		fits = stands_in_uri(t.at[i]) ? put(out, n, &byte, 1) : put(out, n, encoded, 3);
	}
	return fits;
}

size_t redirect_answer(const uint8_t *head, size_t len, const char *name, size_t name_len, uint16_t port,
	char out[REDIRECT_ANSWER_MAX])
{
	char location[REDIRECT_LOCATION_MAX], suffix[8] = "";
	struct text path;
	size_t n = 0;
	bool slash;

	if (port != 443)
		snprintf(suffix, sizeof(suffix), ":%u", port);
	if (!find_path(head, len, &path, &slash) || !put(location, &n, "https://", 8) || !put(location, &n, name, name_len) ||
		!put(location, &n, suffix, strlen(suffix)) || !put(location, &n, "/", slash) ||
		!put_encoded(location, &n, path))
		return 0;
	return (size_t)snprintf(out, REDIRECT_ANSWER_MAX,
		"HTTP/1.1 308 Permanent Redirect\r\nLocation: %.*s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", (int)n,
		location);
}
