/* SPDX-License-Identifier: ISC */
#include "learn.h"
#include "base/parse.h"
#include "sandbox/learnmsg.h"
#include "show.h"
#include "supervisor/profile/collapse.h"

#include <stdio.h>
#include <string.h>

/* Everybody has these. */
static const char *const usual[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
	"/trp/preload.so", "/etc/ld.so.preload", "/etc/ld.so.cache"};

static bool is_usual(const char *path)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(usual); i++)
		if (strcmp(path, usual[i]) == 0)
			return true;
	return strncmp(path, "/proc/self/fd/", 14) == 0;
}

/* Paths with one of these uses; of those that are only looked at the file system's layout shows nothing new. */
static void print_uses(const json_t *facts, const char *head, unsigned uses)
{
	const json_t *paths = json_object_get(facts, "paths");
	cleanup_free const char **list = calloc(json_object_size(paths) + 1, sizeof(*list));
	struct strv lines = {0};
	const char *path;
	size_t n = 0;
	json_t *v;

	if (!list)
		abort();
	json_object_foreach((json_t *)paths, path, v)
		if (json_integer_value(v) & uses && path[0] == '/' && !is_usual(path))
			list[n++] = path;
	if (collapse_paths(list, n, &lines) < 0)
		abort();
	for (size_t i = 0; i < lines.n; i++) {
		printf("# %s ", head);
		show_text(stdout, lines.v[i]);
		putchar('\n');
	}
	strv_free(&lines);
}

/* All that was done at or below a path inside. */
static unsigned uses_below(const json_t *facts, const char *target)
{
	const char *path;
	unsigned uses = 0;
	json_t *v;

	json_object_foreach((json_t *)json_object_get(facts, "paths"), path, v)
		if (trp_path_within(path, target))
			uses |= (unsigned)json_integer_value(v);
	return uses;
}

static void print_unused(const json_t *facts, const char *key, const char *value, const char *target)
{
	if (uses_below(facts, target))
		return;
	printf("# granted and not used: %s = ", key);
	show_text(stdout, value);
	putchar('\n');
}

static void print_bind(const json_t *facts, const struct profile_bind *b)
{
	cleanup_free char *value = show_format("%s %s%s", b->source, b->target, b->writable ? " rw" : "");
	unsigned uses = uses_below(facts, b->target);

	print_unused(facts, "bind", value, b->target);
	if (uses && b->writable && !(uses & LEARN_WRITE)) {
		printf("# only read: without rw: bind = ");
		show_text(stdout, value);
		putchar('\n');
	}
	if (uses && !b->noexec && !(uses & LEARN_EXEC)) {
		printf("# nothing is executed there: noexec: bind = ");
		show_text(stdout, value);
		putchar('\n');
	}
}

/* What the profile shows and nobody looked at. */
static void print_grants(const json_t *facts, const struct profile *p)
{
	for (size_t i = 0; i < p->n_binds; i++)
		print_bind(facts, &p->binds[i]);
	for (size_t i = 0; i < p->state_at.n; i++)
		print_unused(facts, "state-at", p->state_at.v[i], strchr(p->state_at.v[i], ':') + 1);
	for (size_t i = 0; i < p->host_files.n; i++)
		print_unused(facts, "host-files", p->host_files.v[i], p->host_files.v[i]);
	for (size_t i = 0; i < p->use.n; i++) {
		cleanup_free char *target = show_format("/trp/use/%s", p->use.v[i]);
		print_unused(facts, "use", p->use.v[i], target);
	}
	if (p->publish)
		print_unused(facts, "publish", "yes", "/trp/publish");
	if (p->state && p->state_at.n == 0)
		print_unused(facts, "state", "yes", "/trp/state");
}

void learn_print_paths(const json_t *facts, const struct profile *profile)
{
	if (profile)
		print_grants(facts, profile);
	print_uses(facts, "wanted to write, and could not:", LEARN_WRITE << LEARN_REFUSED);
	print_uses(facts, "wanted to read, and could not:", LEARN_READ << LEARN_REFUSED);
	print_uses(facts, "wanted to execute, and could not:", LEARN_EXEC << LEARN_REFUSED);
	print_uses(facts, "executed:", LEARN_EXEC);
	print_uses(facts, "written:", LEARN_WRITE);
	print_uses(facts, "read:", LEARN_READ);
}
