/* SPDX-License-Identifier: ISC */
/* What a tenant may send to its sd_notify socket. */
#include "supervisor/notify.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notify_state out;

	notify_parse((const char *)data, size, &out);
	for (size_t i = 0; i < strlen(out.status); i++)
		if (out.status[i] < ' ' || out.status[i] > '~')
			abort();
	for (size_t i = 0; i < strlen(out.store_name); i++)
		if (out.store_name[i] <= ' ' || out.store_name[i] > '~' || out.store_name[i] == ':')
			abort();
	return 0;
}
