/* SPDX-License-Identifier: ISC */
/* cli.h: trpsup, the command line. It runs with the caller's privileges and does nothing but talk
 * to the control socket and read profiles. */
#pragma once

#include "base/util.h"
#include "supervisor/profile/config.h"

#include <jansson.h>
#include <stdio.h>

/* Exit codes, as users of systemctl expect them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NOT_RUNNING = 3,
	CLI_NO_SUCH_SERVICE = 4,
	CLI_EXEC_FAILED = 125, /* exec: trpsup itself failed; 126, 127 and 128 + signal as of a shell, else the command's own */
};

/* Options beyond those that every verb has; a verb names the ones that mean something to it. */
enum cli_option {
	CLI_FOLLOW = 1 << 0,
	CLI_LINES = 1 << 1,
	CLI_NO_WAIT = 1 << 2,
	CLI_REQUIREMENTS = 1 << 3,
	CLI_NAMES = 1 << 4,
	CLI_LISTENER = 1 << 5,
	CLI_PROTOCOL = 1 << 6,
	CLI_SERVICE = 1 << 7,
	CLI_THRESHOLD = 1 << 8,
	CLI_SECONDS = 1 << 9,
	CLI_CHECK = 1 << 10,
	CLI_STOP = 1 << 11,
	CLI_SHOW = 1 << 12,
	CLI_RESET = 1 << 13,
	CLI_EXACT = 1 << 14,
	CLI_SYSCALLS = 1 << 15,
	CLI_INTERACTIVE = 1 << 16,
	CLI_TTY = 1 << 17,
	CLI_USER = 1 << 18,
	CLI_SINCE = 1 << 19,
	CLI_NOW = 1 << 20,
	CLI_ROUNDS = 1 << 21,
	CLI_DELAY = 1 << 22,
	CLI_SORT = 1 << 23,
	CLI_ANYWAY = 1 << 24,
	CLI_ALL_KEYS = 1 << 25,
	CLI_UNTIL = 1 << 26,
	CLI_GREP = 1 << 27,
	CLI_STREAM = 1 << 28,
	CLI_OVERLAP = 1 << 29,
	CLI_ALL_LOGS = 1 << 30,
	CLI_COMMAND = 1u << 31, /* no option: what comes behind the first argument is somebody else's command line */
};

struct cli {
	const char *conf;      /* -c or TRPSUP_CONF; NULL: the default */
	struct config *config; /* after cli_config() */
	char *socket;
	bool json;
	unsigned options; /* enum cli_option */
	unsigned lines;    /* or rounds */
	unsigned delay_ms;
	double threshold;
	const char *listener, *protocol, *service, *syscalls, *user, *since, *sort, *until, *grep, *stream; /* NULL: not given */
	unsigned seconds; /* 0: not given */
};

/* main.c. Messages go to standard error with the program's name in front. */
void cli_error(const char *fmt, ...) TRP_PRINTF(1, 2);
/* Loads trpsup.conf, once. 0, or CLI_FAILED after the errors were printed. */
int cli_config(struct cli *cli);

/* when.c: --since and --until: microseconds since 1970. False: it was said what is wrong with it. */
bool cli_parse_when(const char *option, const char *text, uint64_t *ret);

/* verb_routes.c: what became of clients, as one line; exits if there is no memory. */
char *show_clients(const json_t *clients);

/* verb_ps.c: "frozen", "frozen (idle)", or NULL: it does not stand still. */
const char *show_frozen(const json_t *service);

/* verb_start.c: calls a method that brings services up or down, and prints to out what happens, and its results, if
 * urls with the addresses of those that are up. params is taken over. */
int cli_change(struct cli *cli, const char *method, json_t *params, FILE *out, bool urls);

/* The verbs: args is what is left of the command line, as many as the table in main.c allows. They
 * return an enum cli_exit. */
int verb_start(struct cli *cli, char **args, size_t n); /* verb_start.c */
int verb_stop(struct cli *cli, char **args, size_t n);
int verb_restart(struct cli *cli, char **args, size_t n);
int verb_reload(struct cli *cli, char **args, size_t n);
int verb_signal(struct cli *cli, char **args, size_t n);
int verb_enable(struct cli *cli, char **args, size_t n);
int verb_disable(struct cli *cli, char **args, size_t n);
int verb_cat(struct cli *cli, char **args, size_t n);    /* verb_cat.c */
int verb_edit(struct cli *cli, char **args, size_t n);   /* verb_edit.c */
int verb_freeze(struct cli *cli, char **args, size_t n);
int verb_thaw(struct cli *cli, char **args, size_t n);
int verb_events(struct cli *cli, char **args, size_t n); /* verb_events.c */
int verb_exec(struct cli *cli, char **args, size_t n);   /* verb_exec.c */
int verb_top(struct cli *cli, char **args, size_t n);    /* verb_top.c */
int verb_status(struct cli *cli, char **args, size_t n); /* verb_status.c */
int verb_ps(struct cli *cli, char **args, size_t n);     /* verb_ps.c */
int verb_timers(struct cli *cli, char **args, size_t n); /* verb_timers.c */
int verb_info(struct cli *cli, char **args, size_t n);
int verb_list(struct cli *cli, char **args, size_t n);   /* verb_list.c */
int verb_check(struct cli *cli, char **args, size_t n);  /* verb_check.c */
int verb_score(struct cli *cli, char **args, size_t n);  /* verb_score.c */
int verb_logs(struct cli *cli, char **args, size_t n);   /* verb_logs.c */
int verb_upgrade(struct cli *cli, char **args, size_t n); /* verb_upgrade.c */
int verb_detach(struct cli *cli, char **args, size_t n);
int verb_upgrade_router(struct cli *cli, char **args, size_t n);
int verb_routes(struct cli *cli, char **args, size_t n); /* verb_routes.c */
int verb_explain(struct cli *cli, char **args, size_t n);
int verb_counters(struct cli *cli, char **args, size_t n);
int verb_conns(struct cli *cli, char **args, size_t n); /* verb_conns.c */
int verb_kick(struct cli *cli, char **args, size_t n);
int verb_learn(struct cli *cli, char **args, size_t n);  /* verb_learn.c */
int verb_daemon(struct cli *cli, char **args, size_t n); /* verb_daemon.c */
