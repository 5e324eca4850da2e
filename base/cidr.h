/* SPDX-License-Identifier: ISC */
/* cidr.h: a range of addresses as "192.0.2.0/24" or "2001:db8::/32". Pure. */
#pragma once

#include "base/handoff.h"
#include <stdbool.h>

/* Of IPv6; an IPv4 one is v4-mapped, its 24 bits are 120 here. */
struct trp_cidr {
	uint8_t ip[16];
	uint8_t bits;
	uint8_t reserved[3]; /* 0 */
};

/* An address alone is a range of one. 0, -EINVAL: no address or no such length, or -EDOM: bits are set behind
 * it (a typing error more often than not). */
int trp_parse_cidr(const char *text, struct trp_cidr *ret);
/* family 0 is in no range. */
bool trp_cidr_has(const struct trp_cidr *c, const struct trp_addr *a);
