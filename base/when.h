/* SPDX-License-Identifier: ISC */
/* when.h: points in time as people write them. Pure, but for the time zone (TZ, tzset(3)). */
#pragma once

#include <stdint.h>

/* now, today, yesterday (their midnight); 90s, 10m, 1h 30m, 2d, also with "ago" behind: before now; @SECONDS since 1970;
 * 2026-11-26, 14:03, 14:03:12.5, or both with a blank or a "T" between: local time, with "Z" at the end UTC. A date alone is its
 * midnight, a time alone is today's. now and *ret are microseconds since 1970. 0; -EINVAL: not such a time, -ERANGE: before 1970. */
int trp_parse_when(const char *text, uint64_t now, uint64_t *ret);
