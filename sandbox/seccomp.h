/* SPDX-License-Identifier: ISC */
/* seccomp.h: which system calls a sandbox may make: named groups (a table with a help text for each),
 * compiled to BPF in the daemon, only loaded in the child. Default action: ENOSYS. Arguments that matter
 * are part of the groups: clone without CLONE_NEW*, allow-lists of ioctl requests (none of 0x8910-0x89ff, no TIOCSTI), of socket
 * options and of prctl, socket families unix, inet, inet6, netlink route. Native architecture only, unless i386 is asked for. */
#pragma once

#include "base/util.h"
#include <linux/filter.h>

struct seccomp_filter {
	struct sock_filter *insns; /* malloc */
	unsigned short len;
};

struct seccomp_group {
	const char *name; /* "@file-system" */
	const char *help;
	const char *const *syscalls; /* NULL-terminated names; a name that libseccomp or this kernel does not know is skipped */
	bool is_default;             /* part of @default */
};

/* The table, for check, the manual page and messages. */
const struct seccomp_group *seccomp_groups(size_t *ret_n);
/* Is it "@default", a group, or a system call's name? */
bool seccomp_valid_name(const char *name);

/* Further words, which no profile has: its other keys say them. */
#define SECCOMP_WORD_NAMESPACES       "=namespaces"       /* clone(2) may make namespaces */
#define SECCOMP_WORD_MEMFD_EXEC       "=memfd-exec"       /* memfd_create(2) may make what can be executed */
#define SECCOMP_WORD_NO_SECOND_MAPPING "=no-second-mapping" /* no memory that is written by one mapping and executed by another, which PR_SET_MDWE does not see */
#define SECCOMP_WORD_NO_WRITE_EXECUTE "=no-write-execute" /* memory is never both, nor one after the other (PR_SET_MDWE, without it) */

#define SECCOMP_WORD_X86              "=x86"              /* i386 system calls too: those of the same words, but for socketcall(2) */

/* Does this machine have i386 system calls? (Its kernel may still be built without.) */
bool seccomp_has_x86(void);

/* words: "@default", "@group", "syscall", "-syscall" or "-@group" (taken out again), applied in order. What trp-init
 * needs is always in. 0 or -errno (-EINVAL: unknown word). */
int seccomp_compile(const char *const *words, size_t n, struct seccomp_filter *ret);
/* The same, and it may ask once for a descriptor by which a further filter of its own is served (trp-init, for the notify
 * adapter: SECCOMP_SET_MODE_FILTER with SECCOMP_FILTER_FLAG_NEW_LISTENER and no other flag). */
int seccomp_compile_notify(const char *const *words, size_t n, struct seccomp_filter *ret);
void seccomp_filter_free(struct seccomp_filter *f);

/* The same, for services, of which many have the same policy: one program for all of them. *f is released and replaced;
 * on failure it stays. NULL at first; seccomp_unshare() at the end, which makes it NULL. */
int seccomp_share(const char *const *words, size_t n, bool notify, const struct seccomp_filter **f);
void seccomp_unshare(const struct seccomp_filter **f);
