/* SPDX-License-Identifier: ISC */
/* exec.h: commands that an administrator runs inside the sandbox of a service (trpsup exec). The daemon starts each, tells how it ended,
 * and hands the descriptors that lead to it to the client: no byte of the command goes through the daemon.
 *
 * A command belongs to the sandbox: it is in its control group and ends with it. One whose daemon was killed goes on, and so does its
 * client, which has the descriptors; only how it ends is not known then. */
#pragma once

#include "supervisor/control.h"
#include "supervisor/service.h"

struct exec_wish {
	const struct strv *command; /* at least one word */
	const char *user;           /* name or number inside; NULL: the service's own */
	bool terminal;
	bool input;                 /* without a terminal: else its standard input is /dev/null */
	unsigned short rows, columns;
	const char *term;           /* TERM, with a terminal; NULL: not set */
};

/* Starts it. 0: call is answered when it runs (with descriptors), and at its end. -errno with a sentence in err. */
int exec_start(struct service *s, const struct exec_wish *wish, struct control_call *call, char *err, size_t err_size);
/* Those in the sandbox of s that an earlier daemon started. */
void exec_adopt(struct service *s);
bool exec_any(const struct service *s); /* Does one run in it? */
bool exec_is_child(const struct daemon *d, pid_t pid); /* Is it a process of one of them? */
/* Lets go of all, at the daemon's end. */
void exec_close(struct daemon *d);
