/* SPDX-License-Identifier: ISC */
/* trpsup ps and trpsup info: the whole on one screen. */
#include "call.h"
#include "show.h"

#include <string.h>
#include <time.h>

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void number_cell(
	struct show_table *t, const json_t *object, const char *key, char *(*form)(double))
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_number(v))
		show_cell(t, NULL);
	else if (form)
		show_cell_own(t, form(json_number_value(v)));
	else
		show_cell_own(t, show_format("%.0f", json_number_value(v)));
}

static char *span_since(double since)
{
	return show_span((double)time(NULL) - since);
}

const char *show_frozen(const json_t *service)
{
	if (!json_is_true(json_object_get(service, "frozen")))
		return NULL;
	return json_is_true(json_object_get(service, "frozen_idle")) ? "frozen (idle)" : "frozen";
}

/* What a person wants to know first: one that is ready, but not well, is not just ready. */
static const char *state_of(const json_t *s)
{
	const char *state = text_of(s, "state"), *health = text_of(json_object_get(s, "health"), "state");

	if (show_frozen(s))
		return show_frozen(s);
	return state && health && strcmp(state, "ready") == 0 && strcmp(health, "unhealthy") == 0 ? health : state;
}

/* One that is run by time has none: when that is. */
static void address_cell(struct show_table *t, const json_t *s)
{
	const json_t *timer = json_object_get(s, "timer");
	const char *result = text_of(timer, "result");
	double next = json_number_value(json_object_get(timer, "next"));

	if (next != 0) {
		cleanup_free char *left = show_distance(next);
		show_cell_own(t, show_format("runs %s (last: %s)", left, result ? result : "none"));
		return;
	}
	show_cell(t, text_of(s, "url"));
}

static void service_row(struct show_table *t, const json_t *s)
{
	show_cell(t, text_of(s, "service"));
	show_cell(t, state_of(s));
	number_cell(t, s, "since", span_since);
	number_cell(t, s, "pid", NULL);
	number_cell(t, s, "processes", NULL);
	number_cell(t, s, "memory", show_bytes);
	number_cell(t, s, "cpu_us", show_cpu);
	number_cell(t, s, "connections", NULL);
	address_cell(t, s);
}

int verb_ps(struct cli *cli, char **args, size_t n)
{
	static const char *const head[] = {
		"SERVICE", "STATE", "SINCE", "PID", "PROCS", "MEMORY", "CPU", "CONNS", "ADDRESS"};
	struct show_table t = {.columns = TRP_ARRAY_SIZE(head), .state_column = 1};
	struct call call = {
		.method = "trpsup.List", .params = json_pack("{s:b}", "brief", !cli->json), .absent = CLI_NOT_RUNNING};
	json_t *last = NULL, *s;
	size_t i, stopped = 0;
	int code = cli_call(cli, &call, &last);

	(void)args;
	(void)n;
	if (code != CLI_OK || cli->json) {
		json_decref(last);
		return code;
	}
	for (i = 0; i < TRP_ARRAY_SIZE(head); i++)
		show_cell(&t, head[i]);
	json_array_foreach (json_object_get(last, "services"), i, s) {
		const char *state = text_of(s, "state");
		if (state && strcmp(state, "stopped") == 0)
			stopped++;
		else
			service_row(&t, s);
	}
	if (t.n == t.columns)
		printf("No service runs%s.\n",
			stopped ? "; 'trpsup list' shows those that are stopped" : "");
	show_table_print(&t);
	json_decref(last);
	return CLI_OK;
}

static void print_listeners(const json_t *listeners)
{
	const json_t *l, *protocol;
	size_t i, k;

	json_array_foreach (listeners, i, l) {
		printf(i == 0 ? "Listeners: " : "           ");
		show_text(stdout, text_of(l, "name"));
		printf(" port %lld for", (long long)json_integer_value(json_object_get(l, "port")));
		json_array_foreach (json_object_get(l, "protocols"), k, protocol) {
			putchar(' ');
			show_text(stdout, json_string_value(protocol));
		}
		putchar('\n');
	}
}

static void print_router(json_t *router)
{
	const char *key;
	json_t *value;
	size_t i;

	printf("   Router: ");
	json_array_foreach (json_object_get(router, "pids"), i, value)
		printf("%s%lld", i ? ", " : "pid ", (long long)json_integer_value(value));
	json_array_foreach (json_object_get(router, "retired"), i, value)
		printf("%s%lld", i ? ", " : "; replaced, still finishing: pid ", (long long)json_integer_value(value));
	putchar('\n');
	json_object_foreach (json_object_get(router, "stats"), key, value) {
		cleanup_free char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		printf("           ");
		show_text(stdout, key);
		printf(" ");
		show_text(stdout, text);
		putchar('\n');
	}
}

int verb_info(struct cli *cli, char **args, size_t n)
{
	struct call call = {
		.method = "trpsup.Info", .params = json_object(), .absent = CLI_NOT_RUNNING};
	json_t *last = NULL, *router;
	cleanup_free char *span = NULL;
	int code = cli_call(cli, &call, &last);

	(void)args;
	(void)n;
	if (code != CLI_OK || cli->json) {
		json_decref(last);
		return code;
	}
	printf("  Version: ");
	show_text(stdout, text_of(last, "version"));
	span = span_since(json_number_value(json_object_get(last, "since")));
	printf("\n  trpsupd: pid %lld, for %s\n",
		(long long)json_integer_value(json_object_get(last, "pid")), span);
	printf("   Config: ");
	show_text(stdout, text_of(last, "config"));
	printf("\n   Socket: ");
	show_text(stdout, cli->socket);
	putchar('\n');
	print_listeners(json_object_get(last, "listeners"));
	router = json_object_get(last, "router");
	if (json_is_object(router))
		print_router(router);
	json_decref(last);
	return CLI_OK;
}
