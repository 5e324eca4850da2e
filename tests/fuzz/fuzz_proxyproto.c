/* SPDX-License-Identifier: ISC */
#include "tests/fuzz/parser_check.h"
#include "router/protocol/proxyproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is decided stays so whatever follows, and NEED never asks for more than the header has. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxyproto whole, part;

	proxyproto_parse(data, size, &whole);
	MUST(whole.verdict == PARSE_NEED || whole.verdict == PARSE_FOUND || whole.verdict == PARSE_BAD);
	if (whole.verdict == PARSE_NEED)
		MUST(whole.need > size && whole.need <= PROXYPROTO_MAX);
	if (whole.verdict == PARSE_BAD)
		MUST(whole.why && whole.why[0]);
	if (whole.verdict == PARSE_FOUND) {
		MUST(whole.len <= size && whole.len <= PROXYPROTO_MAX);
		MUST(whole.peer.family == whole.local.family);
		MUST(whole.peer.family == 0 || whole.peer.family == AF_INET6);
	}
	for (size_t at = size > 0; at < size; at = part.need) {
		proxyproto_parse(data, at, &part);
		if (part.verdict == PARSE_NEED) {
			MUST(part.need > at);
			if (whole.verdict == PARSE_FOUND)
				MUST(part.need <= whole.len);
			continue;
		}
		MUST(part.verdict == whole.verdict);
		break;
	}
	return 0;
}
