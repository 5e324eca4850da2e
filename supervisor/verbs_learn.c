/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs_learn.h"
#include "base/parse.h"
#include "supervisor/answer.h"
#include "supervisor/load.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX   1024
#define SECONDS_MAX 86400

/* The "syscalls" of a check. False: answered with an error. */
static bool take_words(struct control_call *call, const json_t *params, struct strv *ret)
{
	const json_t *list = json_object_get(params, "syscalls"), *item;
	size_t i;

	if (!list || json_is_null(list))
		return true;
	json_array_foreach (list, i, item) {
		const char *word = json_string_value(item);
		if (!word || i >= WORDS_MAX || !seccomp_valid_name(word[0] == '-' ? word + 1 : word) || strv_push(ret, word) < 0)
			break;
	}
	if (i > 0 && i == json_array_size(list))
		return true;
	answer_invalid(call, "syscalls");
	return false;
}

/* NULL: answered with an error. The profile is read and checked before anything is touched. */
static struct service *load(struct control_call *call, const json_t *params, struct daemon *d)
{
	const char *name = json_string_value(json_object_get(params, "service"));
	struct profile_errors errors = {0};
	struct service *s = NULL;
	const struct profile *p;
	int r;

	if (!name || !trp_valid_service_name(name)) {
		answer_no_such(call, name ? name : "", "not a service name");
		return NULL;
	}
	r = load_service(d, name, true, &s, &errors);
	if (r < 0)
		answer_bad_profile(call, name, r, &errors);
	profile_errors_free(&errors);
	if (r < 0)
		return NULL;
	p = s->pending ? s->pending : s->profile;
	if (p->adapter == ADAPTER_RELAY)
		answer_failed(call, "with adapter = relay no program of its own runs: there is nothing to learn");
	else if (strv_has(&p->architectures, "x86"))
		answer_failed(call, "with architectures = native x86 the numbers of its system calls mean two things: only native ones are learnt");
	else
		return s;
	return NULL;
}

static bool begin(struct control_call *call, struct service *s, json_int_t seconds, struct strv *words)
{
	switch (learning_begin(s, (double)seconds, words)) {
	case 0:
		return true;
	case -EALREADY:
		answer_failed(call, "it is being learnt from already: 'trpsup learn --stop' ends that");
		return false;
	default:
		answer_failed(call, "these system calls are more than it may make while it is learnt from: those of @default and its profile");
		return false;
	}
}

void verb_learn(struct control_call *call, const json_t *params, void *user)
{
	json_int_t seconds = json_integer_value(json_object_get(params, "seconds"));
	struct daemon *d = user;
	struct strv words = {0};
	const char *name;
	struct service *s;

	if (seconds < 0 || seconds > SECONDS_MAX) {
		answer_invalid(call, "seconds");
		return;
	}
	if (d->stopping) {
		answer_failed(call, "the daemon is stopping");
		return;
	}
	if (take_words(call, params, &words) && (s = load(call, params, d)) != NULL && begin(call, s, seconds, &words)) {
		name = s->name;
		s->wanted = true;
		if (job_open(d, call, JOB_UP, &name, 1) < 0)
			answer_failed(call, "out of memory");
		service_event(s, EVENT_RESTART);
		job_arm(d);
	}
	strv_free(&words);
}

void verb_learn_stop(struct control_call *call, const json_t *params, void *user)
{
	struct daemon *d = user;
	struct service *s = answer_service(call, params, d);
	const char *name;

	if (!s)
		return;
	if (!s->learning.on) {
		answer_failed(call, "it is not being learnt from");
		return;
	}
	name = s->name;
	if (job_open(d, call, s->learning.was_active ? JOB_UP : JOB_DOWN, &name, 1) < 0)
		answer_failed(call, "out of memory");
	learning_finish(s);
	job_arm(d);
}

/* What was learnt is kept over restarts of the daemon: one that it has not heard of yet is looked up. */
static struct service *load_known(struct control_call *call, const json_t *params, struct daemon *d)
{
	const char *name = json_string_value(json_object_get(params, "service"));
	struct service *s = name ? service_find(d, name) : NULL;

	return s ? s : load(call, params, d);
}

void verb_learnt(struct control_call *call, const json_t *params, void *user)
{
	struct service *s = load_known(call, params, user);
	char err[400] = "";
	json_t *all;

	if (!s)
		return;
	all = learning_describe(s, err, sizeof(err));
	if (all)
		control_reply(call, all, false);
	else
		answer_failed(call, err);
}

void verb_learn_reset(struct control_call *call, const json_t *params, void *user)
{
	struct service *s = load_known(call, params, user);
	char text[300];
	int r;

	if (!s)
		return;
	r = learning_reset(s);
	snprintf(text, sizeof(text), "what was learnt cannot be removed: %s", strerror(-r));
	if (r < 0)
		answer_failed(call, text);
	else
		control_reply(call, NULL, false);
}
