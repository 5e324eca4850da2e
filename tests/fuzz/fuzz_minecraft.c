/* SPDX-License-Identifier: ISC */
#include "tests/fuzz/parser_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= 5000)
		check_parser(parse_minecraft, data, size);
	return 0;
}
