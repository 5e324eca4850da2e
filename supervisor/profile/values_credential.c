/* SPDX-License-Identifier: ISC */
/* values_credential.c: credential and credential-command. One list, as their files lie in one directory. */
#include "values.h"

#include <ctype.h>
#include <string.h>

bool value_is_file_name(const char *text)
{
	if (!isalnum((unsigned char)text[0]) || strlen(text) > 63)
		return false;
	for (const char *s = text; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			return false;
	return true;
}

void credential_free(struct profile_credential *c)
{
	free(c->name);
	free(c->path);
	strv_free(&c->command);
}

/* Those of one key. */
static void reset(struct profile *p, bool commands)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_credentials; i++)
		if (!p->credentials[i].path == commands)
			credential_free(&p->credentials[i]);
		else
			p->credentials[n++] = p->credentials[i];
	p->n_credentials = n;
}

/* "NAME:/path" becomes an entry with the name, and *ret_path what follows it. */
static int add(const struct lang_value *v, struct profile *p, const char *text, const char **ret_path, struct profile_credential **ret)
{
	const char *colon = strchr(text, ':');
	cleanup_free char *name = colon ? strndup(text, (size_t)(colon - text)) : NULL;
	struct profile_credential *grown;

	if (!colon)
		return -EINVAL;
	if (!name)
		return -ENOMEM;
	if (!value_is_file_name(name) || !value_is_path(colon + 1) || !colon[2])
		return -EINVAL;
	for (size_t i = 0; i < p->n_credentials; i++)
		if (strcmp(p->credentials[i].name, name) == 0)
			return lang_refuse(v, "'%s' is taken already at %s:%u", name, p->credentials[i].where.file, p->credentials[i].where.line);
	if (p->n_credentials == PROFILE_CREDENTIALS_MAX)
		return lang_refuse(v, "more than %d credentials", PROFILE_CREDENTIALS_MAX);
	grown = reallocarray(p->credentials, p->n_credentials + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->credentials = grown;
	*ret = &grown[p->n_credentials++];
	**ret = (struct profile_credential){.name = trp_steal_ptr(&name), .where = v->where};
	*ret_path = colon + 1;
	return 0;
}

int value_credential(const struct lang_value *v, void *base)
{
	struct profile_credential *c;
	const char *path;
	int r;

	if (!v->text) {
		reset(base, false);
		return 0;
	}
	r = add(v, base, v->text, &path, &c);
	if (r < 0)
		return r;
	c->path = strdup(path);
	return c->path ? 0 : -ENOMEM;
}

int value_credential_command(const struct lang_value *v, void *base)
{
	struct profile_credential *c;
	const char *path;
	int r;

	if (!v->words) {
		reset(base, true);
		return 0;
	}
	r = add(v, base, v->words->v[0], &path, &c);
	if (r == -EINVAL)
		return lang_refuse(v, "'%s' is not valid, expected NAME:, the program's absolute path, and its arguments", v->words->v[0]);
	if (r == 0)
		r = strv_push(&c->command, path);
	for (size_t i = 1; i < v->words->n && r == 0; i++)
		r = strv_push(&c->command, v->words->v[i]);
	return r;
}
