/* SPDX-License-Identifier: ISC */
#include "show.h"
#include "cli.h"
#include "base/io.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

static bool colours, stdout_terminal;

/* stdio's own would lose what there is no room for, if somebody has set the pipe or terminal so that it does not block. */
static ssize_t write_out(void *unused, const char *buf, size_t len)
{
	int r = trp_write_all(STDOUT_FILENO, buf, len);

	(void)unused;
	errno = -r;
	return r < 0 ? 0 : (ssize_t)len;
}

void show_init(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	FILE *out = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_out});

	stdout_terminal = isatty(STDOUT_FILENO);
	if (out) {
		setvbuf(out, NULL, stdout_terminal ? _IOLBF : _IOFBF, BUFSIZ);
		stdout = out; /* as glibc has it: a variable */
	}
	colours = stdout_terminal && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static void *need(void *p)
{
	if (!p) {
		cli_error("no memory");
		exit(CLI_FAILED);
	}
	return p;
}

char *show_format(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return need(text);
}

char *show_escape(const char *text)
{
	return need(trp_escape(text ? text : "", text ? strlen(text) : 0, TRP_ESCAPE_CONTROL));
}

void show_text(FILE *f, const char *text)
{
	cleanup_free char *shown = show_escape(text);

	fputs(shown, f);
}

char *show_json_text(const char *text)
{
	return need(stdout_terminal ? trp_escape(text, strlen(text), TRP_ESCAPE_JSON) : strdup(text));
}

char *show_json(const json_t *o, size_t flags)
{
	cleanup_free char *text = need(json_dumps(o, JSON_COMPACT | flags));

	return show_json_text(text);
}

void show_line(const char *text)
{
	if (stdout_terminal)
		show_text(stdout, text);
	else
		fputs(text ? text : "", stdout);
	putchar('\n');
}

const char *show_state_colour(const char *state)
{
	static const struct {
		const char *state, *colour;
	} table[] = {{"ready", "\033[32m"}, {"failed", "\033[1;31m"}, {"backoff", "\033[31m"},
		{"stopped", "\033[2m"}, {"-", ""}};

	if (!colours || !state)
		return "";
	for (size_t i = 0; i < TRP_ARRAY_SIZE(table); i++)
		if (strcmp(state, table[i].state) == 0)
			return table[i].colour;
	return "\033[33m"; /* on its way */
}

const char *show_bold(void)
{
	return colours ? "\033[1m" : "";
}

const char *show_plain(void)
{
	return colours ? "\033[0m" : "";
}

char *show_span(double seconds)
{
	static const struct {
		unsigned long unit, next;
		const char *name, *next_name;
	} table[] = {{86400, 3600, "d", "h"}, {3600, 60, "h", "min"}, {60, 1, "min", "s"}};
	unsigned long s = seconds > 0 ? (unsigned long)seconds : 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(table); i++)
		if (s >= table[i].unit)
			return show_format("%lu%s %lu%s", s / table[i].unit, table[i].name,
				s % table[i].unit / table[i].next, table[i].next_name);
	return show_format("%lus", s);
}

char *show_time(double when)
{
	time_t t = (time_t)when;
	char text[64];
	struct tm tm;

	if (when == 0 || !localtime_r(&t, &tm) || strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M:%S", &tm) == 0)
		return show_format("%s", "");
	return show_format("%s", text);
}

char *show_distance(double when)
{
	double seconds = (double)((time_t)when - time(NULL));
	cleanup_free char *span = show_span(seconds < 0 ? -seconds : seconds);

	if (when == 0)
		return show_format("%s", "");
	return seconds <= 0 ? show_format("%s ago", span) : show_format("in %s", span);
}

char *show_bytes(double bytes)
{
	static const char units[] = "BKMGT";
	size_t i = 0;

	for (; bytes >= 1024 && i < sizeof(units) - 2; i++)
		bytes /= 1024;
	return i == 0 ? show_format("%.0fB", bytes) : show_format("%.1f%c", bytes, units[i]);
}

char *show_cpu(double microseconds)
{
	return microseconds < 60e6 ? show_format("%.3fs", microseconds / 1e6)
				   : show_span(microseconds / 1e6);
}

void show_cell_own(struct show_table *t, char *text)
{
	t->cells = need(realloc(t->cells, (t->n + 1) * sizeof(*t->cells)));
	t->cells[t->n++] = text;
}

void show_cell(struct show_table *t, const char *text)
{
	show_cell_own(t, show_escape(text && *text ? text : "-"));
}

/* Columns that it takes, as far as one character is one column. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct show_table *t, size_t column)
{
	size_t most = 0;

	for (size_t i = column; i < t->n; i += t->columns)
		if (width(t->cells[i]) > most)
			most = width(t->cells[i]);
	return most;
}

void show_table_print(struct show_table *t)
{
	size_t *widths = need(calloc(t->columns, sizeof(*widths)));

	for (size_t c = 0; c < t->columns; c++)
		widths[c] = column_width(t, c);
	for (size_t i = 0; i < t->n; i++) {
		size_t c = i % t->columns;
		bool coloured = c == t->state_column && i >= t->columns;
		printf("%s%s%s", coloured ? show_state_colour(t->cells[i]) : "", t->cells[i],
			coloured ? show_plain() : "");
		if (c + 1 < t->columns)
			printf("%*s", (int)(widths[c] - width(t->cells[i]) + 2), "");
		else
			putchar('\n');
		free(t->cells[i]);
	}
	free(widths);
	free(t->cells);
	t->cells = NULL;
	t->n = 0;
}
