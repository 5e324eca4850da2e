/* SPDX-License-Identifier: ISC */
/* facts.c: {"version":1, "runs":n, "seconds":n, "cut":bool, "calls":{"openat":[times, refused, missed, denied]},
 * "forms":{"socket:1:1:0":[the same]}, "paths":{"/etc/passwd":uses}, "peaks":{"tasks":n, "files":n, "memory":n}} */
#include "base/parse.h"
#include "sandbox/seccomp_cover.h"
#include "supervisor/controlmsg.h"
#include "supervisor/learn/learning.h"

#include <stdio.h>
#include <string.h>

#define CALLS_MAX 2048 /* names and forms, over all runs */
#define COUNTS    4

json_t *facts_new(void)
{
	return json_pack("{s:i,s:i,s:f,s:b,s:{},s:{},s:{},s:{}}", "version", 1, "runs", 0, "seconds", 0.0, "cut", 0, "calls", "forms",
		"paths", "peaks");
}

static void cut(json_t *facts)
{
	json_object_set_new(facts, "cut", json_true());
}

/* A bounded table takes a value under a name. */
static void put(json_t *facts, const char *table, const char *name, json_t *value, size_t max)
{
	json_t *t = json_object_get(facts, table);

	if (!json_object_get(t, name) && json_object_size(t) >= max) {
		json_decref(value);
		cut(facts);
	} else if (json_object_set_new(t, name, value) < 0) {
		cut(facts); /* not UTF-8, or no memory */
	}
}

static json_t *number(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static json_t *counts(const struct learn_msg *m)
{
	return json_pack("[o,o,o,o]", number(m->times), number(m->refused), number(m->missed), number(m->denied));
}

/* Not what JSON cannot carry as it is: it would not be found again. */
static void take_path(json_t *facts, const struct learn_msg *m)
{
	size_t len = strnlen(m->path, sizeof(m->path));
	cleanup_free char *copy = NULL;
	json_t *text;

	if (len == sizeof(m->path) || m->path[0] != '/') /* trp-learn does not send that */
		return;
	text = controlmsg_string(m->path, len);
	copy = json_string_value(text) ? strdup(json_string_value(text)) : NULL;
	json_decref(text);
	if (copy)
		put(facts, "paths", copy, json_integer(m->uses & LEARN_USE_MASK), LEARN_PATHS_MAX);
}

static void take_call(json_t *facts, const struct learn_msg *m)
{
	cleanup_free char *name = NULL;
	char form[160];

	if (m->nr < 0 || m->nr >= LEARN_NR_MAX)
		return;
	name = seccomp_call_name(m->nr);
	if (!name)
		return;
	if (m->type == LEARN_CALL) {
		put(facts, "calls", name, counts(m), CALLS_MAX);
		return;
	}
	snprintf(form, sizeof(form), "%.64s:%u:%u:%u", name, m->args[0], m->args[1], m->args[2]);
	put(facts, "forms", form, counts(m), CALLS_MAX);
}

void facts_peak(json_t *facts, const char *name, uint64_t value)
{
	json_t *peaks = json_object_get(facts, "peaks");

	if (value > INT64_MAX || json_integer_value(json_object_get(peaks, name)) >= (json_int_t)value)
		return;
	json_object_set_new(peaks, name, number(value));
}

void facts_take(json_t *facts, const struct learn_msg *m)
{
	static const char *const peaks[LEARN_PEAK_COUNT] = {[LEARN_TASKS] = "tasks", [LEARN_FILES] = "files"};

	switch (m->type) {
	case LEARN_CALL:
	case LEARN_FORM:
		take_call(facts, m);
		return;
	case LEARN_PATH:
		take_path(facts, m);
		return;
	case LEARN_PEAK:
		if (m->nr >= 0 && m->nr < LEARN_PEAK_COUNT)
			facts_peak(facts, peaks[m->nr], m->times);
		return;
	case LEARN_CUT:
		cut(facts);
		return;
	default:
		return;
	}
}

static void add_counts(json_t *facts, const char *table, const json_t *more)
{
	const char *name;
	json_t *theirs;

	json_object_foreach((json_t *)json_object_get(more, table), name, theirs)
	{
		const json_t *ours = json_object_get(json_object_get(facts, table), name);
		json_t *sum = json_array();
		for (size_t i = 0; i < COUNTS; i++)
			json_array_append_new(sum, json_integer(json_integer_value(json_array_get(ours, i)) +
							   json_integer_value(json_array_get(theirs, i))));
		put(facts, table, name, sum, CALLS_MAX);
	}
}

void facts_add(json_t *facts, const json_t *more)
{
	json_t *paths = json_object_get(facts, "paths"), *value;
	const char *name;

	add_counts(facts, "calls", more);
	add_counts(facts, "forms", more);
	json_object_foreach((json_t *)json_object_get(more, "paths"), name, value)
	{
		json_int_t uses = json_integer_value(value) | json_integer_value(json_object_get(paths, name));
		put(facts, "paths", name, json_integer(uses), LEARN_PATHS_MAX);
	}
	json_object_foreach((json_t *)json_object_get(more, "peaks"), name, value)
		facts_peak(facts, name, (uint64_t)json_integer_value(value));
	json_object_set_new(facts, "runs",
		json_integer(json_integer_value(json_object_get(facts, "runs")) + json_integer_value(json_object_get(more, "runs"))));
	json_object_set_new(facts, "seconds",
		json_real(json_number_value(json_object_get(facts, "seconds")) + json_number_value(json_object_get(more, "seconds"))));
	if (json_is_true(json_object_get(more, "cut")))
		cut(facts);
}

static bool valid_counts(const json_t *table)
{
	const char *name;
	json_t *v;

	if (!json_is_object(table) || json_object_size(table) > CALLS_MAX)
		return false;
	json_object_foreach((json_t *)table, name, v)
		for (size_t i = 0; i < COUNTS; i++)
			if (json_array_size(v) != COUNTS || !json_is_integer(json_array_get(v, i)) ||
				json_integer_value(json_array_get(v, i)) < 0)
				return false;
	return true;
}

static bool valid_numbers(const json_t *table, size_t max)
{
	const char *name;
	json_t *v;

	if (!json_is_object(table) || json_object_size(table) > max)
		return false;
	json_object_foreach((json_t *)table, name, v)
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return false;
	return true;
}

bool facts_valid(const json_t *facts)
{
	return json_integer_value(json_object_get(facts, "version")) == 1 && json_is_integer(json_object_get(facts, "runs")) &&
		json_is_number(json_object_get(facts, "seconds")) && json_is_boolean(json_object_get(facts, "cut")) &&
		valid_counts(json_object_get(facts, "calls")) && valid_counts(json_object_get(facts, "forms")) &&
		valid_numbers(json_object_get(facts, "paths"), LEARN_PATHS_MAX) &&
		valid_numbers(json_object_get(facts, "peaks"), 16);
}
