/* SPDX-License-Identifier: ISC */
/* A message with one or several clients, as a receiver and the daemon read it, and written again. First byte: descriptors. */
#include "base/several.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char again[TRP_SEVERAL_SIZE];
	size_t n_fds = size ? data[0] : 0;
	struct trp_handoff h, copy;
	int n;

	if (size < 1 || size - 1 > TRP_SEVERAL_SIZE)
		return 0;
	n = trp_several_check(data + 1, size - 1, n_fds);
	if (n < 0)
		return 0;
	if ((size_t)n != n_fds || n < 1 || n > TRP_SEVERAL_MAX)
		abort();
	for (size_t i = 0; i < (size_t)n; i++) {
		trp_several_get(data + 1, i, &h);
		if (h.name_len > TRP_HANDOFF_NAME_MAX || h.name[h.name_len] != '\0')
			abort();
		trp_several_put(again, i, &h);
		trp_several_get(again, i, &copy);
		if (memcmp(&h, &copy, sizeof(h)) != 0)
			abort();
	}
	return 0;
}
