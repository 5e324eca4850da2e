/* SPDX-License-Identifier: ISC */
#include "supervisor/learn/learning.h"
#include "base/io.h"
#include "base/log.h"
#include "sandbox/seccomp_cover.h"
#include "supervisor/box/box.h"
#include "supervisor/depend.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* As much as facts can have: each byte of a path may take six, and the calls have numbers. */
#define FILE_MAX (LEARN_PATHS_MAX * LEARN_PATH_MAX * 6 + (4u << 20))
#define DEFAULT  "@default"

static char *directory(const struct service *s)
{
	return trp_asprintf("%s/learn", s->d->config->state_dir);
}

static char *file_of(const struct service *s)
{
	return trp_asprintf("%s/learn/%s.json", s->d->config->state_dir, s->name);
}

/* What a learning run may do: the profile's own words, and @default in front. What it takes out by name stays out. */
static int learn_words(const struct profile *p, struct strv *ret)
{
	int r = strv_push(ret, DEFAULT);

	for (size_t i = 0; i < p->syscalls.n && r == 0; i++)
		if (i > 0 || strcmp(p->syscalls.v[i], DEFAULT) != 0)
			r = strv_push(ret, p->syscalls.v[i]);
	return r;
}

static bool within(const struct profile *p, const struct strv *words)
{
	struct strv outer = {0};
	bool good = learn_words(p, &outer) == 0 &&
		seccomp_within((const char *const *)words->v, words->n, (const char *const *)outer.v, outer.n);

	strv_free(&outer);
	return good;
}

void learning_end(struct service *s)
{
	if (!s->learning.on)
		return;
	s->learning.on = false;
	ev_timer_stop(s->d->loop, &s->learning.limit);
	service_say(s, "note", "%s is over", s->learning.check.n > 0 ? "the check" : "learning");
}

void learning_finish(struct service *s)
{
	learning_end(s);
	if (s->learning.was_active)
		service_event(s, EVENT_RESTART);
	else
		depend_stop(s);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	learning_finish(w->data);
}

int learning_begin(struct service *s, double seconds, struct strv *words)
{
	struct learning *l = &s->learning;

	if (l->on || l->run)
		return -EALREADY;
	if (words->n > 0 && !within(s->pending ? s->pending : s->profile, words))
		return -ERANGE;
	strv_free(&l->check);
	l->check = *words;
	*words = (struct strv){0};
	l->on = true;
	l->was_active = service_is_active(s);
	ev_timer_stop(s->d->loop, &l->limit);
	if (seconds > 0) {
		ev_timer_init(&l->limit, on_limit, seconds, 0.);
		l->limit.data = s;
		ev_timer_start(s->d->loop, &l->limit);
	}
	if (l->check.n > 0)
		service_say(s, "note", "CHECK: it is run under the system calls that were asked for, and watched");
	else
		service_say(s, "note",
			"LEARNING RUN: it is watched and may make all system calls of @default and its profile, until this is ended");
	return 0;
}

void learning_free(struct service *s)
{
	struct learning *l = &s->learning;

	ev_timer_stop(s->d->loop, &l->limit);
	strv_free(&l->check);
	seccomp_unshare(&l->reference);
	json_decref(l->run);
	json_decref(l->known);
	json_decref(l->checked);
	json_decref(l->checked_words);
}

const char *learning_word(const struct service *s)
{
	if (!s->learning.on && !s->learning.run)
		return NULL;
	return s->learning.check.n > 0 ? "checking" : "learning"; /* begin() waits for the end of a run */
}

static int share(const struct service *s, const struct strv *syscalls, const struct seccomp_filter **f)
{
	struct strv words = {0};
	int r = box_filter_words(s->profile, syscalls, &words);

	if (r == 0)
		r = seccomp_share((const char *const *)words.v, words.n, s->adapter == ADAPTER_NOTIFY, f);
	strv_free(&words);
	return r;
}

int learning_filters(struct service *s)
{
	const struct strv *check = &s->learning.check;
	struct strv words = {0};
	int r = learn_words(s->profile, &words);

	if (r == 0)
		r = share(s, &words, &s->learning.reference);
	if (r == 0)
		r = share(s, check->n > 0 ? check : &words, &s->seccomp);
	strv_free(&words);
	return r;
}

/* An object of its own, or NULL with a text. */
static json_t *read_known(const struct service *s, char *err, size_t err_size)
{
	cleanup_free char *path = file_of(s), *text = NULL;
	json_t *known;
	size_t len;
	int r = path ? trp_read_file(AT_FDCWD, path, FILE_MAX, &text, &len) : -ENOMEM;

	if (r == -ENOENT)
		return facts_new();
	known = r == 0 ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (known && facts_valid(known))
		return known;
	json_decref(known);
	snprintf(err, err_size, "%s: %s; forget it with 'trpsup learn --reset %s'", path ? path : "", r < 0 ? strerror(-r) : "damaged",
		s->name);
	return NULL;
}

static int write_known(const struct service *s)
{
	cleanup_free char *dir = directory(s), *name = trp_asprintf("%s.json", s->name), *text = NULL;
	cleanup_close int fd = -1;
	int r = dir && name ? trp_mkdir_p(dir, 0700) : -ENOMEM;

	if (r < 0)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	text = json_dumps(s->learning.known, JSON_INDENT(1) | JSON_SORT_KEYS);
	if (fd < 0 || !text)
		return fd < 0 ? -errno : -ENOMEM;
	return trp_write_atomic(fd, name, text, strlen(text), 0600);
}

void learning_run_began(struct service *s)
{
	json_decref(s->learning.run);
	s->learning.run = facts_new();
	s->learning.run_checks = s->learning.check.n > 0;
	s->learning.run_began = trp_now_seconds();
}

void learning_take(struct service *s, const struct learn_msg *msg)
{
	if (s->learning.run)
		facts_take(s->learning.run, msg);
}

/* What is known of the run so far, with what only the daemon knows. */
static void complete_run(struct service *s)
{
	json_t *run = s->learning.run;
	uint64_t memory = s->has_cgroup ? cgroup_memory_peak(&s->cgroup) : UINT64_MAX;

	json_object_set_new(run, "runs", json_integer(1));
	json_object_set_new(run, "seconds", json_real(trp_now_seconds() - s->learning.run_began));
	if (memory != UINT64_MAX)
		facts_peak(run, "memory", memory);
}

static json_t *words_of(const struct strv *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(list, json_string(s->v[i]));
	return list;
}

void learning_run_ended(struct service *s, bool complete)
{
	struct learning *l = &s->learning;
	char err[400];
	int r = 0;

	if (!l->run)
		return;
	complete_run(s);
	if (!complete)
		json_object_set_new(l->run, "cut", json_true());
	if (l->run_checks) {
		json_decref(l->checked);
		json_decref(l->checked_words);
		l->checked = l->run;
		l->checked_words = words_of(&l->check);
		l->run = NULL;
		return;
	}
	if (!l->known)
		l->known = read_known(s, err, sizeof(err));
	if (l->known) {
		facts_add(l->known, l->run);
		r = write_known(s);
		if (r < 0)
			log_error("%s: what was learnt cannot be kept: %s", s->name, strerror(-r));
	} else {
		log_error("%s", err);
	}
	json_decref(l->run);
	l->run = NULL;
}

json_t *learning_describe(struct service *s, char *err, size_t err_size)
{
	struct learning *l = &s->learning;
	const char *word = learning_word(s);
	json_t *all;

	if (!l->known)
		l->known = read_known(s, err, err_size);
	if (!l->known)
		return NULL;
	all = json_deep_copy(l->known);
	if (l->run && !l->run_checks) {
		complete_run(s);
		facts_add(all, l->run);
	}
	return json_pack("{s:s,s:o,s:o,s:O?,s:O?}", "service", s->name, "state", word ? json_string(word) : json_null(), "learnt", all,
		"checked", l->checked, "checked_syscalls", l->checked_words);
}

int learning_reset(struct service *s)
{
	struct learning *l = &s->learning;
	cleanup_free char *path = file_of(s);

	if (!path)
		return -ENOMEM;
	json_decref(l->known);
	json_decref(l->checked);
	json_decref(l->checked_words);
	l->known = l->checked = l->checked_words = NULL;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
