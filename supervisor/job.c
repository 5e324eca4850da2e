/* SPDX-License-Identifier: ISC */
/* job.c: calls that wait until services have come up, or down. */
#include "supervisor/controlmsg.h"
#include "supervisor/depend.h"
#include "supervisor/service.h"

#include <stdio.h>
#include <string.h>

struct target {
	char *name;
	bool done, ok;
	char text[400];
};

struct job {
	struct job *next;
	struct daemon *d;
	struct control_call *call; /* NULL: the client has left; the services go on */
	enum job_kind kind;
	bool armed; /* all its services were told: from now on a stopped one has failed to start */
	struct target *targets;
	size_t n;
};

static void job_free(struct job *j)
{
	for (struct job **p = &j->d->jobs; *p; p = &(*p)->next)
		if (*p == j) {
			*p = j->next;
			break;
		}
	for (size_t i = 0; i < j->n; i++)
		free(j->targets[i].name);
	free(j->targets);
	free(j);
}

static void on_gone(void *data)
{
	job_free(data);
}

int job_open(struct daemon *d, struct control_call *call, enum job_kind kind, const char *const *names, size_t n)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j)
		j->targets = calloc(n ? n : 1, sizeof(*j->targets));
	if (!j || !j->targets) {
		free(j);
		return -ENOMEM;
	}
	j->d = d;
	j->call = call;
	j->kind = kind;
	for (; j->n < n; j->n++) {
		j->targets[j->n].name = strdup(names[j->n]);
		if (!j->targets[j->n].name) {
			job_free(j);
			return -ENOMEM;
		}
	}
	j->next = d->jobs;
	d->jobs = j;
	control_on_gone(call, on_gone, j);
	return 0;
}

/* Is what happens to s of interest to who waits for this job? */
static bool concerns(const struct job *j, const struct service *s)
{
	for (size_t i = 0; i < j->n; i++) {
		const struct service *t;
		if (strcmp(j->targets[i].name, s->name) == 0)
			return true;
		t = service_find(j->d, j->targets[i].name);
		if (t && depend_requires(t, s->name))
			return true;
	}
	return false;
}

void job_say(struct service *s, const char *event, const char *text)
{
	for (struct job *j = s->d->jobs, *next; j; j = next) {
		next = j->next;
		if (control_wants_more(j->call) && concerns(j, s))
			control_reply(j->call,
				json_pack("{s:s,s:s,s:o}", "service", s->name, "event", event, "text",
					controlmsg_string(text, strlen(text))), true);
	}
}

/* A service that stops may take others with it; a stop is over when they are down too. */
static bool takes_down(const struct service *s)
{
	for (const struct service *o = s->d->services; o; o = o->next)
		if (o->state == STATE_STOPPING && depend_requires(s, o->name))
			return true;
	return false;
}

static void settle_reload(struct target *t, const struct service *s)
{
	if (s->state == STATE_RELOADING)
		return;
	t->done = true;
	t->ok = service_is_up(s) && s->reload == RELOAD_DONE;
	if (s->reload != RELOAD_NONE)
		strcpy(t->text, s->message);
	else if (service_is_active(s))
		snprintf(t->text, sizeof(t->text), "is not ready, and so was not told to reload");
	else
		snprintf(t->text, sizeof(t->text), "does not run");
}

/* False: what came of it is its state, as of any restart. */
static bool settle_overlap(struct target *t, const struct service *s)
{
	if (s->overlap == OVERLAP_FAILED) {
		t->done = true;
		snprintf(t->text, sizeof(t->text), "the new instance did not become ready%s%.300s; the one before stays",
			s->overlap_why[0] ? ": " : "", s->overlap_why);
	}
	return s->overlap == OVERLAP_GOING || s->overlap == OVERLAP_FAILED;
}

static void settle(const struct job *j, struct target *t)
{
	const struct service *s = service_find(j->d, t->name);

	if (t->done)
		return;
	if (!s) {
		t->done = true;
		t->ok = j->kind == JOB_DOWN;
		if (j->kind == JOB_RELOAD)
			snprintf(t->text, sizeof(t->text), "does not run");
		return;
	}
	if (j->kind == JOB_RELOAD) {
		settle_reload(t, s);
		return;
	}
	if (j->kind == JOB_OVERLAP && settle_overlap(t, s))
		return;
	/* a stop that waits for nobody and yet is not on its way: somebody has started it again */
	bool up = j->kind == JOB_UP || j->kind == JOB_OVERLAP;
	bool superseded = j->kind == JOB_DOWN && !s->stop_after_dependents;

	switch (s->state) {
	case STATE_READY:
	case STATE_RELOADING:
		t->ok = up;
		t->done = t->ok || superseded;
		break;
	case STATE_IDLE:
		t->ok = up;
		t->done = up || superseded;
		break;
	case STATE_FAILED:
		t->done = true;
		t->ok = j->kind == JOB_DOWN;
		break;
	case STATE_STOPPED:
		t->done = up || !takes_down(s);
		t->ok = j->kind == JOB_DOWN;
		break;
	case STATE_BACKOFF: /* it will be tried again, but this start has failed */
		t->done = up || superseded;
		break;
	default:
		break;
	}
	if (t->done)
		strcpy(t->text, j->kind == JOB_DOWN && !t->ok ? "was started again meanwhile" : s->message);
}

static void answer(struct job *j)
{
	json_t *results = json_array();

	for (size_t i = 0; i < j->n; i++) {
		const struct target *t = &j->targets[i];
		const struct service *s = service_find(j->d, t->name);
		json_array_append_new(results,
			json_pack("{s:s,s:s,s:b,s:o}", "service", t->name, "state",
				s ? service_state_name(s->state) : "stopped", "ok", t->ok, "text",
				controlmsg_string(t->text, strlen(t->text))));
	}
	struct control_call *call = j->call;
	control_on_gone(call, NULL, NULL);
	job_free(j);
	control_reply(call, json_pack("{s:o}", "results", results), false);
}

/* Who is told that a service is up goes there at once. */
static bool waits_for_routes(const struct job *j)
{
	return j->kind == JOB_UP || j->kind == JOB_OVERLAP;
}

void job_check(struct daemon *d)
{
	for (struct job *j = d->jobs, *next; j; j = next) {
		bool all = true;
		next = j->next;
		if (!j->armed || (waits_for_routes(j) && !routerproc_knows(d->router)))
			continue;
		for (size_t i = 0; i < j->n; i++) {
			settle(j, &j->targets[i]);
			all &= j->targets[i].done;
		}
		if (all)
			answer(j);
	}
}

void job_arm(struct daemon *d)
{
	for (struct job *j = d->jobs; j; j = j->next)
		j->armed = true;
	job_check(d);
}
