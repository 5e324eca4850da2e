/* SPDX-License-Identifier: ISC */
#include "call.h"
#include "show.h"

static void print_lines(const json_t *params, void *data)
{
	const json_t *line;
	size_t i;

	(void)data;
	json_array_foreach (json_object_get(params, "lines"), i, line)
		show_line(json_string_value(line));
	fflush(stdout);
}

int verb_logs(struct cli *cli, char **args, size_t n)
{
	struct call call = {
		.method = "trpsup.Logs",
		.params = json_pack("{s:s, s:I, s:b}", "service", args[0], "lines",
			(json_int_t)(cli->options & CLI_LINES ? cli->lines : 50), "follow",
			(cli->options & CLI_FOLLOW) != 0),
		.each = print_lines,
		.absent = CLI_FAILED,
	};
	json_t *last = NULL;
	int code;

	(void)n;
	code = cli_call(cli, &call, &last);
	if (code == CLI_OK && !cli->json)
		print_lines(last, NULL);
	json_decref(last);
	return code;
}
