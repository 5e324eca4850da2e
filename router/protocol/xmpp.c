/* SPDX-License-Identifier: ISC */
/* XMPP: "to" in the stream's opening tag. This is no parser for XML: it knows the declaration and one tag with its
 * attributes, and refuses whatever else could stand there. */
#include "router/protocol/name.h"

#include <string.h>

#define HEADER_MAX 4096

struct text {
	const char *at;
	size_t len;
};

enum step { STEP_DONE, STEP_MORE, STEP_WRONG };

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip(struct text *t, size_t n)
{
	t->at += n;
	t->len -= n;
}

static void skip_space(struct text *t)
{
	while (t->len > 0 && is_space(t->at[0]))
		skip(t, 1);
}

/* This word is next, as far as there is anything. */
static enum step take_word(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if (memcmp(t->at, word, t->len < n ? t->len : n) != 0)
		return STEP_WRONG;
	if (t->len < n)
		return STEP_MORE;
	skip(t, n);
	return STEP_DONE;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr(":_-.", c));
}

/* NAME = 'VALUE' or "VALUE" */
static enum step take_attribute(struct text *t, struct text *name, struct text *value)
{
	const char *end;

	name->at = t->at;
	while (t->len > 0 && is_name_char(t->at[0]))
		skip(t, 1);
	name->len = (size_t)(t->at - name->at);
	skip_space(t);
	if (t->len == 0)
		return STEP_MORE;
	if (name->len == 0 || t->at[0] != '=')
		return STEP_WRONG;
	skip(t, 1);
	skip_space(t);
	if (t->len == 0)
		return STEP_MORE;
	if (t->at[0] != '\'' && t->at[0] != '"')
		return STEP_WRONG;
	value->at = t->at + 1;
	end = memchr(value->at, t->at[0], t->len - 1);
	value->len = end ? (size_t)(end - value->at) : t->len - 1;
	if (memchr(value->at, '<', value->len) || memchr(value->at, 0, value->len))
		return STEP_WRONG;
	if (!end)
		return STEP_MORE;
	skip(t, value->len + 2);
	return STEP_DONE;
}

static bool is(struct text t, const char *word)
{
	return t.len == strlen(word) && memcmp(t.at, word, t.len) == 0;
}

/* Attributes, each with a blank in front, up to what ends the tag. */
static enum step take_attributes(
	struct text *t, const char *end, void each(struct text name, struct text value, void *data), void *data)
{
	struct text name, value;
	enum step s;
	bool space;

	for (;;) {
		space = t->len > 0 && is_space(t->at[0]);
		skip_space(t);
		if (t->len == 0)
			return STEP_MORE;
		if (!is_name_char(t->at[0]))
			return take_word(t, end);
		if (!space)
			return STEP_WRONG;
		s = take_attribute(t, &name, &value);
		if (s != STEP_DONE)
			return s;
		each(name, value, data);
	}
}

struct stream {
	struct text to, ns, ns_stream; /* at NULL: not there */
	bool twice;
};

static void note_stream(struct text name, struct text value, void *data)
{
	struct stream *s = data;
	struct text *to = is(name, "to") ? &s->to : is(name, "xmlns") ? &s->ns : is(name, "xmlns:stream") ? &s->ns_stream : NULL;

	if (!to)
		return;
	s->twice |= to->at != NULL;
	*to = value;
}

static void note_nothing(struct text name, struct text value, void *data)
{
	(void)name, (void)value, (void)data;
}

static void decide(const struct stream *s, const char *ns, struct parse_result *out)
{
	if (s->twice)
		return parse_bad(out, "stream: an attribute twice");
	if (!s->ns_stream.at || !is(s->ns_stream, "http://etherx.jabber.org/streams"))
		return parse_bad(out, "stream: namespace of stream");
	if (!s->ns.at || (!is(s->ns, "jabber:client") && !is(s->ns, "jabber:server")))
		return parse_bad(out, "stream: namespace");
	out->verdict = PARSE_OTHER;
	if (!is(s->ns, ns))
		return;
	out->verdict = PARSE_NONE;
	if (!s->to.at)
		return;
	if (!name_take((const uint8_t *)s->to.at, s->to.len, out))
		return parse_bad(out, "stream: to is not a host name");
	out->verdict = PARSE_FOUND;
}

/* *xml: it begins so that nothing else can be meant. */
static enum step take_header(struct text *t, struct stream *s, bool *xml)
{
	static const char declaration[] = "<?xml", tag[] = "<stream:stream";
	enum step step;

	*xml = true;
	if (t->len > 1 && t->at[1] == '?') {
		step = take_word(t, declaration);
		if (step == STEP_DONE)
			step = take_attributes(t, "?>", note_nothing, NULL);
		if (step != STEP_DONE)
			return step;
		skip_space(t);
	} else {
		*xml = take_word(&(struct text){t->at, t->len}, tag) != STEP_WRONG;
	}
	step = take_word(t, tag);
	if (step != STEP_DONE)
		return step;
	return take_attributes(t, ">", note_stream, s);
}

static void parse_stream(const uint8_t *bytes, size_t len, const char *ns, struct parse_result *out)
{
	struct text t = {(const char *)bytes, len < HEADER_MAX ? len : HEADER_MAX};
	struct stream s = {.twice = false};
	bool xml;

	if (len == 0)
		return parse_need(out, 1);
	out->verdict = PARSE_OTHER;
	if (bytes[0] != '<')
		return;
	switch (take_header(&t, &s, &xml)) {
	case STEP_DONE:
		return decide(&s, ns, out);
	case STEP_MORE:
		if (len >= HEADER_MAX)
			return parse_bad(out, "stream: header too long");
		return parse_need(out, len + 1);
	case STEP_WRONG:
		if (xml)
			parse_bad(out, "stream: header");
		return;
	}
}

void parse_xmpp(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	parse_stream(bytes, len, "jabber:client", out);
}

void parse_xmpp_server(const uint8_t *bytes, size_t len, struct parse_result *out)
{
	parse_stream(bytes, len, "jabber:server", out);
}
