/* SPDX-License-Identifier: ISC */
/* config_default.c: the services that trpsup.conf names (default, start), against the profiles. */
#include "config.h"
#include "config_values.h"
#include "load.h"
#include "base/parse.h"

#include <string.h>

bool config_gives_default(const struct config_listener *l, const struct profile *p)
{
	const char *name = l->default_service;

	if (!name)
		return false;
	return strcmp(name, p->service) == 0 ||
		(p->share && strncmp(name, p->name, strlen(p->name)) == 0 && strchr("@", name[strlen(p->name)]));
}

/* Does p serve a protocol of this listener in which clients ask for names? */
static bool serves(const struct config_listener *l, const struct profile *p)
{
	for (int k = 0; k < TRP_PROTO_COUNT; k++)
		if (p->port[k] && trp_protocol_has_names((enum trp_protocol)k) && (l->protocols & 1u << k))
			return true;
	return false;
}

void config_check_default(const struct config *c, const struct profile *p, struct profile_errors *errors)
{
	for (size_t i = 0; i < c->n_listeners; i++) {
		const struct config_listener *l = &c->listeners[i];
		bool named = p->listeners.n == 0 || strv_has(&p->listeners, l->name);
		struct profile_where w = profile_where(p, "route", named ? "default" : "listener");
		if (!l->default_service)
			continue;
		if (!config_gives_default(l, p)) {
			if (p->default_route && named && serves(l, p))
				profile_error(errors, w.file, w.line, "default",
					"%s claims the default of [listener %s], but %s has it by %s:%u", p->service, l->name,
					l->default_service, c->file, l->default_line);
		} else if (!named) {
			profile_error(errors, w.file, w.line, "listener",
				"leaves out [listener %s], but %s is its default by %s:%u", l->name, p->service, c->file,
				l->default_line);
		} else if (!serves(l, p)) {
			profile_error(errors, c->file, l->default_line, "default",
				"%s serves none of the protocols of [listener %s] in which a host is named (%s)", p->service, l->name,
				p->file);
		}
	}
}

/* key, in this line of trpsup.conf, names it */
static int check_exists(const struct config *c, const char *key, unsigned line, const char *service, const struct profile_paths *paths,
	struct profile_errors *errors)
{
	struct profile_errors own = {0};
	cleanup_free char *file = NULL;
	struct strv names = {0};
	const char *near = NULL;
	int r = lookup_main(paths, service, &file, &own);

	for (size_t i = 0; i < own.n && r != -ENOENT; i++)
		profile_error(errors, NULL, 0, NULL, "%s", own.v[i]);
	profile_errors_free(&own);
	if (r != -ENOENT)
		return r;
	if (profile_list(paths, &names) == 0)
		near = profile_nearest(service, (const char *const *)names.v, names.n);
	if (near)
		profile_error(errors, c->file, line, key, "there is no service '%s'; did you mean '%s'?", service, near);
	else
		profile_error(errors, c->file, line, key, "there is no service '%s'", service);
	strv_free(&names);
	return -EINVAL;
}

int config_check_defaults(const struct config *c, const struct profile_paths *paths, struct profile_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < c->n_listeners; i++) {
		const struct config_listener *l = &c->listeners[i];
		int one = !l->default_service ? 0 : check_exists(c, "default", l->default_line, l->default_service, paths, errors);
		r = r < 0 ? r : one;
	}
	return r;
}

int config_check_start(const struct config *c, const struct profile_paths *paths, struct profile_errors *errors)
{
	int r = 0;

	for (size_t i = 0; i < c->start.n; i++) {
		int one = check_exists(c, "start", c->start_line, c->start.v[i], paths, errors);
		r = r < 0 ? r : one;
	}
	return r;
}
