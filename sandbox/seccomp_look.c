/* SPDX-License-Identifier: ISC */
/* seccomp_look.c: what a filter would say, found by walking its program. Pure.
 *
 * Jumps of classic BPF only lead forward, so one pass over the program, with the values that the two registers can have at
 * each instruction, sees every way through it. What is not known makes both ways possible. */
#include "sandbox/seccomp_look.h"
#include "sandbox/seccomp_abi.h"

#include <errno.h>
#include <string.h>

#define STATES 6

struct value {
	bool known;
	uint32_t v;
};

/* The accumulator and the other register. */
struct registers {
	struct value a, x;
};

/* What is in the registers when an instruction is reached. */
struct reached {
	struct registers values[STATES];
	unsigned n;
};

/* Is all that b can be among what a can be? */
static bool covers(struct value a, struct value b)
{
	return !a.known || (b.known && a.v == b.v);
}

static void reach(struct reached *r, struct registers v)
{
	for (unsigned i = 0; i < r->n; i++)
		if (covers(r->values[i].a, v.a) && covers(r->values[i].x, v.x))
			return;
	if (r->n == STATES) {
		r->values[0] = (struct registers){0};
		r->n = 1;
		return;
	}
	r->values[r->n++] = v;
}

static struct value load(const struct seccomp_question *q, uint32_t offset)
{
	const uint32_t args = offsetof(struct seccomp_data, args), end = sizeof(struct seccomp_data);

	if (offset == offsetof(struct seccomp_data, nr))
		return (struct value){true, q->nr};
	if (offset == offsetof(struct seccomp_data, arch))
		return (struct value){true, q->arch};
	if (offset >= args && offset < end && offset % 4 == 0 && q->known[(offset - args) / 8]) {
		uint32_t half;
		memcpy(&half, (const char *)&q->args[(offset - args) / 8] + offset % 8, sizeof(half));
		return (struct value){true, half};
	}
	return (struct value){0};
}

static struct value compute(const struct sock_filter *f, struct registers r)
{
	const struct value by = BPF_SRC(f->code) == BPF_K ? (struct value){true, f->k} : r.x;
	struct value a = r.a;

	if (!a.known || !by.known)
		return (struct value){0};
	switch (BPF_OP(f->code)) {
	case BPF_AND:
		a.v &= by.v;
		return a;
	case BPF_OR:
		a.v |= by.v;
		return a;
	case BPF_RSH:
		a.v = by.v < 32 ? a.v >> by.v : 0;
		return a;
	case BPF_LSH:
		a.v = by.v < 32 ? a.v << by.v : 0;
		return a;
	default:
		return (struct value){0};
	}
}

/* 1: taken, 0: not, -1: either */
static int decide(const struct sock_filter *f, struct value a)
{
	if (!a.known || BPF_SRC(f->code) != BPF_K)
		return -1;
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return a.v == f->k;
	case BPF_JGT:
		return a.v > f->k;
	case BPF_JGE:
		return a.v >= f->k;
	case BPF_JSET:
		return (a.v & f->k) != 0;
	default:
		return -1;
	}
}

static unsigned answer(const struct sock_filter *f)
{
	if (BPF_RVAL(f->code) != BPF_K)
		return SECCOMP_MAY_ALLOW | SECCOMP_MAY_REFUSE;
	switch (f->k & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG: /* learn mode: it is done */
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_USER_NOTIF:
		return SECCOMP_MAY_ALLOW;
	default:
		return SECCOMP_MAY_REFUSE;
	}
}

/* What the registers are after an instruction that goes on to the next one. */
static struct registers after(const struct sock_filter *f, const struct seccomp_question *q, struct registers r)
{
	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
		r.a = BPF_MODE(f->code) == BPF_ABS ? load(q, f->k) :
			BPF_MODE(f->code) == BPF_IMM ? (struct value){true, f->k} : (struct value){0};
		break;
	case BPF_LDX:
		r.x = BPF_MODE(f->code) == BPF_IMM ? (struct value){true, f->k} : (struct value){0};
		break;
	case BPF_ALU:
		r.a = compute(f, r);
		break;
	case BPF_MISC:
		if (BPF_MISCOP(f->code) == BPF_TXA)
			r.a = r.x;
		else
			r.x = r.a;
		break;
	default: /* ST, STX leave both */
		break;
	}
	return r;
}

/* One instruction, for one pair of values. False: it leads out of the program, which the kernel would not have loaded. */
static bool step(const struct seccomp_filter *f, const struct seccomp_question *q, size_t pc, struct registers r, struct reached *at,
	unsigned *answers)
{
	const struct sock_filter *insn = &f->insns[pc];
	int taken;

	switch (BPF_CLASS(insn->code)) {
	case BPF_RET:
		*answers |= answer(insn);
		return true;
	case BPF_JMP:
		if (BPF_OP(insn->code) == BPF_JA) {
			if (insn->k >= f->len - pc - 1)
				return false;
			reach(&at[pc + 1 + insn->k], r);
			return true;
		}
		taken = decide(insn, r.a);
		if (pc + 1 + insn->jt >= f->len || pc + 1 + insn->jf >= f->len)
			return false;
		if (taken != 0)
			reach(&at[pc + 1 + insn->jt], r);
		if (taken != 1)
			reach(&at[pc + 1 + insn->jf], r);
		return true;
	default:
		if (pc + 1 >= f->len)
			return false;
		reach(&at[pc + 1], after(insn, q, r));
		return true;
	}
}

int seccomp_look(const struct seccomp_filter *f, const struct seccomp_question *q)
{
	struct reached *at = f->len ? calloc(f->len, sizeof(*at)) : NULL;
	unsigned answers = 0;
	bool sound = true;

	if (!at)
		return f->len ? -ENOMEM : -EINVAL;
	reach(&at[0], (struct registers){{true, 0}, {true, 0}});
	for (size_t pc = 0; pc < f->len && sound; pc++)
		for (unsigned i = 0; i < at[pc].n && sound; i++)
			sound = step(f, q, pc, at[pc].values[i], at, &answers);
	free(at);
	return sound ? (int)answers : -EINVAL;
}

uint32_t seccomp_native_arch(void)
{
	return SECCOMP_NATIVE_ARCH;
}
