/* SPDX-License-Identifier: ISC */
/* What a tenant may write into its pid file, and what /proc/PID/status may say with a tenant's names in it. */
#include "base/pidfile.h"
#include "supervisor/mainpid.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pid_t pid = -1;

	if (trp_pidfile_parse((const char *)data, size, &pid) == 0 ? pid < 2 : pid != -1)
		abort();
	if (mainpid_innermost((const char *)data, size) < -1)
		abort();
	return 0;
}
