/* SPDX-License-Identifier: ISC */
#include "cli.h"
#include "show.h"
#include "base/io.h"
#include "base/parse.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int verb_version(struct cli *cli, char **args, size_t n);
static int verb_help(struct cli *cli, char **args, size_t n);

/* doc/trpsup.1 and etc/completion/trpsup.bash name the same verbs. */
static const struct verb {
	const char *name;
	const char *args;
	size_t min, max;
	unsigned options; /* enum cli_option */
	int (*run)(struct cli *cli, char **args, size_t n);
	const char *help;
} verbs[] = {
	{"start", "NAME...", 1, SIZE_MAX, CLI_NO_WAIT, verb_start,
		"start services and what they require"},
	{"stop", "NAME...", 1, SIZE_MAX, CLI_REQUIREMENTS, verb_stop,
		"stop services and what requires them"},
	{"restart", "NAME...", 1, SIZE_MAX, 0, verb_restart,
		"stop and start again, with the profile as it is now"},
	{"reload", "NAME...", 1, SIZE_MAX, 0, verb_reload, "send the profile's reload signal"},
	{"signal", "NAME SIGNAL", 2, 2, 0, verb_signal, "send a signal to the main process"},
	{"status", "[NAME]", 0, 1, 0, verb_status,
		"show one service with its last log lines, or all"},
	{"ps", "", 0, 0, 0, verb_ps, "show the running services"},
	{"list", "", 0, 0, CLI_NAMES, verb_list,
		"show all profiles and the state of their services"},
	{"logs", "NAME", 1, 1, CLI_FOLLOW | CLI_LINES, verb_logs, "show what a service wrote"},
	{"check", "[FILE|NAME...]", 0, SIZE_MAX, 0, verb_check,
		"check profiles, or trpsup.conf and all of them"},
	{"info", "", 0, 0, 0, verb_info, "show the daemon, its listeners and the router"},
	{"daemon", "", 0, 0, 0, verb_daemon, "run trpsupd in the foreground"},
	{"version", "", 0, 0, 0, verb_version, "show the version of this program"},
	{"help", "[VERB]", 0, 1, 0, verb_help, "show this help"},
};

enum { OPT_JSON = 256, OPT_NO_WAIT, OPT_REQUIREMENTS, OPT_NAMES, OPT_VERSION };

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{"follow", no_argument, NULL, 'f'},
	{"lines", required_argument, NULL, 'n'},
	{"no-wait", no_argument, NULL, OPT_NO_WAIT},
	{"with-requirements", no_argument, NULL, OPT_REQUIREMENTS},
	{"names", no_argument, NULL, OPT_NAMES},
	{NULL, 0, NULL, 0},
};

/* The options of single verbs, as they are named in help and messages. */
static const struct {
	unsigned option;
	int getopt;
	const char *name;
	const char *help;
} verb_options[] = {
	{CLI_FOLLOW, 'f', "-f, --follow", "go on with what is written from now on"},
	{CLI_LINES, 'n', "-n, --lines N", "begin with the last N lines (default 50)"},
	{CLI_NO_WAIT, OPT_NO_WAIT, "--no-wait", "do not wait until they are ready"},
	{CLI_REQUIREMENTS, OPT_REQUIREMENTS, "--with-requirements",
		"also stop what only they required"},
	{CLI_NAMES, OPT_NAMES, "--names", "print the names only"},
};

void cli_error(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("trpsup: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int cli_config(struct cli *cli)
{
	struct profile_errors errors = {0};

	if (cli->config)
		return CLI_OK;
	if (config_load(cli->conf, &cli->config, &errors) < 0) {
		for (size_t i = 0; i < errors.n; i++) {
			show_text(stderr, errors.v[i]);
			fputc('\n', stderr);
		}
		if (errors.n == 0)
			cli_error("the configuration cannot be read");
		profile_errors_free(&errors);
		return CLI_FAILED;
	}
	profile_errors_free(&errors);
	cli->socket = show_format("%s/control", cli->config->run_dir);
	return CLI_OK;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int unknown_verb(const char *name)
{
	const char *names[TRP_ARRAY_SIZE(verbs)], *near;
	cleanup_free char *shown = show_escape(name);

	for (size_t i = 0; i < TRP_ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	near = trp_nearest(name, names, TRP_ARRAY_SIZE(verbs));
	if (near)
		cli_error("unknown verb '%s', did you mean '%s'?", shown, near);
	else
		cli_error("unknown verb '%s'; 'trpsup help' shows them all", shown);
	return CLI_USAGE;
}

static void print_verb(const struct verb *v)
{
	cleanup_free char *synopsis = show_format("%s %s", v->name, v->args);

	printf("  %-24s %s\n", synopsis, v->help);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(verb_options); i++)
		if (v->options & verb_options[i].option)
			printf("    %-22s %s\n", verb_options[i].name, verb_options[i].help);
}

static int print_help(void)
{
	puts("Usage: trpsup [OPTION...] VERB [ARGUMENT...]\n\nVerbs:");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(verbs); i++)
		print_verb(&verbs[i]);
	puts("\nOptions:\n"
	     "  -c, --config FILE        trpsup.conf of the daemon (default: $TRPSUP_CONF, else\n"
	     "                           /etc/trpsup/trpsup.conf)\n"
	     "  --json                   print the daemon's replies as JSON, one on each line\n"
	     "  -h, --help               show this help\n"
	     "\nExit status: 0 fine; 1 failed; 2 usage; 3 not running; 4 no such service.");
	return CLI_OK;
}

static int verb_help(struct cli *cli, char **args, size_t n)
{
	const struct verb *v = n ? find_verb(args[0]) : NULL;

	(void)cli;
	if (n == 0)
		return print_help();
	if (!v)
		return unknown_verb(args[0]);
	print_verb(v);
	return CLI_OK;
}

static int verb_version(struct cli *cli, char **args, size_t n)
{
	(void)args;
	(void)n;
	printf(cli->json ? "{\"version\":\"%s\"}\n" : "trpsup %s\n", TRP_VERSION);
	return CLI_OK;
}

static bool take_lines(struct cli *cli, const char *text)
{
	uint64_t v;

	if (trp_parse_u64(text, &v) < 0 || v > INT_MAX) {
		cleanup_free char *shown = show_escape(text);
		cli_error("--lines: '%s' is not a number of lines", shown);
		return false;
	}
	cli->lines = (unsigned)v;
	return true;
}

/* What comes before the verb and between its arguments. -1: go on, else exit with that. */
static int take_options(struct cli *cli, int argc, char **argv, bool *help)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:hfn:", long_options, NULL)) != -1) {
		switch (c) {
		case 'c':
			cli->conf = optarg;
			break;
		case OPT_JSON:
			cli->json = true;
			break;
		case 'h':
			*help = true;
			break;
		case OPT_VERSION:
			return verb_version(cli, NULL, 0);
		case '?':
			fputs("'trpsup help' shows the verbs and options\n", stderr);
			return CLI_USAGE;
		case 'n':
			if (!take_lines(cli, optarg))
				return CLI_USAGE;
			break;
		}
		for (size_t i = 0; i < TRP_ARRAY_SIZE(verb_options); i++)
			if (c == verb_options[i].getopt)
				cli->options |= verb_options[i].option;
	}
	return -1;
}

/* Does the rest of the command line fit the verb? */
static bool fits(const struct cli *cli, const struct verb *v, size_t n)
{
	unsigned strange = cli->options & ~v->options;

	for (size_t i = 0; strange && i < TRP_ARRAY_SIZE(verb_options); i++)
		if (strange & verb_options[i].option) {
			cli_error("'%s' has no option %s", v->name, verb_options[i].name);
			return false;
		}
	if (n >= v->min && n <= v->max)
		return true;
	cli_error("usage: trpsup %s %s", v->name, v->args);
	return false;
}

int main(int argc, char **argv)
{
	struct cli cli = {.conf = getenv("TRPSUP_CONF")};
	const struct verb *v;
	bool help = false;
	size_t n;
	int r;

	show_init();
	r = take_options(&cli, argc, argv, &help);
	if (r >= 0)
		return r;
	if (cli.conf && !*cli.conf)
		cli.conf = NULL;
	if (optind == argc) {
		r = print_help();
		return help ? r : CLI_USAGE;
	}
	v = find_verb(argv[optind]);
	if (!v)
		return unknown_verb(argv[optind]);
	if (help) {
		print_verb(v);
		return CLI_OK;
	}
	n = (size_t)(argc - optind - 1);
	if (!fits(&cli, v, n))
		return CLI_USAGE;
	r = v->run(&cli, argv + optind + 1, n);
	config_free(cli.config);
	free(cli.socket);
	/* the output may be on a full disk */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_error("standard output: %s", strerror(errno));
		return CLI_FAILED;
	}
	return r;
}
