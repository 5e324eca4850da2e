/* SPDX-License-Identifier: ISC */
/* trpsup list: every profile there is, and how its service is. */
#include "call.h"
#include "local.h"
#include "show.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void add_row(json_t *rows, const char *name, const char *state, const char *description)
{
	json_array_append_new(rows, json_pack("{s:s, s:s*, s:s*}", "service", name, "state", state,
					    "description", description));
}

/* The daemon's entry for a service, or NULL. */
static const json_t *find(const json_t *services, const char *name)
{
	const json_t *s;
	size_t i;

	json_array_foreach (services, i, s)
		if (text_of(s, "service") && strcmp(text_of(s, "service"), name) == 0)
			return s;
	return NULL;
}

static void add_profile(
	json_t *rows, const json_t *services, const struct profile_paths *paths, const char *name)
{
	struct profile_errors errors = {0};
	const json_t *running = find(services, name);
	const char *state = running ? text_of(running, "state") : services ? "stopped" : NULL;
	struct profile *p = NULL;
	bool template;

	if (local_load(paths, name, &p, &template, &errors) < 0) {
		add_row(rows, name, running ? state : "invalid",
			"'trpsup check' says what is wrong with it");
	} else if (template) {
		cleanup_free char *shown = show_format("%s@NAME", name);
		/* the example's name in the description is of no use */
		add_row(rows, shown, "template", NULL);
	} else {
		add_row(rows, name, state, p->description);
	}
	profile_free(p);
	profile_errors_free(&errors);
}

/* Instances, and services whose profile is gone. */
static void add_others(json_t *rows, const json_t *services)
{
	const json_t *s;
	size_t i;

	json_array_foreach (services, i, s)
		if (text_of(s, "service") && !find(rows, text_of(s, "service")))
			add_row(rows, text_of(s, "service"), text_of(s, "state"),
				text_of(s, "description"));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(
		text_of(*(json_t *const *)a, "service"), text_of(*(json_t *const *)b, "service"));
}

static void sort_rows(json_t *rows)
{
	size_t n = json_array_size(rows);
	cleanup_free json_t **v = calloc(n + 1, sizeof(*v));

	if (!v)
		return;
	for (size_t i = 0; i < n; i++)
		v[i] = json_incref(json_array_get(rows, i));
	qsort(v, n, sizeof(*v), by_name);
	json_array_clear(rows);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows, v[i]);
}

static void print_rows(const struct cli *cli, const json_t *rows)
{
	struct show_table t = {.columns = 3, .state_column = 1};
	const json_t *row;
	size_t i;

	if (!(cli->options & CLI_NAMES)) {
		show_cell(&t, "SERVICE");
		show_cell(&t, "STATE");
		show_cell(&t, "DESCRIPTION");
	}
	json_array_foreach (rows, i, row) {
		const char *name = text_of(row, "service"), *state = text_of(row, "state");
		if (cli->options & CLI_NAMES) {
			/* for completion: what can stand where a service's name is expected */
			if (!state || strcmp(state, "template") != 0) {
				show_text(stdout, name);
				putchar('\n');
			}
			continue;
		}
		show_cell(&t, name);
		show_cell(&t, state);
		show_cell(&t, text_of(row, "description"));
	}
	if (t.n > 0)
		show_table_print(&t);
}

int verb_list(struct cli *cli, char **args, size_t n)
{
	struct call call = {.method = "trpsup.List", .params = json_pack("{s:b}", "brief", true), .quiet = true};
	json_t *last = NULL, *rows = json_array();
	const json_t *services;
	struct strv names = {0};
	struct profile_paths paths;
	int r;

	(void)args;
	(void)n;
	/* without a daemon, or without the right to ask it, the states are not known */
	if (cli_call(cli, &call, &last) != CLI_OK && !cli->config)
		return CLI_FAILED;
	services = json_object_get(last, "services");
	config_profile_paths(cli->config, &paths);
	r = profile_list(&paths, &names);
	if (r < 0)
		cli_error("the profiles cannot be listed: %s", strerror(-r));
	for (size_t i = 0; i < names.n; i++)
		add_profile(rows, services, &paths, names.v[i]);
	add_others(rows, services);
	sort_rows(rows);
	if (cli->json) {
		cleanup_free char *text = show_json(rows, 0);
		printf("{\"services\":%s}\n", text);
	} else {
		print_rows(cli, rows);
	}
	json_decref(rows);
	json_decref(last);
	strv_free(&names);
	return r < 0 ? CLI_FAILED : CLI_OK;
}
