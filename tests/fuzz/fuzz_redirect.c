/* SPDX-License-Identifier: ISC */
/* The answer to whatever head: one location, which a client cannot add to. */
#include "router/redirect.h"
#include "tests/fuzz/parser_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char begin[] = "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://a.org:8443/",
			  end[] = "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	static char out[REDIRECT_ANSWER_MAX];
	size_t n = redirect_answer(data, size, "a.org", 5, 8443, out);

	redirect_wanted(data, size);
	if (n == 0)
		return 0;
	MUST(n < sizeof(out) && n >= strlen(begin) + strlen(end));
	MUST(memcmp(out, begin, strlen(begin)) == 0 && memcmp(out + n - strlen(end), end, strlen(end)) == 0);
	for (const char *s = out + strlen(begin); s < out + n - strlen(end); s++)
		MUST(*s > ' ' && *s < 0x7f && *s != '#' && *s != '\\');
	return 0;
}
