/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs_route.h"
#include "base/parse.h"
#include "router/verdict.h"
#include "supervisor/answer.h"
#include "supervisor/describe.h"
#include "supervisor/profile/keys.h"
#include "supervisor/rowstream.h"
#include "supervisor/service.h"

#include <stdio.h>
#include <string.h>

/* ---- Routes: what the profiles say ---- */

/* Of default routes, and of protocols that name no host, the line of that key. */
static struct profile_where where_of(
	const struct config_listener *l, const struct profile *p, enum trp_protocol protocol, size_t i)
{
	if (!trp_protocol_has_names(protocol))
		return profile_where(p, "route", trp_protocol_words[protocol]);
	if (i == p->hosts.n && !p->default_route)
		return (struct profile_where){l->where.file, l->default_line};
	return i < p->hosts.n ? p->host_where[i] : profile_where(p, "route", "default");
}

static void add_route(const struct service *s, size_t l, enum trp_protocol protocol, size_t i, json_t *rows)
{
	const struct profile *p = s->profile;
	const struct config_listener *listener = &s->d->config->listeners[l];
	const char *name = route_name_on(s->d, l, p, protocol, i), *host = name[0] ? name : "*";
	struct profile_where where = where_of(listener, p, protocol, i);
	uint32_t c4, c6;

	route_pick(s, p->port[protocol], &c4, &c6);
	json_array_append_new(rows,
		json_pack("{s:s,s:b,s:s,s:i,s:s,s:s,s:s,s:i,s:b,s:s,s:i}", "host", host, "wildcard", host[0] == '*',
			"listener", listener->name, "listener_port", listener->port, "protocol",
			trp_protocol_words[protocol], "service", s->name, "state", service_state_name(s->state), "port",
			p->port[protocol], "up", s->routes_told && c4 && c6, "file", where.file ? where.file : p->file,
			"line", (int)where.line));
}

void verb_routes(struct control_call *call, const json_t *params, void *user)
{
	struct daemon *d = user;
	json_t *rows = json_array();

	(void)params;
	for (const struct service *s = d->services; s; s = s->next)
		for (int k = 0; s->profile && k < TRP_PROTO_COUNT; k++)
			for (size_t i = 0; i <= s->profile->hosts.n; i++)
				for (size_t l = 0; l < d->n_listeners; l++)
					if (route_name_on(d, l, s->profile, (enum trp_protocol)k, i))
						add_route(s, l, (enum trp_protocol)k, i, rows);
	rowstream_array(call, "routes", rows);
}

/* ---- Explain: what the router says ---- */

#define EXPLAIN_SECONDS 5.0

struct explain {
	struct control_call *call; /* NULL: its client has gone, or was told that there is no answer */
	ev_timer late;
	struct daemon *d;
	char name[256];
	json_t *rows;
	size_t waiting;
	bool no_router;
};

/* One question, and where its answer belongs */
struct explain_ask {
	struct explain *e;
	char listener[64]; /* a copy: it may be gone when the answer comes */
	int port;
	enum trp_protocol protocol;
};

static void explain_end(struct explain *e)
{
	struct control_call *call = e->call;

	ev_timer_stop(e->d->loop, &e->late);
	if (call)
		control_on_gone(call, NULL, NULL);
	if (call && e->no_router)
		control_error(call, "trpsup.Failed", json_pack("{s:s}", "text", "no router runs at the moment; try again"));
	else if (call)
		control_reply(call, json_pack("{s:s,s:O}", "name", e->name, "decisions", e->rows), false);
	json_decref(e->rows);
	free(e);
}

static void explain_gone(void *data)
{
	((struct explain *)data)->call = NULL;
}

/* The router may answer later, or be replaced: that ends the questions. */
static void on_no_answer(struct ev_loop *loop, ev_timer *t, int events)
{
	struct explain *e = t->data;
	struct control_call *call = e->call;

	(void)loop;
	(void)events;
	e->call = NULL;
	if (!call)
		return;
	control_on_gone(call, NULL, NULL);
	control_error(call, "trpsup.Failed", json_pack("{s:s}", "text", "the router does not answer; if it hangs, it is replaced within ten seconds"));
}

static const struct service *by_number(const struct daemon *d, uint32_t number)
{
	for (const struct service *s = d->services; s; s = s->next)
		if (number && s->number == number)
			return s;
	return NULL;
}

/* A router's answer is no more to be trusted than the router: its numbers are looked up, its text is a host name or nothing. */
static json_t *explain_row(const struct daemon *d, const struct explain_ask *a, const struct router_msg *m)
{
	static const char *const ranks[] = {"none", "exact", "wildcard", "default"};
	const char *verdict = router_verdict_word(m->verdict);
	const struct service *s = by_number(d, m->service);
	char text[TRP_HANDOFF_NAME_MAX + 1], route[254] = "";
	size_t len = m->name_len < sizeof(text) ? m->name_len : 0;

	memcpy(text, m->name, len);
	text[len] = '\0';
	if (trp_canonical_route(text, route) < 0)
		route[0] = '\0';
	return json_pack("{s:s,s:i,s:s,s:s,s:s,s:s,s:s?,s:s?,s:i}", "listener", a->listener, "listener_port", a->port, "protocol",
		trp_protocol_words[a->protocol], "verdict", verdict ? verdict : "unknown", "match",
		m->rank < TRP_ARRAY_SIZE(ranks) ? ranks[m->rank] : "none", "route", route, "service", s ? s->name : NULL,
		"state", s ? service_state_name(s->state) : NULL, "told", (int)m->code);
}

static void explained(void *data, const struct router_msg *answer)
{
	struct explain_ask *a = data;
	struct explain *e = a->e;

	if (answer)
		json_array_append_new(e->rows, explain_row(e->d, a, answer));
	else
		e->no_router = true;
	free(a);
	if (--e->waiting == 0)
		explain_end(e);
}

static void ask(struct explain *e, size_t l, enum trp_protocol protocol)
{
	struct explain_ask *a = calloc(1, sizeof(*a));
	const struct daemon *d = e->d;

	if (!a)
		return;
	*a = (struct explain_ask){.e = e, .port = d->config->listeners[l].port, .protocol = protocol};
	snprintf(a->listener, sizeof(a->listener), "%s", d->config->listeners[l].name);
	e->waiting++;
	routerproc_explain(d->router, d->listeners[l].id, protocol,
		trp_protocol_has_names(protocol) ? e->name : "", explained, a);
}

/* A host name as the router's parsers give it, or an address in brackets; "" asks for no name. */
static bool take_host(const char *text, char ret[256])
{
	char canonical[254];

	if (text && !*text) {
		ret[0] = '\0';
		return true;
	}
	if (!text || (text[0] == '[' ? trp_canonical_literal(text, canonical) : trp_canonical_host(text, false, canonical)) < 0)
		return false;
	strcpy(ret, canonical);
	return true;
}

static const char *word_of(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

void verb_explain(struct control_call *call, const json_t *params, void *user)
{
	struct daemon *d = user;
	const char *listener = word_of(params, "listener"), *word = word_of(params, "protocol");
	struct explain *e = calloc(1, sizeof(*e));

	if (!e || !take_host(word_of(params, "name"), e->name)) {
		free(e);
		answer_unusable(call, "name", word_of(params, "name"), "a host name, an address in brackets or \"\" (no name); a URL has the name between // and the next /");
		return;
	}
	e->call = call;
	e->d = d;
	e->rows = json_array();
	e->waiting = 1; /* until all questions are asked */
	ev_timer_init(&e->late, on_no_answer, EXPLAIN_SECONDS, 0);
	e->late.data = e;
	ev_timer_start(d->loop, &e->late);
	control_on_gone(call, explain_gone, e);
	for (size_t l = 0; l < d->n_listeners; l++)
		for (int k = 0; k < TRP_PROTO_COUNT; k++) {
			bool named = word && strcmp(word, trp_protocol_words[k]) == 0;
			if (listener && strcmp(listener, d->config->listeners[l].name) != 0)
				continue;
			if (named || (!word && d->config->listeners[l].protocols & (1u << k)))
				ask(e, l, (enum trp_protocol)k);
		}
	if (e->waiting == 1 && json_array_size(e->rows) == 0 && !e->no_router) {
		e->call = NULL;
		control_on_gone(call, NULL, NULL);
		if (listener)
			answer_unusable(call, "listener", listener, "a listener that speaks it; trpsup explain without it names those there are");
		else
			answer_unusable(call, "protocol", word, "a protocol of a listener: http, tls, h2c, minecraft, xmpp, xmpp-server, ssh, postgres or raw");
	}
	if (--e->waiting == 0)
		explain_end(e);
}

/* ---- Counters ---- */

void verb_counters(struct control_call *call, const json_t *params, void *user)
{
	struct daemon *d = user;
	json_t *services = json_array(), *listeners = json_array();

	(void)params;
	for (const struct service *s = d->services; s; s = s->next)
		json_array_append_new(services,
			json_pack("{s:s,s:o}", "service", s->name, "clients", ledgers_of_service(d->ledgers, s->number)));
	json_array_append_new(
		services, json_pack("{s:n,s:o}", "service", "clients", ledgers_of_service(d->ledgers, 0)));
	for (size_t l = 0; l < d->n_listeners; l++) {
		json_t *protocols = json_object();
		for (int k = 0; k < TRP_PROTO_COUNT; k++)
			json_object_set_new(protocols, trp_protocol_words[k],
				ledgers_of_listener(d->ledgers, d->listeners[l].id, (uint8_t)k));
		json_array_append_new(listeners,
			json_pack("{s:s,s:i,s:o}", "listener", d->config->listeners[l].name, "port",
				d->config->listeners[l].port, "protocols", protocols));
	}
	control_reply(call, json_pack("{s:o,s:o}", "services", services, "listeners", listeners), false);
}
