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
	{"restart", "NAME...", 1, SIZE_MAX, CLI_OVERLAP, verb_restart,
		"stop and start again, with the profile as it is now"},
	{"reload", "[NAME...]", 0, SIZE_MAX, 0, verb_reload,
		"read trpsup.conf and profiles anew, or send services the profile's reload signal"},
	{"signal", "NAME SIGNAL", 2, 2, 0, verb_signal, "send a signal to the main process"},
	{"enable", "NAME...", 1, SIZE_MAX, CLI_NOW, verb_enable, "start services whenever the daemon starts"},
	{"disable", "NAME...", 1, SIZE_MAX, CLI_NOW, verb_disable, "start them only when asked"},
	{"freeze", "NAME...", 1, SIZE_MAX, 0, verb_freeze, "have services stand still; their clients wait"},
	{"thaw", "NAME...", 1, SIZE_MAX, 0, verb_thaw, "have them go on"},
	{"exec", "NAME [COMMAND...]", 1, SIZE_MAX, CLI_INTERACTIVE | CLI_TTY | CLI_USER | CLI_COMMAND, verb_exec,
		"run a command, or a shell, inside the sandbox of a service"},
	{"status", "[NAME]", 0, 1, 0, verb_status,
		"show one service with its last log lines, or all"},
	{"ps", "", 0, 0, 0, verb_ps, "show the running services"},
	{"top", "[NAME...]", 0, SIZE_MAX, CLI_DELAY | CLI_ROUNDS | CLI_SORT, verb_top,
		"show what services use, live: processor, memory, disk, connections"},
	{"timers", "", 0, 0, 0, verb_timers, "show the services that are run by time, when next, and how the last run ended"},
	{"list", "", 0, 0, CLI_NAMES, verb_list,
		"show all profiles and the state of their services"},
	{"logs", "[NAME...]", 0, SIZE_MAX, CLI_FOLLOW | CLI_LINES | CLI_SINCE | CLI_UNTIL | CLI_GREP | CLI_STREAM | CLI_ALL_LOGS, verb_logs,
		"show what services wrote, of several merged by time"},
	{"events", "[NAME...]", 0, SIZE_MAX, CLI_FOLLOW | CLI_SINCE, verb_events,
		"show what happened to services lately: states, and why"},
	{"cat", "NAME", 1, 1, CLI_ALL_KEYS, verb_cat, "show a profile as it counts, and where each value comes from"},
	{"edit", "NAME", 1, 1, 0, verb_edit, "change a profile, or what differs from it, with your editor"},
	{"check", "[FILE|NAME...]", 0, SIZE_MAX, 0, verb_check,
		"check profiles, or trpsup.conf and all of them"},
	{"score", "[FILE|NAME...]", 0, SIZE_MAX, CLI_THRESHOLD, verb_score,
		"show how far services are confined, what they can reach, and what to change"},
	{"routes", "", 0, 0, 0, verb_routes, "show all names and whose they are"},
	{"explain", "NAME", 1, 1, CLI_LISTENER | CLI_PROTOCOL, verb_explain,
		"show who would get a client that asks for this name, and why"},
	{"counters", "", 0, 0, 0, verb_counters,
		"show what became of clients, by service and by listener"},
	{"conns", "[NAME]", 0, 1, 0, verb_conns, "show the connections that are open, of one service or all"},
	{"kick", "[ADDRESS[:PORT]]", 0, 1, CLI_SERVICE, verb_kick, "end a client's connections"},
	{"learn", "NAME", 1, 1,
		CLI_SECONDS | CLI_CHECK | CLI_SYSCALLS | CLI_STOP | CLI_SHOW | CLI_RESET | CLI_EXACT, verb_learn,
		"run a service watched, until Ctrl-C, and print what its profile needs"},
	{"info", "", 0, 0, 0, verb_info, "show the daemon, its listeners and the router"},
	{"upgrade", "", 0, 0, CLI_ANYWAY, verb_upgrade,
		"replace the daemon by its program file as it is now; services go on"},
	{"detach", "", 0, 0, 0, verb_detach, "end the daemon alone; the next one takes over what runs"},
	{"upgrade-router", "", 0, 0, 0, verb_upgrade_router,
		"replace the router by its program file as it is now; no client notices"},
	{"daemon", "", 0, 0, 0, verb_daemon, "run trpsupd in the foreground"},
	{"version", "", 0, 0, 0, verb_version, "show the version of this program"},
	{"help", "[VERB]", 0, 1, 0, verb_help, "show this help"},
};

enum { OPT_JSON = 256, OPT_NO_WAIT, OPT_REQUIREMENTS, OPT_NAMES, OPT_VERSION, OPT_LISTENER, OPT_PROTOCOL, OPT_SERVICE, OPT_THRESHOLD,
	OPT_SECONDS, OPT_CHECK, OPT_STOP, OPT_SHOW, OPT_RESET, OPT_EXACT, OPT_SYSCALLS, OPT_SINCE, OPT_NOW, OPT_ANYWAY, OPT_UNTIL,
	OPT_GREP, OPT_STREAM, OPT_ALL, OPT_OVERLAP };

#define SHORT_OPTIONS ":c:hfn:itu:d:s:" /* the colon in front: getopt says nothing itself */

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{"follow", no_argument, NULL, 'f'},
	{"lines", required_argument, NULL, 'n'},
	{"no-wait", no_argument, NULL, OPT_NO_WAIT},
	{"with-requirements", no_argument, NULL, OPT_REQUIREMENTS},
	{"overlap", no_argument, NULL, OPT_OVERLAP},
	{"names", no_argument, NULL, OPT_NAMES},
	{"listener", required_argument, NULL, OPT_LISTENER},
	{"protocol", required_argument, NULL, OPT_PROTOCOL},
	{"service", required_argument, NULL, OPT_SERVICE},
	{"threshold", required_argument, NULL, OPT_THRESHOLD},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"check", no_argument, NULL, OPT_CHECK},
	{"syscalls", required_argument, NULL, OPT_SYSCALLS},
	{"stop", no_argument, NULL, OPT_STOP},
	{"show", no_argument, NULL, OPT_SHOW},
	{"reset", no_argument, NULL, OPT_RESET},
	{"exact", no_argument, NULL, OPT_EXACT},
	{"interactive", no_argument, NULL, 'i'},
	{"tty", no_argument, NULL, 't'},
	{"user", required_argument, NULL, 'u'},
	{"delay", required_argument, NULL, 'd'},
	{"rounds", required_argument, NULL, 'n'},
	{"sort", required_argument, NULL, 's'},
	{"since", required_argument, NULL, OPT_SINCE},
	{"now", no_argument, NULL, OPT_NOW},
	{"anyway", no_argument, NULL, OPT_ANYWAY},
	{"until", required_argument, NULL, OPT_UNTIL},
	{"grep", required_argument, NULL, OPT_GREP},
	{"stream", required_argument, NULL, OPT_STREAM},
	{"all", no_argument, NULL, OPT_ALL},
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
	{CLI_LINES, 'n', "-n, --lines N", "begin with the last N lines (default 50; all with --since)"},
	{CLI_NO_WAIT, OPT_NO_WAIT, "--no-wait", "do not wait until they are ready"},
	{CLI_REQUIREMENTS, OPT_REQUIREMENTS, "--with-requirements",
		"also stop what only they required"},
	{CLI_OVERLAP, OPT_OVERLAP, "--overlap", "start the new instance first; the one that runs finishes with its clients"},
	{CLI_NAMES, OPT_NAMES, "--names", "print the names only"},
	{CLI_LISTENER, OPT_LISTENER, "--listener NAME", "on this listener only"},
	{CLI_PROTOCOL, OPT_PROTOCOL, "--protocol NAME", "by this protocol only"},
	{CLI_SERVICE, OPT_SERVICE, "--service NAME", "those of this service only"},
	{CLI_THRESHOLD, OPT_THRESHOLD, "--threshold N", "fail if one is above N (0 to 10)"},
	{CLI_SECONDS, OPT_SECONDS, "--seconds N", "for so long, instead of until Ctrl-C"},
	{CLI_CHECK, OPT_CHECK, "--check", "run it under what was learnt, and say what is refused then"},
	{CLI_SYSCALLS, OPT_SYSCALLS, "--syscalls WORDS", "check these instead"},
	{CLI_STOP, OPT_STOP, "--stop", "end a run that is going on"},
	{CLI_SHOW, OPT_SHOW, "--show", "only print what was learnt so far"},
	{CLI_RESET, OPT_RESET, "--reset", "forget what was learnt"},
	{CLI_ANYWAY, OPT_ANYWAY, "--anyway", "even if services cannot be taken over"},
	{CLI_EXACT, OPT_EXACT, "--exact", "print system calls, not groups"},
	{CLI_DELAY, 'd', "-d, --delay TIME", "from one round to the next (default 2s)"},
	{CLI_ROUNDS, 'n', "-n, --rounds N", "as many, as plain text, and end"},
	{CLI_SORT, 's', "-s, --sort WORD", "by cpu, memory, processes, read, written or connections"},
	{CLI_SINCE, OPT_SINCE, "--since TIME", "not older: how long ago (10m, 2h), or when (08:30)"},
	{CLI_ALL_KEYS, OPT_ALL, "--all", "also what is not written and so has its default"},
	{CLI_NOW, OPT_NOW, "--now", "and start, or stop, them now"},
	{CLI_INTERACTIVE, 'i', "-i, --interactive", "it reads standard input; without it nothing"},
	{CLI_TTY, 't', "-t, --tty", "it gets a terminal of its own, shown on this one"},
	{CLI_USER, 'u', "-u, --user USER", "as this user of the sandbox (default: the service's)"},
	{CLI_UNTIL, OPT_UNTIL, "--until TIME", "not younger"},
	{CLI_ALL_LOGS, OPT_ALL, "--all", "of all services that have a log"},
	{CLI_GREP, OPT_GREP, "--grep REGEX", "whose text this extended regular expression matches"},
	{CLI_STREAM, OPT_STREAM, "--stream out|err|sup", "of this stream (or several, with commas)"},
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
	     "  --version                show the version of this program\n"
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

static bool take_number(const char *option, const char *of, const char *text, unsigned min, unsigned *ret)
{
	uint64_t v;

	if (trp_parse_u64(text, &v) < 0 || v < min || v > INT_MAX) {
		cleanup_free char *shown = show_escape(text);
		cli_error("%s: '%s' is not a number of %s", option, shown, of);
		return false;
	}
	*ret = (unsigned)v;
	return true;
}

static bool take_delay(struct cli *cli, const char *text)
{
	cleanup_free char *shown = show_escape(text);
	uint64_t ms;

	if (trp_parse_duration(text, &ms) < 0 || ms < 100 || ms > 3600000) {
		cli_error("--delay: '%s' is no time from 100ms to 1h", shown);
		return false;
	}
	cli->delay_ms = (unsigned)ms;
	return true;
}

static bool take_threshold(struct cli *cli, const char *text)
{
	char *end;

	errno = 0;
	cli->threshold = strtod(text, &end);
	if (*text >= '0' && *text <= '9' && !*end && errno == 0 && cli->threshold <= 10.0)
		return true;
	cleanup_free char *shown = show_escape(text);
	cli_error("--threshold: '%s' is not a number from 0 to 10", shown);
	return false;
}

/* c: what getopt returned for it */
static int bad_option(char **argv, int c)
{
	const char letter[] = {'-', (char)optopt, '\0'}, *names[TRP_ARRAY_SIZE(long_options)], *near;
	const char *given = argv[optind - 1];
	bool is_long = strncmp(given, "--", 2) == 0;
	cleanup_free char *shown = show_escape(is_long ? given : letter);
	cleanup_free char *word = is_long ? strndup(given + 2, strcspn(given + 2, "=")) : NULL;
	size_t n = 0;

	for (; long_options[n].name; n++)
		names[n] = long_options[n].name;
	near = word ? trp_nearest(word, names, n) : NULL;
	if (c == ':')
		cli_error("%s needs a value; 'trpsup help' shows the verbs and options", shown);
	else if (near && strcmp(near, word) == 0)
		cli_error("--%s takes no value", near);
	else if (near)
		cli_error("unknown option '%s', did you mean '--%s'?", shown, near);
	else
		cli_error("unknown option '%s'; 'trpsup help' shows the verbs and options", shown);
	return CLI_USAGE;
}

/* What comes before the first argument, or with permute also between them. -1: go on, else exit with that. */
static int take_options(struct cli *cli, int argc, char **argv, bool permute, bool *help)
{
	int c;

	optind = 0; /* begins anew */
	while ((c = getopt_long(argc, argv, permute ? SHORT_OPTIONS : "+" SHORT_OPTIONS, long_options, NULL)) != -1) {
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
		case ':':
			return bad_option(argv, c);
		case OPT_LISTENER:
			cli->listener = optarg;
			break;
		case OPT_PROTOCOL:
			cli->protocol = optarg;
			break;
		case OPT_SERVICE:
			cli->service = optarg;
			break;
		case OPT_THRESHOLD:
			if (!take_threshold(cli, optarg))
				return CLI_USAGE;
			break;
		case OPT_SINCE:
			cli->since = optarg;
			break;
		case 'u':
			cli->user = optarg;
			break;
		case OPT_SYSCALLS:
			cli->syscalls = optarg;
			break;
		case OPT_UNTIL:
			cli->until = optarg;
			break;
		case OPT_GREP:
			cli->grep = optarg;
			break;
		case OPT_STREAM:
			cli->stream = optarg;
			break;
		case OPT_SECONDS:
			if (!take_number("--seconds", "seconds", optarg, 1, &cli->seconds))
				return CLI_USAGE;
			break;
		case 'n':
			if (!take_number("-n", "lines or rounds", optarg, 0, &cli->lines))
				return CLI_USAGE;
			break;
		case 'd':
			if (!take_delay(cli, optarg))
				return CLI_USAGE;
			break;
		case 's':
			cli->sort = optarg;
			break;
		}
		for (size_t i = 0; i < TRP_ARRAY_SIZE(verb_options); i++)
			if (c == verb_options[i].getopt)
				cli->options |= verb_options[i].option;
	}
	return -1;
}

/* One letter may mean different things to different verbs. */
static bool takes(const struct verb *v, int letter)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(verb_options); i++)
		if (verb_options[i].getopt == letter && (v->options & verb_options[i].option))
			return true;
	return false;
}

/* Does the rest of the command line fit the verb? */
static bool fits(const struct cli *cli, const struct verb *v, size_t n)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(verb_options); i++)
		if ((cli->options & verb_options[i].option) && !takes(v, verb_options[i].getopt)) {
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

	r = trp_occupy_standard(); /* what a tenant writes is not to go to the daemon, as which it would be ours */
	if (r < 0)
		return CLI_FAILED;
	show_init();
	r = take_options(&cli, argc, argv, false, &help);
	if (r >= 0)
		return r;
	if (optind == argc) {
		r = print_help();
		return help ? r : CLI_USAGE;
	}
	v = find_verb(argv[optind]);
	if (!v)
		return unknown_verb(argv[optind]);
	argc -= optind;
	argv += optind;
	r = take_options(&cli, argc, argv, !(v->options & CLI_COMMAND), &help);
	if (r >= 0)
		return r;
	if (cli.conf && !*cli.conf)
		cli.conf = NULL;
	if (help) {
		print_verb(v);
		return CLI_OK;
	}
	n = (size_t)(argc - optind);
	if (!fits(&cli, v, n))
		return CLI_USAGE;
	r = v->run(&cli, argv + optind, n);
	config_free(cli.config);
	free(cli.socket);
	/* the output may be on a full disk */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_error("standard output: %s", strerror(errno));
		return CLI_FAILED;
	}
	return r;
}
