/* SPDX-License-Identifier: ISC */
/* The tree that we load against a linear program of the same rules, made by libseccomp: the same answer to every number, of every
 * architecture, for all values of the arguments that the rules compare and those around them; and against the rules themselves. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf_run.h"
#include "sandbox/seccomp_policy.h"

#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>

#define SECCOMP_OTHER_ARCH (SECCOMP_NATIVE_ARCH == AUDIT_ARCH_X86_64 ? AUDIT_ARCH_AARCH64 : AUDIT_ARCH_X86_64)
#define HIGH       0xdeadbeef00000000ull /* what the kernel drops from a 32-bit argument */
#define VALUES_MAX 512
#define WORDS_MAX  17
#define NUMBERS    1536 /* 0 to this, in each table */
#define RANDOM     1500
#define POLICIES   16

static const uint32_t arches[] = {SECCOMP_NATIVE_ARCH, SECCOMP_OTHER_ARCH, AUDIT_ARCH_I386, AUDIT_ARCH_ARM,
	AUDIT_ARCH_RISCV64, AUDIT_ARCH_PPC64LE, AUDIT_ARCH_S390X, AUDIT_ARCH_MIPSEL64, 0, 0xffffffff, SECCOMP_NATIVE_ARCH ^ 1,
	SECCOMP_NATIVE_ARCH & ~0x40000000u, SECCOMP_NATIVE_ARCH & ~0x80000000u};

static uint64_t random_state = 88172645463325252ull;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* --- two other ways to the same answer --- */

static uint32_t half(const struct seccomp_data *d, unsigned arg)
{
	return (uint32_t)(d->args[arg & ~SECCOMP_HIGH] >> (arg & SECCOMP_HIGH ? 32 : 0));
}

/* Which of the tables is it? NULL: none that has rules. */
static const struct seccomp_rules *table_of(const struct seccomp_rules tables[SECCOMP_TABLES], uint32_t arch)
{
	for (unsigned t = 0; t < SECCOMP_TABLES; t++)
		if (tables[t].n > 0 && seccomp_audit_arch(t) == arch)
			return &tables[t];
	return NULL;
}

/* What the rules say, by seccomp_policy.h. */
static uint32_t by_rules(const struct seccomp_rules tables[SECCOMP_TABLES], const struct seccomp_data *d)
{
	const struct seccomp_rules *rules = table_of(tables, d->arch);

	if (!rules)
		return SECCOMP_RET_KILL_PROCESS;
#ifdef __x86_64__
	if (rules->table == SECCOMP_NATIVE && (uint32_t)d->nr >= 0x40000000 && d->nr != -1)
		return SECCOMP_RET_KILL_PROCESS;
#endif
	for (size_t i = 0; i < rules->n; i++) {
		const struct seccomp_rule *r = &rules->v[i];
		bool all = r->nr == d->nr;
		for (unsigned c = 0; c < r->n_conds; c++)
			all = all && (half(d, r->conds[c].arg) & r->conds[c].mask) == r->conds[c].value;
		if (all)
			return r->action;
	}
	return SECCOMP_UNKNOWN;
}

/* libseccomp takes the native table's number of a call for any table. */
static int add_linear(scmp_filter_ctx ctx, const struct seccomp_rules *rules, const struct seccomp_rule *r)
{
	struct scmp_arg_cmp args[SECCOMP_CONDS_MAX];
	char *name = seccomp_syscall_resolve_num_arch(rules->table == SECCOMP_X86 ? SCMP_ARCH_X86 : seccomp_arch_native(), r->nr);
	int added;

	for (unsigned i = 0; i < r->n_conds; i++)
		args[i] = SCMP_CMP64(r->conds[i].arg, SCMP_CMP_MASKED_EQ, r->conds[i].mask, r->conds[i].value);
	assert_non_null(name);
	added = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(name), r->n_conds, args);
	free(name);
	return added;
}

/* Parts of socketcall() or ipc() of i386, for libseccomp: it allows them by that way too, which we do not (of ipc() by rules of its own). */
static bool is_part(const struct seccomp_rules *rules, int nr)
{
	char *name = rules->table == SECCOMP_X86 ? seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86, nr) : NULL;
	bool part = name && (seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, name) < 0 || strcmp(name, "ipc") == 0);

	free(name);
	return part;
}

/* libseccomp knows nothing of an order of rules, nor of an answer of a call's own. */
static bool has_refusal(const struct seccomp_rules *rules, int nr)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->v[i].nr == nr && rules->v[i].action != SECCOMP_RET_ALLOW)
			return true;
	return false;
}

static bool is_for_libseccomp(const struct seccomp_rules *rules, int nr)
{
	return !has_refusal(rules, nr) && !is_part(rules, nr);
}

/* One rule after the other, in front of what follows. */
static size_t row_by_row(const struct seccomp_rules *rules, bool all, struct sock_filter *out)
{
	size_t n = 0;

	for (size_t i = 0; i < rules->n; i++) {
		const struct seccomp_rule *r = &rules->v[i];
		uint8_t skip = (uint8_t)(r->n_conds * 3 + 1);
		if (!all && is_for_libseccomp(rules, r->nr))
			continue;
		out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
		out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_audit_arch(rules->table), 0, skip + 2);
		out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
		out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0, skip);
		for (unsigned c = 0; c < r->n_conds; c++) {
			skip = (uint8_t)(skip - 3);
			out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, seccomp_half(r->conds[c].arg));
			out[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->conds[c].mask);
			out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->conds[c].value, 0, skip);
		}
		out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, r->action);
	}
	return n;
}

static scmp_filter_ctx linear_table(const struct seccomp_rules *rules, bool by_libseccomp)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

	assert_non_null(ctx);
	assert_int_equal(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), 0);
	assert_int_equal(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 1), 0); /* by priority: no tree */
	if (rules->table == SECCOMP_X86) {
		assert_int_equal(seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE), 0);
		assert_int_equal(seccomp_arch_add(ctx, SCMP_ARCH_X86), 0);
	}
	for (size_t i = 0; i < rules->n && by_libseccomp; i++)
		if (is_for_libseccomp(rules, rules->v[i].nr))
			assert_int_equal(add_linear(ctx, rules, &rules->v[i]), 0);
	return ctx;
}

/* By libseccomp, but for calls with rules that refuse. (Given rules with different masks for one argument, which no group has, libseccomp 2.5.4
 * allows what none of them does: those are put row by row, and only the end is libseccomp's.) */
static struct seccomp_filter linear_program(const struct seccomp_rules rules[SECCOMP_TABLES], bool by_libseccomp)
{
	static struct sock_filter insns[8 * BPF_MAXINSNS];
	scmp_filter_ctx ctx = linear_table(&rules[SECCOMP_NATIVE], by_libseccomp);
	size_t first = 0;
	int fd = memfd_create("linear", MFD_CLOEXEC);
	ssize_t n;

	if (rules[SECCOMP_X86].n > 0)
		assert_int_equal(seccomp_merge(ctx, linear_table(&rules[SECCOMP_X86], by_libseccomp)), 0);
	for (unsigned t = 0; t < SECCOMP_TABLES; t++)
		first += row_by_row(&rules[t], !by_libseccomp, insns + first);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	n = pread(fd, insns + first, sizeof(insns) - first * sizeof(*insns), 0);
	assert_true(n > 0 && n % (ssize_t)sizeof(*insns) == 0);
	close(fd);
	seccomp_release(ctx);
	return (struct seccomp_filter){insns, (unsigned short)(first + (size_t)n / sizeof(*insns))};
}

/* --- one policy, three programs --- */

struct policy {
	struct seccomp_rules rules[SECCOMP_TABLES];
	struct seccomp_filter tree, linear;
	unsigned long asked;
};

static void same_answer(struct policy *p, uint32_t arch, uint32_t nr, const uint64_t args[6])
{
	struct seccomp_data d = {.nr = (int)nr, .arch = arch};
	uint32_t wanted, got;

	memcpy(d.args, args, sizeof(d.args));
	wanted = by_rules(p->rules, &d);
	got = interpret(&p->tree, &d);
	p->asked++;
	if (got != wanted || got != interpret(&p->linear, &d))
		fail_msg("arch %#x nr %u (%llx %llx %llx): tree %#x, linear %#x, rules %#x", arch, nr,
			(unsigned long long)args[0], (unsigned long long)args[1], (unsigned long long)args[2], got,
			interpret(&p->linear, &d), wanted);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Each once. */
static size_t unique(uint64_t *values, size_t n)
{
	size_t left = 0;

	qsort(values, n, sizeof(*values), by_size);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || values[i] != values[left - 1])
			values[left++] = values[i];
	return left;
}

static size_t rules_of(const struct seccomp_rules *rules, int nr)
{
	size_t n = 0;

	for (size_t i = 0; i < rules->n; i++)
		n += rules->v[i].nr == nr;
	return n;
}

/* Values of one argument around what the rules of that call compare it with. */
static size_t values_of(const struct seccomp_rules *rules, int nr, unsigned arg, uint64_t out[VALUES_MAX])
{
	const bool many = rules_of(rules, nr) > 40;
	size_t n = 0;

	for (size_t i = 0; i < rules->n; i++)
		for (unsigned k = 0; rules->v[i].nr == nr && k < rules->v[i].n_conds; k++) {
			const struct seccomp_cond *c = &rules->v[i].conds[k];
			if ((c->arg & ~SECCOMP_HIGH) != arg)
				continue;
			if (n + 5 + 32 >= VALUES_MAX)
				n = unique(out, n);
			assert_true(n + 5 + 32 < VALUES_MAX);
			out[n++] = c->arg & SECCOMP_HIGH ? (uint64_t)c->value << 32 | random64() % 12 : c->value;
			if (!many || random64() % 8 == 0)
				out[n++] = c->value | HIGH;
			out[n++] = (uint32_t)(c->value + 1);
			out[n++] = (uint32_t)(c->value - 1);
			out[n++] = c->value | ~(uint64_t)c->mask;
			for (unsigned bit = 0; bit < 32; bit++)
				if (c->mask != 0xffffffff && (bit % 5 == 0 || c->mask & 1u << bit))
					out[n++] = (c->value ^ 1u << bit) | (bit & 1 ? HIGH : 0);
		}
	out[n++] = 0;
	if (n == 1)
		return n; /* nobody looks at it */
	out[n++] = UINT64_MAX;
	out[n++] = 1ull << 32;
	out[n++] = 0x80000000;
	out[n++] = random64();
	return unique(out, n);
}

#define ARGS_LOOKED_AT 4

/* All combinations of the first four arguments: no rule looks at others. Of another architecture one is as good as the other. */
static void all_arguments(struct policy *p, uint32_t arch, uint32_t nr)
{
	static uint64_t values[ARGS_LOOKED_AT][VALUES_MAX];
	const struct seccomp_rules *rules = table_of(p->rules, arch);
	size_t n[ARGS_LOOKED_AT] = {0};

	for (unsigned a = 0; a < ARGS_LOOKED_AT && rules; a++)
		n[a] = values_of(rules, (int)nr, a, values[a]);
	for (size_t i = 0; i < n[0]; i++)
		for (size_t j = 0; j < n[1]; j++)
			for (size_t k = 0; k < n[2]; k++)
				for (size_t l = 0; l < n[3]; l++)
					same_answer(p, arch, nr, (const uint64_t[6]){values[0][i], values[1][j], values[2][k], values[3][l], HIGH});
	same_answer(p, arch, nr, (const uint64_t[6]){random64(), random64(), random64(), random64(), random64(), random64()});
}

static void compare(struct policy *p, size_t n_arches)
{
	for (unsigned t = 0; t < SECCOMP_TABLES; t++)
		for (size_t i = 0; i < p->rules[t].n; i++)
			for (unsigned c = 0; c < p->rules[t].v[i].n_conds; c++)
				assert_in_range(p->rules[t].v[i].conds[c].arg & ~SECCOMP_HIGH, 0, ARGS_LOOKED_AT - 1);
	for (size_t a = 0; a < n_arches; a++) {
		for (uint32_t nr = 0; nr < NUMBERS; nr++) {
			all_arguments(p, arches[a], nr);
			all_arguments(p, arches[a], nr | 0x40000000);
			all_arguments(p, arches[a], nr | 0x80000000);
			all_arguments(p, arches[a], UINT32_MAX - nr);
			all_arguments(p, arches[a], 0x40000000 - 1 - nr);
		}
		for (int i = 0; i < RANDOM; i++)
			all_arguments(p, arches[a], (uint32_t)random64());
	}
	for (int i = 0; i < RANDOM; i++)
		all_arguments(p, (uint32_t)random64(), (uint32_t)random64() % NUMBERS);
}

static void check_rules(struct policy *p, bool by_libseccomp)
{
	assert_int_equal(seccomp_tree(p->rules, &p->tree), 0);
	p->linear = linear_program(p->rules, by_libseccomp);
	compare(p, by_libseccomp ? TRP_ARRAY_SIZE(arches) : 3);
	seccomp_filter_free(&p->tree);
}

static void check_policy(const char *const *words, size_t n, bool notify)
{
	struct policy p = {0};

	assert_int_equal(seccomp_rules_make(words, n, notify, p.rules), 0);
	check_rules(&p, true);
	assert_true(p.asked > 10 * TRP_ARRAY_SIZE(arches) * NUMBERS / 4);
	seccomp_rules_free(p.rules);
}

static void test_groups(void **state)
{
	size_t n;
	const struct seccomp_group *g = seccomp_groups(&n);

	(void)state;
	check_policy(NULL, 0, false);
	check_policy((const char *const[]){"@default"}, 1, false);
	check_policy((const char *const[]){"@default"}, 1, true);
	check_policy((const char *const[]){"@default", SECCOMP_WORD_NAMESPACES, SECCOMP_WORD_MEMFD_EXEC, SECCOMP_WORD_NO_WRITE_EXECUTE}, 4, false);
	check_policy((const char *const[]){"@default", "seccomp"}, 2, false); /* of our own programs */
#if defined(__x86_64__)
	check_policy((const char *const[]){SECCOMP_WORD_X86}, 1, false);
	check_policy((const char *const[]){"@default", SECCOMP_WORD_X86}, 2, true);
	check_policy((const char *const[]){"@default", SECCOMP_WORD_X86, "socketcall", "-semget", SECCOMP_WORD_NAMESPACES, SECCOMP_WORD_MEMFD_EXEC,
		SECCOMP_WORD_NO_WRITE_EXECUTE, SECCOMP_WORD_NO_SECOND_MAPPING, "@debug", "seccomp"}, 10, false);
#endif
	for (size_t i = 0; i < n; i++) {
		char without[64];
		snprintf(without, sizeof(without), "-%s", g[i].name);
		check_policy(&g[i].name, 1, i % 2);
		check_policy((const char *const[]){"@default", g[i].is_default ? without : g[i].name}, 2, i % 2);
	}
}

static void test_random_words(void **state)
{
	size_t n_groups;
	const struct seccomp_group *groups = seccomp_groups(&n_groups);

	(void)state;
	for (int round = 0; round < POLICIES; round++) {
		char text[WORDS_MAX][64];
		const char *words[WORDS_MAX];
		size_t n = 1 + random64() % (WORDS_MAX - 1);
		for (size_t i = 0; i < n; i++) {
			const struct seccomp_group *g = &groups[random64() % n_groups];
			size_t calls = 0;
			while (g->syscalls[calls])
				calls++;
			snprintf(text[i], sizeof(text[i]), "%s%s", random64() % 3 ? "" : "-",
				random64() % 4 ? g->syscalls[random64() % calls] : g->name);
			words[i] = text[i];
		}
		if (seccomp_has_x86() && round % 4 == 0)
			words[n++] = SECCOMP_WORD_X86;
		check_policy(words, n, round % 2);
	}
}

/* Rules that no group has: other actions, masks, several arguments, conditions that cannot both be true. */
static void test_random_rules(void **state)
{
	static const uint32_t masks[] = {0xffffffff, 0xffffffff, 0xff, 0x80000000, 6};
	static const uint32_t actions[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_LOG, SECCOMP_UNKNOWN};

	(void)state;
	for (int round = 0; round < POLICIES; round++) {
		struct policy p = {0};
		p.rules[0].v = calloc(600, sizeof(*p.rules[0].v));
		assert_non_null(p.rules[0].v);
		for (int nr = 0; nr < 500 && p.rules[0].n < 560; nr += 1 + (int)(random64() % 9)) {
			unsigned alternatives = random64() % 10 == 0 ? 1 + (unsigned)(random64() % 4) : 1;
			for (unsigned i = 0; i < alternatives; i++) {
				struct seccomp_rule *r = &p.rules[0].v[p.rules[0].n++];
				*r = (struct seccomp_rule){.nr = nr, .action = actions[random64() % TRP_ARRAY_SIZE(actions)]};
				if (alternatives > 1)
					r->n_conds = 1 + (unsigned)(random64() % 2);
				for (unsigned c = 0; c < r->n_conds; c++) {
					uint32_t mask = masks[random64() % TRP_ARRAY_SIZE(masks)];
					r->conds[c] = (struct seccomp_cond){.arg = (c ? 2 : (unsigned)(random64() % 2)) | (random64() % 8 ? 0 : SECCOMP_HIGH),
						.mask = mask, .value = (uint32_t)(random64() % 12 - 2) & mask};
				}
			}
		}
		check_rules(&p, false);
		free(p.rules[0].v);
	}
}

/* Two calls that stand together and have most of their rules in common, as setsockopt and getsockopt: few values or many, close together
 * (which become bits of words) or not, and at both ends of what there is. */
static void test_neighbours(void **state)
{
	static const uint32_t steps[] = {1, 1, 3, 40, 0x10000000};

	(void)state;
	for (int round = 0; round < POLICIES; round++) {
		const uint32_t step = steps[round % TRP_ARRAY_SIZE(steps)], start = round % 3 ? (uint32_t)random64() : UINT32_MAX - 70;
		const unsigned options = step > 1000 ? 14 : 8 + (unsigned)(random64() % 40);
		unsigned left_out = 1 + (unsigned)(random64() % 12);
		struct policy p = {0};
		p.rules[0].v = calloc(200, sizeof(*p.rules[0].v));
		assert_non_null(p.rules[0].v);
		for (int nr = 54; nr <= 55; nr++) {
			for (unsigned i = 0; i < options; i++)
				if (random64() % left_out || left_out == 1)
					p.rules[0].v[p.rules[0].n++] = (struct seccomp_rule){.nr = nr,
						.action = i % 7 ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM,
						.n_conds = 2, .conds = {{1, 0xffffffff, i % 3}, {2, 0xffffffff, start + i * step}}};
			p.rules[0].v[p.rules[0].n++] = (struct seccomp_rule){.nr = nr, .action = SECCOMP_RET_ERRNO | ENOPROTOOPT};
		}
		check_rules(&p, false);
		free(p.rules[0].v);
	}
}

/* The kernel asks about each number when a filter is loaded: that must be quick. */
static void test_tree_is_flat(void **state)
{
	struct seccomp_filter f;

	(void)state;
	assert_int_equal(seccomp_compile((const char *const[]){"@default"}, 1, &f), 0);
	for (int nr = 0; nr < SECCOMP_NR_MAX; nr++) {
		struct seccomp_data d = {.nr = nr, .arch = SECCOMP_NATIVE_ARCH};
		assert_in_range(steps_of(&f, &d), 4, 28);
	}
	print_message("@default: %u instructions\n", f.len);
	assert_in_range(f.len, 60, 600);
	seccomp_filter_free(&f);
}

static void test_too_long(void **state)
{
	struct seccomp_rules tables[SECCOMP_TABLES] = {0}, *rules = tables;
	struct seccomp_filter f = {.len = 7};

	(void)state;
	rules->v = calloc(129, sizeof(*rules->v));
	assert_non_null(rules->v);
	rules->n = 129;
	for (size_t i = 0; i < rules->n; i++)
		rules->v[i] = (struct seccomp_rule){.action = SECCOMP_RET_ALLOW, .n_conds = 1, .conds = {{0, 0xffffffff, (uint32_t)i}}};
	assert_int_equal(seccomp_tree(tables, &f), -E2BIG);
	rules->v = reallocarray(rules->v, 1024 * 12, sizeof(*rules->v));
	assert_non_null(rules->v);
	rules->n = 1024 * 12;
	for (size_t i = 0; i < rules->n; i++)
		rules->v[i] = (struct seccomp_rule){.nr = (int)(i / 12), .action = SECCOMP_RET_ALLOW, .n_conds = 1,
			.conds = {{0, 0xffffffff, (uint32_t)i * 777}}}; /* else calls would share what looks at them */
	assert_int_equal(seccomp_tree(tables, &f), -E2BIG);
	assert_int_equal(f.len, 7);
	free(rules->v);
}

static void test_shared(void **state)
{
	const char *const one[] = {"@default"}, *const two[] = {"@default", "@debug"}, *const bad[] = {"@no-such"};
	const struct seccomp_filter *a = NULL, *b = NULL, *c = NULL;

	(void)state;
	assert_int_equal(seccomp_share(one, 1, false, &a), 0);
	assert_int_equal(seccomp_share(one, 1, false, &b), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(seccomp_share(one, 1, true, &c), 0);
	assert_ptr_not_equal(a, c);
	assert_int_equal(seccomp_share(two, 2, false, &c), 0);
	assert_ptr_not_equal(a, c);
	assert_int_equal(seccomp_share(bad, 1, false, &c), -EINVAL);
	assert_non_null(c);
	seccomp_unshare(&a);
	assert_null(a);
	assert_true(b->len > 10 && b->insns[b->len - 1].code == (BPF_RET | BPF_K)); /* still there (asan) */
	assert_int_equal(seccomp_share(one, 1, false, &b), 0); /* the last one's, again */
	assert_non_null(b->insns);
	seccomp_unshare(&b);
	seccomp_unshare(&c);
	seccomp_unshare(&c);
	assert_null(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_random_words),
		cmocka_unit_test(test_random_rules),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_tree_is_flat),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_shared),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
