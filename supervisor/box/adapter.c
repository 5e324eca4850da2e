/* SPDX-License-Identifier: ISC */
#include "supervisor/box/adapter.h"
#include "base/util.h"
#include "sandbox/program.h"
#include "supervisor/profile/keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

const char *adapter_name(unsigned adapter)
{
	return profile_adapter_words[adapter];
}

static bool has_routes(const struct profile *p)
{
	return profile_is_routed(p);
}

static int choose(struct adapter_choice *c, unsigned adapter, const char *why)
{
	c->adapter = adapter;
	snprintf(c->why, sizeof(c->why), "%s", why);
	return 0;
}

/* A program that comes from a bind or from the profile's own files is not in the root: those are scripts and programs of
 * the administrator, dynamic as nearly all are. */
static int unseen(struct adapter_choice *c, const char *path)
{
	char why[200];

	snprintf(why, sizeof(why), "%.120s cannot be looked at before it runs; taken for a dynamic program", path);
	return choose(c, ADAPTER_PRELOAD, why);
}

static int refuse(const struct profile *p, const struct program_finding *f, struct adapter_choice *c)
{
	struct profile_where where = profile_where(p, "service", "command");

	snprintf(c->refusal, sizeof(c->refusal),
		"%s:%u: command: %s: no adapter can serve it, and it has a [route] (adapter = native if it is "
		"written for libtrp, loopback if it is an i386 program)",
		where.file, where.line, f->why);
	return -EINVAL;
}

/* trp-notify is asked about native system calls alone. */
static int refuse_notify(const struct profile *p, const struct program_finding *f, struct adapter_choice *c)
{
	struct profile_where where = profile_where(p, "sandbox", "architectures");

	snprintf(c->refusal, sizeof(c->refusal), "%s:%u: architectures: %s, so its adapter is notify, which sees native system calls only: "
		"expected architectures = native, or adapter = loopback", where.file, where.line, f->why);
	return -EINVAL;
}

static int choose_for(const struct profile *p, const struct program_finding *f, struct adapter_choice *c)
{
	switch (f->kind) {
	case PROGRAM_GLIBC:
	case PROGRAM_MUSL:
		return choose(c, ADAPTER_PRELOAD, f->why);
	case PROGRAM_STATIC:
	case PROGRAM_GO:
		if (strv_has(&p->architectures, "x86"))
			return refuse_notify(p, f, c);
		return choose(c, ADAPTER_NOTIFY, f->why);
	case PROGRAM_OTHER:
		return refuse(p, f, c);
	}
	return -EINVAL;
}

static int choose_relay(const struct profile *p, struct adapter_choice *c)
{
	char why[200];

	snprintf(why, sizeof(why), "set by the profile: to %.100s%s", p->targets.v[0],
		p->targets.n > 1 ? " and others" : "");
	return choose(c, ADAPTER_RELAY, why);
}

int adapter_choose(const struct profile *p, const char *root, struct adapter_choice *c)
{
	const char *path = p->command.v[0];
	struct program_finding f;
	cleanup_close int fd = -1;

	if (p->adapter == ADAPTER_RELAY)
		return choose_relay(p, c);
	if (p->adapter != ADAPTER_AUTO)
		return choose(c, p->adapter, "set by the profile");
	if (p->root == ROOT_NONE)
		return choose(c, ADAPTER_NATIVE, "no dynamic loader in an empty root");
	if (!has_routes(p))
		return choose(c, ADAPTER_NONE, "no routes lead to it");
	fd = root ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0 || program_look(fd, path, &f) < 0)
		return unseen(c, path);
	return choose_for(p, &f, c);
}
