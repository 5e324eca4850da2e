/* SPDX-License-Identifier: ISC */
/* rate.h: a token bucket that is one number: the time at which it will be full again (GCRA). Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RATE_INTERVAL_MAX (3600ull * 1000 * 1000 * 1000)
#define RATE_BURST_MAX    1000000u /* times RATE_INTERVAL_MAX fits into 64 bits, with the clock */

struct rate {
	uint64_t interval_ns; /* one token comes in so long; 0: no limit */
	uint32_t burst;       /* tokens that it holds, at least 1 */
};

/* Takes a token if there is one. *full_ns: the bucket, 0 at first. */
static inline bool rate_take(const struct rate *r, uint64_t *full_ns, uint64_t now_ns)
{
	uint64_t full = *full_ns > now_ns ? *full_ns : now_ns;

	if (r->interval_ns == 0)
		return true;
	if (full - now_ns > (r->burst - 1) * r->interval_ns)
		return false;
	*full_ns = full + r->interval_ns;
	return true;
}
