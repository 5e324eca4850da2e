/* SPDX-License-Identifier: ISC */
/* cli.h: trpsup, the command line. It runs with the caller's privileges and does nothing but talk
 * to the control socket and read profiles. */
#pragma once

#include "base/util.h"
#include "supervisor/profile/config.h"

#include <jansson.h>

/* Exit codes, as users of systemctl expect them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NOT_RUNNING = 3,
	CLI_NO_SUCH_SERVICE = 4,
};

/* Options beyond those that every verb has; a verb names the ones that mean something to it. */
enum cli_option {
	CLI_FOLLOW = 1 << 0,
	CLI_LINES = 1 << 1,
	CLI_NO_WAIT = 1 << 2,
	CLI_REQUIREMENTS = 1 << 3,
	CLI_NAMES = 1 << 4,
};

struct cli {
	const char *conf;      /* -c or TRPSUP_CONF; NULL: the default */
	struct config *config; /* after cli_config() */
	char *socket;
	bool json;
	unsigned options; /* enum cli_option */
	unsigned lines;
};

/* main.c. Messages go to standard error with the program's name in front. */
void cli_error(const char *fmt, ...) TRP_PRINTF(1, 2);
/* Loads trpsup.conf, once. 0, or CLI_FAILED after the errors were printed. */
int cli_config(struct cli *cli);

/* The verbs: args is what is left of the command line, as many as the table in main.c allows. They
 * return an enum cli_exit. */
int verb_start(struct cli *cli, char **args, size_t n); /* verb_start.c */
int verb_stop(struct cli *cli, char **args, size_t n);
int verb_restart(struct cli *cli, char **args, size_t n);
int verb_reload(struct cli *cli, char **args, size_t n);
int verb_signal(struct cli *cli, char **args, size_t n);
int verb_status(struct cli *cli, char **args, size_t n); /* verb_status.c */
int verb_ps(struct cli *cli, char **args, size_t n);     /* verb_ps.c */
int verb_info(struct cli *cli, char **args, size_t n);
int verb_list(struct cli *cli, char **args, size_t n);   /* verb_list.c */
int verb_check(struct cli *cli, char **args, size_t n);  /* verb_check.c */
int verb_logs(struct cli *cli, char **args, size_t n);   /* verb_logs.c */
int verb_daemon(struct cli *cli, char **args, size_t n); /* verb_daemon.c */
