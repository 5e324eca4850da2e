/* SPDX-License-Identifier: ISC */
#include "router/protocol/refuse.h"
#include "router/protocol/parser.h"

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

/* RFC 9113 section 7 */
enum h2_error { H2_NO_ERROR = 0, H2_PROTOCOL_ERROR = 1, H2_HTTP_1_1_REQUIRED = 13 };

#define RETRY_AFTER "5" /* seconds */
#define COUNTER(f)  offsetof(struct router_stats, f)

static const struct {
	size_t counter;
	enum tls_alert alert;
	enum h2_error h2_error;
	const char *sqlstate; /* PostgreSQL documentation, appendix A */
	const char *xmpp;     /* RFC 6120 section 4.9.3 */
	const char *status;   /* RFC 9110 section 15 */
	const char *text;     /* to people with a browser */
	const char *retry_after;
	const char *reason; /* to all others */
} refusals[REFUSE_COUNT] = {
	[REFUSE_NO_ROUTE] = {COUNTER(no_route), ALERT_UNRECOGNIZED_NAME, H2_NO_ERROR, "08004", "host-unknown", "404 Not Found",
		"There is no site of this name here.", NULL, "There is no such service here."},
	[REFUSE_MISDIRECTED] = {COUNTER(no_route), ALERT_UNRECOGNIZED_NAME, H2_NO_ERROR, "08004", "host-unknown",
		"421 Misdirected Request",
		"The site of this name is not served on this port or by this protocol.", NULL,
		"The service of this name is not served on this port or by this protocol."},
	[REFUSE_NO_SERVICE] = {COUNTER(no_service), ALERT_INTERNAL_ERROR, H2_NO_ERROR, "57P03", "internal-server-error", "503 Service Unavailable",
		"This site is not running at the moment.", RETRY_AFTER,
		"This service is not running at the moment."},
	[REFUSE_QUEUE_FULL] = {COUNTER(queue_full), ALERT_INTERNAL_ERROR, H2_NO_ERROR, "53300", "resource-constraint", "503 Service Unavailable",
		"This site has too many visitors waiting at the moment.", RETRY_AFTER,
		"This service has too many clients waiting at the moment."},
	[REFUSE_BAD] = {COUNTER(bad_request), ALERT_DECODE_ERROR, H2_PROTOCOL_ERROR, "08P01", "bad-format", "400 Bad Request",
		"The request cannot be understood.", NULL, "The opening cannot be understood."},
	[REFUSE_WRONG_PROTOCOL] = {COUNTER(wrong_protocol), ALERT_HANDSHAKE_FAILURE, H2_HTTP_1_1_REQUIRED, "08004", "policy-violation",
		"400 Bad Request", "This port does not speak plain HTTP. Try https.", NULL,
		"This port does not speak this protocol."},
	[REFUSE_TIMED_OUT] = {COUNTER(timed_out), ALERT_NONE, H2_PROTOCOL_ERROR, "08P01", "connection-timeout", "408 Request Timeout",
		"The request did not arrive in time.", NULL, "The opening did not arrive in time."},
	[REFUSE_CLOSED_EARLY] = {COUNTER(closed_early), ALERT_DECODE_ERROR, H2_PROTOCOL_ERROR, "08P01", "bad-format", "400 Bad Request",
		"The request is not complete.", NULL, "The opening is not complete."},
	[REFUSE_OVER_RATE] = {COUNTER(over_rate), ALERT_INTERNAL_ERROR, H2_NO_ERROR, "53300", "resource-constraint", "503 Service Unavailable",
		"This site has too many visitors at the moment.", RETRY_AFTER,
		"This service has too many clients at the moment."},
	[REFUSE_REDIRECT] = {COUNTER(redirected), ALERT_NONE, H2_NO_ERROR, "08004", "policy-violation", "308 Permanent Redirect",
		"This site is served by https.", NULL, "This service is served by TLS."},
	[REFUSE_TOO_LONG] = {COUNTER(bad_request), ALERT_NONE, H2_NO_ERROR, "08004", "policy-violation", "414 URI Too Long",
		"The address is too long. Try https.", NULL, "The opening is too long."},
	[REFUSE_TOO_MANY] = {COUNTER(too_many), ALERT_INTERNAL_ERROR, H2_NO_ERROR, "53300", "resource-constraint", "503 Service Unavailable",
		"This site has as many visitors as it can take at the moment.", RETRY_AFTER,
		"This service has as many clients as it can take at the moment."},
	[REFUSE_HELD_TOO_LONG] = {COUNTER(no_service), ALERT_INTERNAL_ERROR, H2_NO_ERROR, "57P03", "internal-server-error",
		"503 Service Unavailable", "This site is being started. Please try again in a moment.", RETRY_AFTER,
		"This service is being started."},
};

#define PAGE_MAX 384

static size_t make_page(enum refusal why, char page[PAGE_MAX])
{
	const char *status = refusals[why].status;

	return (size_t)snprintf(page, PAGE_MAX,
		"<!DOCTYPE html>\n"
		"<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title></head>\n"
		"<body><h1>%s</h1><p>%s</p></body></html>\n",
		status, status, refusals[why].text);
}

/* detail: PARSE_HEAD, RFC 9110 section 9.3.2: the answer without its content */
static size_t http_answer(enum refusal why, uint32_t detail, char out[REFUSE_ANSWER_MAX])
{
	char page[PAGE_MAX];
	size_t page_len = make_page(why, page);

	return (size_t)snprintf(out, REFUSE_ANSWER_MAX,
		"HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %zu\r\n"
		"Cache-Control: no-store\r\n%s%s%sConnection: close\r\n\r\n%s",
		refusals[why].status, page_len, refusals[why].retry_after ? "Retry-After: " : "",
		refusals[why].retry_after ? refusals[why].retry_after : "",
		refusals[why].retry_after ? "\r\n" : "", detail & PARSE_HEAD ? "" : page);
}

/* detail: the stream of the request, and PARSE_HEAD */
static size_t h2_answer(enum refusal why, uint32_t detail, char out[REFUSE_ANSWER_MAX])
{
	char page[PAGE_MAX], status[4];
	const struct refuse_page p = {status, refusals[why].retry_after, page, make_page(why, page), detail & PARSE_HEAD};
	bool failed = refusals[why].h2_error != H2_NO_ERROR;

	snprintf(status, sizeof(status), "%.3s", refusals[why].status);
	return refuse_h2(&p, !failed || why == REFUSE_BAD, detail & ~PARSE_HEAD, refusals[why].h2_error, out);
}

/* RFC 8446 sections 5.1 and 6: alert record, legacy version, two bytes: fatal, which */
static size_t tls_answer(enum refusal why, char out[REFUSE_ANSWER_MAX])
{
	const uint8_t alert[7] = {21, 3, 3, 0, 2, 2, (uint8_t)refusals[why].alert};

	if (refusals[why].alert == ALERT_NONE)
		return 0;
	memcpy(out, alert, sizeof(alert));
	return sizeof(alert);
}

/* RFC 4253 section 4.2: lines before the server's identification, which clients show */
static size_t ssh_answer(enum refusal why, char out[REFUSE_ANSWER_MAX])
{
	return (size_t)snprintf(out, REFUSE_ANSWER_MAX, "%s\r\n", refusals[why].reason);
}

/* ErrorResponse: type, length without the type, then fields of a letter and a text, each with its NUL, and one more */
static size_t postgres_answer(enum refusal why, char out[REFUSE_ANSWER_MAX])
{
	int n = snprintf(out + 5, REFUSE_ANSWER_MAX - 5, "SFATAL%cVFATAL%cC%s%cM%s%c", 0, 0, refusals[why].sqlstate, 0,
		refusals[why].reason, 0) + 1;
	const uint8_t head[5] = {'E', 0, 0, (uint8_t)((n + 4) >> 8), (uint8_t)(n + 4)};

	memcpy(out, head, sizeof(head));
	return (size_t)n + sizeof(head);
}

/* RFC 6120 section 4.9: an answering stream with the error. */
static size_t xmpp_answer(enum refusal why, const char *ns, char out[REFUSE_ANSWER_MAX])
{
	return (size_t)snprintf(out, REFUSE_ANSWER_MAX,
		"<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' "
		"id='refused' version='1.0'><stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>%s</text></stream:error></stream:stream>",
		ns, refusals[why].xmpp, refusals[why].reason);
}

/* detail: who asks for the status sees the reason in the list of servers, who logs in is told. Both are packet 0 with a
 * string of JSON. */
static size_t minecraft_answer(enum refusal why, uint32_t detail, char out[REFUSE_ANSWER_MAX])
{
	char json[256];
	int n;

	if (detail == 1)
		n = snprintf(json, sizeof(json),
			"{\"version\":{\"name\":\"-\",\"protocol\":-1},\"players\":{\"max\":0,\"online\":0},"
			"\"description\":{\"text\":\"%s\"}}",
			refusals[why].reason);
	else if (detail != 0)
		n = snprintf(json, sizeof(json), "{\"text\":\"%s\"}", refusals[why].reason);
	else
		return 0;
	/* lengths in two bytes of 7 bits each, which may be more than needed */
	const uint8_t head[5] = {(uint8_t)(0x80 | (n + 3)), (uint8_t)((n + 3) >> 7), 0, (uint8_t)(0x80 | n), (uint8_t)(n >> 7)};
	memcpy(out, head, sizeof(head));
	memcpy(out + sizeof(head), json, (size_t)n);
	return sizeof(head) + (size_t)n;
}

size_t refuse_answer(enum refusal why, enum trp_protocol protocol, uint32_t detail, char out[REFUSE_ANSWER_MAX])
{
	switch (protocol) {
	case TRP_PROTO_HTTP1:
		return http_answer(why, detail, out);
	case TRP_PROTO_TLS:
		return tls_answer(why, out);
	case TRP_PROTO_SSH:
		return ssh_answer(why, out);
	case TRP_PROTO_POSTGRES:
		return postgres_answer(why, out);
	case TRP_PROTO_H2C:
		return h2_answer(why, detail, out);
	case TRP_PROTO_MINECRAFT:
		return minecraft_answer(why, detail, out);
	case TRP_PROTO_XMPP:
		return xmpp_answer(why, "jabber:client", out);
	case TRP_PROTO_XMPP_SERVER:
		return xmpp_answer(why, "jabber:server", out);
	case TRP_PROTO_NONE:
	case TRP_PROTO_COUNT:
		break;
	}
	return 0;
}

uint64_t *refuse_counter(enum refusal why, struct router_stats *stats)
{
	return (uint64_t *)(void *)((char *)stats + refusals[why].counter);
}
