/* SPDX-License-Identifier: ISC */
/* trpsup edit: an editor on a copy of a profile's file; only what has been checked takes its place. */
#include "local.h"
#include "show.h"
#include "base/io.h"
#include "base/parse.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define TEXT_MAX (1u << 20)

struct edit {
	const char *service;
	const struct config *config;
	struct profile_paths paths;
	char *path;      /* that takes the place */
	char *directory; /* of the drop-in that was made for this, or NULL */
	bool made;       /* path was not there */
	bool failed;     /* the editor did */
	char *dir, *copy;
	char *before;    /* its content */
	size_t before_len;
};

/* Is the file what we have read, or made, still? 0, -ESTALE or another -errno */
static int is_unchanged(const struct edit *e, const char *path)
{
	cleanup_free char *now = NULL;
	size_t len;
	int r = trp_read_file(AT_FDCWD, path, TEXT_MAX, &now, &len);

	if (r < 0)
		return r;
	return len == e->before_len && memcmp(now, e->before, len) == 0 ? 0 : -ESTALE;
}

static void edit_free(struct edit *e)
{
	bool takes_back = e->made && is_unchanged(e, e->path) == 0;

	if (takes_back)
		unlink(e->path);
	if (takes_back && e->directory)
		rmdir(e->directory); /* if nothing else is in it */
	if (e->dir && !e->failed)
		trp_remove_tree(AT_FDCWD, e->dir); /* editors leave backups beside it */
	if (e->dir && e->failed) {
		unlink(e->copy);
		rmdir(e->dir); /* but for what there is to recover from */
	}
	free(e->path);
	free(e->directory);
	free(e->dir);
	free(e->copy);
	free(e->before);
}

/* One's own profile, in the first of the directories; of another (one that is shipped, or a template of which one instance is meant) it stays
 * as it is, and what differs goes into a drop-in. */
static int choose_path(struct edit *e)
{
	const char *first = e->paths.dirs[0];
	cleanup_free char *own = trp_asprintf("%s/%s.ini", first, e->service);

	if (!own)
		return -ENOMEM;
	if (access(own, F_OK) == 0) {
		e->path = trp_steal_ptr(&own);
		return 0;
	}
	e->directory = trp_asprintf("%s/%s.ini.d", first, e->service);
	e->path = e->directory ? trp_asprintf("%s/override.ini", e->directory) : NULL;
	return e->path ? 0 : -ENOMEM;
}

static const char dropin[] = "; What is said here counts before the profile of %s. 'trpsup cat %s' shows all of it.\n";

/* So that lookup finds it; it changes nothing as long as it is only a comment. */
static int make_dropin(struct edit *e)
{
	int r = mkdir(e->directory, 0755) < 0 && errno != EEXIST ? -errno : 0;

	e->before = trp_asprintf(dropin, e->service, e->service);
	if (r == 0)
		r = e->before ? trp_write_atomic(AT_FDCWD, e->path, e->before, strlen(e->before), 0644) : -ENOMEM;
	if (r < 0)
		return r;
	e->before_len = strlen(e->before);
	e->made = true;
	return 0;
}

static int begin(struct edit *e)
{
	const char *tmp = getenv("TMPDIR");
	int r = choose_path(e);

	if (r == 0)
		r = trp_read_file(AT_FDCWD, e->path, TEXT_MAX, &e->before, &e->before_len);
	if (r == -ENOENT && e->directory)
		r = make_dropin(e);
	if (r < 0)
		return r;
	e->dir = trp_asprintf("%s/trpsup-edit.XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	if (!e->dir || !mkdtemp(e->dir)) {
		free(e->dir);
		e->dir = NULL;
		return -errno;
	}
	e->copy = trp_asprintf("%s/%s", e->dir, strrchr(e->path, '/') + 1);
	return e->copy ? trp_write_atomic(AT_FDCWD, e->copy, e->before, e->before_len, 0600) : -ENOMEM;
}

/* Runs in a child. What is typed at the terminal to interrupt comes to the shell too, which goes on, as it is not in its child. */
static void __attribute__((noreturn)) become_editor(const char *editor, const char *file)
{
	cleanup_free char *command = show_format("trap : INT QUIT; %s \"$1\"", editor);

	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	execl("/bin/sh", "sh", "-c", command, "sh", file, (char *)NULL);
	_exit(127);
}

/* As git does it: what EDITOR says may have arguments. We outlive an interrupt, which is the editor's affair: it would go on alone on this
 * terminal. False: it failed. */
static bool run_editor(const char *file)
{
	const char *editor = getenv("VISUAL");
	void (*on_int)(int), (*on_quit)(int);
	pid_t pid;
	int status = 1;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = access("/usr/bin/editor", X_OK) == 0 ? "/usr/bin/editor" : "vi";
	fflush(stdout);
	on_int = signal(SIGINT, SIG_IGN);
	on_quit = signal(SIGQUIT, SIG_IGN);
	pid = fork();
	if (pid == 0)
		become_editor(editor, file);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	signal(SIGINT, on_int);
	signal(SIGQUIT, on_quit);
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool ask_again(void)
{
	char answer[16];

	if (!isatty(STDIN_FILENO))
		return false;
	fputs("Edit it again? [Y/n] ", stderr);
	return fgets(answer, sizeof(answer), stdin) && answer[0] != 'n' && answer[0] != 'N';
}

/* Until it is right, or given up. 0, 1: nothing has changed, or -errno (-EINVAL: the mistakes were printed). */
static int edit_until_right(struct edit *e, char **ret_text, size_t *ret_len)
{
	for (;;) {
		struct profile_errors errors = {0};
		cleanup_free char *text = NULL;
		struct profile_stand_in stand_in = {.path = e->path};
		int r;
		e->failed = !run_editor(e->copy);
		if (e->failed) {
			cli_error("the editor failed; nothing is changed");
			return -EINVAL;
		}
		r = trp_read_file(AT_FDCWD, e->copy, TEXT_MAX, &text, &stand_in.len);
		if (r < 0)
			return r;
		if (stand_in.len == e->before_len && memcmp(text, e->before, stand_in.len) == 0)
			return 1;
		stand_in.text = text;
		e->paths.stand_in = &stand_in;
		r = local_check(e->config, &e->paths, e->service, &errors);
		e->paths.stand_in = NULL;
		local_print_errors(&errors);
		profile_errors_free(&errors);
		if (r == 0) {
			*ret_text = trp_steal_ptr(&text);
			*ret_len = stand_in.len;
			return 0;
		}
		if (r != -EINVAL || !ask_again())
			return r;
	}
}

/* Only if nobody else has changed it meanwhile; a link stays one. */
static int put(struct edit *e, const char *text, size_t len)
{
	cleanup_free char *real = realpath(e->path, NULL);
	struct stat st;
	int r = !real || stat(real, &st) < 0 ? -errno : is_unchanged(e, real);

	if (r < 0)
		return r;
	r = trp_write_atomic(AT_FDCWD, real, text, len, st.st_mode & 0777);
	if (r == 0)
		e->made = false;
	return r;
}

static void print_keys(const struct strv *keys, const char *what)
{
	for (size_t i = 0; i < keys->n; i++)
		printf("%s%s", i ? ", " : "", keys->v[i]);
	if (keys->n > 0)
		printf(": %s\n", what);
}

static struct profile *load(const struct edit *e)
{
	struct profile_errors errors = {0};
	struct profile *p = NULL;
	bool template;

	(void)local_load(&e->paths, e->service, &p, &template, &errors);
	profile_errors_free(&errors);
	return p;
}

static json_t *words(const struct strv *keys)
{
	json_t *list = json_array();

	for (size_t i = 0; i < keys->n; i++)
		json_array_append_new(list, json_string(keys->v[i]));
	return list;
}

/* What has changed by it, and when it counts. old NULL: it was not right before. */
static void print_changes(const struct cli *cli, const struct edit *e, const struct profile *old)
{
	struct profile *new = load(e);
	struct strv live = {0}, restart = {0};
	cleanup_free char *again = show_format("in force after 'trpsup restart %s'", e->service);
	bool known = old && new && profile_diff(old, new, &live, &restart) == 0;

	if (cli->json) {
		json_t *o = json_pack("{s:s, s:b, s:o, s:o}", "file", e->path, "changed", true, "live", words(&live), "restart", words(&restart));
		cleanup_free char *text = show_json(o, 0);
		puts(text);
		json_decref(o);
	} else {
		printf("%s is changed\n", e->path);
		print_keys(&live, "in force after 'trpsup reload', where it runs");
		print_keys(&restart, again);
		if (known && live.n + restart.n == 0)
			puts("no value has changed");
	}
	strv_free(&live);
	strv_free(&restart);
	profile_free(new);
}

static int finish(const struct cli *cli, struct edit *e, const char *text, size_t len)
{
	struct profile *old = load(e);
	int r = put(e, text, len);

	if (r == -ESTALE)
		cli_error("%s was changed by somebody else meanwhile; yours is in %s", e->path, e->copy);
	else if (r < 0)
		cli_error("%s: %s; yours is in %s", e->path, strerror(-r), e->copy);
	if (r < 0) { /* it is kept */
		free(e->dir);
		e->dir = NULL;
	} else {
		print_changes(cli, e, old);
	}
	profile_free(old);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

int verb_edit(struct cli *cli, char **args, size_t n)
{
	struct edit e = {.service = args[0]};
	cleanup_free char *text = NULL;
	size_t len;
	int r, code = CLI_FAILED;

	(void)n;
	if (!trp_valid_service_name(args[0])) {
		cleanup_free char *shown = show_escape(args[0]);
		cli_error("'%s' is not the name of a service", shown);
		return CLI_USAGE;
	}
	if (cli_config(cli) != CLI_OK)
		return CLI_FAILED;
	e.config = cli->config;
	config_profile_paths(e.config, &e.paths);
	r = begin(&e);
	if (r < 0)
		cli_error("%s: %s", e.path ? e.path : args[0], strerror(-r));
	else
		r = edit_until_right(&e, &text, &len);
	if (r == 1 && cli->json)
		puts("{\"changed\":false}");
	else if (r == 1)
		puts("nothing is changed");
	else if (r == 0)
		code = finish(cli, &e, text, len);
	edit_free(&e);
	return r == 1 ? CLI_OK : code;
}
