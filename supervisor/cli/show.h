/* SPDX-License-Identifier: ISC */
/* show.h: what people read on a terminal. Text that came from a service or a file is never printed
 * but through this. */
#pragma once

#include "base/util.h"
#include <jansson.h>
#include <stdio.h>

/* Colours are used on a terminal, unless NO_COLOR (https://no-color.org) is set or TERM is dumb. From here on stdout is a stream without a
 * descriptor, which waits for room in standard output. */
void show_init(void);

/* In fresh memory, without anything that could steer a terminal or break a line. NULL gives "".
 * Exits if there is no memory. */
char *show_escape(const char *text);
/* The same, to f. */
void show_text(FILE *f, const char *text);
/* A line of JSON in fresh memory. On a terminal what could steer it stands as \uXXXX, which says the same. Exits if there is no memory.
 * flags: of json_dumps(), beside JSON_COMPACT. */
char *show_json(const json_t *o, size_t flags);
/* The same of what is JSON already. */
char *show_json_text(const char *text);
/* A whole line of a log: as it is into files and pipes, escaped on a terminal. */
void show_line(const char *text);

/* Escape sequence for a service's state ("ready" is green ...) or "" without colours; show_plain()
 * ends it. */
const char *show_state_colour(const char *state);
const char *show_bold(void);
const char *show_plain(void);

/* "2min 3s", "4d 2h"; "1.5M"; "12.345s" of CPU: into fresh memory, exits if there is none. */
char *show_span(double seconds);
char *show_bytes(double bytes);
char *show_cpu(double microseconds);

/* A time since 1970 as the clock here shows it, "Fri 2026-11-27 02:00:00"; "" for 0. And how far it is: "in 3h 2min", "5min ago". */
char *show_time(double when);
char *show_distance(double when);

/* Rows of cells, aligned when they are printed. The first row is the head. */
struct show_table {
	size_t columns;
	size_t state_column; /* its cells are coloured */
	char **cells;
	size_t n;
};
/* text is escaped; NULL or "" shows as "-". */
void show_cell(struct show_table *t, const char *text);
/* Takes text, which needs no escaping. */
void show_cell_own(struct show_table *t, char *text);
void show_table_print(struct show_table *t); /* and frees its cells */

/* printf into fresh memory; exits if there is none. */
char *show_format(const char *fmt, ...) TRP_PRINTF(1, 2);
