/* SPDX-License-Identifier: ISC */
#include "router/refuse.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* RFC 8446 section 6 */
enum tls_alert {
	ALERT_NONE = 0, /* close_notify would be this; it is never sent from here */
	ALERT_HANDSHAKE_FAILURE = 40,
	ALERT_DECODE_ERROR = 50,
	ALERT_INTERNAL_ERROR = 80,
	ALERT_UNRECOGNIZED_NAME = 112,
};

#define RETRY_AFTER "Retry-After: 5\r\n"
#define COUNTER(f)  offsetof(struct router_stats, f)

static const struct {
	size_t counter;
	enum tls_alert alert;
	const char *status; /* RFC 9110 section 15 */
	const char *text;
	const char *fields;
} refusals[REFUSE_COUNT] = {
	[REFUSE_NO_ROUTE] = {COUNTER(no_route), ALERT_UNRECOGNIZED_NAME, "404 Not Found",
		"There is no site of this name here.", ""},
	[REFUSE_MISDIRECTED] = {COUNTER(no_route), ALERT_UNRECOGNIZED_NAME,
		"421 Misdirected Request",
		"The site of this name is not served on this port or by this protocol.", ""},
	[REFUSE_NO_SERVICE] = {COUNTER(no_service), ALERT_INTERNAL_ERROR, "503 Service Unavailable",
		"This site is not running at the moment.", RETRY_AFTER},
	[REFUSE_QUEUE_FULL] = {COUNTER(queue_full), ALERT_INTERNAL_ERROR, "503 Service Unavailable",
		"This site has too many visitors waiting at the moment.", RETRY_AFTER},
	[REFUSE_BAD] = {COUNTER(bad_request), ALERT_DECODE_ERROR, "400 Bad Request",
		"The request cannot be understood.", ""},
	[REFUSE_WRONG_PROTOCOL] = {COUNTER(wrong_protocol), ALERT_HANDSHAKE_FAILURE,
		"400 Bad Request", "This port does not speak plain HTTP. Try https.", ""},
	[REFUSE_TIMED_OUT] = {COUNTER(timed_out), ALERT_NONE, "408 Request Timeout",
		"The request did not arrive in time.", ""},
	[REFUSE_CLOSED_EARLY] = {COUNTER(closed_early), ALERT_DECODE_ERROR, "400 Bad Request",
		"The request is not complete.", ""},
};

static size_t http_answer(enum refusal why, char out[REFUSE_ANSWER_MAX])
{
	const char *status = refusals[why].status;
	char page[384];
	int page_len, n;

	page_len = snprintf(page, sizeof(page),
		"<!DOCTYPE html>\n"
		"<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title></head>\n"
		"<body><h1>%s</h1><p>%s</p></body></html>\n",
		status, status, refusals[why].text);
	n = snprintf(out, REFUSE_ANSWER_MAX,
		"HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n"
		"Cache-Control: no-store\r\n%sConnection: close\r\n\r\n%s",
		status, page_len, refusals[why].fields, page);
	return (size_t)n;
}

size_t refuse_answer(enum refusal why, enum trp_protocol protocol, char out[REFUSE_ANSWER_MAX])
{
	/* RFC 8446 sections 5.1 and 6: alert record, legacy version, two bytes: fatal, which */
	const uint8_t alert[7] = {21, 3, 3, 0, 2, 2, (uint8_t)refusals[why].alert};

	if (protocol == TRP_PROTO_HTTP1)
		return http_answer(why, out);
	if (protocol != TRP_PROTO_TLS || refusals[why].alert == ALERT_NONE)
		return 0;
	memcpy(out, alert, sizeof(alert));
	return sizeof(alert);
}

uint64_t *refuse_counter(enum refusal why, struct router_stats *stats)
{
	return (uint64_t *)(void *)((char *)stats + refusals[why].counter);
}
