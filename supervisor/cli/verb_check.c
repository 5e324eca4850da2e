/* SPDX-License-Identifier: ISC */
/* trpsup check: trpsup.conf and profiles, as the daemon would read them, without touching anything.
 */
#include "local.h"
#include "show.h"
#include "base/io.h"
#include "sandbox/obstacle.h"
#include "supervisor/profile/envfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* What was loaded, and what could not be. */
struct set {
	const struct config *config;
	bool all; /* nothing was named */
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

static int set_want_all(struct set *s, const struct strv *names)
{
	int r = 0;

	for (size_t i = 0; i < names->n && r == 0; i++)
		r = set_want(s, names->v[i]);
	return r;
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
			r = set_want_all(s, &p->requires);
			if (r == 0)
				r = set_want_all(s, &p->wants);
			if (r == 0)
				r = set_want_all(s, &p->members);
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
		for (size_t k = 0; k < s->broken.n; k++)
			drop = drop || strv_has(&p->requires, s->broken.v[k]) || strv_has(&p->wants, s->broken.v[k]) ||
				strv_has(&p->members, s->broken.v[k]);
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
	cleanup_free char *name = NULL, *dir = NULL;
	int r = local_file(arg, &name, &dir, &s->errors);

	if (r == -EINVAL) /* said */
		return 0;
	if (r <= 0)
		return r < 0 ? r : set_want(s, arg);
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

/* What is read at the start only, as far as the caller may read it. */
static int check_environment(const struct profile *p, struct profile_errors *errors)
{
	struct profile_errors found = {0};
	struct env_set env = {0};
	int r = envfile_read_all(p, &env, &found);

	for (size_t i = 0; i < found.n && r != -EACCES; i++)
		profile_error(errors, NULL, 0, NULL, "%s", found.v[i]);
	profile_errors_free(&found);
	env_set_free(&env);
	return r == -ENOMEM ? r : 0;
}

/* Is what it needs of trpsup.conf asked? Of the shipped ones most are not used on this host: only if they are named. */
static bool is_of_host(const struct set *s, const struct profile_paths *paths, const struct profile *p)
{
	size_t len = s->all ? strlen(paths->dirs[0]) : 0;

	return !s->all || (strncmp(p->file, paths->dirs[0], len) == 0 && p->file[len] == '/');
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
	for (size_t i = 0; i < s->n && r != -ENOMEM; i++) {
		if (is_of_host(s, paths, s->v[i]))
			config_check_profile(s->config, s->v[i], &s->errors);
		r = check_environment(s->v[i], &s->errors);
	}
	return r == -ENOMEM ? r : 0;
}

/* Each line once: a file that two profiles include has its mistakes in both. */
static void print_errors(const struct cli *cli, const struct profile_errors *errors)
{
	json_t *list = json_array();
	cleanup_free char *text = NULL;

	if (!cli->json) {
		local_print_errors(errors);
		json_decref(list);
		return;
	}
	for (size_t i = 0; i < errors->n; i++) {
		cleanup_free char *shown = show_escape(errors->v[i]);
		json_t *line = json_string(shown);
		size_t k = 0;
		while (k < json_array_size(list) && !json_equal(json_array_get(list, k), line))
			k++;
		if (k == json_array_size(list))
			json_array_append(list, line);
		json_decref(line);
	}
	text = show_json(list, 0);
	printf("{\"errors\":%s}\n", text);
	json_decref(list);
}

int local_check(const struct config *config, const struct profile_paths *paths, const char *name, struct profile_errors *errors)
{
	struct set s = {.config = config};
	int r = set_want(&s, name);

	if (r == 0)
		r = load_all(&s, paths);
	for (size_t i = 0; i < s.errors.n; i++)
		profile_error(errors, NULL, 0, NULL, "%s", s.errors.v[i]);
	if (r == 0 && s.errors.n > 0)
		r = -EINVAL;
	set_free(&s);
	return r;
}

/* Not of a profile, so no error of one. */
static void print_obstacles(void)
{
	cleanup_close int dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[600] = "";

	if (dir >= 0)
		obstacle_userns(dir, true, true, text, sizeof(text));
	if (text[0])
		fprintf(stderr, "trpsup: on this host no service can start: %s\n", text);
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
	s.config = cli->config;
	s.all = n == 0;
	for (size_t i = 0; i < n && r == 0; i++)
		r = want_argument(&s, args[i], &dir);
	if (s.all) {
		config_check_defaults(cli->config, &paths, &s.errors);
		config_check_start(cli->config, &paths, &s.errors);
		r = want_all(&s, &paths);
	}
	if (dir && local_look_first(&paths, dir, &dirs) < 0) {
		cli_error("no memory");
		set_free(&s);
		return CLI_FAILED;
	}
	if (r == 0)
		r = load_all(&s, &paths);
	print_errors(cli, &s.errors);
	if (!cli->json)
		print_obstacles();
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
