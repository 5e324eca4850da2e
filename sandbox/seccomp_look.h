/* SPDX-License-Identifier: ISC */
/* seccomp_look.h: what a filter would say to a system call of which not every argument is known. It reads the program that is
 * loaded, not the words that it was made of. */
#pragma once

#include "sandbox/seccomp.h"

struct seccomp_question {
	uint32_t arch; /* AUDIT_ARCH_... */
	uint32_t nr;
	bool known[6]; /* arguments that are */
	uint64_t args[6];
};

enum { SECCOMP_MAY_ALLOW = 1, SECCOMP_MAY_REFUSE = 2 };

/* SECCOMP_MAY_... bits: what the filter says for some value of the arguments that are not known. A call that is only logged is allowed.
 * May say that both are possible where one is not, never the reverse. -EINVAL: no program that a kernel would load; -ENOMEM. */
int seccomp_look(const struct seccomp_filter *f, const struct seccomp_question *q);

uint32_t seccomp_native_arch(void);
/* The question whether an i386 system call of that name is allowed. False: there is none here. */
bool seccomp_ask_x86(const char *name, struct seccomp_question *ret);
