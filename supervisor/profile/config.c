/* SPDX-License-Identifier: ISC */
#include "config.h"
#include "config_values.h"
#include "keys.h"
#include "values.h"
#include "base/handoff.h"
#include "base/io.h"
#include "base/parse.h"

#include <limits.h>
#include <string.h>

#define CONFIG_FILE  "/etc/trpsup/trpsup.conf"
#define SERVICES_DIR "/etc/trpsup/services"
#define RANGE        65536u
#define DEADLINE_MS  10000

/* What people call a protocol whose nearest word would be another one. */
static const char *protocol_meant(const char *word)
{
	static const char *const meant[][2] = {
		{"https", "tls"}, {"ssl", "tls"}, {"wss", "tls"}, {"ws", "http"}, {"http2", "h2c"}, {"h2", "tls"}, {"tcp", "raw"}, {"postgresql", "postgres"}};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(meant); i++)
		if (strcmp(meant[i][0], word) == 0)
			return meant[i][1];
	return NULL;
}

int value_protocols(const struct lang_value *v, void *base)
{
	struct config_listener *l = base;
	const char *meant = v->text ? protocol_meant(v->text) : NULL;

	if (!v->text) {
		l->protocols = 0;
		return 0;
	}
	for (size_t i = 0; i < TRP_PROTO_COUNT; i++)
		if (strcmp(trp_protocol_words[i], v->text) == 0) {
			l->protocols |= 1u << i;
			return 0;
		}
	return meant ? lang_refuse(v, "'%s' is not valid, expected %s; did you mean '%s'?", v->text, v->key->expects, meant) : -EINVAL;
}

int value_uid_base(const struct lang_value *v, void *base)
{
	uint64_t id;
	int r = trp_parse_u64(v->text, &id);

	if (r == 0 && id % RANGE != 0)
		return -EINVAL;
	return r < 0 ? r : value_number(v, base);
}

/* Hook of lang.c: [listener NAME] begins. */
static void *open_listener(struct lang *l, const char *word, struct profile_where where)
{
	struct config *c = l->base;
	struct config_listener *grown;

	if (!trp_valid_service_name(word) || strchr(word, '@')) {
		profile_error(l->errors, where.file, where.line, NULL,
			"[listener %s]: not a name, expected a-z 0-9 . _ - (at most 63)", word);
		return NULL;
	}
	for (size_t i = 0; i < c->n_listeners; i++)
		if (strcmp(c->listeners[i].name, word) == 0) {
			profile_error(l->errors, where.file, where.line, NULL,
				"[listener %s]: given twice, first in line %u", word,
				c->listeners[i].where.line);
			return NULL;
		}
	grown = realloc(c->listeners, (c->n_listeners + 1) * sizeof(*grown));
	if (grown) {
		c->listeners = grown;
		grown += c->n_listeners;
		*grown = (struct config_listener){
			.name = strdup(word), .deadline_ms = DEADLINE_MS, .where = where};
	}
	if (!grown || !grown->name) {
		l->oom = true;
		return NULL;
	}
	c->n_listeners++;
	return grown;
}

static int add_listener(struct config *c, const char *name, uint16_t port, uint32_t protocols)
{
	struct config_listener *grown =
		realloc(c->listeners, (c->n_listeners + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	c->listeners = grown;
	grown[c->n_listeners] = (struct config_listener){.name = strdup(name),
		.port = port,
		.protocols = protocols,
		.deadline_ms = DEADLINE_MS,
		.where = {c->file, 0}};
	return grown[c->n_listeners++].name ? 0 : -ENOMEM;
}

static int set_defaults(struct config *c)
{
	int r = 0;

	if (c->profile_dirs.n == 0) {
		r = strv_push(&c->profile_dirs, SERVICES_DIR);
		if (r == 0)
			r = strv_push(&c->profile_dirs, config_shipped_profiles());
	}
	if (r == 0 && c->n_listeners == 0) {
		r = add_listener(c, "http", 80, 1u << TRP_PROTO_HTTP1 | 1u << TRP_PROTO_H2C);
		if (r == 0)
			r = add_listener(c, "https", 443, 1u << TRP_PROTO_TLS);
	}
	return r;
}

static void check(struct config *c, struct profile_errors *e, bool complete)
{
	config_check_listeners(c, e, complete);
	if (c->uid_base + c->uid_ranges * RANGE > UINT32_MAX)
		profile_error(e, c->file, 0, "uid-ranges",
			"the pool of %llu ranges from %llu does not end below 4294967295",
			(unsigned long long)c->uid_ranges, (unsigned long long)c->uid_base);
}

static void check_clients(const struct lang *l, const struct config *c)
{
	for (size_t i = 0; i < l->n_keys; i++)
		if (strcmp(l->keys[i].section, "clients") == 0 && strcmp(l->keys[i].name, "burst") == 0 && c->client_burst &&
			!c->client_interval_ns)
			profile_error(l->errors, c->file, l->where[i].line, "burst", "means nothing without rate, expected rate = 200/s or the like");
}

static int read_config(struct lang *l, const char *path, struct config *c)
{
	size_t before = l->errors->n;
	int r = lang_init(l);

	if (r == 0)
		r = lang_read(l, path ? path : CONFIG_FILE);
	if (r == -ENOENT && !path)
		r = 0;
	else if (r == -ENOENT)
		profile_error(l->errors, path, 0, NULL, "there is no such file");
	if (r == 0)
		r = lang_finish(l);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->n_listeners; i++)
		c->listeners[i].where.file = c->file;
	c->start_line = lang_where(l, "daemon", "start").line;
	if (l->errors->n == before)
		check_clients(l, c);
	check(c, l->errors, l->errors->n == before);
	r = l->errors->n > before ? -EINVAL : 0;
	return r < 0 ? r : set_defaults(c);
}

int config_load(const char *path, struct config **ret, struct profile_errors *errors)
{
	struct config *c = calloc(1, sizeof(*c));
	struct lang l = {
		.keys = config_keys,
		.n_keys = config_n_keys,
		.sections = config_sections,
		.n_sections = config_n_sections,
		.others = profile_sections,
		.n_others = profile_n_sections,
		.others_are = "profiles",
		.errors = errors,
		.base = c,
		.open_section = open_listener,
	};
	int r = -ENOMEM;

	if (!c)
		return r;
	c->file = strdup(path ? path : CONFIG_FILE);
	if (c->file)
		r = read_config(&l, path, c);
	lang_free(&l);
	if (r < 0)
		config_free(c);
	else
		*ret = c;
	return r;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_listeners; i++)
		config_listener_free(&c->listeners[i]);
	free(c->listeners);
	free(c->file);
	free(c->run_dir);
	free(c->state_dir);
	free(c->log_dir);
	free(c->syslog_socket);
	free(c->journal_socket);
	free(c->cgroup);
	strv_free(&c->profile_dirs);
	strv_free(&c->start);
	free(c);
}

void config_profile_paths(const struct config *c, struct profile_paths *ret)
{
	*ret = (struct profile_paths){
		.dirs = (const char *const *)c->profile_dirs.v,
		.n_dirs = c->profile_dirs.n,
		.libexec = config_libexec(),
	};
	for (size_t k = 0; k < TRP_PROTO_COUNT; k++)
		for (size_t i = c->n_listeners; i-- > 0;)
			if (c->listeners[i].protocols & 1u << k)
				ret->public_port[k] = c->listeners[i].port;
}

static bool carried(const struct config *c, const struct profile *p, size_t protocol)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		if ((c->listeners[i].protocols & 1u << protocol) &&
			(p->listeners.n == 0 || strv_has(&p->listeners, c->listeners[i].name)))
			return true;
	return false;
}

static void check_listener_name(const struct config *c, const struct profile *p, const char *name,
	struct profile_errors *errors)
{
	struct profile_where w = profile_where(p, "route", "listener");
	const char *names[64], *near;
	size_t n = 0;

	for (size_t i = 0; i < c->n_listeners; i++) {
		if (strcmp(c->listeners[i].name, name) == 0)
			return;
		if (n < TRP_ARRAY_SIZE(names))
			names[n++] = c->listeners[i].name;
	}
	near = trp_nearest(name, names, n);
	if (near)
		profile_error(errors, w.file, w.line, "listener",
			"there is no [listener %s] in %s; did you mean '%s'?", name, c->file, near);
	else
		profile_error(errors, w.file, w.line, "listener", "there is no [listener %s] in %s",
			name, c->file);
}

int config_check_profile(
	const struct config *c, const struct profile *p, struct profile_errors *errors)
{
	size_t before = errors->n;

	if (c->access_log <= ACCESS_LOG_JSON && strcmp(p->service, "access") == 0)
		profile_error(errors, p->file, 0, NULL,
			"no service can be called access while there is an access log: its log would be the same file, %s/access.log",
			c->log_dir);
	if (p->max_connections && (c->access_log == ACCESS_LOG_NO || c->not_observed)) {
		struct profile_where w = profile_where(p, "route", "max-connections");
		profile_error(errors, w.file, w.line, "max-connections", "nobody counts them with access-log = no in %s%s", c->file,
			c->access_log == ACCESS_LOG_NO ? "" : ", by which the daemon was started");
	}
	for (size_t i = 0; i < p->listeners.n; i++)
		check_listener_name(c, p, p->listeners.v[i], errors);
	for (size_t k = 0; k < TRP_PROTO_COUNT && errors->n == before; k++) {
		struct profile_where w = profile_where(p, "route", trp_protocol_words[k]);
		if (p->port[k] && !carried(c, p, k))
			profile_error(errors, w.file, w.line, trp_protocol_words[k],
				"no listener of this service has protocols = %s in %s", trp_protocol_words[k],
				c->file);
	}
	config_check_default(c, p, errors);
	return errors->n > before ? -EINVAL : 0;
}
