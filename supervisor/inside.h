/* SPDX-License-Identifier: ISC */
/* inside.h: one command inside the sandbox of a service that runs, with no control less than the service has: for trpsup exec and for checks.
 * The caller watches entry.sync_fd (then inside_admit()), entry.child.status_fd and entry.child.pidfd. */
#pragma once

#include "sandbox/enter.h"
#include "supervisor/service.h"

#define INSIDE_ENV_MAX 1024

struct inside {
	struct box *box;           /* until it is admitted */
	struct sandbox_spec spec;
	const char *envp[INSIDE_ENV_MAX];
	char *term;                /* "TERM=..." or NULL */
	const struct seccomp_filter *filter; /* of its own, or NULL: the service's */
	struct sandbox_entry entry;
	struct sandbox_failure failure; /* stage NONE: none yet */
};

void inside_init(struct inside *i);
/* Closes and frees all of it; the process is not ended. */
void inside_release(struct inside *i);

/* Why there is nothing to be entered, or NULL. */
const char *inside_obstacle(const struct service *s);
/* user: name or number inside; NULL: the service's own. term: TERM; NULL: not set. 0; or -errno, with a sentence in err or nothing there. */
int inside_describe(struct inside *i, struct service *s, const char *user, const char *term, char *err, size_t err_size);
/* After that. ends: its standard input, output and error, borrowed; with a terminal they are that, and not looked at. 0 or -errno with failure. */
int inside_enter(struct inside *i, const struct service *s, const struct strv *command, const struct sandbox_terminal *terminal, const int ends[3]);
/* Its sync_fd is readable; the process is ended if it cannot be let go. *ret_master: as sandbox_admit(); -1 else. */
void inside_admit(struct inside *i, int *ret_master);
/* Why the command is not executed, as a sentence, after it was entered for. */
void inside_failure_text(const struct inside *i, char *out, size_t size);
