/* SPDX-License-Identifier: ISC */
/* seccomp_tree.c: rules -> BPF as a tree of comparisons. Pure but for memory.
 *
 * The kernel runs a filter over each system call's number when it is loaded, to remember which are allowed whatever their
 * arguments are: a chain of 350 comparisons costs 250 us there, this tree 10 comparisons deep next to nothing. What is left is the
 * translation to machine code, by the instruction: what is the same is there once. Jumps lead forward only, so the program is written from its
 * end to its beginning: where a jump leads to is there already. */
#include "sandbox/seccomp_policy.h"

#include <string.h>

#define RULES_OF_CALL_MAX 128 /* of one call */
#define RANGES_OF_CALL_MAX (2 * RULES_OF_CALL_MAX + 1)
#define JUMP_MAX          255 /* a conditional jump's offset is a byte */
/* This few values are compared one after the other, more by halves. */
#define CHAIN_MAX 3
#define NUMBER    16u /* as an argument to look at: the number of the call */
#define NO_ARG    17u

struct program {
	struct sock_filter insns[BPF_MAXINSNS];
	size_t at;  /* the first instruction written: a place to jump to */
	bool full;
	unsigned word_arg; /* X has the bit of this argument's value, whatever is looked at before; NO_ARG */
};

/* From first to the next one's first - 1 (the last one: to the largest number) on to target. */
struct range {
	uint32_t first;
	size_t target;
};

/* A rule, of whose conditions some are known to be true. */
struct view {
	const struct seccomp_rule *rule;
	unsigned done; /* a bit for each */
};

static size_t emit(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	if (p->at == 0) {
		p->full = true;
		return 0;
	}
	p->insns[--p->at] = (struct sock_filter){code, yes, no, k};
	return p->at;
}

static bool is_answer(const struct program *p, size_t place)
{
	return p->insns[place].code == (BPF_RET | BPF_K);
}

/* Do both lead to the same? */
static bool same_place(const struct program *p, size_t a, size_t b)
{
	while (p->insns[a].code == (BPF_JMP | BPF_JA))
		a += 1 + p->insns[a].k;
	while (p->insns[b].code == (BPF_JMP | BPF_JA))
		b += 1 + p->insns[b].k;
	return a == b || (is_answer(p, a) && is_answer(p, b) && p->insns[a].k == p->insns[b].k);
}

/* Where the search for an instruction that is there already ends: what is found must still be in reach when it is jumped to. */
static size_t horizon(const struct program *p)
{
	return p->at + JUMP_MAX - 2 < BPF_MAXINSNS ? p->at + JUMP_MAX - 2 : BPF_MAXINSNS;
}

/* Of those that say the same it is the one that was written first, so that two places can be compared. */
static size_t answer(struct program *p, uint32_t action)
{
	for (size_t i = BPF_MAXINSNS; i-- > p->at;)
		if (is_answer(p, i) && p->insns[i].k == action)
			return i;
	return emit(p, BPF_RET | BPF_K, 0, 0, action);
}

static size_t near_answer(struct program *p, uint32_t action)
{
	for (size_t i = p->at; i < horizon(p); i++)
		if (is_answer(p, i) && p->insns[i].k == action)
			return i;
	return emit(p, BPF_RET | BPF_K, 0, 0, action);
}

/* target, or something within reach that is as good. One more instruction may be written before the jump. */
static size_t within_reach(struct program *p, size_t target)
{
	if (target - p->at < JUMP_MAX)
		return target;
	if (is_answer(p, target))
		return near_answer(p, p->insns[target].k);
	return emit(p, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(target - p->at));
}

static size_t jump(struct program *p, uint16_t op, uint32_t k, size_t yes, size_t no)
{
	if (same_place(p, yes, no))
		return yes;
	for (size_t i = p->at; i < horizon(p); i++) {
		const struct sock_filter *f = &p->insns[i];
		if (f->code == (BPF_JMP | op | BPF_K) && f->k == k && same_place(p, i + 1 + f->jt, yes) && same_place(p, i + 1 + f->jf, no))
			return i;
	}
	yes = within_reach(p, yes);
	no = within_reach(p, no);
	return emit(p, BPF_JMP | op | BPF_K, (uint8_t)(yes - p->at), (uint8_t)(no - p->at), k);
}

/* An instruction that goes on to next. */
static size_t then(struct program *p, uint16_t code, uint32_t k, size_t next)
{
	for (size_t i = p->at; i + 1 < horizon(p); i++)
		if (p->insns[i].code == code && p->insns[i].k == k && same_place(p, i + 1, next))
			return i;
	if (next != p->at)
		emit(p, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(next - p->at));
	return emit(p, code, 0, 0, k);
}

static size_t load(struct program *p, unsigned arg, size_t next)
{
	return then(p, BPF_LD | BPF_W | BPF_ABS, arg == NUMBER ? offsetof(struct seccomp_data, nr) : seccomp_half(arg), next);
}

static bool is_one_value(const struct range *r, size_t n, size_t i)
{
	return i + 1 < n ? r[i + 1].first - r[i].first == 1 : r[i].first == UINT32_MAX;
}

/* A range of one number between two that lead to the same place: one comparison does it. n: none */
static size_t find_exception(const struct range *r, size_t n)
{
	for (size_t i = 1; i + 1 < n; i++)
		if (is_one_value(r, n, i) && r[i - 1].target == r[i + 1].target)
			return i;
	return n;
}

/* Compares the accumulator. r[0].first is not looked at: what is below has been sent elsewhere. */
static size_t choose_range(struct program *p, const struct range *r, size_t n)
{
	size_t one, left, right;

	if (n == 1)
		return r[0].target;
	one = n <= 2 * CHAIN_MAX + 1 ? find_exception(r, n) : n;
	if (one < n) {
		struct range rest[2 * CHAIN_MAX + 1];
		memcpy(rest, r, one * sizeof(*r));
		memcpy(rest + one, r + one + 2, (n - one - 2) * sizeof(*r));
		left = choose_range(p, rest, n - 2);
		return jump(p, BPF_JEQ, r[one].first, r[one].target, left);
	}
	right = choose_range(p, r + n / 2, n - n / 2);
	left = choose_range(p, r, n / 2);
	return jump(p, BPF_JGE, r[n / 2].first, right, left);
}

/* Adds one; neighbours that lead to the same place are one. */
static void add_range(struct range *r, size_t *n, uint32_t first, size_t target)
{
	if (*n > 0 && r[*n - 1].first == first)
		--*n;
	if (*n == 0 || r[*n - 1].target != target)
		r[(*n)++] = (struct range){first, target};
}

/* --- many values of one argument: as bits of words ---
 *
 * A word is 32 values that begin with a multiple of that. X gets the bit of the value in its word, 1 << (value & 31): one instruction then tells
 * all values of a word that lead to one place. Of arguments only: what the kernel remembers of numbers it finds out by comparisons. */
#define WORD        32u
#define TARGETS_MAX 4

struct word {
	size_t targets[TARGETS_MAX];
	uint32_t bits[TARGETS_MAX]; /* of the values that lead there */
	size_t n;
};

/* r[i] or the one before has the first value. False: too many places. */
static bool read_word(const struct range *r, size_t n, size_t i, uint32_t first, struct word *ret)
{
	ret->n = 0;
	i -= r[i].first > first;
	for (uint32_t bit = 0; bit < WORD; bit++) {
		size_t t = 0;
		while (i + 1 < n && r[i + 1].first <= first + bit)
			i++;
		while (t < ret->n && ret->targets[t] != r[i].target)
			t++;
		if (t == TARGETS_MAX)
			return false;
		if (t == ret->n) {
			ret->targets[t] = r[i].target;
			ret->bits[t] = 0;
			ret->n++;
		}
		ret->bits[t] |= 1u << bit;
	}
	return true;
}

/* Are there more comparisons in the word than it takes without? i: the first range that begins in it */
static bool is_worth_a_word(const struct range *r, size_t n, size_t i, uint32_t first, struct word *ret)
{
	size_t cuts = 0;

	for (size_t k = i; k < n && r[k].first - first < WORD; k++)
		cuts += r[k].first != first;
	return read_word(r, n, i, first, ret) && cuts > ret->n + 1;
}

static size_t choose_bit(struct program *p, const struct word *w)
{
	size_t to = w->targets[0];

	for (size_t t = 1; t < w->n; t++)
		to = jump(p, BPF_JSET, w->bits[t], w->targets[t], to);
	return then(p, BPF_MISC | BPF_TXA, 0, to);
}

/* r, in which each word that is worth it is one range. Returns how many there are: at most 2 * n. */
static size_t make_words(struct program *p, const struct range *r, size_t n, struct range *ret)
{
	size_t n_ret = 0, i = 0;
	struct word w;

	while (i < n) {
		const uint32_t first = r[i].first & ~(WORD - 1);
		const bool worth = is_worth_a_word(r, n, i, first, &w);
		if (worth)
			add_range(ret, &n_ret, first, choose_bit(p, &w));
		for (; i < n && r[i].first - first < WORD; i++)
			if (!worth)
				add_range(ret, &n_ret, r[i].first, r[i].target);
		if (worth && first != UINT32_MAX - (WORD - 1))
			add_range(ret, &n_ret, first + WORD, r[i - 1].target);
	}
	return n_ret;
}

/* X for arg, then to. */
static size_t make_bit(struct program *p, unsigned arg, size_t to)
{
	to = then(p, BPF_MISC | BPF_TAX, 0, to);
	to = then(p, BPF_ALU | BPF_LSH | BPF_X, 0, to);
	to = then(p, BPF_LD | BPF_IMM, 1, to);
	to = then(p, BPF_MISC | BPF_TAX, 0, to);
	to = then(p, BPF_ALU | BPF_AND | BPF_K, WORD - 1, to);
	return load(p, arg, to);
}

static size_t choose_word(struct program *p, const struct range *r, size_t n, unsigned arg)
{
	struct range words[2 * RANGES_OF_CALL_MAX];
	size_t n_words = make_words(p, r, n, words), to;

	if (n_words == 1) /* all in the one word */
		return p->word_arg == arg ? words[0].target : make_bit(p, arg, words[0].target);
	to = load(p, arg, choose_range(p, words, n_words));
	return p->word_arg == arg ? to : make_bit(p, arg, to);
}

/* By an argument, the shorter of both ways. */
static size_t choose_among(struct program *p, const struct range *r, size_t n, unsigned arg)
{
	const size_t end = p->at;
	size_t to, by_ranges;

	if (n == 1)
		return r[0].target; /* its value does not matter */
	if (arg != NUMBER && (p->word_arg == NO_ARG || p->word_arg == arg) && n > 3) {
		load(p, arg, choose_range(p, r, n));
		by_ranges = end - p->at;
		p->at = end;
		to = choose_word(p, r, n, arg);
		if (end - p->at < by_ranges)
			return to;
		p->at = end;
	}
	return load(p, arg, choose_range(p, r, n));
}

/* The first condition that is not known yet; NULL: none. */
static const struct seccomp_cond *open_cond(const struct view *v)
{
	for (unsigned i = 0; i < v->rule->n_conds; i++)
		if (!(v->done & 1u << i))
			return &v->rule->conds[i];
	return NULL;
}

/* Its open comparison of that argument with one value, or NULL. */
static const struct seccomp_cond *value_cond(const struct view *v, unsigned arg)
{
	for (unsigned i = 0; i < v->rule->n_conds; i++) {
		const struct seccomp_cond *c = &v->rule->conds[i];
		if (!(v->done & 1u << i) && c->arg == arg && c->mask == 0xffffffff)
			return c;
	}
	return NULL;
}

static struct view without(const struct view *v, const struct seccomp_cond *c)
{
	return (struct view){v->rule, v->done | 1u << (c - v->rule->conds)};
}

/* Those that are left if args[arg] == *value, or (NULL) if it is none of the values that are named. */
static size_t left_if(const struct view *v, size_t n, unsigned arg, const uint32_t *value, struct view *ret)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		const struct seccomp_cond *c = value_cond(&v[i], arg);
		if (!c)
			ret[left++] = v[i];
		else if (value && c->value == *value)
			ret[left++] = without(&v[i], c);
	}
	return left;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static size_t choose_rule(struct program *p, const struct view *v, size_t n);

/* A tree of the values of one argument that the rules name. */
static size_t choose_values(struct program *p, const struct view *v, size_t n, unsigned arg)
{
	struct range ranges[RANGES_OF_CALL_MAX];
	uint32_t values[RULES_OF_CALL_MAX];
	struct view left[RULES_OF_CALL_MAX];
	size_t n_values = 0, n_ranges = 0, other, to;

	for (size_t i = 0; i < n; i++) {
		const struct seccomp_cond *c = value_cond(&v[i], arg);
		if (c)
			values[n_values++] = c->value;
	}
	qsort(values, n_values, sizeof(*values), by_value);
	other = choose_rule(p, left, left_if(v, n, arg, NULL, left));
	add_range(ranges, &n_ranges, 0, other);
	for (size_t i = 0; i < n_values; i++) {
		if (i > 0 && values[i] == values[i - 1])
			continue;
		to = choose_rule(p, left, left_if(v, n, arg, &values[i], left));
		add_range(ranges, &n_ranges, values[i], to);
		if (values[i] != UINT32_MAX)
			add_range(ranges, &n_ranges, values[i] + 1, other);
	}
	return choose_among(p, ranges, n_ranges, arg);
}

/* The argument that the first rule compares with one value after this one; NO_ARG: none. */
static unsigned next_arg(const struct view *v, unsigned arg)
{
	for (unsigned i = 0; i < v->rule->n_conds; i++) {
		const struct seccomp_cond *c = &v->rule->conds[i];
		if (!(v->done & 1u << i) && c->arg != arg && c->arg != NUMBER && c->mask == 0xffffffff)
			return c->arg;
	}
	return NO_ARG;
}

/* By the value of one argument. The bit of the one that is looked at next is made once before, if that is shorter than where it is needed. */
static size_t choose_value(struct program *p, const struct view *v, size_t n, unsigned arg)
{
	const unsigned next = next_arg(&v[0], arg);
	const size_t end = p->at;
	size_t to, each_time;

	if (p->word_arg == NO_ARG && next != NO_ARG && arg != NUMBER && n > CHAIN_MAX) {
		choose_values(p, v, n, arg);
		each_time = end - p->at;
		p->at = end;
		p->word_arg = next;
		to = make_bit(p, next, choose_values(p, v, n, arg));
		p->word_arg = NO_ARG;
		if (end - p->at < each_time)
			return to;
		p->at = end;
	}
	return choose_values(p, v, n, arg);
}

/* By some bits of one argument: the first rule, or the others. */
static size_t choose_bits(struct program *p, const struct view *v, size_t n, const struct seccomp_cond *c)
{
	struct view yes[RULES_OF_CALL_MAX];
	size_t is, is_not;

	memcpy(yes, v, n * sizeof(*v));
	yes[0] = without(&v[0], c);
	is_not = choose_rule(p, v + 1, n - 1);
	is = choose_rule(p, yes, n);
	if (same_place(p, is, is_not))
		return is;
	if (c->value == 0)
		is = jump(p, BPF_JSET, c->mask, is_not, is);
	else
		is = then(p, BPF_ALU | BPF_AND | BPF_K, c->mask, jump(p, BPF_JEQ, c->value, is, is_not));
	return load(p, c->arg, is);
}

static size_t choose_rule(struct program *p, const struct view *v, size_t n)
{
	const struct seccomp_cond *c;

	if (n == 0)
		return answer(p, SECCOMP_UNKNOWN);
	c = open_cond(&v[0]);
	if (!c)
		return answer(p, v[0].rule->action);
	return c->mask == 0xffffffff ? choose_value(p, v, n, c->arg) : choose_bits(p, v, n, c);
}

/* --- calls --- */

/* Rules of one call, or of two that stand together. */
struct call_rules {
	struct seccomp_rule v[RULES_OF_CALL_MAX];
	size_t n;
};

static bool same_rule(const struct seccomp_rule *a, const struct seccomp_rule *b)
{
	bool same = a->action == b->action && a->n_conds == b->n_conds;

	for (unsigned i = 0; i < a->n_conds && same; i++)
		same = a->conds[i].arg == b->conds[i].arg && a->conds[i].mask == b->conds[i].mask && a->conds[i].value == b->conds[i].value;
	return same;
}

/* Adds one that is for its own call only. False: no room. */
static bool add_own(struct call_rules *c, const struct seccomp_rule *rule)
{
	struct seccomp_rule own = *rule;

	if (c->n == RULES_OF_CALL_MAX || own.n_conds == SECCOMP_CONDS_MAX)
		return false;
	own.conds[own.n_conds++] = (struct seccomp_cond){.arg = NUMBER, .mask = 0xffffffff, .value = (uint32_t)rule->nr};
	c->v[c->n++] = own;
	return true;
}

/* The rules of two calls, those that both have once, the others with the number as one more condition; each call's in their order.
 * False: too little is common. */
static bool join(const struct seccomp_rule *a, size_t n_a, const struct seccomp_rule *b, size_t n_b, struct call_rules *ret)
{
	size_t common = 0, at = 0;
	bool room = true;

	ret->n = 0;
	for (size_t i = 0; i < n_a && room; i++) {
		size_t k = at;
		while (k < n_b && !same_rule(&a[i], &b[k]))
			k++;
		if (k == n_b) {
			room = add_own(ret, &a[i]);
			continue;
		}
		for (; at < k && room; at++)
			room = add_own(ret, &b[at]);
		room = room && ret->n < RULES_OF_CALL_MAX;
		if (room)
			ret->v[ret->n++] = a[i];
		at++;
		common++;
	}
	for (; at < n_b && room; at++)
		room = add_own(ret, &b[at]);
	return room && common > ret->n / 2;
}

static size_t rules_of_call(const struct seccomp_rules *rules, size_t i)
{
	size_t n = i;

	while (n < rules->n && rules->v[n].nr == rules->v[i].nr)
		n++;
	return n - i;
}

static size_t choose_call(struct program *p, const struct seccomp_rule *rules, size_t n)
{
	struct view views[RULES_OF_CALL_MAX];

	for (size_t i = 0; i < n; i++)
		views[i] = (struct view){.rule = &rules[i]};
	return choose_rule(p, views, n);
}

/* The call whose first rule is rules->v[*i], and the next one if it has nearly the same rules (setsockopt and getsockopt). *i goes on behind
 * them. Returns how many calls these are, or -E2BIG. */
static int choose_calls(struct program *p, const struct seccomp_rules *rules, size_t *i, size_t *ret)
{
	const struct seccomp_rule *one = &rules->v[*i], *two;
	const size_t n_one = rules_of_call(rules, *i), n_two = rules_of_call(rules, *i + n_one);
	struct call_rules both;

	if (n_one > RULES_OF_CALL_MAX)
		return -E2BIG;
	*i += n_one;
	two = one + n_one;
	if (n_one > 1 && n_two > 1 && two->nr == one->nr + 1 && join(one, n_one, two, n_two, &both)) {
		*i += n_two;
		*ret = choose_call(p, both.v, both.n);
		return 2;
	}
	*ret = choose_call(p, one, n_one);
	return 1;
}

/* One table. 0 or -E2BIG; kill: the answer to what is of no table */
static int write_table(struct program *p, const struct seccomp_rules *rules, size_t kill, size_t *ret)
{
	struct range ranges[2 * SECCOMP_NR_MAX + 4];
	const size_t unknown = answer(p, SECCOMP_UNKNOWN);
	size_t n = 0, to;

	add_range(ranges, &n, 0, unknown);
	for (size_t i = 0; i < rules->n;) {
		const uint32_t nr = (uint32_t)rules->v[i].nr;
		int calls = choose_calls(p, rules, &i, &to);
		if (calls < 0)
			return calls;
		add_range(ranges, &n, nr, to);
		add_range(ranges, &n, nr + (uint32_t)calls, unknown);
	}
#ifdef __x86_64__
	/* x32, the same calls by another table, has this bit; a tracer that suppresses a call sets its number to -1 */
	if (rules->table == SECCOMP_NATIVE) {
		add_range(ranges, &n, 0x40000000 /* __X32_SYSCALL_BIT */, kill);
		add_range(ranges, &n, UINT32_MAX, unknown);
	}
#else
	(void)kill;
#endif
	*ret = choose_among(p, ranges, n, NUMBER);
	return 0;
}

/* The whole, from its end to its beginning. */
static int write_program(struct program *p, const struct seccomp_rules rules[SECCOMP_TABLES])
{
	size_t places[SECCOMP_TABLES], to;
	int r = 0;

	answer(p, SECCOMP_UNKNOWN);
	answer(p, SECCOMP_RET_ALLOW);
	to = answer(p, SECCOMP_RET_KILL_PROCESS);
	for (unsigned table = SECCOMP_TABLES; table-- > 0 && r == 0;)
		if (rules[table].n > 0)
			r = write_table(p, &rules[table], to, &places[table]);
	if (r < 0)
		return r;
	for (unsigned table = SECCOMP_TABLES; table-- > 0;)
		if (rules[table].n > 0)
			to = jump(p, BPF_JEQ, seccomp_audit_arch(table), places[table], to);
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	return p->full ? -E2BIG : 0;
}

int seccomp_tree(const struct seccomp_rules rules[SECCOMP_TABLES], struct seccomp_filter *ret)
{
	cleanup_free struct program *p = malloc(sizeof(*p));
	struct sock_filter *insns;
	size_t len;
	int r;

	if (!p)
		return -ENOMEM;
	p->at = BPF_MAXINSNS;
	p->full = false;
	p->word_arg = NO_ARG;
	r = write_program(p, rules);
	if (r < 0)
		return r;
	len = BPF_MAXINSNS - p->at;
	insns = malloc(len * sizeof(*insns));
	if (!insns)
		return -ENOMEM;
	memcpy(insns, p->insns + p->at, len * sizeof(*insns));
	*ret = (struct seccomp_filter){.insns = insns, .len = (unsigned short)len};
	return 0;
}
