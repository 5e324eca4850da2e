/* SPDX-License-Identifier: ISC */
/* values_profile.c: parsers of values that only profiles have. */
#include "values.h"
#include "base/endpoint.h"
#include "base/parse.h"
#include "sandbox/seccomp.h"
#include "sandbox/seccomp_cover.h"

#include <ctype.h>
#include <string.h>

#define ID_MAX 65535 /* a sandbox has 65536 ids */

static void *grow(void *array, size_t n, size_t item)
{
	return realloc(array, (n + 1) * item);
}

static bool all_of(const char *s, const char *more)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

static int set_string(char **p, char *fresh)
{
	if (!fresh)
		return -ENOMEM;
	free(*p);
	*p = fresh;
	return 0;
}

/* A user's or group's name, or a number. */
int value_user(const struct lang_value *v, void *base)
{
	char **p = (char **)((char *)base + v->key->offset);
	const char *t = v->text;
	uint64_t id;

	if (isdigit((unsigned char)t[0])) {
		if (trp_parse_u64(t, &id) < 0)
			return -EINVAL;
		if (id > ID_MAX)
			return -ERANGE;
	} else if ((!isalpha((unsigned char)t[0]) && t[0] != '_') || !all_of(t, "_-") ||
		   strlen(t) > 32) {
		return -EINVAL;
	}
	return set_string(p, strdup(t));
}

/* A word, or "fd:N". */
int value_ready(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	uint64_t n;
	int r;

	if (strncmp(v->text, "fd", 2) != 0)
		return value_choice(v, base);
	r = v->text[2] == ':' ? trp_parse_u64(v->text + 3, &n) : -EINVAL;
	if (r < 0 || n < PROFILE_READY_FD_MIN || n > PROFILE_READY_FD_MAX)
		return lang_refuse(v, "'%s' is not valid, expected fd:N with N from %d to %d", v->text, PROFILE_READY_FD_MIN,
			PROFILE_READY_FD_MAX);
	p->ready = READY_FD;
	p->ready_fd = (unsigned)n;
	return 0;
}

int value_root(const struct lang_value *v, void *base)
{
	static const struct {
		const char *word;
		enum profile_root root;
	} words[] = {{"host", ROOT_HOST}, {"packages", ROOT_PACKAGES}, {"none", ROOT_NONE}};
	struct profile *p = base;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(words); i++)
		if (strcmp(v->text, words[i].word) == 0) {
			p->root = words[i].root;
			return 0;
		}
	if (value_refuse_comment(v) < 0)
		return -EBADMSG;
	if (!value_is_path(v->text) || strcmp(v->text, "/") == 0)
		return -EINVAL;
	p->root = ROOT_DIRECTORY;
	return set_string(&p->root_directory, strdup(v->text));
}

int value_commands(const struct lang_value *v, void *base)
{
	struct profile_commands *c = (void *)((char *)base + v->key->offset);
	struct profile_where *wheres;
	struct strv *grown;

	if (!v->words) {
		for (size_t i = 0; i < c->n; i++)
			strv_free(&c->v[i]);
		c->n = 0;
		return 0;
	}
	if (!v->continued) {
		if (!value_is_path(v->words->v[0]))
			return lang_refuse(v,
				"'%s' is not valid, expected the program's absolute path first",
				v->words->v[0]);
		grown = grow(c->v, c->n, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		c->v = grown;
		wheres = grow(c->where, c->n, sizeof(*wheres));
		if (!wheres)
			return -ENOMEM;
		c->where = wheres;
		wheres[c->n] = v->where;
		grown[c->n++] = (struct strv){0};
	}
	if (c->n == 0) /* the command that this line continues was refused */
		return -EBADMSG;
	for (size_t i = 0; i < v->words->n; i++)
		if (strv_push(&c->v[c->n - 1], v->words->v[i]) < 0)
			return -ENOMEM;
	return 0;
}

int value_host(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	struct profile_where *wheres;
	char host[254];
	int r;

	if (!v->text) {
		strv_free(&p->hosts);
		return 0;
	}
	r = value_canonical_host(v, host);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->hosts.n; i++)
		if (strcmp(p->hosts.v[i], host) == 0)
			return lang_refuse(v, "'%s' is given twice, first at %s:%u", host,
				p->host_where[i].file, p->host_where[i].line);
	wheres = grow(p->host_where, p->hosts.n, sizeof(*wheres));
	if (!wheres)
		return -ENOMEM;
	p->host_where = wheres;
	if (strv_push(&p->hosts, host) < 0)
		return -ENOMEM;
	wheres[p->hosts.n - 1] = v->where;
	p->hosts_where = wheres[0];
	return 0;
}

int value_target(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	struct sockaddr_storage sa;

	if (!v->text) {
		strv_free(&p->targets);
		return 0;
	}
	if (trp_parse_endpoint(v->text, &sa) < 0)
		return -EINVAL;
	/* its directory is shown to the relay: not the host's whole root */
	if (sa.ss_family == AF_UNIX && (!value_is_path(strchr(v->text, '/')) ||
		strrchr(v->text, '/') == strchr(v->text, '/')))
		return -EINVAL;
	if (strv_has(&p->targets, v->text))
		return lang_refuse(v, "'%s' is given twice", v->text);
	if (p->targets.n == PROFILE_TARGETS_MAX)
		return lang_refuse(v, "more than %d targets", PROFILE_TARGETS_MAX);
	return strv_push(&p->targets, v->text);
}

/* Debian Policy 5.6.1: at least two characters of a-z 0-9 + - . */
int value_packages(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	const char *t = v->text;

	if (!t) {
		strv_free(&p->packages);
		return 0;
	}
	if (!t[0] || !t[1] || !isalnum((unsigned char)t[0]) ||
		strspn(t, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != strlen(t))
		return -EINVAL;
	return strv_has(&p->packages, t) ? 0 : strv_push(&p->packages, t);
}

int value_host_files(const struct lang_value *v, void *base)
{
	struct profile *p = base;

	if (!v->text) {
		strv_free(&p->host_files);
		return 0;
	}
	if (!value_is_path(v->text) || strncmp(v->text, "/etc/", 5) != 0)
		return -EINVAL;
	return strv_has(&p->host_files, v->text) ? 0 : strv_push(&p->host_files, v->text);
}

/* Places inside that are the sandbox's own: nothing may be put over them. */
static const char *reserved_target(const char *path)
{
	static const char *const dirs[] = {"/proc", "/dev", "/trp", "/sys"};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(dirs); i++)
		if (trp_path_within(path, dirs[i]))
			return dirs[i];
	return strcmp(path, "/") == 0 ? "/" : NULL;
}

static int check_target(const struct lang_value *v, const char *target)
{
	if (!value_is_path(target))
		return lang_refuse(
			v, "the target '%s' is not an absolute path without . and ..", target);
	if (reserved_target(target))
		return lang_refuse(v,
			"the target '%s' lies in %s, which belongs to the sandbox itself", target,
			reserved_target(target));
	return 0;
}

static int bind_option(const struct lang_value *v, struct profile_bind *b, const char *word)
{
	static const char *const words[] = {"rw", "exec", "noexec", "optional"};
	bool *const flags[] = {&b->writable, &b->exec, &b->noexec, &b->optional};
	const char *near = trp_nearest(word, words, TRP_ARRAY_SIZE(words));

	for (size_t i = 0; i < TRP_ARRAY_SIZE(words); i++)
		if (strcmp(word, words[i]) == 0) {
			*flags[i] = true;
			return 0;
		}
	if (near)
		return lang_refuse(v,
			"'%s' is not valid, expected rw, exec, noexec or optional; did you mean '%s'?",
			word, near);
	return lang_refuse(v, "'%s' is not valid, expected rw, exec, noexec or optional", word);
}

static int parse_bind(const struct lang_value *v, struct profile_bind *b)
{
	const struct strv *w = v->words;
	int r;

	if (w->n < 2)
		return lang_refuse(v, "expected %s", v->key->expects);
	if (!value_is_path(w->v[0]))
		return lang_refuse(
			v, "the source '%s' is not an absolute path without . and ..", w->v[0]);
	r = check_target(v, w->v[1]);
	for (size_t i = 2; i < w->n && r == 0; i++)
		r = bind_option(v, b, w->v[i]);
	if (r == 0 && b->exec && b->noexec)
		return lang_refuse(v, "exec and noexec contradict each other");
	b->noexec |= b->writable && !b->exec;
	return r;
}

int value_bind(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	struct profile_bind b = {.where = v->where}, *grown;
	int r;

	if (!v->words) {
		for (size_t i = 0; i < p->n_binds; i++) {
			free(p->binds[i].source);
			free(p->binds[i].target);
		}
		p->n_binds = 0;
		return 0;
	}
	r = parse_bind(v, &b);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n_binds; i++)
		if (strcmp(p->binds[i].target, v->words->v[1]) == 0)
			return lang_refuse(v, "the target '%s' is taken already at %s:%u",
				v->words->v[1], p->binds[i].where.file, p->binds[i].where.line);
	grown = grow(p->binds, p->n_binds, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->binds = grown;
	b.source = strdup(v->words->v[0]);
	b.target = strdup(v->words->v[1]);
	p->binds[p->n_binds++] = b;
	return b.source && b.target ? 0 : -ENOMEM;
}

int value_secret(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	struct profile_secret s = {.where = v->where}, *grown;
	const char *slash = v->text ? strchr(v->text, '/') : NULL,
		   *name = slash ? slash + 1 : v->text;
	cleanup_free char *service = slash ? strndup(v->text, (size_t)(slash - v->text)) : NULL;

	if (!v->text) {
		for (size_t i = 0; i < p->n_secrets; i++) {
			free(p->secrets[i].service);
			free(p->secrets[i].name);
		}
		p->n_secrets = 0;
		return 0;
	}
	if (!value_is_file_name(name))
		return -EINVAL;
	if (service && !trp_valid_service_name(service))
		return -EINVAL;
	for (size_t i = 0; i < p->n_secrets; i++)
		if (strcmp(p->secrets[i].name, name) == 0)
			return lang_refuse(v,
				"'%s': there is a secret of that name already at %s:%u, both would "
				"be the file "
				"/trp/secrets/%s",
				v->text, p->secrets[i].where.file, p->secrets[i].where.line, name);
	grown = grow(p->secrets, p->n_secrets, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->secrets = grown;
	s.name = strdup(name);
	if (!s.name)
		return -ENOMEM;
	s.service = trp_steal_ptr(&service);
	p->secrets[p->n_secrets++] = s;
	return 0;
}

/* SUBDIR:/absolute/path */
int value_state_at(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	const char *colon = v->text ? strchr(v->text, ':') : NULL;
	int r;

	if (!v->text) {
		strv_free(&p->state_at);
		return 0;
	}
	if (!colon || v->text[0] == '.' || v->text[0] == '-')
		return -EINVAL;
	if (colon == v->text ||
		strspn(v->text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
			(size_t)(colon - v->text))
		return -EINVAL;
	r = check_target(v, colon + 1);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->state_at.n; i++)
		if (strcmp(strchr(p->state_at.v[i], ':'), colon) == 0)
			return lang_refuse(v, "the target '%s' is given twice", colon + 1);
	return strv_push(&p->state_at, v->text);
}

static int unknown_syscall(const struct lang_value *v, const char *word)
{
	const char *names[LANG_KEYS_MAX], *near;
	size_t n_groups, n = 0;
	const struct seccomp_group *groups = seccomp_groups(&n_groups);

	names[n++] = "@default";
	for (size_t i = 0; i < n_groups && n < TRP_ARRAY_SIZE(names); i++)
		names[n++] = groups[i].name;
	near = trp_nearest(word, names, n);
	if (!near)
		return -EINVAL;
	return lang_refuse(v, "'%s' is not valid, expected %s; did you mean '%s'?", word,
		v->key->expects, near);
}

/* A removal that would come to nothing. What one file takes out another may give back; but who writes @default there means all of it by mistake:
 * it would be the end of every removal before. */
static int check_removals(const struct lang_value *v, const struct profile *p)
{
	const char *word = v->text;

	if (word[0] == '-' && seccomp_is_always(word + 1))
		return lang_refuse(v, "'%s' has no effect: trp-init makes this system call itself, so no service is without it", word);
	for (size_t i = strcmp(word, "@default") == 0 ? 0 : p->syscalls_from; word[0] != '-' && i < p->syscalls.n; i++)
		if (p->syscalls.v[i][0] == '-' && seccomp_covers(word, p->syscalls.v[i] + 1))
			return lang_refuse(v, "'%s' gives back what '%s' has taken out, expected only one of them, or the removal behind it", word,
				p->syscalls.v[i]);
	return 0;
}

int value_syscalls(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	const char *word = v->text;
	int r = 0;

	if (!word)
		strv_free(&p->syscalls);
	if (!word || p->syscalls_file != v->where.file) {
		p->syscalls_file = v->where.file;
		p->syscalls_from = p->syscalls.n;
	}
	if (!word)
		return 0;
	if (word[0] == '-')
		word++;
	if (!seccomp_valid_name(word))
		return unknown_syscall(v, word);
	r = check_removals(v, p);
	/* a list that begins with taking out takes out of the default */
	if (r == 0 && p->syscalls.n == 0 && v->text[0] == '-')
		r = strv_push(&p->syscalls, "@default");
	return r < 0 ? r : strv_push(&p->syscalls, v->text);
}
