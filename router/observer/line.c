/* SPDX-License-Identifier: ISC */
#include "router/observer/line.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What is left of the line. Lines are shorter than LINE_MAX_BYTES by the bounds of what is in them. */
struct text {
	char *at, *end;
};

static TRP_PRINTF(2, 3) void put(struct text *t, const char *fmt, ...)
{
	size_t room = (size_t)(t->end - t->at);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->at, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->at += (size_t)n < room ? (size_t)n : room - 1;
}

/* Nothing of it can end a value, a field or a line, or steer a terminal: printable ASCII, and the rest as \xNN (in JSON \u00NN). In
 * text "-" alone is no word at all; a client may call that a name. */
static void put_word(struct text *t, const char *word, size_t len, bool json)
{
	const bool dash = len == 1 && word[0] == '-' && !json;

	if (len == 0 && !json)
		put(t, "-");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)word[i];
		if (c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=' && !dash)
			put(t, "%c", c);
		else
			put(t, json ? "\\u%04x" : "\\x%02x", c);
	}
}

static void put_key(struct text *t, const char *key, bool json)
{
	put(t, json ? ",\"%s\":" : " %s=", key);
}

static void put_field(struct text *t, const char *key, const char *word, size_t len, bool json)
{
	put_key(t, key, json);
	if (json && len == 0) {
		put(t, "null");
		return;
	}
	put(t, json ? "\"" : "");
	put_word(t, word, len, json);
	put(t, json ? "\"" : "");
}

static void put_string(struct text *t, const char *key, const char *word, bool json)
{
	put_field(t, key, word, word ? strlen(word) : 0, json);
}

static void put_number(struct text *t, const char *key, uint64_t n, bool json)
{
	put_key(t, key, json);
	put(t, "%llu", (unsigned long long)n);
}

static void put_time(struct text *t, uint64_t time_us, bool json)
{
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm;
	char day[32] = "";

	if (gmtime_r(&seconds, &tm))
		strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	put(t, json ? "{\"time\":\"%s.%06uZ\"" : "%s.%06uZ", day, (unsigned)(time_us % 1000000));
}

static void put_client(struct text *t, const struct trp_addr *peer, bool json)
{
	struct sockaddr_storage sa;
	char ip[INET6_ADDRSTRLEN] = "";
	bool v4;

	v4 = trp_addr_to_sockaddr(peer, AF_INET, &sa) > 0;
	if (v4)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&sa)->sin_addr, ip, sizeof(ip));
	else if (trp_addr_to_sockaddr(peer, AF_INET6, &sa) > 0)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&sa)->sin6_addr, ip, sizeof(ip));
	if (json)
		put(t, ",\"client\":\"%s\",\"client_port\":%u", ip, ntohs(peer->port));
	else
		put(t, v4 ? " client=%s:%u" : " client=[%s]:%u", ip, ntohs(peer->port));
}

/* Only if there are any: ech,proxied, or in JSON a list. Bits that are not known are not told. */
static void put_flags(struct text *t, uint8_t flags, bool json)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} words[] = {{TRP_HANDOFF_ECH, "ech"}, {TRP_HANDOFF_PROXIED, "proxied"}};
	const char *before = "";

	if (!(flags & (TRP_HANDOFF_ECH | TRP_HANDOFF_PROXIED)))
		return;
	put_key(t, "flags", json);
	put(t, json ? "[" : "");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(words); i++)
		if (flags & words[i].bit) {
			put(t, json ? "%s\"%s\"" : "%s%s", before, words[i].word);
			before = ",";
		}
	put(t, json ? "]" : "");
}

static const char *const ends[] = {
	[LINE_CLOSED] = "closed", [LINE_KICKED] = "kicked", [LINE_LOST] = "lost", [LINE_UNSEEN] = "unseen"};

size_t line_format(const struct line *l, bool json, char out[LINE_MAX_BYTES])
{
	struct text t = {out, out + LINE_MAX_BYTES - 2};

	put_time(&t, l->time_us, json);
	put_client(&t, &l->peer, json);
	put_string(&t, "listener", l->listener, json);
	put_string(&t, "protocol", l->protocol, json);
	put_field(&t, "name", l->name, l->name_len, json);
	put_string(&t, "service", l->service, json);
	put_string(&t, "verdict", l->verdict, json);
	put_flags(&t, l->flags, json);
	put_number(&t, "route_us", l->route_us, json);
	if (l->end != LINE_NOT_BEGUN)
		put_string(&t, "end", ends[l->end], json);
	if (l->end == LINE_CLOSED || l->end == LINE_KICKED) {
		put_number(&t, "in", l->bytes_in, json);
		put_number(&t, "out", l->bytes_out, json);
		put_number(&t, "duration_us", l->duration_us, json);
		put_number(&t, "rtt_us", l->rtt_us, json);
		put_number(&t, "retrans", l->retrans, json);
	}
	if (json)
		*t.at++ = '}'; /* for these two there is room always */
	*t.at++ = '\n';
	return (size_t)(t.at - out);
}

size_t line_note(uint64_t time_us, const char *what, uint64_t n, bool json, char out[LINE_MAX_BYTES])
{
	struct text t = {out, out + LINE_MAX_BYTES - 2};

	put_time(&t, time_us, json);
	put_string(&t, "note", what, json);
	put_number(&t, "n", n, json);
	if (json)
		*t.at++ = '}';
	*t.at++ = '\n';
	return (size_t)(t.at - out);
}
