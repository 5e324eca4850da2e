/* SPDX-License-Identifier: ISC */
#include "utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t trp_utf8_length(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	/* the range of the second byte, which is what excludes over-long forms, surrogates and >
	 * U+10FFFF */
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (len == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (len < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

/* The code point of a well-formed sequence of n bytes. */
static uint32_t decode(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3f);
	return c;
}

static bool steers_terminal(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {{0x00, 0x08}, {0x0a, 0x1f}, {0x7f, 0x9f}, {0x61c, 0x61c}, {0x200e, 0x200f},
		{0x2028, 0x202e}, {0x2066, 0x2069}};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

/* Length of the piece at text; *ret_pass: it may stand as it is. */
static size_t next_piece(const char *text, size_t len, enum trp_escape what, bool *ret_pass)
{
	size_t n = trp_utf8_length(text, len);

	if (n == 0 || *text == '\0') {
		*ret_pass = false;
		return 1;
	}
	*ret_pass = what == TRP_ESCAPE_INVALID || !steers_terminal(decode(text, n));
	return n;
}

/* The piece of n bytes at text, which may not pass. out NULL: only its length. */
static size_t put_escaped(char *out, const char *text, size_t n, enum trp_escape what)
{
	static const char hex[] = "0123456789abcdef";
	uint32_t c = decode(text, n);

	if (what == TRP_ESCAPE_JSON && trp_utf8_length(text, n) > 0) { /* nothing above U+FFFF steers */
		const char all[] = {'\\', 'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15], hex[c & 15]};
		if (out)
			memcpy(out, all, sizeof(all));
		return sizeof(all);
	}
	for (size_t k = 0; k < n && out; k++) {
		const unsigned char byte = (unsigned char)text[k];
		const char all[] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
		memcpy(out + k * sizeof(all), all, sizeof(all));
	}
	return 4 * n;
}

char *trp_escape(const char *text, size_t len, enum trp_escape what)
{
	size_t size = 1, n;
	bool pass;
	char *copy, *out;

	for (size_t i = 0; i < len; i += n) {
		n = next_piece(text + i, len - i, what, &pass);
		size += pass ? n : put_escaped(NULL, text + i, n, what);
	}
	copy = out = malloc(size);
	if (!copy)
		return NULL;
	for (size_t i = 0; i < len; i += n) {
		n = next_piece(text + i, len - i, what, &pass);
		if (pass) {
			memcpy(out, text + i, n);
			out += n;
			continue;
		}
		out += put_escaped(out, text + i, n, what);
	}
	*out = '\0';
	return copy;
}
