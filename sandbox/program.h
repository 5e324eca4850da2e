/* SPDX-License-Identifier: ISC */
/* program.h: which adapter can serve a program? Looks at the file: an ELF program's interpreter and notes, a script's interpreter.
 * Runs in the daemon, on files of a root that is not trusted: bounded reads, links never followed out of the root. */
#pragma once

#include <stddef.h>

enum program_kind {
	PROGRAM_GLIBC,  /* dynamically linked against glibc: preload */
	PROGRAM_MUSL,   /* against musl: preload by LD_PRELOAD */
	PROGRAM_STATIC, /* no dynamic loader: nothing can be preloaded */
	PROGRAM_GO,     /* makes its system calls itself, dynamically linked or not */
	PROGRAM_OTHER,  /* not an ELF program of this machine, nor a script */
};

struct program_finding {
	enum program_kind kind;
	char why[200]; /* for people: "/usr/sbin/nginx is linked against glibc" */
};

/* path: absolute inside root_fd (an O_PATH descriptor of the root's directory). 0 or -errno (-ENOENT: not there). */
int program_look(int root_fd, const char *path, struct program_finding *ret);
