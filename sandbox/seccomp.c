/* SPDX-License-Identifier: ISC */
/* seccomp.c: words -> rules -> BPF. Runs in the daemon; the result is loaded by one system call in the child.
 *
 * Arguments are compared on their low 32 bits where the kernel looks at no more of them: a
 * comparison of all 64 would let a program pass by setting a bit that the kernel drops. */
#include "sandbox/seccomp_policy.h"

#include <seccomp.h>
#include <string.h>

/* The sets of chosen calls, by number, and what else was said. */
struct chosen {
	bool on[SECCOMP_TABLES][SECCOMP_NR_MAX];
	unsigned policy;
};

/* Words that are no calls. */
static const struct {
	const char *word;
	unsigned policy;
} policies[] = {{SECCOMP_WORD_NAMESPACES, SECCOMP_NAMESPACES}, {SECCOMP_WORD_MEMFD_EXEC, SECCOMP_MEMFD_EXEC},
	{SECCOMP_WORD_NO_WRITE_EXECUTE, SECCOMP_NO_WRITE_EXECUTE}, {SECCOMP_WORD_NO_SECOND_MAPPING, SECCOMP_NO_SECOND_MAPPING}, {SECCOMP_WORD_X86, SECCOMP_X86_CALLS}};

bool seccomp_has_x86(void)
{
	return seccomp_audit_arch(SECCOMP_X86) != 0;
}

static bool has_table(const struct chosen *c, unsigned table)
{
	return table == SECCOMP_NATIVE || c->policy & SECCOMP_X86_CALLS;
}

static void choose(struct chosen *c, const char *const *names, bool on)
{
	for (; *names; names++)
		for (unsigned table = 0; table < SECCOMP_TABLES; table++)
			if (has_table(c, table))
				seccomp_choose_call(table, *names, on, c->on[table]);
}

static unsigned policy_of(const char *word)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(policies); i++)
		if (strcmp(word, policies[i].word) == 0)
			return policies[i].policy;
	return 0;
}

static const struct seccomp_group *find_group(const char *name)
{
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(g[i].name, name) == 0)
			return &g[i];
	return NULL;
}

static bool in_tables(const char *name)
{
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	for (size_t i = 0; i < n; i++)
		for (const char *const *s = g[i].syscalls; *s; s++)
			if (strcmp(*s, name) == 0)
				return true;
	return false;
}

bool seccomp_valid_name(const char *name)
{
	if (name[0] == '@')
		return strcmp(name, "@default") == 0 || find_group(name);
	return in_tables(name) || seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR;
}

static int apply_word(struct chosen *c, const char *word)
{
	bool on = word[0] != '-';
	const char *name = on ? word : word + 1;
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	if (policy_of(word))
		return 0;
	if (!seccomp_valid_name(name))
		return -EINVAL;
	if (strcmp(name, "@default") == 0) {
		for (size_t i = 0; i < n; i++)
			if (g[i].is_default)
				choose(c, g[i].syscalls, on);
		return 0;
	}
	if (name[0] == '@')
		choose(c, find_group(name)->syscalls, on);
	else
		choose(c, (const char *const[]){name, NULL}, on);
	return 0;
}

static int apply_words(struct chosen *c, const char *const *words, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n; i++)
		c->policy |= policy_of(words[i]);
	if (c->policy & SECCOMP_X86_CALLS && !seccomp_has_x86())
		return -EOPNOTSUPP;
	for (size_t i = 0; i < n && r == 0; i++)
		r = apply_word(c, words[i]);
	return r;
}

int seccomp_choose(const char *const *words, size_t n, bool ret[SECCOMP_NR_MAX])
{
	struct chosen c = {0};
	int r = apply_words(&c, words, n);

	if (r < 0)
		return r;
	choose(&c, seccomp_always, true);
	memcpy(ret, c.on[SECCOMP_NATIVE], sizeof(c.on[SECCOMP_NATIVE]));
	return 0;
}

static int rules_of_table(const struct chosen *c, bool only_unix, bool notify, struct seccomp_rules *rules)
{
	const bool *on = c->on[rules->table];
	const int socket_nr = seccomp_number_in(rules->table, "socket"), seccomp_nr = seccomp_number_in(rules->table, "seccomp");
	const int ipc_nr = rules->table == SECCOMP_X86 ? seccomp_number_in(rules->table, "ipc") : -1;
	int r = 0;

	for (int nr = 0; nr < SECCOMP_NR_MAX && r == 0; nr++) {
		if (nr == ipc_nr)
			r = seccomp_rules_ipc(rules, nr, c->policy, c->on[SECCOMP_NATIVE]);
		else if (on[nr])
			r = nr == socket_nr && only_unix ? seccomp_rules_unix(rules, nr) : seccomp_rules_of_call(rules, nr, c->policy);
		else if (notify && nr == seccomp_nr)
			r = seccomp_rules_listener(rules, nr);
	}
	return r;
}

/* What trp-init needs is allowed whatever the words say; of socket() only what it needs. It makes native calls. */
static int make_rules(struct chosen *c, bool notify, struct seccomp_rules rules[SECCOMP_TABLES])
{
	const int socket_nr = seccomp_number("socket"), seccomp_nr = seccomp_number("seccomp");
	const bool only_unix = socket_nr >= 0 && !c->on[SECCOMP_NATIVE][socket_nr];
	int r = notify && seccomp_nr < 0 ? -EOPNOTSUPP : 0;

	choose(c, seccomp_always, true);
	if (seccomp_nr >= 0 && c->on[SECCOMP_NATIVE][seccomp_nr])
		c->policy |= SECCOMP_SELF_FILTER;
	for (unsigned table = 0; table < SECCOMP_TABLES && r == 0; table++) {
		rules[table].table = table;
		if (has_table(c, table))
			r = rules_of_table(c, only_unix, notify && table == SECCOMP_NATIVE, &rules[table]);
	}
	return r;
}

void seccomp_rules_free(struct seccomp_rules rules[SECCOMP_TABLES])
{
	for (unsigned table = 0; table < SECCOMP_TABLES; table++)
		free(rules[table].v);
}

int seccomp_rules_make(const char *const *words, size_t n, bool notify, struct seccomp_rules ret[SECCOMP_TABLES])
{
	struct seccomp_rules rules[SECCOMP_TABLES] = {0};
	struct chosen chosen = {0};
	int r = apply_words(&chosen, words, n);

	if (r == 0)
		r = make_rules(&chosen, notify, rules);
	if (r < 0)
		seccomp_rules_free(rules);
	else
		memcpy(ret, rules, sizeof(rules));
	return r;
}

static int compile(const char *const *words, size_t n, bool notify, struct seccomp_filter *ret)
{
	struct seccomp_rules rules[SECCOMP_TABLES];
	int r = seccomp_rules_make(words, n, notify, rules);

	if (r < 0)
		return r;
	r = seccomp_tree(rules, ret);
	seccomp_rules_free(rules);
	return r;
}

int seccomp_compile(const char *const *words, size_t n, struct seccomp_filter *ret)
{
	return compile(words, n, false, ret);
}

int seccomp_compile_notify(const char *const *words, size_t n, struct seccomp_filter *ret)
{
	return compile(words, n, true, ret);
}

void seccomp_filter_free(struct seccomp_filter *f)
{
	free(f->insns);
	*f = (struct seccomp_filter){0};
}
