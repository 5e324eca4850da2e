/* SPDX-License-Identifier: ISC */
#include "tests/fuzz/parser_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= 2048)
		check_parser(parse_ssh, data, size);
	return 0;
}
