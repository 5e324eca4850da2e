/* SPDX-License-Identifier: ISC */
/* trpsup score: how far services are confined. A running one is judged by the daemon, which compares it with its processes; any other
 * here, from its profile, by the same code. */
#include "call.h"
#include "local.h"
#include "show.h"
#include "supervisor/box/adapter.h"
#include "supervisor/box/users.h"
#include "supervisor/score/score.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void print_errors(const struct profile_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		show_text(stderr, errors->v[i]);
		fputc('\n', stderr);
	}
}

/* ---- without a daemon ---- */

/* Who is not a number cannot be looked up where no root has been built; only root or not is judged. */
static void guess_user(const struct profile *p, const char *root, struct box_site *site)
{
	if (users_resolve(root, p->user, p->group, &site->uid, &site->gid) == 0)
		return;
	site->uid = site->gid = strcmp(p->user, "root") == 0 ? 0 : 1000;
}

static json_t *judge_profile(const struct cli *cli, const struct profile *p, char *err, size_t err_size)
{
	static const struct cgroup group = {.name = "-", CGROUP_NONE}; /* there will be one */
	const char *root = p->root == ROOT_HOST ? "/" : p->root == ROOT_DIRECTORY ? p->root_directory : NULL;
	cleanup_close int root_fd = p->root == ROOT_DIRECTORY ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	struct seccomp_filter filter = {0};
	struct adapter_choice adapter = {.adapter = ADAPTER_PRELOAD};
	struct score_view view;
	struct score score;
	json_t *o = NULL;
	struct strv words = {0};
	int r = box_filter_words(p, &p->syscalls, &words);

	if (r == 0)
		r = seccomp_compile((const char *const *)words.v, words.n, &filter);
	strv_free(&words);
	if (r < 0) {
		snprintf(err, err_size, "its filter cannot be made: %s", strerror(-r));
		return NULL;
	}
	(void)adapter_choose(p, root, &adapter); /* a program that is not here yet: as most are */
	struct box_site site = {.profile = p, .service = p->service, .state_dir = cli->config->state_dir, .run_dir = cli->config->run_dir,
		.root = p->root == ROOT_DIRECTORY ? p->root_directory : NULL, .adapter = adapter.adapter,
		.uid_base = (uint32_t)cli->config->uid_base, .seccomp = &filter, .cgroup = &group};
	guess_user(p, root, &site);
	r = score_view_make(&site, root_fd, &view, err, err_size);
	if (r == 0) {
		score_judge(&view, &score);
		o = score_json(&view, &score);
		score_view_free(&view);
		if (o)
			json_object_set_new(o, "running", json_false());
		else
			snprintf(err, err_size, "no memory");
	}
	seccomp_filter_free(&filter);
	return o;
}

static json_t *judge_local(const struct cli *cli, const char *name, const char *dir, int *ret_code)
{
	struct profile_errors errors = {0};
	struct profile_paths paths;
	cleanup_free const char **dirs = NULL;
	struct profile *p = NULL;
	char err[400] = "";
	json_t *o = NULL;
	bool template;
	int r = 0;

	config_profile_paths(cli->config, &paths);
	if (dir)
		r = local_look_first(&paths, dir, &dirs);
	if (r == 0)
		r = local_load(&paths, name, &p, &template, &errors);
	if (r == 0)
		o = judge_profile(cli, p, err, sizeof(err));
	if (!o) {
		print_errors(&errors);
		if (errors.n == 0)
			cli_error("%s: %s", name, err[0] ? err : strerror(-r));
		*ret_code = r == -ENOENT ? CLI_NO_SUCH_SERVICE : CLI_FAILED;
	}
	profile_errors_free(&errors);
	profile_free(p);
	return o;
}

/* NULL: *ret_code says how the program is to exit; the reason is printed. */
static json_t *judge(struct cli *cli, const char *arg, int *ret_code)
{
	struct profile_errors errors = {0};
	cleanup_free char *name = NULL, *dir = NULL;
	json_t *o = NULL;
	int r = local_file(arg, &name, &dir, &errors);

	print_errors(&errors);
	profile_errors_free(&errors);
	if (r < 0) {
		*ret_code = CLI_FAILED;
		return NULL;
	}
	if (r == 0) {
		struct call call = {.method = "trpsup.Score", .params = json_pack("{s:s}", "service", arg), .absent = CLI_OK, .quiet = true};
		(void)cli_call(cli, &call, &o);
	}
	return o ? o : judge_local(cli, r > 0 ? name : arg, dir, ret_code);
}

/* ---- what is shown ---- */

static const char *colour_of(double total)
{
	return show_state_colour(total >= 7.5 ? "failed" : total >= 5.0 ? "waiting" : "ready");
}

static void print_rows(const json_t *controls, double weights)
{
	struct show_table t = {.columns = 5, .state_column = 5};
	const json_t *row;
	size_t i;

	show_cell(&t, "CONTROL");
	show_cell(&t, "EXPOSURE");
	show_cell(&t, "WEIGHT");
	show_cell(&t, "IN FORCE");
	show_cell(&t, "WHAT IT HAS");
	json_array_foreach (controls, i, row) {
		const json_t *force = json_object_get(row, "in_force");
		double points = number_of(row, "weight") * number_of(row, "exposure") / weights * 10;
		show_cell(&t, text_of(row, "control"));
		show_cell_own(&t, points > 0 ? show_format("%.2f", points) : show_format("-"));
		show_cell_own(&t, show_format("%.0f", number_of(row, "weight")));
		show_cell(&t, json_is_true(force) ? "yes" : json_is_false(force) ? "NO" : "-");
		show_cell(&t, text_of(row, "has"));
	}
	show_table_print(&t);
}

static double sum_weights(const json_t *controls)
{
	const json_t *row;
	double sum = 0;
	size_t i;

	json_array_foreach (controls, i, row)
		sum += number_of(row, "weight");
	return sum > 0 ? sum : 1;
}

static void print_changes(const json_t *controls)
{
	const json_t *row;
	bool first = true;
	size_t i;

	json_array_foreach (controls, i, row) {
		const json_t *change = json_object_get(row, "change");
		if (!json_is_object(change))
			continue;
		if (first)
			puts("\nWhat could be changed:");
		first = false;
		cleanup_free char *file = show_escape(text_of(change, "file")), *what = show_escape(text_of(change, "text"));
		double line = number_of(change, "line");
		if (line > 0)
			printf("  %s:%.0f: %s: %s\n", file, line, text_of(change, "key"), what);
		else
			printf("  %s: [%s] %s: %s\n", file, text_of(change, "section"), text_of(change, "key"), what);
	}
}

static void print_broken(const json_t *controls)
{
	const json_t *row;
	size_t i;

	json_array_foreach (controls, i, row) {
		if (!json_is_false(json_object_get(row, "in_force")))
			continue;
		cleanup_free char *found = show_escape(text_of(row, "found"));
		fflush(stdout);
		fprintf(stderr, "%sNOT IN FORCE: %s: %s%s\n", show_state_colour("failed"), text_of(row, "control"), found, show_plain());
	}
}

static void print_words(const char *label, const json_t *list, const char *key)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	printf("  %-22s", label);
	json_array_foreach (list, i, item) {
		const char *from = key ? text_of(item, "from") : NULL;
		fputs(i ? ", " : "", stdout);
		show_text(stdout, key ? text_of(item, key) : json_string_value(item));
		if (from) {
			fputs(" (", stdout);
			show_text(stdout, from);
			putchar(')');
		}
	}
	putchar('\n');
}

static void print_reach(const json_t *reach)
{
	const json_t *calls = json_object_get(reach, "system_calls");

	puts("\nWhat it can reach:");
	print_words("can write", json_object_get(reach, "writable"), "path");
	print_words("reads of the host", json_object_get(reach, "readable"), "path");
	printf("  %-22s%.0f of %.0f, %.0f more with some arguments\n", "system calls", number_of(calls, "allowed"), number_of(calls, "known"),
		number_of(calls, "with_some_arguments"));
	print_words("notable ones", json_object_get(calls, "notable"), NULL);
	print_words("clients of", json_object_get(reach, "names"), "name");
	print_words("networks", json_object_get(reach, "networks"), NULL);
	print_words("secrets", json_object_get(reach, "secrets"), NULL);
	print_words("directories of", json_object_get(reach, "uses"), NULL);
	if (json_is_true(json_object_get(reach, "publishes")))
		printf("  %-22s%s\n", "publishes", "/trp/publish");
	print_words("may run without", json_object_get(reach, "allowed_to_be_missing"), NULL);
}

static void print_total(const json_t *o)
{
	double total = number_of(o, "total");
	const char *raised = text_of(o, "raised_by");

	printf("\n%s", show_bold());
	show_text(stdout, text_of(o, "service"));
	printf("%s: %s%.1f %s%s", show_plain(), colour_of(total), total, text_of(o, "word"), show_plain());
	if (raised)
		printf(", because of %s; %.1f without", raised, number_of(o, "mean"));
	if (json_is_true(json_object_get(o, "running")))
		printf("; in force in %.0f process%s%s", number_of(o, "processes"), number_of(o, "processes") == 1 ? "" : "es",
			json_is_false(json_object_get(o, "all_processes")) ? " that were looked at; there are more" : "");
	else
		printf("; from the profile alone");
	putchar('\n');
}

static void print_one(const json_t *o)
{
	const json_t *controls = json_object_get(o, "controls");

	print_rows(controls, sum_weights(controls));
	print_changes(controls);
	print_reach(json_object_get(o, "reach"));
	print_total(o);
	print_broken(controls);
}

static void add_summary(struct show_table *t, const json_t *o)
{
	const char *raised = text_of(o, "raised_by");
	bool running = json_is_true(json_object_get(o, "running"));

	show_cell(t, text_of(o, "service"));
	show_cell_own(t, show_format("%.1f", number_of(o, "total")));
	show_cell(t, text_of(o, "word"));
	show_cell(t, !running ? "-" : json_is_true(json_object_get(o, "broken")) ? "NO" : "yes");
	show_cell(t, raised);
}

static int take(struct cli *cli, const char *arg, bool alone, struct show_table *t)
{
	int code = CLI_OK;
	json_t *o = judge(cli, arg, &code);

	if (!o)
		return code;
	if (cli->json) {
		cleanup_free char *text = show_json(o, JSON_REAL_PRECISION(6));
		printf("{\"parameters\":%s}\n", text);
	} else if (alone) {
		print_one(o);
	} else {
		add_summary(t, o);
	}
	if (json_is_true(json_object_get(o, "broken")) ||
		((cli->options & CLI_THRESHOLD) && number_of(o, "total") > cli->threshold + 1e-9))
		code = CLI_FAILED;
	json_decref(o);
	return code;
}

int verb_score(struct cli *cli, char **args, size_t n)
{
	struct show_table t = {.columns = 5, .state_column = 5};
	struct profile_paths paths;
	struct strv names = {0};
	int code = CLI_OK, r = 0;

	if (cli_config(cli) != CLI_OK)
		return CLI_FAILED;
	config_profile_paths(cli->config, &paths);
	if (n == 0)
		r = profile_list(&paths, &names);
	for (size_t i = 0; i < n && r == 0; i++)
		r = strv_push(&names, args[i]);
	if (r < 0) {
		cli_error("the profiles cannot be listed: %s", strerror(-r));
		code = CLI_FAILED;
	}
	for (const char *const *head = (const char *const[]){"SERVICE", "SCORE", "WORD", "IN FORCE", "RAISED BY", NULL}; *head && n != 1; head++)
		show_cell(&t, *head);
	for (size_t i = 0; i < names.n; i++) {
		r = take(cli, names.v[i], n == 1, &t);
		code = code ? code : r;
	}
	if (t.n > 0 && !cli->json)
		show_table_print(&t);
	strv_free(&names);
	return code;
}
