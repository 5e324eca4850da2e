/* SPDX-License-Identifier: ISC */
#include "call.h"
#include "show.h"
#include "supervisor/logger/logtext.h"
#include "supervisor/logreadmsg.h"

#include <regex.h>
#include <string.h>

/* One object for each line. What is not as trpsupd writes it has text alone. */
static void print_json(const char *service, const char *line)
{
	struct log_line l;
	json_t *o;
	cleanup_free char *text = NULL;

	if (logtext_line(line, strlen(line), &l)) {
		o = json_pack("{s:s%,s:s?,s:s,s:s}", "time", line, (size_t)LOGTEXT_TIME - 1, "service", service, "stream",
			logtext_streams[l.stream], "text", l.text);
		if (o && l.goes_on)
			json_object_set_new(o, "continues", json_true());
	} else {
		o = json_pack("{s:s?,s:s}", "service", service, "text", line);
	}
	if (!o)
		return;
	text = show_json(o, 0);
	puts(text);
	json_decref(o);
}

/* only: NULL: of several services, so that each line says whose it is */
struct printer {
	bool json;
	const char *only;
};

static void print_lines(const json_t *params, void *data)
{
	const struct printer *p = data;
	const json_t *services = json_object_get(params, "services"), *line;
	size_t i;

	json_array_foreach (json_object_get(params, "lines"), i, line) {
		const char *service = p->only ? p->only : json_string_value(json_array_get(services, i));
		if (p->json) {
			print_json(service, json_string_value(line));
			continue;
		}
		if (!p->only && service)
			printf("%s ", service);
		show_line(json_string_value(line));
	}
	fflush(stdout);
}

static bool add_time(json_t *params, const char *key, const char *text)
{
	uint64_t us;

	if (!text)
		return true;
	if (!cli_parse_when(key, text, &us))
		return false;
	json_object_set_new(params, key, json_integer((json_int_t)us));
	return true;
}

/* Here, so that the mistake is shown before anything is asked. */
static bool add_grep(json_t *params, const char *text)
{
	char why[200];
	regex_t re;
	int e;

	if (!text)
		return true;
	e = strlen(text) < LOGREAD_GREP_MAX ? regcomp(&re, text, REG_EXTENDED | REG_NOSUB) : REG_ESPACE;
	if (e != 0) {
		cleanup_free char *shown = show_escape(text);
		regerror(e, NULL, why, sizeof(why));
		cli_error("--grep: '%s' is not a regular expression of at most %d bytes: %s", shown, LOGREAD_GREP_MAX - 1, why);
		return false;
	}
	regfree(&re);
	json_object_set_new(params, "grep", json_string(text));
	return true;
}

/* "err,sup" */
static bool add_streams(json_t *params, const char *text)
{
	json_t *list;
	size_t len;

	if (!text)
		return true;
	list = json_array();
	json_object_set_new(params, "streams", list);
	for (;; text += len + 1) {
		unsigned k = 0;
		len = strcspn(text, ",");
		while (k < LOG_STREAMS && (strlen(logtext_streams[k]) != len || strncmp(logtext_streams[k], text, len) != 0))
			k++;
		if (k == LOG_STREAMS) {
			cleanup_free char *shown = show_escape(text);
			cli_error("--stream: '%s' is none of out, err and sup", shown);
			return false;
		}
		json_array_append_new(list, json_string(logtext_streams[k]));
		if (!text[len])
			return true;
	}
}

/* NULL: it was said what is wrong. */
static json_t *make_params(const struct cli *cli, char **args, size_t n)
{
	json_t *params = json_object(), *names;
	bool all = (cli->options & CLI_ALL_LOGS) != 0;

	if (all == (n > 0)) {
		cli_error("logs: %s", all ? "with --all no service is named" : "which service? --all shows all of them");
		json_decref(params);
		return NULL;
	}
	if (all) {
		json_object_set_new(params, "all", json_true());
	} else {
		names = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(names, json_string(args[i]));
		json_object_set_new(params, "services", names);
	}
	if (cli->options & CLI_LINES)
		json_object_set_new(params, "lines", json_integer(cli->lines));
	if (cli->options & CLI_FOLLOW)
		json_object_set_new(params, "follow", json_true());
	if (add_time(params, "since", cli->since) && add_time(params, "until", cli->until) && add_grep(params, cli->grep) &&
		add_streams(params, cli->stream))
		return params;
	json_decref(params);
	return NULL;
}

int verb_logs(struct cli *cli, char **args, size_t n)
{
	struct printer printer = {.json = cli->json, .only = n == 1 ? args[0] : NULL};
	struct call call = {
		.method = "trpsup.Logs", .params = make_params(cli, args, n), .each = print_lines, .data = &printer, .absent = CLI_FAILED};
	json_t *last = NULL;
	int code;

	if (!call.params)
		return CLI_USAGE;
	cli->json = false; /* lines, not replies */
	code = cli_call(cli, &call, &last);
	if (code == CLI_OK)
		print_lines(last, &printer);
	json_decref(last);
	return code;
}
