/* SPDX-License-Identifier: ISC */
/* The verbs that change something. */
#include "call.h"
#include "show.h"
#include "base/parse.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void print_progress(const json_t *params, void *data)
{
	cleanup_free char *service = show_escape(text_of(params, "service"));
	cleanup_free char *text = show_escape(text_of(params, "text"));
	const char *event = text_of(params, "event");

	if (!*text) {
		free(text);
		text = show_escape(event);
	}
	fprintf(data, "%s%s%s: %s\n", show_bold(), service, show_plain(), text);
	fflush(data);
}

static json_t *name_list(char **names, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(names[i]));
	return json_array_size(list) == n ? list : NULL;
}

/* Where a service that is ready now can be reached. Best effort: it is told to people only. */
static void print_urls(struct cli *cli, const char *service, FILE *out)
{
	struct call call = {.method = "trpsup.Status",
		.params = json_pack("{s:s}", "service", service),
		.quiet = true};
	json_t *last = NULL, *url;
	size_t i;

	if (cli_call(cli, &call, &last) == CLI_OK)
		json_array_foreach (
			json_object_get(json_object_get(last, "service"), "urls"), i, url) {
			fprintf(out, "  ");
			show_text(out, json_string_value(url));
			fputc('\n', out);
		}
	json_decref(last);
}

/* The last reply of Start, Stop, Restart and Reload. */
static int print_results(struct cli *cli, const json_t *last, FILE *out, bool urls)
{
	const json_t *result;
	int code = CLI_OK;
	size_t i;

	json_array_foreach (json_object_get(last, "results"), i, result) {
		bool ok = json_is_true(json_object_get(result, "ok"));
		const char *state = text_of(result, "state"), *text = text_of(result, "text");
		cleanup_free char *service = show_escape(text_of(result, "service"));
		cleanup_free char *shown_state = show_escape(state), *shown = show_escape(text);
		FILE *f = ok ? out : stderr;
		bool says_more = state && text && *text && strcmp(state, text) != 0;

		if (!ok)
			code = CLI_FAILED;
		if (cli->json)
			continue;
		fprintf(f, "%s: %s%s%s%s%s\n", service, ok ? show_state_colour(state) : "",
			shown_state, ok ? show_plain() : "", says_more ? ": " : "",
			says_more ? shown : "");
		if (ok && urls)
			print_urls(cli, text_of(result, "service"), out);
	}
	return code;
}

int cli_change(struct cli *cli, const char *method, json_t *params, FILE *out, bool urls)
{
	struct call call = {
		.method = method, .params = params, .each = print_progress, .data = out, .absent = CLI_FAILED};
	json_t *last = NULL;
	int code;

	code = cli_call(cli, &call, &last);
	if (code == CLI_OK)
		code = print_results(cli, last, out, urls);
	json_decref(last);
	return code;
}

int verb_start(struct cli *cli, char **args, size_t n)
{
	bool wait = !(cli->options & CLI_NO_WAIT);

	return cli_change(cli, "trpsup.Start",
		json_pack("{s:o, s:b}", "services", name_list(args, n), "wait", wait), stdout, wait);
}

int verb_stop(struct cli *cli, char **args, size_t n)
{
	return cli_change(cli, "trpsup.Stop",
		json_pack("{s:o, s:b}", "services", name_list(args, n), "with_requirements",
			(cli->options & CLI_REQUIREMENTS) != 0),
		stdout, false);
}

int verb_restart(struct cli *cli, char **args, size_t n)
{
	return cli_change(
		cli, "trpsup.Restart",
		(cli->options & CLI_OVERLAP) ? json_pack("{s:o, s:b}", "services", name_list(args, n), "overlap", 1)
					     : json_pack("{s:o}", "services", name_list(args, n)),
		stdout, true);
}

/* Without a name: trpsup.conf. */
static int reload_config(struct cli *cli)
{
	struct call call = {.method = "trpsup.ReloadConfig", .params = json_object(), .absent = CLI_FAILED};
	json_t *last = NULL, *line;
	int code = cli_call(cli, &call, &last);
	size_t i;

	if (code == CLI_OK && !cli->json) {
		json_array_foreach (json_object_get(last, "changes"), i, line) {
			show_text(stdout, json_string_value(line));
			putchar('\n');
		}
		if (json_array_size(json_object_get(last, "changes")) == 0)
			puts("nothing has changed");
	}
	json_decref(last);
	return code;
}

int verb_reload(struct cli *cli, char **args, size_t n)
{
	if (n == 0)
		return reload_config(cli);
	return cli_change(
		cli, "trpsup.Reload", json_pack("{s:o}", "services", name_list(args, n)), stdout, false);
}

/* Then, with --now, the change itself. */
static int enable(struct cli *cli, char **args, size_t n, bool on)
{
	struct call call = {.method = on ? "trpsup.Enable" : "trpsup.Disable", .absent = CLI_FAILED};
	json_t *last = NULL, *result;
	size_t i;
	int code;

	call.params = json_pack("{s:o}", "services", name_list(args, n));
	code = cli_call(cli, &call, &last);
	if (code == CLI_OK && !cli->json)
		json_array_foreach (json_object_get(last, "results"), i, result) {
			cleanup_free char *service = show_escape(text_of(result, "service"));
			printf("%s: %s%s\n", service, on ? "enabled" : "disabled", json_is_true(json_object_get(result, "changed")) ? "" : " already");
		}
	json_decref(last);
	if (code != CLI_OK || !(cli->options & CLI_NOW))
		return code;
	return on ? verb_start(cli, args, n) : verb_stop(cli, args, n);
}

int verb_enable(struct cli *cli, char **args, size_t n)
{
	return enable(cli, args, n, true);
}

int verb_disable(struct cli *cli, char **args, size_t n)
{
	return enable(cli, args, n, false);
}

int verb_freeze(struct cli *cli, char **args, size_t n)
{
	return cli_change(cli, "trpsup.Freeze", json_pack("{s:o}", "services", name_list(args, n)), stdout, false);
}

int verb_thaw(struct cli *cli, char **args, size_t n)
{
	return cli_change(cli, "trpsup.Thaw", json_pack("{s:o}", "services", name_list(args, n)), stdout, false);
}

int verb_signal(struct cli *cli, char **args, size_t n)
{
	struct call call = {.method = "trpsup.Signal", .absent = CLI_FAILED};
	int signo;

	(void)n;
	if (trp_parse_signal(args[1], &signo) < 0) {
		cleanup_free char *shown = show_escape(args[1]);
		cli_error("'%s' is not a signal, expected a name such as HUP or a number", shown);
		return CLI_USAGE;
	}
	call.params = json_pack("{s:s, s:i}", "service", args[0], "signal", signo);
	return cli_call(cli, &call, NULL);
}
