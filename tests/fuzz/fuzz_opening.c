/* SPDX-License-Identifier: ISC */
/* First byte: the protocols that are accepted (XMPP: both). The rest: an opening, which comes byte by byte as far as asked for. What
 * was decided with less must not be decided otherwise with more, and only what is accepted may be taken when raw is. */
#include "base/protocol.h"
#include "router/protocol/opening.h"
#include "tests/fuzz/parser_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct parse_result part, whole;
	uint32_t accepted;
	enum trp_protocol protocol;

	if (size < 2 || size > 2048 || ends_with_segment(data + 1, size - 1))
		return 0;
	accepted = (data[0] | (data[0] & 1u << TRP_PROTO_XMPP) << 1) & TRP_PROTOCOLS_ALL;
	protocol = opening_look(data + 1, size - 1, accepted, &whole);
	MUST(protocol < TRP_PROTO_COUNT && whole.verdict <= PARSE_OTHER);
	MUST((protocol == TRP_PROTO_NONE) == (whole.verdict == PARSE_OTHER));
	if (accepted & 1u << TRP_PROTO_NONE)
		MUST(accepted & 1u << protocol);
	for (size_t at = 1; at < size - 1; at = part.need) {
		enum trp_protocol early = opening_look(data + 1, at, accepted, &part);
		if (part.verdict == PARSE_NEED) {
			MUST(part.need > at);
			continue;
		}
		MUST(early == protocol && part.verdict == whole.verdict);
		break;
	}
	return 0;
}
