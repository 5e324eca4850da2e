/* SPDX-License-Identifier: ISC */
/* trpsup status NAME: all that is known of one service, on one screen. */
#include "call.h"
#include "show.h"

#include <string.h>
#include <time.h>

#define LABEL 10 /* width of the words in front of the colons */

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool number_of(const json_t *object, const char *key, double *ret)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_number(v))
		return false;
	*ret = json_number_value(v);
	return true;
}

/* word "": a line that goes on with the one above */
static void label(const char *word)
{
	printf("%*s%s ", LABEL, word, *word ? ":" : " ");
}

static void text_row(const json_t *s, const char *word, const char *key)
{
	const char *text = text_of(s, key);

	if (!text || !*text)
		return;
	label(word);
	show_text(stdout, text);
	putchar('\n');
}

static void number_row(const json_t *s, const char *word, const char *key, char *(*form)(double))
{
	cleanup_free char *text = NULL;
	double v;

	if (!number_of(s, key, &v))
		return;
	text = form ? form(v) : show_format("%.0f", v);
	label(word);
	puts(text);
}

/* Nothing for one that has not had to wait, and of which all was taken. */
static void log_row(const json_t *s)
{
	static const char *const others[][2] = {{"log_syslog_dropped", "syslog"}, {"log_journal_dropped", "the journal"}};
	double waits, ms, dropped;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(others); i++)
		if (number_of(s, others[i][0], &dropped) && dropped > 0) {
			label("Log");
			printf("%.0f lines dropped that %s did not take\n", dropped, others[i][1]);
		}

	if (!number_of(s, "log_waits", &waits) || !number_of(s, "log_waited_ms", &ms) || waits <= 0)
		return;
	label("Log");
	printf("waited %.0f times, %.1f s in all (log-rate)\n", waits, ms / 1000);
}

static void words_row(const json_t *s, const char *word, const char *key)
{
	const json_t *list = json_object_get(s, key), *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (i == 0)
			label(word);
		else
			putchar(' ');
		show_text(stdout, json_string_value(item));
	}
	if (json_array_size(list) > 0)
		putchar('\n');
}

static void state_row(const json_t *s)
{
	const char *state = text_of(s, "state");
	cleanup_free char *shown = show_escape(state), *span = NULL;
	double since;
	time_t at;
	struct tm tm;
	char when[64];

	label("State");
	printf("%s%s%s%s%s", show_state_colour(state), shown, show_plain(), show_frozen(s) ? ", " : "", show_frozen(s) ? show_frozen(s) : "");
	if (number_of(s, "since", &since) && since > 0) {
		at = (time_t)since;
		localtime_r(&at, &tm);
		strftime(when, sizeof(when), "%a %Y-%m-%d %H:%M:%S %Z", &tm);
		span = show_span((double)time(NULL) - since);
		printf(" since %s; %s ago", when, span);
	}
	putchar('\n');
	if (state && strcmp(state, text_of(s, "message") ? text_of(s, "message") : "") != 0)
		text_row(s, "", "message");
}

static void pid_row(const json_t *s)
{
	double pid, main_pid, restarts;

	if (number_of(s, "pid", &pid)) {
		label("PID");
		printf("%.0f", pid);
		if (number_of(s, "main_pid", &main_pid))
			printf(" (main process %.0f)", main_pid);
		putchar('\n');
	}
	if (number_of(s, "restarts", &restarts) && restarts > 0) {
		label("Restarts");
		printf("%.0f\n", restarts);
	}
}

static void oom_row(const json_t *s)
{
	double kills;

	if (!number_of(s, "oom_kills", &kills) || kills <= 0)
		return;
	label("");
	printf("%.0f %s killed for want of it\n", kills, kills > 1 ? "processes were" : "process was");
}

static void route_rows(const json_t *s)
{
	const json_t *routes = json_object_get(s, "routes"), *route, *name;
	size_t i, k;
	double port;

	json_array_foreach (routes, i, route) {
		bool up = json_is_true(json_object_get(route, "up"));
		label(i == 0 ? "Routes" : "");
		show_text(stdout, text_of(route, "host"));
		putchar(' ');
		show_text(stdout, text_of(route, "protocol"));
		printf(" from");
		json_array_foreach (json_object_get(route, "listeners"), k, name) {
			printf(k ? ", " : " ");
			show_text(stdout, json_string_value(name));
		}
		if (number_of(route, "port", &port))
			printf(" to port %.0f", port);
		printf(" (%s%s%s)\n", show_state_colour(up ? "ready" : "waiting"),
			up ? "up" : "down", show_plain());
	}
}

static void listen_row(const json_t *s)
{
	const json_t *list = json_object_get(s, "listens"), *item;
	double port, family;
	size_t i;

	json_array_foreach (list, i, item) {
		if (i == 0)
			label("Listens");
		if (number_of(item, "port", &port) && number_of(item, "family", &family))
			printf("%sport %.0f IPv%.0f", i ? ", " : "", port, family);
	}
	if (json_array_size(list) > 0)
		putchar('\n');
}

static void clients_row(const json_t *s)
{
	cleanup_free char *text = show_clients(json_object_get(s, "clients"));

	number_row(s, "Open", "connections", NULL);
	if (!*text)
		return;
	label("Clients");
	puts(text);
}

static void adapter_row(const json_t *s)
{
	const char *adapter = text_of(s, "adapter"), *why = text_of(s, "adapter_why");

	if (!adapter || !*adapter)
		return;
	label("Adapter");
	show_text(stdout, adapter);
	if (why && *why) {
		printf(": ");
		show_text(stdout, why);
	}
	putchar('\n');
}

static void learning_row(const json_t *s)
{
	const char *word = text_of(s, "learning");

	if (!word)
		return;
	label("Watched");
	printf("%s%s%s (trpsup learn)\n", show_bold(),
		strcmp(word, "checking") == 0 ? "CHECK: its system calls are not those of its profile"
					      : "LEARNING RUN: it may make all system calls of @default", show_plain());
}

/* When it counts as ready, and what must come from it then. */
static void readiness_row(const json_t *s)
{
	static const struct {
		const char *word, *text;
	} texts[] = {{"started", "when it is executed"}, {"listen", "when it listens on all its ports"},
		{"notify", "when it says so (sd_notify)"}, {"check", "when its check passes"}, {"exit", "when it has ended well"}};
	const char *word = text_of(s, "readiness");
	double ms;

	for (size_t i = 0; word && i < TRP_ARRAY_SIZE(texts); i++) {
		if (strcmp(texts[i].word, word) != 0)
			continue;
		label("Ready");
		printf("%s", texts[i].text);
		if (number_of(s, "watchdog_ms", &ms))
			printf("; then a sign of life each %.3g s", ms / 1000);
		putchar('\n');
	}
	if (word && strncmp(word, "fd:", 3) == 0) {
		label("Ready");
		printf("when it writes a newline to its descriptor %.8s\n", word + 3);
	}
}

/* "unhealthy (3 of 3: HTTP 500), since 2 min" */
static void health_row(const json_t *s)
{
	const json_t *h = json_object_get(s, "health");
	const char *state = text_of(h, "state"), *last = text_of(h, "last");
	double failures = 0, most = 0, since;
	cleanup_free char *span = NULL;

	if (!state)
		return;
	label("Health");
	printf("%s%s%s", show_state_colour(strcmp(state, "unhealthy") == 0 ? "failed" : "ready"), strcmp(state, "unknown") == 0 ? "not known yet" :
		state, show_plain());
	if (number_of(h, "failures", &failures) && number_of(h, "of", &most) && failures > 0) {
		printf(" (%.0f of %.0f failed: ", failures < most ? failures : most, most);
		show_text(stdout, last ? last : "");
		putchar(')');
	}
	if (number_of(h, "since", &since) && since > 0) {
		span = show_span((double)time(NULL) - since);
		printf(", since %s", span);
	}
	if (text_of(h, "check")) {
		printf("; ");
		show_text(stdout, text_of(h, "check"));
	}
	putchar('\n');
}

/* Of a service that may have some kept for its next run. */
static void kept_row(const json_t *s)
{
	const json_t *k = json_object_get(s, "kept_descriptors");
	double kept, most, refused;

	if (!number_of(k, "kept", &kept) || !number_of(k, "most", &most) || !number_of(k, "refused", &refused))
		return;
	label("Keeps");
	printf("%.0f of %.0f descriptors", kept, most);
	if (refused > 0)
		printf(", %.0f refused", refused);
	putchar('\n');
}

static void enabled_row(const json_t *s)
{
	const char *word = text_of(s, "enabled");

	if (!word || strcmp(word, "no") == 0)
		return;
	label("Enabled");
	puts(strcmp(word, "yes") == 0 ? "it is started with trpsupd" : "it is started with trpsupd (start in trpsup.conf)");
}

/* When it is run, if that is by time. */
static void timer_rows(const json_t *s)
{
	const json_t *timer = json_object_get(s, "timer");
	double next = 0, last = 0, passed = 0;

	if (!json_is_object(timer))
		return;
	label("Next run");
	if (number_of(timer, "next", &next)) {
		cleanup_free char *when = show_time(next), *left = show_distance(next);
		printf("%s, %s\n", when, left);
	} else {
		puts("when it is started; its times do not count now");
	}
	if (number_of(timer, "last", &last)) {
		cleanup_free char *when = show_time(last), *ago = show_distance(last);
		label("Last run");
		printf("%s, %s: ", when, ago);
		show_text(stdout, text_of(timer, "result"));
		printf("%s", *text_of(timer, "why") ? ", " : "");
		show_text(stdout, text_of(timer, "why"));
		putchar('\n');
	}
	if (number_of(timer, "passed_over", &passed) && passed > 0) {
		label("Passed over");
		printf("%.0f times that came while it still ran\n", passed);
	}
}

/* Another instance of it: a new one, or one that was replaced. */
static void beside_row(const json_t *s)
{
	const json_t *beside = json_object_get(s, "beside"), *pid = json_object_get(beside, "pid");

	if (!json_is_object(beside))
		return;
	label("Beside it");
	show_text(stdout, text_of(beside, "state"));
	if (json_is_integer(pid))
		printf(", init's pid %lld", (long long)json_integer_value(pid));
	putchar('\n');
}

static void print_service(const json_t *s)
{
	const char *state = text_of(s, "state"), *description = text_of(s, "description");
	double base;

	printf("%s*%s %s", show_state_colour(state), show_plain(), show_bold());
	show_text(stdout, text_of(s, "service"));
	printf("%s", show_plain());
	if (description && *description) {
		printf(" - ");
		show_text(stdout, description);
	}
	putchar('\n');
	state_row(s);
	if (text_of(s, "says") && *text_of(s, "says"))
		text_row(s, "Says", "says");
	learning_row(s);
	beside_row(s);
	timer_rows(s);
	text_row(s, "Profile", "profile");
	enabled_row(s);
	readiness_row(s);
	health_row(s);
	kept_row(s);
	words_row(s, "Outdated", "needs_restart");
	pid_row(s);
	number_row(s, "Processes", "processes", NULL);
	number_row(s, "Memory", "memory", show_bytes);
	oom_row(s);
	number_row(s, "CPU", "cpu_us", show_cpu);
	text_row(s, "Unlimited", "io_missing");
	log_row(s);
	words_row(s, "Addresses", "urls");
	route_rows(s);
	listen_row(s);
	clients_row(s);
	words_row(s, "Requires", "requires");
	words_row(s, "Credentials", "credentials");
	if (number_of(s, "uid_base", &base) && base > 0) {
		label("User ids");
		printf("%.0f to %.0f\n", base, base + 65535);
	}
	text_row(s, "Root", "root");
	adapter_row(s);
}

static void print_log(const json_t *lines)
{
	const json_t *line;
	size_t i;

	if (json_array_size(lines) > 0)
		putchar('\n');
	json_array_foreach (lines, i, line)
		show_line(json_string_value(line));
}

#define GROUPS_DEEP 16 /* a circle of groups ends there; check and start name it */

/* Each member as it is; the worst of them is the group's. */
static int print_members(struct cli *cli, const struct profile *p)
{
	static unsigned depth;
	int code = CLI_OK;

	if (depth == GROUPS_DEEP) {
		cli_error("%s: groups more than %d deep, or in a circle", p->service, GROUPS_DEEP);
		return CLI_FAILED;
	}
	depth++;
	for (size_t i = 0; i < p->members.n && code != CLI_FAILED; i++) {
		int one = verb_status(cli, &p->members.v[i], 1);
		if (one != CLI_OK)
			code = one;
		if (i + 1 < p->members.n && !cli->json)
			putchar('\n');
	}
	depth--;
	return code;
}

/* As the daemon answers a call that needs the profile. */
static void print_refused(const char *name, int error, const struct profile_errors *errors)
{
	json_t *lines = json_array(), *o;

	for (size_t i = 0; i < errors->n; i++)
		json_array_append_new(lines, json_string(errors->v[i]));
	if (error == -ENOENT)
		o = json_pack("{s:s, s:{s:s, s:O?}}", "error", "trpsup.NoSuchService", "parameters", "service", name, "text", json_array_get(lines, 0));
	else
		o = json_pack("{s:s, s:{s:O}}", "error", "trpsup.BadProfile", "parameters", "errors", lines);
	json_decref(lines);
	cleanup_free char *text = show_json(o, 0);
	printf("%s\n", text);
	json_decref(o);
}

/* A service that the daemon has not heard of: one that could be started, or one that does not exist
 * at all? */
static int print_unknown(struct cli *cli, const char *name)
{
	struct profile_errors errors = {0};
	struct profile_paths paths;
	struct profile *p = NULL;
	json_t *s;
	int r;

	config_profile_paths(cli->config, &paths);
	r = profile_load(&paths, name, &p, &errors);
	if (r < 0) {
		if (cli->json)
			print_refused(name, r, &errors);
		for (size_t i = 0; i < errors.n && !cli->json; i++) {
			show_text(stderr, errors.v[i]);
			fputc('\n', stderr);
		}
		profile_errors_free(&errors);
		return r == -ENOENT ? CLI_NO_SUCH_SERVICE : CLI_FAILED;
	}
	profile_errors_free(&errors);
	if (p->members.n > 0) {
		r = print_members(cli, p);
		profile_free(p);
		return r;
	}
	s = json_pack("{s:s, s:s, s:s, s:s*, s:s}", "service", p->service, "state", "stopped",
		"profile", p->file, "description", p->description, "message",
		"not started since trpsupd was started");
	if (cli->json) {
		cleanup_free char *text = show_json(s, 0);
		printf("{\"parameters\":{\"service\":%s,\"log\":[]}}\n", text);
	} else {
		print_service(s);
	}
	json_decref(s);
	profile_free(p);
	return CLI_NOT_RUNNING;
}

int verb_status(struct cli *cli, char **args, size_t n)
{
	struct call call = {.method = "trpsup.Status", .absent = CLI_NOT_RUNNING, .except = "trpsup.NoSuchService"};
	json_t *last = NULL;
	const char *state;
	int code;

	if (n == 0)
		return verb_ps(cli, args, n);
	call.params = json_pack("{s:s}", "service", args[0]);
	code = cli_call(cli, &call, &last);
	if (code == CLI_NO_SUCH_SERVICE)
		return print_unknown(cli, args[0]);
	if (code != CLI_OK)
		return code;
	if (!cli->json) {
		print_service(json_object_get(last, "service"));
		print_log(json_object_get(last, "log"));
	}
	state = text_of(json_object_get(last, "service"), "state");
	code = state && (strcmp(state, "ready") == 0 || strcmp(state, "reloading") == 0) ? CLI_OK : CLI_NOT_RUNNING;
	json_decref(last);
	return code;
}
