/* SPDX-License-Identifier: ISC */
/* bpf_run.h: a system call filter, run in user space: what would the kernel answer to (architecture, number, arguments)?
 * seccomp(2), Linux Documentation/networking/filter.rst. After cmocka.h. */
#pragma once

#include "sandbox/seccomp.h"

#include <linux/seccomp.h>
#include <string.h>

static uint32_t load(const struct seccomp_data *d, uint32_t offset)
{
	uint32_t word;

	if (offset % 4 != 0 || offset + 4 > sizeof(*d))
		fail_msg("load from %u", offset);
	memcpy(&word, (const char *)d + offset, sizeof(word));
	return word;
}

static bool jump_taken(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	case BPF_JSET:
		return (a & k) != 0;
	}
	fail_msg("jump %#x", code);
	return false;
}

/* The instructions that the kernel's own look at constant answers knows, and, once an argument has been loaded, those that make a bit of it;
 * any other fails the test. */
static uint32_t bpf_run(const struct seccomp_filter *f, const struct seccomp_data *d, unsigned *ret_steps)
{
	uint32_t a = 0, x = 0;
	bool by_argument = false;

	*ret_steps = 0;
	for (size_t pc = 0; pc < f->len; pc++) {
		const struct sock_filter *i = &f->insns[pc];
		++*ret_steps;
		if (i->code == (BPF_LD | BPF_W | BPF_ABS))
			a = load(d, i->k), by_argument |= i->k >= offsetof(struct seccomp_data, args);
		else if (i->code == (BPF_ALU | BPF_AND | BPF_K))
			a &= i->k;
		else if (i->code == (BPF_RET | BPF_K))
			return i->k;
		else if (i->code == (BPF_JMP | BPF_JA))
			pc += i->k;
		else if (BPF_CLASS(i->code) == BPF_JMP)
			pc += jump_taken(i->code, a, i->k) ? i->jt : i->jf;
		else if (by_argument && i->code == (BPF_LD | BPF_IMM))
			a = i->k;
		else if (by_argument && i->code == (BPF_MISC | BPF_TAX))
			x = a;
		else if (by_argument && i->code == (BPF_MISC | BPF_TXA))
			a = x;
		else if (by_argument && i->code == (BPF_ALU | BPF_LSH | BPF_X) && x < 32)
			a <<= x;
		else
			fail_msg("instruction %#x", i->code);
	}
	fail_msg("ran off the end");
	return 0;
}

static inline uint32_t interpret(const struct seccomp_filter *f, const struct seccomp_data *d)
{
	unsigned steps;

	return bpf_run(f, d, &steps);
}

static inline unsigned steps_of(const struct seccomp_filter *f, const struct seccomp_data *d)
{
	unsigned steps;

	bpf_run(f, d, &steps);
	return steps;
}
