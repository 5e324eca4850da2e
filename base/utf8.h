/* SPDX-License-Identifier: ISC */
/* utf8.h: text that came from somewhere else (a service, a file, a client), made fit to be passed
 * on or shown. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes (1 to 4) of the well-formed UTF-8 sequence that text begins with (RFC 3629 section 4: no
 * surrogates, no over-long forms, nothing above U+10FFFF), or 0 if there is none within len. */
size_t trp_utf8_length(const char *text, size_t len);

enum trp_escape {
	TRP_ESCAPE_INVALID, /* NUL and what is not UTF-8: enough for JSON */
	TRP_ESCAPE_CONTROL, /* also what steers a terminal: C0 but tab, DEL, C1, line separators,
			       and the characters that reorder text (U+200E, 200F, 202A-202E,
			       2066-2069, 061C) */
	TRP_ESCAPE_JSON,    /* the same in a line of JSON, as \uXXXX: it says the same there */
};

/* A copy of text in fresh memory (caller frees) in which each byte that may not pass stands as
 * \xNN (but see TRP_ESCAPE_JSON). NULL: no memory. */
char *trp_escape(const char *text, size_t len, enum trp_escape what);
