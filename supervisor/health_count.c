/* SPDX-License-Identifier: ISC */
#include "supervisor/health.h"

enum health_news health_count(struct health_count *c, bool passed, bool excused, uint64_t most, uint64_t least)
{
	if (!passed && excused && c->state == HEALTH_UNKNOWN) {
		c->successes = 0;
		return HEALTH_SAME;
	}
	if (passed) {
		c->failures = 0;
		c->successes += c->successes < UINT32_MAX;
		if (c->state == HEALTH_HEALTHY || c->successes < least)
			return HEALTH_SAME;
		c->state = HEALTH_HEALTHY;
		return HEALTH_NOW_HEALTHY;
	}
	c->successes = 0;
	c->failures += c->failures < UINT32_MAX;
	if (c->state == HEALTH_UNHEALTHY || c->failures < most)
		return HEALTH_SAME;
	c->state = HEALTH_UNHEALTHY;
	return HEALTH_NOW_UNHEALTHY;
}
