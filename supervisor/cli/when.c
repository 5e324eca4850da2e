/* SPDX-License-Identifier: ISC */
#include "cli.h"
#include "show.h"
#include "base/when.h"

#include <time.h>

bool cli_parse_when(const char *option, const char *text, uint64_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (trp_parse_when(text, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, ret) == 0)
		return true;
	cleanup_free char *shown = show_escape(text);
	cli_error("--%s: '%s' is no time, expected how long ago (10m, 2h, 1d) or when: yesterday, 2026-11-26, \"2026-11-26 08:30\", 08:30",
		option, shown);
	return false;
}
