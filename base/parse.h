/* SPDX-License-Identifier: ISC */
/* parse.h: strict parsing of what people write. The whole text must be the value: no sign, no blank, no
 * rest. Each returns 0, or -EINVAL (not such a value) or -ERANGE (too big); outputs untouched then. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int trp_parse_u64(const char *text, uint64_t *ret);              /* decimal digits only */
int trp_parse_port(const char *text, uint16_t *ret);             /* 1 to 65535 */
int trp_parse_bool(const char *text, bool *ret);                 /* yes no true false on off 1 0 */
int trp_parse_size(const char *text, uint64_t *ret);             /* bytes: 512, 64K, 1.5G; K = 1024 */
int trp_parse_duration(const char *text, uint64_t *ret_ms);      /* milliseconds: 250ms, 90s, 1m 30s, 2h, 1d; a unit is needed but for 0 */
int trp_parse_percent(const char *text, uint64_t *ret_permille); /* 50% -> 500, 0.5% -> 5 */
int trp_parse_rate(const char *text, uint64_t *ret_interval_ns); /* 200/s, 30/m, 1/h, at most 1000000/s -> the time for one */
int trp_parse_signal(const char *text, int *ret);                /* TERM, SIGTERM, 15 */

/* Of text that is taken apart: goes past c if that is what *at stands at. */
static inline bool trp_skip(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

/* A service's name: [a-z0-9][a-z0-9._-]*, at most 63, optionally "@" and an instance of the same form. */
bool trp_valid_service_name(const char *text);
/* Is path that of dir, or of something in it? Of text alone: both without "..", dir without a slash at its end. */
bool trp_path_within(const char *path, const char *dir);

/* Canonical host name for routing: lower case, trailing dot dropped, A-labels, letters, digits, "_"
 * and "-", also at a label's end (RFC 1123 has no such names, browsers and servers do); with wildcard
 * also "*.example.org". Writes at most 254 bytes. 0 or -EINVAL. */
int trp_canonical_host(const char *text, bool wildcard, char ret[254]);

/* Canonical "[IPv6]" (no zone): the address as inet_ntop(3) writes it. The same. */
int trp_canonical_literal(const char *text, char ret[254]);

/* What a route may have for a name: a host, "*." and a host, or "[IPv6]". The same. */
int trp_canonical_route(const char *text, char ret[254]);

/* The nearest of the n candidates by edit distance, or NULL when none is near (more than a third of the
 * word away). For "did you mean". */
const char *trp_nearest(const char *word, const char *const *candidates, size_t n);
