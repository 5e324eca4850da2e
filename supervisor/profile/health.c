/* SPDX-License-Identifier: ISC */
/* health.c: [health]: its values, and what of it contradicts the rest of a profile. */
#include "base/parse.h"
#include "load.h"
#include "values.h"

#include <string.h>

#define STATUS_MIN 100
#define STATUS_MAX 599

static const struct {
	const char *word;
	unsigned kind;
	bool more; /* words follow, or something behind a colon */
} kinds[] = {{"http:", CHECK_HTTP, false}, {"tcp:", CHECK_TCP, false}, {"tcp", CHECK_TCP, false}, {"tls", CHECK_TLS, false},
	{"command", CHECK_COMMAND, true}};

static int set_text(char **p, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*p);
	*p = copy;
	return 0;
}

/* As it goes into a request: nothing that would end its line, or the path in it. */
static bool is_request_path(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || path[1] == '/' || len > PROFILE_CHECK_PATH_MAX) /* http://host/ is no path */
		return false;
	for (size_t i = 0; i < len; i++)
		if (path[i] <= ' ' || path[i] > '~')
			return false;
	return true;
}

static int set_connection(struct profile *p, unsigned kind, const char *rest)
{
	uint16_t port = 0;

	if (kind == CHECK_HTTP && !is_request_path(rest))
		return -EINVAL;
	if (kind == CHECK_TCP && *rest && trp_parse_port(rest, &port) < 0)
		return -EINVAL;
	p->check_kind = kind;
	p->check_port = port;
	return kind == CHECK_HTTP ? set_text(&p->check_path, rest) : 0;
}

static int add_words(const struct lang_value *v, struct profile *p, size_t first)
{
	for (size_t i = first; i < v->words->n; i++)
		if (strv_push(&p->check_command, v->words->v[i]) < 0)
			return -ENOMEM;
	return 0;
}

int value_check(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	const char *first = v->words ? v->words->v[0] : NULL;

	if (v->continued && p->check_kind == CHECK_COMMAND)
		return add_words(v, p, 0);
	if (v->continued)
		return lang_refuse(v, "an indented line goes on with a command only");
	strv_free(&p->check_command);
	p->check_kind = CHECK_NONE;
	for (size_t i = 0; first && i < TRP_ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i].word);
		bool prefix = kinds[i].word[len - 1] == ':';
		if (prefix ? strncmp(first, kinds[i].word, len) != 0 : strcmp(first, kinds[i].word) != 0)
			continue;
		if (!kinds[i].more && v->words->n > 1)
			return lang_refuse(v, "nothing follows %s, but '%s' does", first, v->words->v[1]);
		if (kinds[i].kind != CHECK_COMMAND)
			return set_connection(p, kinds[i].kind, first + len);
		if (v->words->n < 2 || !value_is_path(v->words->v[1]))
			return lang_refuse(v, "'%s' is not valid, expected the program's absolute path behind 'command'",
				v->words->n < 2 ? "" : v->words->v[1]);
		p->check_kind = CHECK_COMMAND;
		return add_words(v, p, 1);
	}
	return first ? -EINVAL : 0;
}

int value_status(const struct lang_value *v, void *base)
{
	struct profile_range *range = (struct profile_range *)(void *)((char *)base + v->key->offset);
	const char *dash = strchr(v->text, '-');
	cleanup_free char *from = dash ? strndup(v->text, (size_t)(dash - v->text)) : strdup(v->text);
	uint64_t a, b;

	if (!from)
		return -ENOMEM;
	if (trp_parse_u64(from, &a) < 0 || trp_parse_u64(dash ? dash + 1 : v->text, &b) < 0)
		return -EINVAL;
	if (a < STATUS_MIN || b > STATUS_MAX || a > b)
		return -ERANGE;
	*range = (struct profile_range){(uint16_t)a, (uint16_t)b};
	return 0;
}

int value_plain_host(const struct lang_value *v, void *base)
{
	char host[254];
	int r = value_canonical_host(v, host);

	if (r < 0)
		return r;
	return host[0] == '*' ? -EINVAL : set_text((char **)(void *)((char *)base + v->key->offset), host);
}

const char *profile_check_host(const struct profile *p)
{
	if (p->check_host)
		return p->check_host;
	for (size_t i = 0; i < p->hosts.n; i++)
		if (p->hosts.v[i][0] != '*')
			return p->hosts.v[i];
	return "localhost";
}

static void complain(const struct profile_loading *l, const char *section, const char *key, const char *text)
{
	struct profile_where w = profile_where(l->p, section, key);

	profile_error(l->errors, w.file, w.line, key, "%s", text);
}

static bool was_set(const struct profile_loading *l, const char *section, const char *key)
{
	return profile_where(l->p, section, key).line != 0;
}

/* The port whose channel a check goes through. */
static void find_port(const struct profile_loading *l)
{
	struct profile *p = l->p;
	bool routed = false;

	if (p->check_kind == CHECK_HTTP && !p->port[TRP_PROTO_HTTP1])
		complain(l, "health", "check", "'http:' needs http in [route]: it is a client as the router has them");
	if (p->check_kind == CHECK_TLS && !p->port[TRP_PROTO_TLS])
		complain(l, "health", "check", "'tls' needs tls in [route]: it is a client as the router has them");
	if (p->check_kind == CHECK_HTTP || p->check_kind == CHECK_TLS)
		p->check_port = p->port[p->check_kind == CHECK_HTTP ? TRP_PROTO_HTTP1 : TRP_PROTO_TLS];
	if (p->check_kind != CHECK_TCP)
		return;
	for (int k = 0; k < TRP_PROTO_COUNT; k++) {
		if (p->port[k] && !p->check_port)
			p->check_port = p->port[k];
		routed |= p->port[k] && p->port[k] == p->check_port;
	}
	if (!routed)
		complain(l, "health", "check", p->check_port ? "is about a port that [route] does not name" :
			"'tcp' needs a port in [route]: it is a client as the router has them");
}

void check_health(const struct profile_loading *l)
{
	static const char *const others[] = {"interval", "timeout", "failures", "successes", "start-period", "status", "send-host", "unhealthy"};
	struct profile *p = l->p;
	bool refused = was_set(l, "health", "check") && l->errors->n > 0; /* without a message it was reset */

	if (p->ready == READY_CHECK && p->check_kind == CHECK_NONE && !refused)
		complain(l, "service", "ready", "'check' needs check in [health]");
	for (size_t i = 0; p->check_kind == CHECK_NONE && !refused && i < TRP_ARRAY_SIZE(others); i++)
		if (was_set(l, "health", others[i]))
			complain(l, "health", others[i], "has no effect without check");
	if (p->check_kind == CHECK_NONE)
		return;
	if (p->adapter == ADAPTER_RELAY) {
		complain(l, "health", "check", "has no effect with adapter = relay: health-interval in [relay] is about its targets");
		return;
	}
	find_port(l);
	if (p->ready == READY_EXIT)
		complain(l, "health", "check", "contradicts ready = exit: it has ended when it could be checked");
	if (p->ready == READY_CHECK && was_set(l, "health", "start-period"))
		complain(l, "health", "start-period", "has no effect with ready = check: before, start-timeout in [service] holds");
	if (p->check_kind != CHECK_HTTP && was_set(l, "health", "status"))
		complain(l, "health", "status", "has no effect without check = http:/PATH");
	if (p->check_kind != CHECK_HTTP && p->check_kind != CHECK_TLS && was_set(l, "health", "send-host"))
		complain(l, "health", "send-host", "has no effect without check = http:/PATH or tls");
}
