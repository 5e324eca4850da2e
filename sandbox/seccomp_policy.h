/* SPDX-License-Identifier: ISC */
/* seccomp_policy.h: inside sandbox/ only: between the tables, the rules made of them, and the compiler. */
#pragma once

#include "sandbox/seccomp.h"
#include "sandbox/seccomp_abi.h"

#define SECCOMP_UNKNOWN   (SECCOMP_RET_ERRNO | ENOSYS) /* the answer to what no rule names */
#define SECCOMP_NR_MAX    1024 /* system calls have smaller numbers */
#define SECCOMP_CONDS_MAX 3

/* (The low 32 bits of args[arg] & mask) == value. The high ones are only looked at of pointers (SECCOMP_HIGH | arg): see seccomp.c. */
struct seccomp_cond {
	unsigned arg; /* | SECCOMP_HIGH */
	uint32_t mask, value;
};

/* Of the rules of a call the first counts whose conditions are all true. */
struct seccomp_rule {
	int nr;
	uint32_t action; /* SECCOMP_RET_... */
	unsigned n_conds;
	struct seccomp_cond conds[SECCOMP_CONDS_MAX];
};

/* All of a policy. The rules of one call stand together. */
struct seccomp_rules {
	struct seccomp_rule *v; /* malloc */
	size_t n, size;
};

/* What trp-init needs: names, NULL-terminated. */
extern const char *const seccomp_always[];

/* The number of a call by its name; -1: not of this machine, or not known. */
int seccomp_number(const char *name);

/* Which calls the words and seccomp_always choose, by number; whatever the arguments are. 0 or -EINVAL: an unknown word. */
int seccomp_choose(const char *const *words, size_t n, bool ret[SECCOMP_NR_MAX]);

/* What a policy says besides which calls it has. */
enum {
	SECCOMP_SELF_FILTER = 1 << 0,     /* seccomp(2) is among them */
	SECCOMP_NAMESPACES = 1 << 1,      /* clone(2) makes them */
	SECCOMP_MEMFD_EXEC = 1 << 2,      /* memfd_create(2) makes what can be executed */
	SECCOMP_NO_WRITE_EXECUTE = 1 << 3 /* memory that could be written is never executed */
};

/* Each of these appends rules: 0 or -ENOMEM. */
int seccomp_push(struct seccomp_rules *rules, struct seccomp_rule rule);
/* seccomp_args.c: the rules of an allowed call, with what is looked at of its arguments. policy: SECCOMP_... */
int seccomp_rules_of_call(struct seccomp_rules *rules, int nr, unsigned policy);
/* seccomp_options.c: of calls with long lists of options */
int seccomp_rules_setsockopt(struct seccomp_rules *rules, int nr, unsigned policy);
int seccomp_rules_getsockopt(struct seccomp_rules *rules, int nr, unsigned policy);
int seccomp_rules_prctl(struct seccomp_rules *rules, int nr, unsigned policy);
/* The same for a socket() of which only AF_UNIX is allowed, and for a seccomp() that only makes a listener. */
int seccomp_rules_unix(struct seccomp_rules *rules, int nr);
int seccomp_rules_listener(struct seccomp_rules *rules, int nr);

/* Words (seccomp.h) -> rules, ordered by call. The caller frees ret->v. 0 or -errno. */
int seccomp_rules_make(const char *const *words, size_t n, bool notify, struct seccomp_rules *ret);
/* seccomp_tree.c: rules -> a program. Pure but for memory. 0, -ENOMEM, or -E2BIG: longer than the kernel takes. */
int seccomp_tree(const struct seccomp_rules *rules, struct seccomp_filter *ret);
