/* SPDX-License-Identifier: ISC */
/* trpsup events: what happened to services lately. */
#include "call.h"
#include "show.h"
#include "base/parse.h"

#include <string.h>
#include <time.h>

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void print_time(double at)
{
	time_t seconds = (time_t)at;
	char text[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s.%03d", text, (int)((at - (double)seconds) * 1000));
}

static void print_event(const json_t *e)
{
	const char *from = text_of(e, "from"), *state = text_of(e, "state"), *text = text_of(e, "text");
	cleanup_free char *service = show_escape(text_of(e, "service")), *shown = show_escape(state);

	print_time(json_number_value(json_object_get(e, "time")));
	printf(" %s%s%s: ", show_bold(), service, show_plain());
	if (from) {
		cleanup_free char *before = show_escape(from), *cause = show_escape(text_of(e, "cause"));
		printf("%s -> %s%s%s (%s)\n", before, show_state_colour(state), shown, show_plain(), cause);
		return;
	}
	printf("%s%s%s: ", show_state_colour(state), shown, show_plain());
	show_text(stdout, text);
	putchar('\n');
}

static void print_events(const json_t *params, void *data)
{
	const json_t *e;
	size_t i;

	(void)data;
	json_array_foreach (json_object_get(params, "events"), i, e)
		print_event(e);
	fflush(stdout);
}

int verb_events(struct cli *cli, char **args, size_t n)
{
	struct call call = {.method = "trpsup.Events", .each = print_events, .absent = CLI_FAILED};
	json_t *last = NULL, *names = json_array();
	uint64_t since = 0;
	int code;

	if (cli->since && !cli_parse_when("since", cli->since, &since))
		return CLI_USAGE;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(names, json_string(args[i]));
	if (json_array_size(names) == n)
		call.params = json_pack("{s:f, s:b}", "since", (double)since / 1e6, "follow", (cli->options & CLI_FOLLOW) != 0);
	if (n > 0)
		json_object_set(call.params, "services", names);
	json_decref(names);
	code = cli_call(cli, &call, &last);
	if (code == CLI_OK && !cli->json)
		print_events(last, NULL);
	json_decref(last);
	return code;
}
