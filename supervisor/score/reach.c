/* SPDX-License-Identifier: ISC */
/* reach.c: what a service can reach, as lists of names rather than as numbers. */
#include "supervisor/profile/keys.h"
#include "supervisor/score/tables.h"

#include <stdio.h>

static json_t *words(const struct strv *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(list, json_string(s->v[i]));
	return list;
}

struct places {
	json_t *writable, *readable;
};

static void list_place(void *data, const struct score_place *place)
{
	struct places *p = data;
	json_t *o;

	if (!place->writable && place->kind != PLACE_HOST && place->kind != PLACE_SHARED)
		return;
	o = json_pack("{s:s,s:o,s:b}", "path", place->path, "from", place->source ? json_string(place->source) : json_null(), "noexec",
		place->noexec);
	json_array_append_new(place->writable ? p->writable : p->readable, o);
}

static json_t *names(const struct score_view *v)
{
	const struct profile *p = v->profile;
	json_t *list = json_array();

	for (int k = 0; k < TRP_PROTO_COUNT; k++) {
		const char *name;
		for (size_t i = 0; p->port[k] && (name = profile_route_name(p, (enum trp_protocol)k, i)); i++)
			json_array_append_new(list, json_pack("{s:s,s:s,s:i}", "name", name[0] ? name : "*", "protocol", trp_protocol_words[k],
							    "port", p->port[k]));
	}
	return list;
}

static json_t *networks(const struct score_view *v)
{
	json_t *list = json_array();

	if (!v->spec->host_network)
		json_array_append_new(list, json_string(v->spec->own_all_addresses ? "its own: lo, where every address is local"
										  : "its own: lo"));
	for (size_t i = 0; v->spec->host_network && i < v->spec->n_connect_ports; i++)
		json_array_append_new(list, json_sprintf("the host's: TCP port %u", v->spec->connect_ports[i]));
	if (v->profile->adapter == ADAPTER_RELAY)
		for (size_t i = 0; i < v->profile->targets.n; i++)
			json_array_append_new(list, json_sprintf("target %s", v->profile->targets.v[i]));
	return list;
}

static json_t *secrets(const struct profile *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->n_secrets; i++)
		json_array_append_new(list, p->secrets[i].service ? json_sprintf("%s/%s", p->secrets[i].service, p->secrets[i].name)
								  : json_string(p->secrets[i].name));
	for (size_t i = 0; i < p->n_credentials; i++)
		json_array_append_new(list, json_sprintf("credential %s", p->credentials[i].name));
	return list;
}

json_t *score_reach(const struct score_view *v)
{
	struct places places = {json_array(), json_array()};
	struct score_calls calls;

	score_places(v, list_place, &places);
	score_count_calls(v, &calls);
	return json_pack("{s:o,s:o,s:{s:i,s:i,s:i,s:o},s:o,s:o,s:o,s:o,s:b,s:s,s:o}", "writable", places.writable, "readable", places.readable,
		"system_calls", "known", (int)calls.known, "allowed", (int)calls.always, "with_some_arguments", (int)calls.some, "notable",
		score_notable_calls(v), "names", names(v), "networks", networks(v), "secrets", secrets(v->profile), "uses", words(&v->profile->use),
		"publishes", v->profile->publish, "adapter", profile_adapter_words[v->site->adapter], "allowed_to_be_missing",
		words(&v->profile->allow_missing));
}
