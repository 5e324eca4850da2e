/* SPDX-License-Identifier: ISC */
/* trpsup learn: run, wait, print. The daemon does the run; if we are killed meanwhile it goes on, and status says so. */
#include "call.h"
#include "learn.h"
#include "local.h"
#include "show.h"
#include "supervisor/profile/lang.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static json_t *service_param(const char *name)
{
	return json_pack("{s:s}", "service", name);
}

/* Is it watched still? Also if that cannot be said. */
static bool goes_on(struct cli *cli, const char *name)
{
	struct call call = {.method = "trpsup.Status", .params = service_param(name), .quiet = true};
	json_t *last = NULL;
	int code = cli_call(cli, &call, &last);
	bool on = code == CLI_OK && json_is_string(json_object_get(json_object_get(last, "service"), "learning"));

	json_decref(last);
	return on;
}

static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigprocmask(SIG_BLOCK, set, NULL);
}

/* Until somebody wants it to end, or it has. */
static void wait_for_end(struct cli *cli, const char *name, const sigset_t *signals)
{
	const struct timespec second = {.tv_sec = 1};

	while (sigtimedwait(signals, NULL, &second) < 0)
		if (!goes_on(cli, name))
			return;
}

/* NULL: *ret_code says why it is not known. */
static json_t *fetch(struct cli *cli, const char *name, int *ret_code)
{
	struct call call = {.method = "trpsup.Learnt", .params = service_param(name), .absent = CLI_FAILED};
	json_t *last = NULL;
	bool json = cli->json;

	cli->json = false; /* it is printed with what we make of it */
	*ret_code = cli_call(cli, &call, &last);
	cli->json = json;
	return last;
}

static struct profile *load_profile(struct cli *cli, const char *name)
{
	struct profile_errors errors = {0};
	struct profile_paths paths;
	struct profile *p = NULL;

	config_profile_paths(cli->config, &paths);
	if (profile_load(&paths, name, &p, &errors) < 0)
		p = NULL; /* changed and broken meanwhile: what was learnt is shown all the same */
	profile_errors_free(&errors);
	return p;
}

static void print_json(json_t *reply, bool exact)
{
	cleanup_free char *text = NULL;

	json_object_set_new(reply, "suggested", learn_suggestion(json_object_get(reply, "learnt"), exact));
	text = show_json(reply, 0);
	printf("{\"parameters\":%s}\n", text);
}

static int show(struct cli *cli, const char *name)
{
	bool exact = cli->options & CLI_EXACT;
	struct profile *profile;
	int code;
	json_t *reply = fetch(cli, name, &code);

	if (!reply)
		return code;
	if (cli->json) {
		print_json(reply, exact);
	} else {
		profile = load_profile(cli, name);
		learn_print(reply, profile, exact);
		profile_free(profile);
	}
	json_decref(reply);
	return CLI_OK;
}

static int show_check(struct cli *cli, const char *name)
{
	int code;
	json_t *reply = fetch(cli, name, &code);
	size_t missed;

	if (!reply)
		return code;
	if (cli->json)
		print_json(reply, cli->options & CLI_EXACT);
	missed = cli->json ? learn_missed(json_object_get(reply, "checked")) : learn_print_missed(reply);
	json_decref(reply);
	return missed ? CLI_FAILED : CLI_OK;
}

/* The words of a check as JSON. NULL: there are none. */
static json_t *check_words(struct cli *cli, const char *name, int *ret_code)
{
	struct strv words = {0};
	json_t *list, *reply;
	const char *why;

	*ret_code = CLI_USAGE;
	if (cli->syscalls) {
		if (words_split(cli->syscalls, &words, &why) < 0) {
			cli_error("--syscalls: %s", why);
			return NULL;
		}
	} else {
		reply = fetch(cli, name, ret_code);
		if (!reply)
			return NULL;
		words = learn_words(json_object_get(reply, "learnt"), cli->options & CLI_EXACT);
		json_decref(reply);
	}
	if (words.n == 0) {
		cli_error("%s: nothing has been learnt that could be checked: 'trpsup learn %s' first", name, name);
		*ret_code = CLI_FAILED;
		return NULL;
	}
	list = json_array();
	for (size_t i = 0; i < words.n; i++)
		json_array_append_new(list, json_string(words.v[i]));
	strv_free(&words);
	return list;
}

static int run(struct cli *cli, const char *name)
{
	json_t *params = json_pack("{s:s,s:i}", "service", name, "seconds", (int)cli->seconds);
	bool check = cli->options & (CLI_CHECK | CLI_SYSCALLS);
	int code = CLI_OK, shown = CLI_OK;
	sigset_t signals;
	json_t *words;

	if (check) {
		words = check_words(cli, name, &code);
		if (!words)
			return code;
		json_object_set_new(params, "syscalls", words);
	}
	block_signals(&signals);
	code = cli_change(cli, "trpsup.Learn", params, stderr, true);
	if (code != CLI_OK && !goes_on(cli, name))
		return code;
	/* ended meanwhile, by another command: what was learnt is shown */
	if (code == CLI_OK && goes_on(cli, name)) {
		if (!cli->json)
			fprintf(stderr, "%s: %s; use it now, all of it. %s\n", name, check ? "checking" : "learning",
				cli->seconds ? "It ends by itself; Ctrl-C ends it sooner." : "Ctrl-C ends it.");
		wait_for_end(cli, name, &signals);
	}
	if (goes_on(cli, name))
		shown = cli_change(cli, "trpsup.LearnStop", service_param(name), stderr, false);
	code = code == CLI_OK ? shown : code;
	shown = check ? show_check(cli, name) : show(cli, name);
	return code == CLI_OK ? shown : code;
}

int verb_learn(struct cli *cli, char **args, size_t n)
{
	const unsigned one_of[] = {CLI_STOP, CLI_SHOW, CLI_RESET, CLI_CHECK};
	struct call reset = {.method = "trpsup.LearnReset", .absent = CLI_FAILED};
	unsigned chosen = 0;

	(void)n;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(one_of); i++)
		chosen += (cli->options & one_of[i]) != 0;
	if (chosen > 1) {
		cli_error("'learn' does one at a time of --check, --stop, --show and --reset");
		return CLI_USAGE;
	}
	if (cli->options & CLI_STOP)
		return cli_change(cli, "trpsup.LearnStop", service_param(args[0]), stdout, false);
	if (cli->options & CLI_SHOW)
		return show(cli, args[0]);
	if (cli->options & CLI_RESET) {
		reset.params = service_param(args[0]);
		return cli_call(cli, &reset, NULL);
	}
	return run(cli, args[0]);
}
