/* SPDX-License-Identifier: ISC */
#include "supervisor/adapter.h"
#include "base/util.h"
#include "sandbox/program.h"
#include "supervisor/profile/keys.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

const char *adapter_name(unsigned adapter)
{
	return profile_adapter_words[adapter];
}

static bool has_routes(const struct profile *p)
{
	return p->port[ROUTE_HTTP] || p->port[ROUTE_TLS];
}

static int choose(struct service *s, unsigned adapter, const char *why)
{
	s->adapter = adapter;
	snprintf(s->adapter_why, sizeof(s->adapter_why), "%s", why);
	return 0;
}

/* A program that comes from a bind or from the profile's own files is not in the root: those are scripts and programs of
 * the administrator, dynamic as nearly all are. */
static int unseen(struct service *s, const char *path)
{
	char why[200];

	snprintf(why, sizeof(why), "%.120s cannot be looked at before it runs; taken for a dynamic program", path);
	return choose(s, ADAPTER_PRELOAD, why);
}

static int refuse(struct service *s, const struct program_finding *f)
{
	struct profile_where where = profile_where(s->profile, "service", "command");

	snprintf(s->message, sizeof(s->message),
		"%s:%u: command: %s: no adapter can serve it, and it has a [route] (adapter = native if it is "
		"written for libtrp)",
		where.file, where.line, f->why);
	return -EINVAL;
}

static int choose_for(struct service *s, const struct program_finding *f)
{
	switch (f->kind) {
	case PROGRAM_GLIBC:
	case PROGRAM_MUSL:
		return choose(s, ADAPTER_PRELOAD, f->why);
	case PROGRAM_STATIC:
	case PROGRAM_GO:
		return choose(s, ADAPTER_NOTIFY, f->why);
	case PROGRAM_OTHER:
		return refuse(s, f);
	}
	return -EINVAL;
}

static int choose_relay(struct service *s)
{
	const struct profile *p = s->profile;
	char why[200];

	snprintf(why, sizeof(why), "set by the profile: to %.100s%s", p->targets.v[0],
		p->targets.n > 1 ? " and others" : "");
	return choose(s, ADAPTER_RELAY, why);
}

int adapter_choose(struct service *s)
{
	const struct profile *p = s->profile;
	const char *root = p->root == ROOT_HOST ? "/" : s->root, *path = p->command.v[0];
	struct program_finding f;
	cleanup_close int fd = -1;

	if (p->adapter == ADAPTER_RELAY)
		return choose_relay(s);
	if (p->adapter != ADAPTER_AUTO)
		return choose(s, p->adapter, "set by the profile");
	if (p->root == ROOT_NONE)
		return choose(s, ADAPTER_NATIVE, "no dynamic loader in an empty root");
	if (!has_routes(p))
		return choose(s, ADAPTER_NONE, "no routes lead to it");
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || program_look(fd, path, &f) < 0)
		return unseen(s, path);
	return choose_for(s, &f);
}
