/* SPDX-License-Identifier: ISC */
#include "tests/fuzz/parser_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 5000)
		return 0;
	check_parser(parse_xmpp, data, size);
	check_parser(parse_xmpp_server, data, size);
	return 0;
}
