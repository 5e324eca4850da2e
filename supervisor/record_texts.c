/* SPDX-License-Identifier: ISC */
/* record_texts.c: what the profiles in force and to come say, beside the records: read anew by the next daemon. */
#include "supervisor/record.h"
#include "base/io.h"
#include "base/log.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXTS_MAX (16 << 20)

/* "web.0123456789abcdef.profile": what is in force and what is to come are of two names. */
static void texts_name(const char *service, const char *hash, char out[NAME_MAX + 1])
{
	snprintf(out, NAME_MAX + 1, "%.200s.%.16s" RECORD_TEXTS_SUFFIX, service, hash);
}

/* NULL: no memory */
static char *to_text(const struct profile_sources *sources)
{
	json_t *list = json_array();
	char *text;

	for (size_t i = 0; i < sources->n; i++)
		json_array_append_new(list, json_pack("{s:s,s:s%,s:b}", "path", sources->v[i].path, "text", sources->v[i].text,
			sources->v[i].len, "own", sources->v[i].own));
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	return text;
}

/* 0, and p has them no more; or -errno. */
static int keep_sources(const struct daemon *d, struct profile *p)
{
	cleanup_free char *text = NULL;
	char name[NAME_MAX + 1];
	int r = 0;

	texts_name(p->service, p->text_hash, name);
	if (d->records >= 0 && faccessat(d->records, name, F_OK, 0) < 0) {
		text = to_text(&p->sources);
		r = text ? trp_write_whole(d->records, name, text, strlen(text), 0600) : -ENOMEM;
	}
	if (r == 0)
		profile_sources_free(&p->sources);
	return r;
}

void record_keep_sources(struct daemon *d, struct profile *p)
{
	int r = keep_sources(d, p);

	if (r < 0)
		log_warn("%s: its profile cannot be kept for the next trpsupd, which is tried again: %s", p->service, strerror(-r));
}

void record_keep_missed(struct service *s)
{
	struct profile *all[] = {s->profile, s->pending, s->beside ? s->beside->profile : NULL, s->beside ? s->beside->pending : NULL};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(all); i++)
		if (all[i] && all[i]->sources.n > 0)
			(void)keep_sources(s->d, all[i]);
}

static bool has_text(const struct profile *p, const char *hash)
{
	return p && strcmp(p->text_hash, hash) == 0;
}

static bool needs_text(const struct service *s, const char *hash)
{
	return s && (has_text(s->profile, hash) || has_text(s->pending, hash) || strcmp(s->live_text, hash) == 0);
}

void record_drop_texts(const struct daemon *d, const char *service, const char *hash)
{
	char name[NAME_MAX + 1];

	if (!hash[0] || d->records < 0)
		return;
	texts_name(service, hash, name);
	unlinkat(d->records, name, 0);
}

static void drop_text(const struct service *s, const char *hash)
{
	record_drop_texts(s->d, s->name, hash);
}

bool record_needs_text(const struct service *s, const char *hash)
{
	return needs_text(s, hash) || (s && needs_text(s->beside, hash));
}

void record_let_go(const struct service *s, const char *hash)
{
	if (!record_needs_text(s, hash))
		drop_text(s, hash);
}

void record_forget(struct service *s)
{
	record_remove(s);
	if (s->profile)
		drop_text(s, s->profile->text_hash);
	if (s->pending)
		drop_text(s, s->pending->text_hash);
	drop_text(s, s->live_text);
}

int record_read_texts(struct daemon *d, const char *service, const char *hash, struct profile_sources *ret)
{
	cleanup_free char *text = NULL;
	char name[NAME_MAX + 1], here[17];
	const json_t *o;
	size_t len, i;
	json_t *list;
	int r;

	texts_name(service, hash, name);
	r = trp_read_file(d->records, name, TEXTS_MAX, &text, &len);
	list = r < 0 ? NULL : json_loadb(text, len, 0, NULL);
	json_array_foreach(list, i, o)
	{
		const json_t *path = json_object_get(o, "path"), *said = json_object_get(o, "text");
		if (r == 0 && json_is_string(path) && json_is_string(said))
			r = profile_sources_add(ret, json_string_value(path), json_string_value(said), json_string_length(said),
				json_is_true(json_object_get(o, "own")));
	}
	json_decref(list);
	if (r == 0) {
		profile_sources_hash(ret, here);
		r = strncmp(here, hash, strlen(here)) == 0 ? 0 : -EBADMSG;
	}
	return r;
}
