/* SPDX-License-Identifier: ISC */
/* trpsup cat: the profile of a service as it counts, all of its files, includes and variables together, and where each value comes from. */
#include "local.h"
#include "show.h"
#include "supervisor/profile/keys.h"

#include <stdio.h>
#include <string.h>

/* A value of one key, or of [environment]. */
struct entry {
	const char *section, *key, *value; /* value: items of lists on lines of their own */
	struct profile_where where;        /* file NULL: by default */
};

static void add_json(json_t *list, const struct entry *e)
{
	json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?, s:i}", "section", e->section, "key", e->key, "value", e->value, "file",
					    e->where.file, "line", (int)e->where.line));
}

/* So that it can be read as a profile again: a $ is no variable any more. */
static void print_value(const char *text)
{
	for (; *text; text++) {
		if (*text == '$')
			putchar('$');
		putchar(*text);
		if (*text == '\n')
			putchar('\t');
	}
}

static void print_entry(const struct entry *e)
{
	static const char *section;

	if (!section || strcmp(section, e->section) != 0)
		printf("%s%s[%s]%s\n", section ? "\n" : "", show_bold(), e->section, show_plain());
	section = e->section;
	printf("; ");
	if (e->where.file) {
		show_text(stdout, e->where.file);
		printf(":%u\n", e->where.line);
	} else {
		puts("default");
	}
	printf("%s = ", e->key);
	print_value(e->value);
	putchar('\n');
}

static void give(const struct entry *e, json_t *list)
{
	if (list)
		add_json(list, e);
	else
		print_entry(e);
}

static void give_all(const struct profile *p, bool defaults, json_t *list)
{
	for (size_t i = 0; i < profile_n_keys; i++) {
		const struct lang_key *k = &profile_keys[i];
		const char *text = p->texts[i] ? p->texts[i] : defaults ? k->fallback : NULL;
		if (text)
			give(&(struct entry){k->section, k->name, text, p->texts[i] ? p->where[i] : (struct profile_where){0}}, list);
	}
	for (size_t i = 0; i < p->env.n; i++)
		give(&(struct entry){"environment", p->env.v[i].name, p->env.v[i].value, p->env.v[i].where}, list);
}

static void print_json(const struct profile *p, bool defaults)
{
	json_t *files = json_array(), *values = json_array(), *o = json_pack("{s:s, s:o, s:o}", "service", p->service, "files", files, "values", values);
	cleanup_free char *text = NULL;

	for (size_t i = 0; p->files && p->files[i]; i++)
		json_array_append_new(files, json_string(p->files[i]));
	give_all(p, defaults, values);
	text = show_json(o, 0);
	puts(text);
	json_decref(o);
}

int verb_cat(struct cli *cli, char **args, size_t n)
{
	struct profile_errors errors = {0};
	struct profile_paths paths;
	struct profile *p = NULL;
	bool template = false;
	int r;

	(void)n;
	if (cli_config(cli) != CLI_OK)
		return CLI_FAILED;
	config_profile_paths(cli->config, &paths);
	r = local_load(&paths, args[0], &p, &template, &errors);
	local_print_errors(&errors);
	profile_errors_free(&errors);
	if (r < 0)
		return r == -ENOENT ? CLI_NO_SUCH_SERVICE : CLI_FAILED;
	if (cli->json) {
		print_json(p, cli->options & CLI_ALL_KEYS);
	} else {
		printf("; %s%s\n", args[0], template ? ", a template: as if its instance were called example" : "");
		for (size_t i = 0; p->files && p->files[i]; i++) {
			printf("; ");
			show_text(stdout, p->files[i]);
			putchar('\n');
		}
		give_all(p, cli->options & CLI_ALL_KEYS, NULL);
	}
	profile_free(p);
	return CLI_OK;
}
