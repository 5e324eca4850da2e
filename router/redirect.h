/* SPDX-License-Identifier: ISC */
/* redirect.h: "go to https", answered for the service to a client of a plain HTTP listener. Pure: over the head of a
 * request that parse_http1() has found right. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIRECT_LOCATION_MAX 8192
#define REDIRECT_ANSWER_MAX   (REDIRECT_LOCATION_MAX + 256)

/* May it be answered so? Not what ACME asks for (RFC 8555 section 8.3), and not a target without a path ("*", CONNECT). len 0: of
 * the request nothing is known. */
bool redirect_wanted(const uint8_t *head, size_t len);

/* Writes the answer: 308 (RFC 9110 section 15.4.9) to the same path and query of name at port. Bytes that do not stand in a
 * URI are percent-encoded. Returns its length; 0: the location would be longer than REDIRECT_LOCATION_MAX. */
size_t redirect_answer(const uint8_t *head, size_t len, const char *name, size_t name_len, uint16_t port,
	char out[REDIRECT_ANSWER_MAX]);
