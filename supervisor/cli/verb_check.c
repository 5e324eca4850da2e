/* SPDX-License-Identifier: ISC */
/* trpsup check: trpsup.conf and profiles, as the daemon would read them, without touching anything.
 */
#include "local.h"
#include "show.h"
#include "base/io.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What was loaded, and what could not be. */
struct set {
	struct profile **v;
	size_t n;
	struct strv wanted; /* the names of v, of broken, and of those still to be loaded */
	struct strv broken;
	struct profile_errors errors;
};

static void set_free(struct set *s)
{
	for (size_t i = 0; i < s->n; i++)
		profile_free(s->v[i]);
	free(s->v);
	strv_free(&s->wanted);
	strv_free(&s->broken);
	profile_errors_free(&s->errors);
}

static int set_want(struct set *s, const char *name)
{
	return strv_has(&s->wanted, name) ? 0 : strv_push(&s->wanted, name);
}

static bool set_has(const struct set *s, const char *service)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i]->service, service) == 0)
			return true;
	return false;
}

/* required: another one needs it, so that profile_check_set() says with its place that it does not
 * exist. */
static int set_load(
	struct set *s, const struct profile_paths *paths, const char *name, bool required)
{
	struct profile_errors errors = {0};
	struct profile *p = NULL, **grown;
	bool template;
	int r = local_load(paths, name, &p, &template, &errors);

	if (r < 0 && !(r == -ENOENT && required)) {
		for (size_t i = 0; i < errors.n; i++)
			profile_error(&s->errors, NULL, 0, NULL, "%s", errors.v[i]);
		r = strv_push(&s->broken, name);
	} else if (r == 0 && set_has(s, p->service)) {
		profile_free(p); /* a template's example that another profile requires by just that
				    name */
	} else if (r == 0) {
		grown = realloc(s->v, (s->n + 1) * sizeof(*grown));
		if (!grown) {
			profile_free(p);
			r = -ENOMEM;
		} else {
			s->v = grown;
			s->v[s->n++] = p;
			for (size_t i = 0; i < p->requires.n && r == 0; i++)
				r = set_want(s, p->requires.v[i]);
		}
	} else {
		r = 0;
	}
	profile_errors_free(&errors);
	return r;
}

/* Takes out what requires something broken: its own errors are said, and "does not exist" would be
 * wrong. */
static int set_drop_dependents(struct set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct profile *p = s->v[i];
		bool drop = false;
		int r;
		for (size_t k = 0; k < p->requires.n; k++)
			drop = drop || strv_has(&s->broken, p->requires.v[k]);
		if (!drop)
			continue;
		r = strv_push(&s->broken, p->service);
		if (r < 0)
			return r;
		profile_free(p);
		memmove(&s->v[i], &s->v[i + 1], (s->n - i - 1) * sizeof(*s->v));
		s->n--;
		i = (size_t)-1; /* from the beginning: others may require this one */
	}
	return 0;
}

/* The names to check become s->wanted; a file's directory is looked into first. Returns its
 * directory (the caller's). */
static int want_argument(struct set *s, const char *arg, char **ret_dir)
{
	size_t len = strlen(arg);
	const char *slash = strrchr(arg, '/'), *base = slash ? slash + 1 : arg;
	cleanup_free char *name = NULL, *dir = NULL;
	char real[PATH_MAX];

	if (!slash && !(len > 4 && strcmp(arg + len - 4, ".ini") == 0))
		return set_want(s, arg);
	if (!realpath(arg, real)) {
		profile_error(&s->errors, arg, 0, NULL, "%s", strerror(errno));
		return 0;
	}
	len = strlen(base);
	if (len <= 4 || strcmp(base + len - 4, ".ini") != 0) {
		profile_error(&s->errors, arg, 0, NULL, "a profile's file is called NAME.ini");
		return 0;
	}
	name = strndup(base, len - 4);
	dir = slash ? strndup(arg, (size_t)(slash - arg) + (slash == arg)) : strdup(".");
	if (!name || !dir)
		return -ENOMEM;
	free(*ret_dir);
	*ret_dir = trp_steal_ptr(&dir);
	return set_want(s, name);
}

static int want_all(struct set *s, const struct profile_paths *paths)
{
	struct strv names = {0};
	int r = profile_list(paths, &names);

	for (size_t i = 0; i < names.n && r == 0; i++)
		r = set_want(s, names.v[i]);
	strv_free(&names);
	return r;
}

/* Loads what is wanted and all that it requires. */
static int load_all(struct set *s, const struct profile_paths *paths)
{
	size_t asked = s->wanted.n;
	int r = 0;

	for (size_t i = 0; i < s->wanted.n && r == 0; i++)
		r = set_load(s, paths, s->wanted.v[i], i >= asked);
	if (r == 0)
		r = set_drop_dependents(s);
	if (r < 0)
		return r;
	r = profile_check_set(s->v, s->n, &s->errors);
	return r == -EINVAL ? 0 : r;
}

/* Each line once: a file that two profiles include has its mistakes in both. */
static void print_errors(const struct cli *cli, const struct profile_errors *errors)
{
	struct strv said = {0};
	json_t *list = json_array();
	cleanup_free char *text = NULL;

	for (size_t i = 0; i < errors->n; i++) {
		if (strv_has(&said, errors->v[i]))
			continue;
		strv_push(&said, errors->v[i]);
		if (cli->json) {
			char *shown = show_escape(errors->v[i]);
			json_array_append_new(list, json_string(shown));
			free(shown);
		} else {
			show_text(stderr, errors->v[i]);
			fputc('\n', stderr);
		}
	}
	if (cli->json) {
		text = json_dumps(list, JSON_COMPACT);
		printf("{\"errors\":%s}\n", text ? text : "[]");
	}
	json_decref(list);
	strv_free(&said);
}

int verb_check(struct cli *cli, char **args, size_t n)
{
	struct set s = {0};
	struct profile_paths paths;
	cleanup_free char *dir = NULL;
	cleanup_free const char **dirs = NULL;
	int r = 0;

	if (cli_config(cli) != CLI_OK)
		return CLI_FAILED;
	config_profile_paths(cli->config, &paths);
	for (size_t i = 0; i < n && r == 0; i++)
		r = want_argument(&s, args[i], &dir);
	if (n == 0)
		r = want_all(&s, &paths);
	if (dir) {
		dirs = calloc(paths.n_dirs + 1, sizeof(*dirs));
		if (!dirs)
			return CLI_FAILED;
		dirs[0] = dir;
		memcpy(dirs + 1, paths.dirs, paths.n_dirs * sizeof(*dirs));
		paths.dirs = dirs;
		paths.n_dirs++;
	}
	if (r == 0)
		r = load_all(&s, &paths);
	print_errors(cli, &s.errors);
	if (r < 0)
		cli_error("%s", strerror(-r));
	else if (s.errors.n > 0 && !cli->json)
		cli_error("%zu error%s", s.errors.n, s.errors.n == 1 ? "" : "s");
	else if (!cli->json)
		printf("%zu profile%s checked, no errors\n", s.n, s.n == 1 ? "" : "s");
	r = r < 0 || s.errors.n > 0 ? CLI_FAILED : CLI_OK;
	set_free(&s);
	return r;
}
