/* SPDX-License-Identifier: ISC */
/* load.c: profile_load(): from a service's name to a whole profile, or to all that is wrong with
 * it. */
#include "load.h"
#include "envfile.h"
#include "base/io.h"
#include "base/parse.h"
#include "values.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void free_strings(struct profile *p)
{
	char *const strings[] = {p->service, p->name, p->instance, p->id, p->file, p->files_dir,
		p->description, p->user, p->group, p->working_directory, p->root_directory,
		p->pid_file, p->suite, p->check_path, p->check_host};
	struct strv *const lists[] = {&p->command, &p->targets, &p->requires, &p->wants, &p->after, &p->before, &p->log_to, &p->conflicts, &p->members, &p->hosts,
		&p->listeners, &p->packages, &p->host_files, &p->use, &p->state_at, &p->syscalls,
		&p->architectures, &p->exec_from, &p->allow_missing, &p->check_command};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(strings); i++)
		free(strings[i]);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(lists); i++)
		strv_free(lists[i]);
}

static void free_commands(struct profile_commands *c)
{
	for (size_t i = 0; i < c->n; i++)
		strv_free(&c->v[i]);
	free(c->v);
	free(c->where);
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	free_strings(p);
	free_commands(&p->setup);
	free_commands(&p->pre_stop);
	for (size_t i = 0; i < p->n_binds; i++) {
		free(p->binds[i].source);
		free(p->binds[i].target);
	}
	for (size_t i = 0; i < p->n_secrets; i++) {
		free(p->secrets[i].service);
		free(p->secrets[i].name);
	}
	for (size_t i = 0; i < p->calendars.n; i++)
		free(p->calendars.v[i].text);
	free(p->calendars.v);
	for (size_t i = 0; i < p->n_credentials; i++)
		credential_free(&p->credentials[i]);
	free(p->credentials);
	env_set_free(&p->env);
	for (size_t i = 0; i < p->n_env_files; i++)
		free(p->env_files[i].path);
	free(p->env_files);
	for (size_t i = 0; p->files && p->files[i]; i++)
		free(p->files[i]);
	free(p->binds);
	free(p->secrets);
	free(p->files);
	free(p->host_where);
	for (size_t i = 0; p->texts && i < profile_n_keys; i++)
		free(p->texts[i]);
	free(p->texts);
	free(p->where);
	profile_sources_free(&p->sources);
	free(p);
}

int profile_sources_add(struct profile_sources *t, const char *path, const char *text, size_t len, bool own)
{
	struct profile_source *grown = reallocarray(t->v, t->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	t->v = grown;
	t->v[t->n] = (struct profile_source){.path = strdup(path), .text = calloc(1, len + 1), .len = len, .own = own};
	if (!t->v[t->n].path || !t->v[t->n].text) {
		free(t->v[t->n].path);
		free(t->v[t->n].text);
		return -ENOMEM;
	}
	memcpy(t->v[t->n++].text, text, len);
	return 0;
}

void profile_sources_free(struct profile_sources *t)
{
	while (t->n > 0) {
		free(t->v[--t->n].path);
		free(t->v[t->n].text);
	}
	free(t->v);
	t->v = NULL;
}

/* FNV-1a: it tells changes by the administrator, not by an enemy. */
void profile_sources_hash(const struct profile_sources *t, char ret[17])
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < t->n; i++)
		for (size_t j = 0; j <= t->v[i].len; j++) /* with the NUL: where one ends is part of it */
			hash = (hash ^ (unsigned char)t->v[i].text[j]) * 0x100000001b3u;
	snprintf(ret, 17, "%016llx", (unsigned long long)hash);
}

/* "blog@chess" -> name blog, instance chess, id blog-chess */
static int set_names(struct profile *p, const char *service, const char *file)
{
	size_t len = strcspn(service, "@");

	p->service = strdup(service);
	p->name = strndup(service, len);
	p->instance = strdup(service[len] ? service + len + 1 : "");
	p->id = strdup(service);
	p->file = strdup(file);
	if (!p->service || !p->name || !p->instance || !p->id || !p->file)
		return -ENOMEM;
	if (service[len])
		p->id[len] = '-';
	return 0;
}

/* The directory NAME/ beside the profile's file, if there is one. */
static int find_files_dir(struct profile *p)
{
	const char *slash = strrchr(p->file, '/');
	cleanup_free char *path =
		trp_asprintf("%.*s%s", slash ? (int)(slash + 1 - p->file) : 0, p->file, p->name);
	struct stat st;

	if (!path)
		return -ENOMEM;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		p->files_dir = trp_steal_ptr(&path);
	return 0;
}

static int begin(struct profile_loading *l, const char *service, const char *file)
{
	int r;

	l->p = calloc(1, sizeof(*l->p));
	if (!l->p)
		return -ENOMEM;
	l->lang = (struct lang){
		.keys = profile_keys,
		.n_keys = profile_n_keys,
		.sections = profile_sections,
		.n_sections = profile_n_sections,
		.others = config_sections,
		.n_others = config_n_sections,
		.others_are = "trpsup.conf",
		.foreign = profile_foreign,
		.errors = l->errors,
		.base = l->p,
		.include = true,
		.stand_in = l->paths->stand_in,
		.user = l,
		.expand = expand_variables,
		.free_continued = value_env_continued,
		.copy = &l->p->sources,
	};
	r = set_names(l->p, service, file);
	if (r == 0)
		r = find_files_dir(l->p);
	return r < 0 ? r : lang_init(&l->lang);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* before: errors that were there already. */
static int check(struct profile_loading *l, size_t before)
{
	struct profile *p = l->p;
	int r = 0;

	check_profile(l);
	if (p->adapter == ADAPTER_RELAY && l->errors->n == before)
		r = relay_complete(l);
	if (p->adapter != ADAPTER_RELAY || l->errors->n == before)
		check_programs(l);
	return r;
}

/* Whether a program is still there, or what another version of ours would refuse, says nothing about what runs by it: only what follows from its
 * values is wanted. */
static int settle(struct profile_loading *l, size_t before)
{
	struct profile_errors unused = {0}, *said = l->errors;

	if (said->n > before)
		return 0;
	l->errors = &unused;
	check_profile(l);
	l->errors = said;
	profile_errors_free(&unused);
	return l->p->adapter == ADAPTER_RELAY ? relay_complete(l) : 0;
}

/* All was read: check it, and hand it over if it is whole. before: errors that were there already.
 */
static int finish(struct profile_loading *l, int r, size_t before, struct profile **ret)
{
	struct profile *p = l->p;

	if (r == 0)
		r = lang_finish(&l->lang);
	if (r == 0) {
		p->where = trp_steal_ptr(&l->lang.where);
		p->texts = trp_steal_ptr(&l->lang.texts);
		p->files = trp_steal_ptr(&l->lang.files.v);
		if (p->packages.n > 0)
			qsort(p->packages.v, p->packages.n, sizeof(*p->packages.v), compare);
		r = l->again ? settle(l, before) : check(l, before);
		if (l->errors->n > before)
			r = -EINVAL;
	}
	l->lang.files.n = l->lang.files.v ? l->lang.files.n : 0;
	lang_free(&l->lang);
	if (r < 0) {
		profile_free(p);
	} else {
		profile_sources_hash(&p->sources, p->text_hash);
		*ret = p;
	}
	return r;
}

int profile_load_buffer(const struct profile_paths *paths, const char *service, const char *path,
	const char *buf, size_t len, struct profile **ret, struct profile_errors *errors)
{
	struct profile_loading l = {.paths = paths, .errors = errors};
	size_t before = errors->n;
	int r = begin(&l, service, path);

	if (r == 0)
		r = lang_read_buffer(&l.lang, path, buf, len);
	return finish(&l, r, before, ret);
}

/* A file that was found by name but cannot be opened is a link that leads nowhere. */
static int read_found(struct profile_loading *l, const char *path)
{
	int r = lang_read(&l->lang, path);

	if (r != -ENOENT)
		return r;
	profile_error(l->errors, path, 0, NULL, "a link to a file that does not exist");
	l->lang.lost = true;
	return 0;
}

static int read_again(struct profile_loading *l, const struct profile_sources *texts)
{
	int r = 0;

	l->lang.source = texts;
	for (size_t i = 0; i < texts->n && r == 0; i++)
		if (texts->v[i].own)
			r = lang_read(&l->lang, texts->v[i].path);
	l->lang.source = NULL;
	return r;
}

static int read_all(struct profile_loading *l, const char *service)
{
	struct strv dropins = {0};
	int r = read_found(l, l->p->file);

	if (r == 0)
		r = lookup_dropins(l->paths, service, &dropins, l->errors);
	for (size_t i = 0; i < dropins.n && r == 0; i++)
		r = read_found(l, dropins.v[i]);
	strv_free(&dropins);
	return r;
}

int profile_load(const struct profile_paths *paths, const char *service, struct profile **ret,
	struct profile_errors *errors)
{
	struct profile_loading l = {.paths = paths, .errors = errors};
	cleanup_free char *file = NULL;
	size_t before = errors->n;
	int r;

	if (!trp_valid_service_name(service)) {
		profile_error(errors, NULL, 0, service,
			"not a service's name, expected a-z 0-9 . _ - (at most 63), and perhaps @ "
			"and an instance of the same form");
		return -EINVAL;
	}
	r = lookup_main(paths, service, &file, errors);
	if (r < 0)
		return r;
	r = begin(&l, service, file);
	if (r == 0)
		r = read_all(&l, service);
	r = finish(&l, r, before, ret);
	return r < 0 && r != -ENOMEM ? -EINVAL : r;
}

int profile_load_again(const struct profile_paths *paths, const char *service, const struct profile_sources *texts, struct profile **ret,
	struct profile_errors *errors)
{
	struct profile_loading l = {.paths = paths, .errors = errors, .again = true};
	size_t before = errors->n;
	int r;

	if (texts->n == 0 || !trp_valid_service_name(service))
		return -EINVAL;
	r = begin(&l, service, texts->v[0].path);
	if (r == 0)
		r = read_again(&l, texts);
	r = finish(&l, r, before, ret);
	return r < 0 && r != -ENOMEM ? -EINVAL : r;
}
