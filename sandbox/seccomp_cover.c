/* SPDX-License-Identifier: ISC */
/* seccomp_cover.c: runs in the daemon and in trpsup. */
#include "sandbox/seccomp_cover.h"
#include "base/io.h"
#include "sandbox/seccomp_policy.h"

#include <seccomp.h>
#include <string.h>

/* A group is named when so many of its calls are used, or this part of those that there are on this machine: what a program needs
 * of it next time is then likely to be there. Of fewer the calls are named. */
#define GROUP_CALLS 3
#define GROUP_PART  3 /* a third */

char *seccomp_call_name(int nr)
{
	char *known = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), nr);

	return known ? known : trp_asprintf("#%d", nr);
}

static bool listed(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

bool seccomp_is_always(const char *name)
{
	return strcmp(name, "socket") != 0 && listed(seccomp_always, name);
}

const struct seccomp_group *seccomp_group_of(const char *name)
{
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	for (size_t i = 0; i < n; i++)
		if (listed(g[i].syscalls, name))
			return &g[i];
	return NULL;
}

static bool word_has(const char *word, const char *call)
{
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	for (size_t i = 0; word[0] == '@' && i < n; i++)
		if ((strcmp(word, "@default") == 0 ? g[i].is_default : strcmp(word, g[i].name) == 0) && listed(g[i].syscalls, call))
			return true;
	return strcmp(word, call) == 0;
}

bool seccomp_covers(const char *word, const char *other)
{
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	if (other[0] != '@')
		return word_has(word, other);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(other, "@default") == 0 ? !g[i].is_default : strcmp(other, g[i].name) != 0)
			continue;
		for (const char *const *call = g[i].syscalls; *call; call++)
			if (!word_has(word, *call))
				return false;
	}
	return true;
}

static bool has(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Is enough of it used? Calls that need no word count on neither side. */
static bool worth_naming(const struct seccomp_group *g, const char *const *names, size_t n)
{
	size_t used = 0, all = 0;

	for (const char *const *s = g->syscalls; *s; s++) {
		if (seccomp_is_always(*s) || seccomp_number(*s) < 0)
			continue;
		all++;
		used += has(names, n, *s);
	}
	return g->is_default && used > 0 && (used >= GROUP_CALLS || used * GROUP_PART >= all);
}

size_t seccomp_cover(const char *const *names, size_t n, bool exact, const char **ret)
{
	size_t n_groups, n_ret = 0;
	const struct seccomp_group *g = seccomp_groups(&n_groups);

	for (size_t i = 0; i < n_groups && !exact; i++)
		if (worth_naming(&g[i], names, n))
			ret[n_ret++] = g[i].name;
	for (size_t i = 0; i < n; i++) {
		const struct seccomp_group *of = seccomp_group_of(names[i]);
		bool covered = seccomp_is_always(names[i]) || (!exact && of && worth_naming(of, names, n));
		if (!covered && !has(names, i, names[i]))
			ret[n_ret++] = names[i];
	}
	return n_ret;
}

bool seccomp_words_allow(const char *const *words, size_t n, const char *name)
{
	bool on[SECCOMP_NR_MAX];
	int nr = seccomp_number(name);

	return nr >= 0 && seccomp_choose(words, n, on) == 0 && on[nr];
}

bool seccomp_within(const char *const *words, size_t n, const char *const *outer, size_t n_outer)
{
	bool inner_on[SECCOMP_NR_MAX], outer_on[SECCOMP_NR_MAX];

	if (seccomp_choose(words, n, inner_on) < 0 || seccomp_choose(outer, n_outer, outer_on) < 0)
		return false;
	for (int nr = 0; nr < SECCOMP_NR_MAX; nr++)
		if (inner_on[nr] && !outer_on[nr])
			return false;
	return true;
}
