/* SPDX-License-Identifier: ISC */
/* call.h: one call to the daemon and its replies. */
#pragma once

#include "cli.h"

#define CALL_FDS_MAX 4

/* params is taken over; NULL is an argument that is not UTF-8 (json_pack() made nothing of it).
 * Without each there is one reply; with it, each() gets the parameters of those that announce more.
 * With --json every reply is printed as it came instead (and each() is not called).
 * CLI_OK and the last reply's parameters in *ret_last (the caller's; may be NULL), or what the
 * program is to exit with, after saying why: the error's exit_code, CLI_NO_SUCH_SERVICE, CLI_FAILED, or absent if no
 * daemon answers (CLI_FAILED if one could, and this user may not ask it; said only if absent is not CLI_OK). */
struct call {
	const char *method;
	json_t *params;
	void (*each)(const json_t *params, void *data);
	void *data;
	int absent; /* CLI_FAILED, CLI_NOT_RUNNING; CLI_OK: then *ret_last stays NULL */
	bool quiet; /* no reply is printed, not even an error or with --json */
	const char *except; /* an error that is not printed either: the caller knows more; or NULL */
	int *fds;      /* room for CALL_FDS_MAX descriptors that come with a reply, the caller's to close; NULL: none may come */
	size_t *n_fds; /* 0 at first */
};
int cli_call(struct cli *cli, const struct call *call, json_t **ret_last);
