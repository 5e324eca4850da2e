/* SPDX-License-Identifier: ISC */
/* trpsup top: what services use, live. The daemon is asked for sums once in each round; what is shown of time and bytes is their difference. */
#include "call.h"
#include "show.h"
#include "base/io.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

#define DELAY_MS 2000 /* unless it is said */

struct row {
	const json_t *now; /* of the last round */
	double cpu;        /* per cent of one processor */
	double memory, processes, read, written, connections;
};

static double number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

/* What can be sorted by: its word, the key that chooses it, its column. */
static const struct sort {
	const char *word;
	char key;
	const char *head;
	size_t at;
	char *(*form)(double);
} sorts[] = {
	{"cpu", 'c', "CPU%", offsetof(struct row, cpu), NULL},
	{"memory", 'm', "MEMORY", offsetof(struct row, memory), show_bytes},
	{"processes", 'p', "PROCS", offsetof(struct row, processes), NULL},
	{"read", 'r', "READ/s", offsetof(struct row, read), show_bytes},
	{"written", 'w', "WRITTEN/s", offsetof(struct row, written), show_bytes},
	{"connections", 'o', "CONNS", offsetof(struct row, connections), NULL},
};

static const struct sort *by = &sorts[0];

static double value(const struct row *r, const struct sort *s)
{
	return *(const double *)(const void *)((const char *)r + s->at);
}

static const char *name_of(const struct row *r)
{
	return json_string_value(json_object_get(r->now, "service"));
}

static int compare(const void *a, const void *b)
{
	double x = value(a, by), y = value(b, by);

	if (isnan(x) || isnan(y) || x == y)
		return isnan(x) != isnan(y) ? (isnan(x) ? 1 : -1) : strcmp(name_of(a), name_of(b));
	return x < y ? 1 : -1;
}

/* Of the same service in the round before; NULL: it was not there, or runs anew. */
static const json_t *find_before(const json_t *before, const json_t *now)
{
	const json_t *list = json_object_get(before, "services"), *o;
	size_t i;

	json_array_foreach (list, i, o)
		if (strcmp(json_string_value(json_object_get(o, "service")), json_string_value(json_object_get(now, "service"))) == 0 &&
			json_equal(json_object_get(o, "pid"), json_object_get(now, "pid")))
			return o;
	return NULL;
}

static double per_second(const json_t *before, const json_t *now, const char *key, double seconds)
{
	double d = before ? number(now, key) - number(before, key) : NAN;

	return d < 0 ? 0 : d / seconds;
}

/* Sorted; the caller frees them. */
static struct row *make_rows(const json_t *before, const json_t *now, size_t *ret_n)
{
	const json_t *list = json_object_get(now, "services"), *o;
	struct row *rows = calloc(json_array_size(list) + 1, sizeof(*rows));
	double seconds = number(now, "uptime") - number(before, "uptime");
	size_t i;

	if (!rows) {
		cli_error("out of memory");
		exit(CLI_FAILED);
	}
	json_array_foreach (list, i, o) {
		const json_t *old = find_before(before, o);
		rows[i] = (struct row){.now = o,
			.cpu = per_second(old, o, "cpu_us", seconds) / 1e4,
			.memory = number(o, "memory"),
			.processes = number(o, "processes"),
			.read = per_second(old, o, "io_read", seconds),
			.written = per_second(old, o, "io_written", seconds),
			.connections = number(o, "connections")};
	}
	*ret_n = json_array_size(list);
	qsort(rows, *ret_n, sizeof(*rows), compare);
	return rows;
}

static void print_json(const struct row *rows, size_t n)
{
	json_t *list = json_array(), *o = json_pack("{s:f, s:o}", "time", (double)time(NULL), "services", list);
	cleanup_free char *text = NULL;

	for (size_t i = 0; i < n; i++) {
		json_t *row = json_deep_copy(rows[i].now);
		json_object_set_new(row, "cpu_percent", isnan(rows[i].cpu) ? json_null() : json_real(rows[i].cpu));
		json_object_set_new(row, "io_read_rate", isnan(rows[i].read) ? json_null() : json_real(rows[i].read));
		json_object_set_new(row, "io_write_rate", isnan(rows[i].written) ? json_null() : json_real(rows[i].written));
		json_array_append_new(list, row);
	}
	text = show_json(o, 0);
	puts(text);
	json_decref(o);
}

static void print_table(const struct row *rows, size_t n, size_t most)
{
	struct show_table t = {.columns = 2 + TRP_ARRAY_SIZE(sorts), .state_column = 1};

	show_cell(&t, "SERVICE");
	show_cell(&t, "STATE");
	for (size_t k = 0; k < TRP_ARRAY_SIZE(sorts); k++)
		show_cell_own(&t, show_format("%s%s", sorts[k].head, &sorts[k] == by ? "*" : ""));
	for (size_t i = 0; i < n && i < most; i++) {
		show_cell(&t, name_of(&rows[i]));
		show_cell(&t, show_frozen(rows[i].now) ? show_frozen(rows[i].now) : json_string_value(json_object_get(rows[i].now, "state")));
		for (size_t k = 0; k < TRP_ARRAY_SIZE(sorts); k++) {
			double v = value(&rows[i], &sorts[k]);
			if (isnan(v))
				show_cell(&t, NULL);
			else
				show_cell_own(&t, sorts[k].form ? sorts[k].form(v) : show_format(k == 0 ? "%.1f" : "%.0f", v));
		}
	}
	show_table_print(&t);
}

static void print_screen(const struct row *rows, size_t n)
{
	struct winsize size = {0};
	size_t lines = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? size.ws_row - 3u : 20;

	fputs("\033[H\033[2J", stdout);
	printf("%zu services; sort by c(pu) m(emory) p(rocesses) r(ead) w(ritten) (c)o(nnections), q(uit)\n", n);
	print_table(rows, n, lines);
}

static struct termios before_keys;
static bool has_keys;

static void end_keys(void)
{
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before_keys);
	has_keys = false;
}

/* What would end us ends us, but not before the terminal is as it was. */
static void on_signal(int signo)
{
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &before_keys);
	raise(signo);
}

static void begin_keys(void)
{
	static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	struct sigaction old;
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before_keys) < 0)
		return;
	t = before_keys;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(ending); i++)
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(ending[i], &action, NULL);
	has_keys = true;
	atexit(end_keys);
	has_keys = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
}

/* Until the next round, or a key that changes what is shown. False: the end. */
static bool pause_for(unsigned ms)
{
	struct pollfd p = {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN};
	char key;

	if (poll(&p, 1, (int)ms) <= 0)
		return true;
	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')
		return false;
	for (size_t k = 0; k < TRP_ARRAY_SIZE(sorts); k++)
		if (sorts[k].key == key)
			by = &sorts[k];
	return true;
}

static int sample(struct cli *cli, char **args, size_t n, json_t **ret)
{
	struct cli quiet = *cli;
	struct call call = {.method = "trpsup.Usage", .params = json_object(), .absent = CLI_NOT_RUNNING};
	json_t *names = json_array();
	int code;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(names, json_string(args[i]));
	if (n > 0)
		json_object_set(call.params, "services", names);
	json_decref(names);
	quiet.json = false;
	code = cli_call(&quiet, &call, ret);
	cli->config = quiet.config;
	cli->socket = quiet.socket;
	return code;
}

static bool choose_sort(const char *word)
{
	for (size_t k = 0; k < TRP_ARRAY_SIZE(sorts); k++)
		if (strcmp(sorts[k].word, word) == 0) {
			by = &sorts[k];
			return true;
		}
	cleanup_free char *shown = show_escape(word);
	cli_error("--sort: '%s' is none of cpu, memory, processes, read, written, connections", shown);
	return false;
}

int verb_top(struct cli *cli, char **args, size_t n)
{
	bool screen = isatty(STDOUT_FILENO) && !cli->json && !(cli->options & CLI_ROUNDS), go_on = true;
	unsigned ms = cli->options & CLI_DELAY ? cli->delay_ms : DELAY_MS;
	json_t *before = NULL, *now = NULL;
	int code;

	if (cli->sort && !choose_sort(cli->sort))
		return CLI_USAGE;
	code = sample(cli, args, n, &before);
	if (code == CLI_OK && screen)
		begin_keys();
	if (code == CLI_OK) /* the first round comes soon */
		go_on = pause_for(ms < 1000 ? ms : 1000);
	for (unsigned round = 1; code == CLI_OK && go_on; round++) {
		struct row *rows;
		size_t n_rows;
		code = sample(cli, args, n, &now);
		if (code != CLI_OK)
			break;
		rows = make_rows(before, now, &n_rows);
		if (cli->json)
			print_json(rows, n_rows);
		else if (screen)
			print_screen(rows, n_rows);
		else {
			if (round > 1)
				putchar('\n');
			print_table(rows, n_rows, SIZE_MAX);
		}
		free(rows);
		fflush(stdout);
		json_decref(before);
		before = now;
		now = NULL;
		go_on = (!(cli->options & CLI_ROUNDS) || round < cli->lines) && !ferror(stdout) && pause_for(ms);
	}
	end_keys();
	json_decref(before);
	return code;
}
