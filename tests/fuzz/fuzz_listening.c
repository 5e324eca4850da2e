/* SPDX-License-Identifier: ISC */
#include "router/relay/listening.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trp_addr local = {.family = AF_INET6}, to;
	struct listening l = {.queued = 0};

	listening_parse(data, size, 7, 80, &l);
	if (listening_address(&l, &local, 80, &to) && to.port != htons(80))
		__builtin_trap();
	return 0;
}
