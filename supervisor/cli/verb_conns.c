/* SPDX-License-Identifier: ISC */
/* trpsup conns and kick: the connections that are open. */
#include "call.h"
#include "show.h"

#include <string.h>
#include <time.h>

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static double number_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void conn_rows(const json_t *params, void *data)
{
	struct show_table *t = data;
	const json_t *c;
	size_t i;

	json_array_foreach (json_object_get(params, "connections"), i, c) {
		cleanup_free char *client = show_escape(text_of(c, "client"));
		show_cell_own(t, show_format(strchr(client, ':') ? "[%s]:%.0f" : "%s:%.0f", client, number_of(c, "client_port")));
		show_cell(t, text_of(c, "service"));
		show_cell(t, text_of(c, "name"));
		show_cell(t, text_of(c, "protocol"));
		show_cell(t, text_of(c, "state"));
		show_cell_own(t, show_span((double)time(NULL) - number_of(c, "since")));
		show_cell_own(t, show_bytes(number_of(c, "bytes_in")));
		show_cell_own(t, show_bytes(number_of(c, "bytes_out")));
		show_cell_own(t, show_format("%.3fms", number_of(c, "rtt_us") / 1000));
	}
}

int verb_conns(struct cli *cli, char **args, size_t n)
{
	static const char *const head[] = {"CLIENT", "SERVICE", "NAME", "PROTOCOL", "STATE", "FOR", "IN", "OUT", "RTT"};
	struct show_table t = {.columns = TRP_ARRAY_SIZE(head), .state_column = TRP_ARRAY_SIZE(head)};
	struct call call = {.method = "trpsup.Conns",
		.params = json_pack("{s:s*}", "service", n ? args[0] : NULL),
		.each = conn_rows,
		.data = &t,
		.absent = CLI_NOT_RUNNING};
	json_t *last = NULL;
	int code;

	for (size_t i = 0; i < t.columns; i++)
		show_cell(&t, head[i]);
	code = cli_call(cli, &call, &last);
	if (code == CLI_OK && !cli->json) {
		conn_rows(last, &t);
		show_table_print(&t);
	}
	json_decref(last);
	return code;
}

int verb_kick(struct cli *cli, char **args, size_t n)
{
	struct call call = {.method = "trpsup.Kick", .absent = CLI_NOT_RUNNING};
	json_t *last = NULL;
	int code;

	if (n == 0 && !cli->service) {
		cli_error("kick whom? Give a client's address, or --service NAME");
		return CLI_USAGE;
	}
	call.params = json_pack("{s:s*, s:s*}", "client", n ? args[0] : NULL, "service", cli->service);
	code = cli_call(cli, &call, &last);
	if (code != CLI_OK)
		return code;
	if (!cli->json) {
		double failed = number_of(last, "failed");
		printf("%.0f connections ended\n", number_of(last, "kicked"));
		if (failed > 0) {
			cleanup_free char *why = show_escape(text_of(last, "text"));
			cli_error("%.0f could not be ended: %s", failed, why);
		}
	}
	code = number_of(last, "failed") > 0 ? CLI_FAILED : CLI_OK;
	json_decref(last);
	return code;
}
