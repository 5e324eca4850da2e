/* SPDX-License-Identifier: ISC */
#include "tests/fuzz/parser_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= PARSER_MAX_BYTES)
		check_parser(parse_tls, data, size);
	return 0;
}
