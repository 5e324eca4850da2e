/* SPDX-License-Identifier: ISC */
/* call.h: one call to the daemon and its replies. */
#pragma once

#include "cli.h"

/* params is taken over; NULL is an argument that is not UTF-8 (json_pack() made nothing of it).
 * Without each there is one reply; with it, each() gets the parameters of those that announce more.
 * With --json every reply is printed as it came instead (and each() is not called).
 * CLI_OK and the last reply's parameters in *ret_last (the caller's; may be NULL), or what the
 * program is to exit with, after saying why: CLI_NO_SUCH_SERVICE, CLI_FAILED, or absent if no
 * daemon answers (said only if absent is not CLI_OK). */
struct call {
	const char *method;
	json_t *params;
	void (*each)(const json_t *params, void *data);
	void *data;
	int absent; /* CLI_FAILED, CLI_NOT_RUNNING; CLI_OK: then *ret_last stays NULL */
	bool quiet; /* no reply is printed, not even an error or with --json */
};
int cli_call(struct cli *cli, const struct call *call, json_t **ret_last);
