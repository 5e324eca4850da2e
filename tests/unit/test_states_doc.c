/* SPDX-License-Identifier: ISC */
/* doc/states.md is what the table of the state machine says. "make states" renews it (TRP_RENEW=1). Runs in the top directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "supervisor/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "doc/states.md"

static const char head[] =
	"# The states of a service\n\n"
	"Printed from the table in `supervisor/state.c` by `make states`; a unit test fails when the two differ. One event at a time is looked up\n"
	"in the row of the state that the service is in; the cell says what state is next and what is done then. There is one timer for\n"
	"each service. What the cells leave out (where there is no line, the state stays and nothing is done) and what is impossible is at the end.\n";

static void print_words(FILE *f, const char *title, int n, const char *(*name)(int), const char *(*help)(int))
{
	fprintf(f, "\n## %s\n\n| name | meaning |\n|---|---|\n", title);
	for (int i = 0; i < n; i++)
		fprintf(f, "| `%s` | %s |\n", name(i), help(i));
}

#define WORDS(what) \
	static const char *what##_name(int i) { return service_##what##_name((enum service_##what)i); } \
	static const char *what##_help(int i) { return service_##what##_help((enum service_##what)i); }
WORDS(state)
WORDS(event)
WORDS(action)

static bool stays(int s, struct service_transition t)
{
	return (int)t.next == s && t.action == ACTION_NONE;
}

static void print_moves(FILE *f, int s)
{
	fprintf(f, "\n### %s\n\n%s\n\n| event | next | action |\n|---|---|---|\n", state_name(s), state_help(s));
	for (int e = 0; e < EVENT_COUNT; e++) {
		struct service_transition t = service_transition((enum service_state)s, (enum service_event)e);
		if (!stays(s, t) && t.action != ACTION_IMPOSSIBLE)
			fprintf(f, "| `%s` | %s%s%s | %s |\n", event_name(e), (int)t.next == s ? "" : "**", state_name((int)t.next),
				(int)t.next == s ? "" : "**", action_name((int)t.action));
	}
}

/* Which events of that kind the cells above leave out, for each state. */
static void print_rest(FILE *f, const char *title, bool impossible)
{
	fprintf(f, "\n## %s\n\n| state | events |\n|---|---|\n", title);
	for (int s = 0; s < STATE_COUNT; s++) {
		const char *between = "";
		fprintf(f, "| `%s` | ", state_name(s));
		for (int e = 0; e < EVENT_COUNT; e++) {
			struct service_transition t = service_transition((enum service_state)s, (enum service_event)e);
			if (impossible ? t.action == ACTION_IMPOSSIBLE : stays(s, t)) {
				fprintf(f, "%s%s", between, event_name(e));
				between = ", ";
			}
		}
		fputs(*between ? " |\n" : "none |\n", f);
	}
}

static char *print_all(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fputs(head, f);
	print_words(f, "States", STATE_COUNT, state_name, state_help);
	print_words(f, "Events", EVENT_COUNT, event_name, event_help);
	print_words(f, "Actions", ACTION_COUNT, action_name, action_help);
	fputs("\n## What follows\n", f);
	for (int s = 0; s < STATE_COUNT; s++)
		print_moves(f, s);
	print_rest(f, "Events that change nothing", false);
	print_rest(f, "Events that cannot come", true);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void test_manual_is_the_table(void **state)
{
	char *now = print_all(), *then = NULL;
	int r;

	(void)state;
	if (getenv("TRP_RENEW")) {
		FILE *f = fopen(PATH, "w");
		assert_non_null(f);
		assert_true(fputs(now, f) >= 0);
		assert_int_equal(fclose(f), 0);
	}
	r = trp_read_file(AT_FDCWD, PATH, 1 << 20, &then, NULL);
	if (r < 0)
		fail_msg(PATH ": %s", strerror(-r));
	if (strcmp(now, then) != 0)
		fail_msg(PATH " is not what supervisor/state.c says: make states");
	free(now);
	free(then);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_manual_is_the_table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
