/* SPDX-License-Identifier: ISC */
/* trpsup upgrade, upgrade-router and detach: others go on with what runs. */
#include "call.h"
#include "show.h"

#include <stdio.h>

static void print_pids(const char *what, const json_t *pids)
{
	const json_t *pid;
	size_t i;

	json_array_foreach (pids, i, pid)
		printf("%s%lld", i == 0 ? what : ", ", (long long)json_integer_value(pid));
}

int verb_upgrade_router(struct cli *cli, char **args, size_t n)
{
	struct call call = {.method = "trpsup.RouterUpgrade", .params = json_object(), .absent = CLI_FAILED};
	json_t *last = NULL;
	int code = cli_call(cli, &call, &last);

	(void)args;
	(void)n;
	if (code == CLI_OK && !cli->json) {
		print_pids("router: pid ", json_object_get(last, "pids"));
		print_pids("; still finishing with its clients: pid ", json_object_get(last, "retired"));
		putchar('\n');
	}
	json_decref(last);
	return code;
}

int verb_upgrade(struct cli *cli, char **args, size_t n)
{
	struct call call = {.method = "trpsup.Upgrade",
		.params = json_pack("{s:b}", "anyway", (cli->options & CLI_ANYWAY) != 0),
		.absent = CLI_FAILED};
	json_t *last = NULL, *name;
	int code = cli_call(cli, &call, &last);
	size_t i;

	(void)args;
	(void)n;
	if (code == CLI_OK && !cli->json) {
		cleanup_free char *before = show_escape(json_string_value(json_object_get(last, "before")));
		cleanup_free char *now = show_escape(json_string_value(json_object_get(last, "version")));
		printf("trpsupd %s (was %s): %lld services go on\n", now, before,
			(long long)json_integer_value(json_object_get(last, "services")));
		json_array_foreach (json_object_get(last, "lost"), i, name) {
			cleanup_free char *shown = show_escape(json_string_value(name));
			printf("%s: could not be taken over; see the daemon's log\n", shown);
		}
	}
	json_decref(last);
	return code;
}

int verb_detach(struct cli *cli, char **args, size_t n)
{
	struct call call = {.method = "trpsup.Detach", .params = json_object(), .absent = CLI_FAILED};

	(void)args;
	(void)n;
	return cli_call(cli, &call, NULL);
}
