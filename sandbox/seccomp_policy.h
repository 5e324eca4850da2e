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

/* The tables of system calls that a program may have rules for. */
enum { SECCOMP_NATIVE, SECCOMP_X86, SECCOMP_TABLES };

/* All that a policy says of one table. The rules of one call stand together. */
struct seccomp_rules {
	struct seccomp_rule *v; /* malloc */
	size_t n, size;
	unsigned table;
};

/* What trp-init needs: names, NULL-terminated. */
extern const char *const seccomp_always[];

/* seccomp_tables.c: AUDIT_ARCH_... of a table; 0: this machine does not have it. */
uint32_t seccomp_audit_arch(unsigned table);
/* The number of a call by its name; -1: not of this machine, or not known. */
int seccomp_number(const char *name);
int seccomp_number_in(unsigned table, const char *name);
bool seccomp_is_call(unsigned table, int nr, const char *name);
/* A call, and in another table than the native one all that do the same by other names, into the set or out of it. */
void seccomp_choose_call(unsigned table, const char *name, bool on, bool calls[SECCOMP_NR_MAX]);
/* The native call that one of i386 is a variant of; NULL: of none. */
const char *seccomp_variant_of(const char *name);

/* Which calls the words and seccomp_always choose, by number; whatever the arguments are. 0 or -EINVAL: an unknown word. */
int seccomp_choose(const char *const *words, size_t n, bool ret[SECCOMP_NR_MAX]);

/* What a policy says besides which calls it has. */
enum {
	SECCOMP_SELF_FILTER = 1 << 0,     /* seccomp(2) is among them */
	SECCOMP_NAMESPACES = 1 << 1,      /* clone(2) makes them */
	SECCOMP_MEMFD_EXEC = 1 << 2,      /* memfd_create(2) makes what can be executed */
	SECCOMP_NO_WRITE_EXECUTE = 1 << 3, /* memory that could be written is never executed */
	SECCOMP_X86_CALLS = 1 << 4,        /* i386 system calls, too */
	SECCOMP_NO_SECOND_MAPPING = 1 << 5 /* nor is memory that can be mapped once to be written and once to be executed */
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

/* ipc() of i386 is twelve calls. native: what is chosen of those */
int seccomp_rules_ipc(struct seccomp_rules *rules, int nr, unsigned policy, const bool native[SECCOMP_NR_MAX]);

/* Words (seccomp.h) -> rules of each table, ordered by call. 0 or -errno. */
int seccomp_rules_make(const char *const *words, size_t n, bool notify, struct seccomp_rules ret[SECCOMP_TABLES]);
void seccomp_rules_free(struct seccomp_rules rules[SECCOMP_TABLES]);
/* seccomp_tree.c: rules -> a program. Calls of a table without rules end the process. Pure but for memory. 0, -ENOMEM, or -E2BIG: longer
 * than the kernel takes. */
int seccomp_tree(const struct seccomp_rules rules[SECCOMP_TABLES], struct seccomp_filter *ret);
