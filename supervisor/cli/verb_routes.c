/* SPDX-License-Identifier: ISC */
/* trpsup routes, explain and counters: names, and what becomes of those who ask for them. */
#include "call.h"
#include "show.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void head(struct show_table *t, const char *const *words)
{
	for (size_t i = 0; i < t->columns; i++)
		show_cell(t, words[i]);
}

static void route_rows(const json_t *params, void *data)
{
	struct show_table *t = data;
	const json_t *r;
	size_t i;

	json_array_foreach (json_object_get(params, "routes"), i, r) {
		show_cell(t, text_of(r, "host"));
		show_cell(t, text_of(r, "listener"));
		show_cell(t, text_of(r, "protocol"));
		show_cell(t, text_of(r, "service"));
		show_cell(t, text_of(r, "state"));
		show_cell(t, json_is_true(json_object_get(r, "up")) ? "yes" : "no");
		cleanup_free char *file = show_escape(text_of(r, "file"));
		show_cell_own(t, show_format("%s:%lld", file, number_of(r, "line")));
	}
}

int verb_routes(struct cli *cli, char **args, size_t n)
{
	static const char *const words[] = {"NAME", "LISTENER", "PROTOCOL", "SERVICE", "STATE", "UP", "PROFILE"};
	struct show_table t = {.columns = TRP_ARRAY_SIZE(words), .state_column = 4};
	struct call call = {.method = "trpsup.Routes",
		.params = json_object(),
		.each = route_rows,
		.data = &t,
		.absent = CLI_NOT_RUNNING};
	json_t *last = NULL;
	int code;

	(void)args;
	(void)n;
	head(&t, words);
	code = cli_call(cli, &call, &last);
	if (code == CLI_OK && !cli->json) {
		route_rows(last, &t);
		if (t.n == t.columns)
			puts("No service that the daemon knows has a name.");
		show_table_print(&t);
	}
	json_decref(last);
	return code;
}

/* "HTTP status 404" */
static char *told(const json_t *d)
{
	const char *protocol = text_of(d, "protocol");
	long long code = number_of(d, "told");

	if (strcmp(text_of(d, "verdict") ? text_of(d, "verdict") : "", "handed_on") == 0)
		return show_format("-");
	if (code == 0)
		return show_format(protocol && strcmp(protocol, "raw") == 0 ? "nothing: closed" : "an error message");
	if (protocol && strcmp(protocol, "tls") == 0)
		return show_format("TLS alert %lld", code);
	return show_format("HTTP status %lld", code);
}

/* Why, as a person would say it. */
static char *reason(const json_t *d)
{
	const char *match = text_of(d, "match"), *verdict = text_of(d, "verdict");
	cleanup_free char *route = show_escape(text_of(d, "route"));

	if (match && strcmp(match, "exact") == 0)
		return show_format("exact name");
	if (match && strcmp(match, "wildcard") == 0)
		return show_format("wildcard %s", route);
	if (match && strcmp(match, "default") == 0)
		return show_format("default");
	if (verdict && strcmp(verdict, "misdirected") == 0)
		return show_format("known on other listeners or protocols only");
	if (verdict && strcmp(verdict, "wrong_protocol") == 0)
		return show_format("the listener does not take this protocol");
	return show_format("nobody has that name");
}

static bool has_service(const json_t *decisions)
{
	const json_t *d;
	size_t i;

	json_array_foreach (decisions, i, d)
		if (strcmp(text_of(d, "verdict") ? text_of(d, "verdict") : "", "handed_on") == 0)
			return true;
	return false;
}

int verb_explain(struct cli *cli, char **args, size_t n)
{
	static const char *const words[] = {"LISTENER", "PROTOCOL", "SERVICE", "STATE", "VERDICT", "WHY", "TOLD"};
	struct show_table t = {.columns = TRP_ARRAY_SIZE(words), .state_column = 3};
	struct call call = {.method = "trpsup.Explain",
		.params = json_pack("{s:s, s:s*, s:s*}", "name", args[0], "listener", cli->listener, "protocol", cli->protocol),
		.absent = CLI_FAILED};
	json_t *last = NULL, *d;
	size_t i;
	int code;

	(void)n;
	code = cli_call(cli, &call, &last);
	if (code != CLI_OK)
		return code;
	head(&t, words);
	json_array_foreach (json_object_get(last, "decisions"), i, d) {
		cleanup_free char *listener = show_escape(text_of(d, "listener"));
		show_cell_own(&t, show_format("%s:%lld", listener, number_of(d, "listener_port")));
		show_cell(&t, text_of(d, "protocol"));
		show_cell(&t, text_of(d, "service"));
		show_cell(&t, text_of(d, "state"));
		show_cell(&t, text_of(d, "verdict"));
		show_cell_own(&t, reason(d));
		show_cell_own(&t, told(d));
	}
	if (!cli->json)
		show_table_print(&t);
	code = has_service(json_object_get(last, "decisions")) ? CLI_OK : CLI_FAILED;
	json_decref(last);
	return code;
}

/* "handed_on 12, queue_full 3"; what never happened is left out. */
char *show_clients(const json_t *clients)
{
	char *text = show_format("%s", ""), *longer;
	const char *word;
	json_t *v;

	json_object_foreach ((json_t *)clients, word, v) {
		if (json_integer_value(v) == 0)
			continue;
		cleanup_free char *shown = show_escape(word);
		longer = show_format("%s%s%s %lld", text, *text ? ", " : "", shown, (long long)json_integer_value(v));
		free(text);
		text = longer;
	}
	return text;
}

static void client_cell(struct show_table *t, const json_t *clients)
{
	cleanup_free char *text = show_clients(clients);

	show_cell(t, text);
}

int verb_counters(struct cli *cli, char **args, size_t n)
{
	static const char *const by_service[] = {"SERVICE", "CLIENTS"};
	static const char *const by_listener[] = {"LISTENER", "PROTOCOL", "CLIENTS"};
	struct show_table s = {.columns = 2, .state_column = 2}, l = {.columns = 3, .state_column = 3};
	struct call call = {.method = "trpsup.Counters", .params = json_object(), .absent = CLI_NOT_RUNNING};
	json_t *last = NULL, *row, *clients;
	const char *protocol;
	size_t i;
	int code = cli_call(cli, &call, &last);

	(void)args;
	(void)n;
	if (code != CLI_OK || cli->json) {
		json_decref(last);
		return code;
	}
	head(&s, by_service);
	json_array_foreach (json_object_get(last, "services"), i, row) {
		const char *name = text_of(row, "service");
		show_cell(&s, name ? name : "(nobody's)");
		client_cell(&s, json_object_get(row, "clients"));
	}
	show_table_print(&s);
	putchar('\n');
	head(&l, by_listener);
	json_array_foreach (json_object_get(last, "listeners"), i, row)
		json_object_foreach (json_object_get(row, "protocols"), protocol, clients) {
			cleanup_free char *name = show_escape(text_of(row, "listener"));
			show_cell_own(&l, show_format("%s:%lld", name, number_of(row, "port")));
			show_cell(&l, protocol);
			client_cell(&l, clients);
		}
	show_table_print(&l);
	json_decref(last);
	return CLI_OK;
}
