/* SPDX-License-Identifier: ISC */
/* trpsup timers: what is run by time. */
#include "call.h"
#include "show.h"

#include <string.h>

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void row(struct show_table *t, const json_t *timer)
{
	const char *result = text(timer, "result"), *why = text(timer, "why");
	cleanup_free char *next = show_time(number(timer, "next")), *left = show_distance(number(timer, "next"));
	cleanup_free char *last = show_time(number(timer, "last"));

	show_cell(t, text(timer, "service"));
	show_cell(t, next);
	show_cell(t, left);
	show_cell(t, last);
	show_cell(t, result && strcmp(result, "none") != 0 ? result : NULL);
	show_cell(t, why && *why ? why : NULL);
}

int verb_timers(struct cli *cli, char **args, size_t n)
{
	static const char *const head[] = {"SERVICE", "NEXT", "LEFT", "LAST", "RESULT", "WHY"};
	struct show_table t = {.columns = TRP_ARRAY_SIZE(head), .state_column = 4};
	struct call call = {.method = "trpsup.Timers", .params = json_object(), .absent = CLI_NOT_RUNNING};
	json_t *last = NULL, *timer;
	size_t i;
	int code = cli_call(cli, &call, &last);

	(void)args, (void)n;
	if (code != CLI_OK || cli->json) {
		json_decref(last);
		return code;
	}
	for (i = 0; i < TRP_ARRAY_SIZE(head); i++)
		show_cell(&t, head[i]);
	json_array_foreach (json_object_get(last, "timers"), i, timer)
		row(&t, timer);
	if (t.n == t.columns)
		puts("No service is run by time.");
	show_table_print(&t);
	json_decref(last);
	return CLI_OK;
}
