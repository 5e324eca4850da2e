/* SPDX-License-Identifier: ISC */
/* values_env.c: [environment] and environment-file. */
#include "values.h"
#include "supervisor/profile/envfile.h"

#include <ctype.h>
#include <string.h>

const char *env_name_problem(const char *name)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return "not a name of an environment variable, expected letters, digits and _";
	for (const char *s = name; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return "not a name of an environment variable, expected letters, digits and _";
	if (strcmp(name, "LD_PRELOAD") == 0)
		return "refused: the adapter is loaded through /etc/ld.so.preload of the sandbox, and a library in front "
		       "of it could take its connections away";
	if (strcmp(name, "NOTIFY_SOCKET") == 0)
		return "refused: the supervisor sets it (ready = notify)";
	return NULL;
}

struct profile_env *env_set_find(const struct env_set *set, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->v[i].name, name) == 0)
			return &set->v[i];
	return NULL;
}

int env_set_give(struct env_set *set, const char *name, char *value, struct profile_where where)
{
	struct profile_env *e = env_set_find(set, name), *grown;

	if (!value)
		return -ENOMEM;
	if (!e) {
		grown = reallocarray(set->v, set->n + 1, sizeof(*grown));
		if (grown)
			set->v = grown;
		e = grown ? &set->v[set->n] : NULL;
		if (e)
			*e = (struct profile_env){.name = strdup(name)};
		if (!e || !e->name) {
			free(value);
			return -ENOMEM;
		}
		set->n++;
	}
	if (e->value)
		explicit_bzero(e->value, strlen(e->value));
	free(e->value);
	e->value = value;
	e->where = where;
	return 0;
}

void env_set_free(struct env_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		free(set->v[i].name);
		if (set->v[i].value)
			explicit_bzero(set->v[i].value, strlen(set->v[i].value)); /* passwords are often kept so */
		free(set->v[i].value);
	}
	free(set->v);
	*set = (struct env_set){0};
}

int value_env(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	const struct profile_env *e = env_set_find(&p->env, v->name);
	const char *problem = env_name_problem(v->name);

	if (problem)
		return lang_refuse(v, "%s", problem);
	if (e && e->where.file == v->where.file)
		return lang_refuse(v, "given twice, first in line %u", e->where.line);
	return env_set_give(&p->env, v->name, strdup(v->text), v->where);
}

/* A long value goes on in an indented line; a blank is put between. */
int value_env_continued(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	const struct profile_env *e = env_set_find(&p->env, v->name);
	char *joined;

	if (!e) /* refused above */
		return -EBADMSG;
	joined = malloc(strlen(e->value) + strlen(v->text) + 2);
	if (joined)
		stpcpy(stpcpy(stpcpy(joined, e->value), e->value[0] ? " " : ""), v->text);
	return env_set_give(&p->env, v->name, joined, e->where);
}

/* PATH or -PATH */
int value_env_file(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	struct profile_env_file f = {.where = v->where}, *grown;
	const char *path = v->text;

	if (!path) {
		for (size_t i = 0; i < p->n_env_files; i++)
			free(p->env_files[i].path);
		p->n_env_files = 0;
		return 0;
	}
	f.optional = path[0] == '-';
	path += f.optional;
	if (!value_is_path(path) || strcmp(path, "/") == 0)
		return -EINVAL;
	if (p->n_env_files == ENVFILES_MAX)
		return lang_refuse(v, "more than %d files", ENVFILES_MAX);
	for (size_t i = 0; i < p->n_env_files; i++)
		if (strcmp(p->env_files[i].path, path) == 0)
			return lang_refuse(v, "'%s' is given twice", path);
	grown = reallocarray(p->env_files, p->n_env_files + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->env_files = grown;
	f.path = strdup(path);
	if (!f.path)
		return -ENOMEM;
	p->env_files[p->n_env_files++] = f;
	return 0;
}
