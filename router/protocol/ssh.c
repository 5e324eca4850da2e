/* SPDX-License-Identifier: ISC */
/* SSH: the identification string says that it is SSH and nothing more. */
#include "router/protocol/name.h"

#include <string.h>

void parse_ssh(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	static const char start[] = "SSH-";
	const size_t n = sizeof(start) - 1;

	if (memcmp(bytes, start, len < n ? len : n) != 0 || (len > n && (bytes[n] < '0' || bytes[n] > '9')))
		out->verdict = PARSE_OTHER;
	else if (len <= n)
		parse_need(out, n + 1);
	else
		out->verdict = PARSE_NONE;
}
