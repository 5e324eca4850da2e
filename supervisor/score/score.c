/* SPDX-License-Identifier: ISC */
/* score.c: the number, and the rows as JSON. */
#include "supervisor/score/score.h"
#include "supervisor/profile/keys.h"
#include "supervisor/score/tables.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const struct score_control *controls;
	const size_t *n;
} tables[] = {
	{score_box_controls, &score_n_box_controls},
	{score_path_controls, &score_n_path_controls},
	{score_call_controls, &score_n_call_controls},
	{score_share_controls, &score_n_share_controls},
	{score_limit_controls, &score_n_limit_controls},
};

/* systemd's, in thousandths */
static const struct {
	unsigned from;
	const char *word;
} words[] = {{10000, "DANGEROUS"}, {9000, "UNSAFE"}, {7500, "EXPOSED"}, {5000, "MEDIUM"}, {1000, "OK"}, {100, "SAFE"}, {0, "PERFECT"}};

const char *score_word(unsigned total)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(words); i++)
		if (total >= words[i].from)
			return words[i].word;
	return "";
}

void score_set(struct score_row *row, unsigned exposure, const char *fmt, ...)
{
	va_list ap;

	row->exposure = exposure > 100 ? 100 : exposure;
	va_start(ap, fmt);
	vsnprintf(row->has, sizeof(row->has), fmt, ap);
	va_end(ap);
}

void score_broken(struct score_row *row, const char *fmt, ...)
{
	va_list ap;

	if (row->broken)
		return;
	row->broken = true;
	va_start(ap, fmt);
	vsnprintf(row->found, sizeof(row->found), fmt, ap);
	va_end(ap);
}

static void sum_up(struct score *s)
{
	unsigned long sum = 0, weights = 0;

	s->broken = false;
	s->raised = NULL;
	for (size_t i = 0; i < s->n; i++) {
		struct score_row *row = &s->rows[i];
		if (row->broken) { /* what is not there protects nobody */
			row->exposure = 100;
			row->least = SCORE_FLOOR_HOST;
			s->broken = true;
		}
		sum += (unsigned long)row->control->weight * row->exposure;
		weights += row->control->weight;
	}
	s->mean = weights ? (unsigned)((sum * 100 + weights - 1) / weights) : 0;
	s->total = s->mean;
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].least * 100 > s->total) {
			s->total = s->rows[i].least * 100;
			s->raised = &s->rows[i];
		}
}

static void judge_row(const struct score_view *v, const struct score_control *c, struct score_row *row)
{
	*row = (struct score_row){.control = c};
	if (c->key)
		row->where = profile_where(v->profile, c->section, c->key);
	c->judge(v, row);
	if (row->exposure > 0 && c->advice && !row->advice[0])
		snprintf(row->advice, sizeof(row->advice), "%s", c->advice);
}

void score_judge(const struct score_view *v, struct score *ret)
{
	ret->n = 0;
	for (size_t t = 0; t < TRP_ARRAY_SIZE(tables); t++)
		for (size_t i = 0; i < *tables[t].n && ret->n < SCORE_ROWS_MAX; i++)
			judge_row(v, &tables[t].controls[i], &ret->rows[ret->n++]);
	sum_up(ret);
}

void score_verify(const struct score_view *v, const struct score_process *processes, size_t n, const struct score_group *group,
	struct score *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct score_row *row = &s->rows[i];
		const struct score_control *c = row->control;
		for (size_t k = 0; c->verify && k < n; k++) {
			c->verify(v, &processes[k], row);
			row->looked++;
		}
		if (c->verify_group && group) {
			c->verify_group(v, group, row);
			row->looked++;
		}
	}
	sum_up(s);
}

/* ---- the view ---- */

int score_view_make(const struct box_site *site, int root_fd, struct score_view *ret, char *err, size_t err_size)
{
	struct plan_root_entry entries[PLAN_ROOT_MAX];
	struct sandbox_failure failure = {0};
	struct score_view v = {.profile = site->profile, .site = site, .filter = site->seccomp, .limits = box_limits(site->profile)};
	int n_entries = 0, r = box_make(site, &v.box);

	if (r < 0) {
		snprintf(err, err_size, "its sandbox cannot be described: %s", strerror(-r));
		return r;
	}
	if (root_fd >= 0)
		n_entries = plan_root_scan(root_fd, entries);
	if (n_entries >= 0) {
		struct sandbox_spec spec = *box_spec(v.box);
		spec.exec_fd = 0; /* of whatever program: nothing is started */
		r = plan_make(&spec, entries, (size_t)n_entries, &v.plan, &failure);
	} else {
		r = n_entries;
	}
	if (r < 0) {
		if (failure.stage != SANDBOX_STAGE_NONE)
			sandbox_failure_text(&failure, err, err_size);
		else
			snprintf(err, err_size, "its sandbox cannot be planned: %s", strerror(-r));
		box_free(v.box);
		return r;
	}
	v.spec = box_spec(v.box);
	*ret = v;
	return 0;
}

void score_view_free(struct score_view *v)
{
	plan_free(&v->plan);
	box_free(v->box);
	*v = (struct score_view){0};
}

/* ---- as JSON ---- */

static json_t *text_or_null(const char *text)
{
	return text && text[0] ? json_string(text) : json_null();
}

static json_t *row_json(const struct score_row *row)
{
	const struct score_control *c = row->control;
	json_t *o = json_pack("{s:s,s:s,s:i,s:f,s:o}", "control", c->name, "title", c->title, "weight", (int)c->weight, "exposure",
		row->exposure / 100.0, "has", text_or_null(row->has));

	if (!o)
		return NULL;
	json_object_set_new(o, "floor", row->least ? json_real(row->least / 10.0) : json_null());
	json_object_set_new(o, "change",
		row->advice[0] && c->key ? json_pack("{s:o,s:o,s:s,s:s,s:s}", "file", text_or_null(row->where.file), "line",
						   row->where.line ? json_integer(row->where.line) : json_null(), "section",
						   c->section, "key", c->key, "text", row->advice)
					 : json_null());
	json_object_set_new(o, "in_force", row->looked == 0 ? json_null() : json_boolean(!row->broken));
	json_object_set_new(o, "found", text_or_null(row->found));
	return o;
}

json_t *score_json(const struct score_view *v, const struct score *s)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(rows, row_json(&s->rows[i]));
	return json_pack("{s:s,s:s,s:f,s:f,s:s,s:o,s:b,s:o,s:o}", "service", v->site->service, "profile", v->profile->file, "total",
		s->total / 1000.0, "mean", s->mean / 1000.0, "word", score_word(s->total), "raised_by",
		s->raised ? json_string(s->raised->control->name) : json_null(), "broken", s->broken, "controls", rows, "reach",
		score_reach(v));
}
