/* SPDX-License-Identifier: ISC */
/* verbs_conns.c: Conns and Kick: the observer looks, then its table is read, a copied and checked entry at a time. What is kicked is
 * a connection of one of our listeners: the kernel compares cookie, addresses and ports, and these are checked here. */
#include "supervisor/verbs_conns.h"
#include "base/endpoint.h"
#include "base/io.h"
#include "base/protocol.h"
#include "supervisor/answer.h"
#include "supervisor/controlmsg.h"
#include "supervisor/observer.h"
#include "supervisor/rowstream.h"
#include "supervisor/service.h"
#include "supervisor/sockdestroy.h"

#include <arpa/inet.h>
#include <string.h>

#define KICKS_EACH 200 /* of a turn of the loop */

/* One call, while the observer looks and the table is read. */
struct conns {
	struct control_call *call; /* NULL: its client has gone */
	struct daemon *d;
	uint32_t service; /* only its; 0: all */
	struct trp_addr client; /* family 0: any; port 0: any */
	uint32_t look, at;
	/* Kick */
	bool kick;
	int netlink;
	uint64_t kicked, failed;
	int error;
	ev_timer soon;
};

static void conns_free(struct conns *c)
{
	ev_timer_stop(c->d->loop, &c->soon);
	trp_close(&c->netlink);
	free(c);
}

static bool is_wanted(const struct conns *c, const struct live_entry *e)
{
	if (c->service && e->service != c->service)
		return false;
	if (c->client.family && memcmp(c->client.ip, e->peer.ip, sizeof(e->peer.ip)) != 0)
		return false;
	return !c->client.port || c->client.port == e->peer.port;
}

/* The next that the call asks for. */
static bool next(struct conns *c, struct live_entry *ret)
{
	while (observer_next(c->d->observer, c->look, &c->at, ret))
		if (is_wanted(c, ret))
			return true;
	return false;
}

/* ---- Conns ---- */

static const char *state_word(uint8_t state)
{
	static const char *const words[] = {[1] = "established", [2] = "syn-sent", [3] = "syn-recv", [4] = "fin-wait-1",
		[5] = "fin-wait-2", [6] = "time-wait", [7] = "closed", [8] = "close-wait", [9] = "last-ack", [10] = "listen",
		[11] = "closing"};

	return state < TRP_ARRAY_SIZE(words) && words[state] ? words[state] : "unknown";
}

static const char *address_text(const struct trp_addr *a, char out[INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)a->ip))
		return inet_ntop(AF_INET, a->ip + 12, out, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, a->ip, out, INET6_ADDRSTRLEN);
}

static const char *service_name(const struct daemon *d, uint32_t number)
{
	for (const struct service *s = d->services; s; s = s->next)
		if (number && s->number == number)
			return s->name;
	return NULL;
}

static const char *listener_name(const struct daemon *d, uint32_t id)
{
	for (size_t i = 0; i < d->n_listeners; i++)
		if (d->listeners[i].id == id)
			return d->config->listeners[i].name;
	return NULL; /* it is gone; the connection is not */
}

static double age_of(const struct live_entry *e)
{
	const uint64_t now = trp_now_ns();

	return now > e->accepted_ns ? (double)(now - e->accepted_ns) / 1e9 : 0;
}

static json_t *next_row(void *data)
{
	struct conns *c = data;
	char client[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN];
	struct live_entry e;
	json_t *row;

	if (!next(c, &e))
		return NULL;
	row = json_pack("{s:s,s:i,s:s,s:i,s:s?,s:s,s:s?,s:o}", "client", address_text(&e.peer, client), "client_port",
		ntohs(e.peer.port), "local", address_text(&e.local, local), "local_port", ntohs(e.local.port), "listener",
		listener_name(c->d, e.listener), "protocol", trp_protocol_words[e.protocol], "service",
		service_name(c->d, e.service), "name", controlmsg_string(e.name, e.name_len));
	json_object_set_new(row, "since", json_real(ev_time() - age_of(&e)));
	json_object_set_new(row, "state", json_string(state_word(e.state)));
	json_object_set_new(row, "bytes_in", json_integer((json_int_t)e.bytes_in));
	json_object_set_new(row, "bytes_out", json_integer((json_int_t)e.bytes_out));
	json_object_set_new(row, "rtt_us", json_integer(e.rtt_us));
	json_object_set_new(row, "retrans", json_integer(e.retrans));
	return row;
}

static void end_rows(void *data)
{
	conns_free(data);
}

/* ---- Kick ---- */

/* Of one of our listeners, and none of them itself? All of it came from the observer; the kernel finds a listener whatever
 * the remote end is said to be. */
static bool is_ours(const struct daemon *d, const struct live_entry *e)
{
	bool ours = false;

	if (e->remote.port == 0)
		return false;
	for (size_t i = 0; i < d->n_listeners; i++) {
		uint64_t cookie = 0;
		socklen_t len = sizeof(cookie);
		if (d->config->listeners[i].port != ntohs(e->local.port))
			continue;
		if (getsockopt(d->listeners[i].fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 || cookie == e->cookie)
			return false;
		ours = true;
	}
	return ours;
}

static void kick_one(struct conns *c, const struct live_entry *e)
{
	int r = -EPERM;

	if (is_ours(c->d, e)) {
		observer_mark_kicked(c->d->observer, c->at - 1, e->cookie);
		r = sockdestroy(c->netlink, &e->local, &e->remote, e->cookie);
	}
	if (r == 0)
		c->kicked++;
	else if (r != -ENOENT)
		c->failed++;
	if (r < 0 && r != -ENOENT)
		c->error = r;
}

static void kick_some(struct ev_loop *loop, ev_timer *t, int events)
{
	struct conns *c = t->data;
	struct live_entry e;
	int n = 0;

	(void)events;
	while (c->call && n < KICKS_EACH && next(c, &e)) {
		kick_one(c, &e);
		n++;
	}
	if (c->call && n == KICKS_EACH) { /* others have their turn */
		ev_timer_set(t, 0, 0);
		ev_timer_start(loop, t);
		return;
	}
	if (c->call) {
		control_on_gone(c->call, NULL, NULL);
		control_reply(c->call,
			json_pack("{s:I,s:I,s:s}", "kicked", (json_int_t)c->kicked, "failed", (json_int_t)c->failed, "text",
				c->error ? strerror(-c->error) : ""),
			false);
	}
	conns_free(c);
}

/* ---- both ---- */

static void gone(void *data)
{
	((struct conns *)data)->call = NULL;
}

static void sampled(void *data, uint32_t look)
{
	struct conns *c = data;
	struct control_call *call = c->call;

	if (!call || look == 0) {
		if (call) {
			control_on_gone(call, NULL, NULL);
			answer_failed(call, "trp-observer does not answer; try again");
		}
		conns_free(c);
		return;
	}
	c->look = look;
	if (c->kick) {
		kick_some(c->d->loop, &c->soon, 0);
		return;
	}
	control_on_gone(call, NULL, NULL);
	rowstream_start(call, "connections", &(struct row_source){next_row, end_rows, c});
}

#define CLIENT_EXPECTED "an address such as 192.0.2.7, 192.0.2.7:80 or [2001:db8::7]:80"

/* "192.0.2.7", "192.0.2.7:80", "[2001:db8::7]:80" */
static bool take_client(const char *text, struct trp_addr *ret)
{
	struct sockaddr_storage sa, mapped;

	if (trp_parse_endpoint(text, &sa) < 0 || sa.ss_family == AF_UNIX)
		return false;
	trp_addr_from_sockaddr(ret, (struct sockaddr *)&sa);
	if (sa.ss_family == AF_INET) {
		if (!trp_addr_to_sockaddr(ret, AF_INET6, &mapped))
			return false;
		trp_addr_from_sockaddr(ret, (struct sockaddr *)&mapped);
	}
	return true;
}

static bool take_parameters(struct conns *c, const json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "service"));
	const char *client = json_string_value(json_object_get(params, "client"));
	const struct service *s = name ? service_find(c->d, name) : NULL;

	if (name && !answer_known(c->call, c->d, name))
		return false;
	if (client && !take_client(client, &c->client)) {
		answer_unusable(c->call, "client", client, CLIENT_EXPECTED);
		return false;
	}
	if (c->kick && !s && !client) {
		answer_unusable(c->call, "client", NULL, CLIENT_EXPECTED); /* nobody kicks all by leaving something out */
		return false;
	}
	c->service = s ? s->number : 0;
	if (s && !s->number) {
		answer_failed(c->call, "there are so many services that its connections are not told apart");
		return false;
	}
	if (!c->d->observer) {
		answer_failed(c->call, "connections are not observed: access-log = no in trpsup.conf");
		return false;
	}
	return true;
}

static void begin(struct control_call *call, const json_t *params, struct daemon *d, bool kick)
{
	struct conns *c = calloc(1, sizeof(*c));

	if (!c) {
		answer_failed(call, "out of memory");
		return;
	}
	c->call = call;
	c->d = d;
	c->kick = kick;
	c->netlink = -1;
	ev_timer_init(&c->soon, kick_some, 0, 0);
	c->soon.data = c;
	if (!take_parameters(c, params)) {
		conns_free(c);
		return;
	}
	c->netlink = kick ? sockdestroy_open() : -1;
	if (kick && c->netlink < 0) {
		answer_failed(call, "no netlink socket");
		conns_free(c);
		return;
	}
	control_on_gone(call, gone, c);
	observer_sample(d->observer, sampled, c);
}

void verb_conns(struct control_call *call, const json_t *params, void *user)
{
	begin(call, params, user, false);
}

void verb_kick(struct control_call *call, const json_t *params, void *user)
{
	begin(call, params, user, true);
}
