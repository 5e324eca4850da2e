/* SPDX-License-Identifier: ISC */
/* http.h: the head of an HTTP/1 request (RFC 9112 sections 2, 3 and 9.3), as far as trp-hello needs it.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum head_verdict { HEAD_MORE, HEAD_COMPLETE, HEAD_BAD };

struct request {
	size_t head_len; /* bytes up to and with the empty line */
	bool get, head;  /* the method; neither: another one */
	bool keep_alive;
	bool has_body;
	const char *target; /* points into the bytes; printable ASCII */
	size_t target_len;
	const char *host; /* Host field, "" if there is none; printable ASCII */
	size_t host_len;
};

/* Looks at len bytes from the start of a request. ret is filled in with HEAD_COMPLETE only. */
enum head_verdict http_parse(const char *bytes, size_t len, struct request *ret);
