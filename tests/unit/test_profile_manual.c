/* SPDX-License-Identifier: ISC */
/* doc/profile.md and the manual pages against the tables of the language: every key with its value,
 * default and example, and no key that does not exist. Every example in the table is accepted by
 * the parser. Runs in the top directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "sandbox/seccomp.h"
#include "supervisor/profile/config.h"
#include "supervisor/profile/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct table {
	const struct lang_section *sections;
	const size_t *n_sections;
	const struct lang_key *keys;
	const size_t *n_keys;
	const char *manual;
} profile_table = {profile_sections, &profile_n_sections, profile_keys, &profile_n_keys,
	"doc/trpsup-profile.5"},
  config_table = {
	  config_sections, &config_n_sections, config_keys, &config_n_keys, "doc/trpsup.conf.5"};

static char *read_doc(const char *path)
{
	char *text = NULL;
	int r = trp_read_file(AT_FDCWD, path, 1 << 20, &text, NULL);

	if (r < 0)
		fail_msg("%s: %s", path, strerror(-r));
	return text;
}

/* The part of text below "PREFIX[section" up to the next line that begins with prefix or end. NULL:
 * there is none. */
static char *part(const char *text, const char *prefix, const char *section)
{
	char head[64], next[16];
	const char *from, *to;

	snprintf(head, sizeof(head), "\n%s[%s", prefix, section);
	snprintf(next, sizeof(next), "\n%.2s", prefix);
	from = strstr(text, head);
	if (!from)
		return NULL;
	from += strlen(head);
	to = from;
	do
		to = strstr(to + 1, next);
	while (to && prefix[0] == '.' && to[3] != 's' && to[3] != 'h');
	return to ? strndup(from, (size_t)(to - from)) : strdup(from);
}

static const struct lang_key *find(const struct table *t, const char *section, const char *name)
{
	for (size_t i = 0; i < *t->n_keys; i++)
		if (strcmp(t->keys[i].section, section) == 0 && strcmp(t->keys[i].name, name) == 0)
			return &t->keys[i];
	return NULL;
}

/* "| `key` | expects | default | `example` | help |" */
static void check_md_row(const char *text, const struct lang_key *k)
{
	char line[1024];

	snprintf(line, sizeof(line), "\n| `%s` | %s | %s%s%s | `%s` | %s |\n", k->name, k->expects,
		k->fallback ? "`" : "", k->fallback ? k->fallback : k->unset,
		k->fallback ? "`" : "", k->example, k->help);
	if (!strstr(text, line))
		fail_msg("doc/profile.md, [%s]: there is no line%s", k->section, line);
}

/* The text of a piece of a manual page as it is read, in one line: without macros and escapes. */
static char *as_read(const char *from, const char *to)
{
	static const char *const escapes[][2] = {{"\\-", "-"}, {"\\&", ""}, {"\\(dq", "\""}};
	char *out = malloc((size_t)(to - from) + 1), *o = out;
	bool begins = true;

	assert_non_null(out);
	while (from < to) {
		const char *put = NULL;
		size_t skip = 1;
		if (begins && *from == '.' && to - from > 4 && from[3] == ' ')
			from += 4; /* .Ic, .Ql, .Dl and the like */
		begins = *from == '\n';
		for (size_t i = 0; i < TRP_ARRAY_SIZE(escapes); i++)
			if (strncmp(from, escapes[i][0], strlen(escapes[i][0])) == 0) {
				put = escapes[i][1];
				skip = strlen(escapes[i][0]);
			}
		if (put)
			o = stpcpy(o, put);
		else if (*from == '\n' || *from == ' ')
			o = o > out && o[-1] != ' ' ? stpcpy(o, " ") : o;
		else if (*from == '.' && o > out && o[-1] == ' ' && strchr(" \n", from[1])) /* .Ql word . */
			o[-1] = '.';
		else
			*o++ = *from;
		from += skip;
	}
	*o = '\0';
	return out;
}

/* ".It Ic key", and at the end of what follows: "Value: expects. Default: default. Example: key = example" */
static void check_man_row(const char *text, const struct lang_key *k, const char *path)
{
	char line[128], row[1024];
	cleanup_free char *read = NULL, *want = NULL;
	const char *from, *to;

	snprintf(line, sizeof(line), "\n.It Ic %s\n", k->name);
	from = strstr(text, line);
	if (!from)
		fail_msg("%s, [%s]: there is no line%s", path, k->section, line);
	from += strlen(line);
	to = strstr(from, "\n.It Ic ");
	read = as_read(from, to ? to : from + strlen(from));
	snprintf(row, sizeof(row), "Value: %s. Default: %s. Example: %s = %s", k->expects, k->fallback ? k->fallback : k->unset, k->name, k->example);
	want = as_read(row, row + strlen(row));
	if (!strstr(read, want))
		fail_msg("%s, [%s]: %s: expected '%s' in '%s'", path, k->section, k->name, want, read);
}

/* Without blanks and what makes pages of it: macros at the beginning of a line, escapes. To be compared, not to be read. */
static char *bare(const char *text)
{
	char *out = calloc(1, strlen(text) + 1), *to = out;

	assert_non_null(out);
	for (const char *s = text; *s; s++) {
		if (*s == '.' && (s == text || s[-1] == '\n'))
			s += strcspn(s, " \n");
		if (strncmp(s, "\\(dq", 4) == 0) {
			*to++ = '"';
			s += 3;
		} else if (*s == '\\' && s[1] == 'e') {
			*to++ = *s++;
		} else if (*s && !strchr(" \n\\", *s)) {
			*to++ = *s;
		}
		if (!*s)
			break;
	}
	return out;
}

/* Value, default and example of it, in this order, behind its name and before the next. */
static void check_man_values(const char *text, const struct lang_key *k, const char *path)
{
	cleanup_free char *line = trp_asprintf("\n.It Ic %s\n", k->name), *said = NULL, *row = NULL, *shown = NULL;
	cleanup_free char *words = trp_asprintf("Value: %s.\nDefault: %s.\nExample:\n%s = %s\n", k->expects, k->fallback ? k->fallback : k->unset, k->name, k->example);
	const char *from = strstr(text, line) + strlen(line), *to = strstr(from, "\n.It ");

	said = bare(words);
	row = strndup(from, to ? (size_t)(to - from) : strlen(from));
	shown = bare(row);
	if (!strstr(shown, said))
		fail_msg("%s, [%s] %s: there is no\n%s", path, k->section, k->name, words);
}

/* Every word behind begin, up to end, is a key. */
static void check_known(const char *text, const char *begin, const char *end, const struct table *t,
	const char *section, const char *path)
{
	char name[64];

	for (const char *s = text; (s = strstr(s, begin));) {
		s += strlen(begin);
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(s, end), s);
		if (!find(t, section, name))
			fail_msg("%s, [%s]: '%s' is not a key", path, section, name);
	}
}

static void test_documents(void **state)
{
	const struct table *t = *state;
	cleanup_free char *md = read_doc("doc/profile.md"), *man = read_doc(t->manual);

	for (size_t i = 0; i < *t->n_sections; i++) {
		const char *section = t->sections[i].name;
		cleanup_free char *in_md = part(md, "### ", section),
				  *in_man = part(man, ".Ss ", section);
		if (!in_md || !in_man)
			fail_msg("[%s] is missing in doc/profile.md or %s", section, t->manual);
		for (size_t j = 0; j < *t->n_keys; j++) {
			if (strcmp(t->keys[j].section, section) != 0)
				continue;
			check_md_row(in_md, &t->keys[j]);
			check_man_row(in_man, &t->keys[j], t->manual);
			check_man_values(in_man, &t->keys[j], t->manual);
		}
		check_known(in_md, "\n| `", "`", t, section, "doc/profile.md");
		check_known(in_man, "\n.It Ic ", " \n", t, section, t->manual);
	}
}

static void test_variables(void **state)
{
	cleanup_free char *md = read_doc("doc/profile.md"), *man = read_doc("doc/trpsup-profile.5");
	char line[256];

	(void)state;
	for (size_t i = 0; i < profile_n_variables; i++) {
		snprintf(line, sizeof(line), "\n| `${%s}` | %s |\n", profile_variables[i].name,
			profile_variables[i].help);
		if (!strstr(md, line))
			fail_msg("doc/profile.md: there is no line%s", line);
		snprintf(line, sizeof(line), "\n.It Ic ${%s}\n", profile_variables[i].name);
		if (!strstr(man, line))
			fail_msg("doc/trpsup-profile.5: there is no line%s", line);
	}
}

static void check_config(const char *text, struct profile_errors *errors)
{
	char path[] = "/tmp/trp-manual-XXXXXX";
	struct config *c = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(trp_write_all(fd, text, strlen(text)), 0);
	close(fd);
	if (config_load(path, &c, errors) == 0)
		config_free(c);
	unlink(path);
}

/* The ini blocks of a document are right; what they name need not be on this machine. Those with a listener are of trpsup.conf. */
static void check_blocks(const char *path, size_t least)
{
	static const char *const allowed[] = {"No such file or directory",
		"${profile} has no value", "missing in [service]", "names no port"};
	static const struct profile_paths paths = {.public_port = {[TRP_PROTO_HTTP1] = 80, [TRP_PROTO_TLS] = 443}, .libexec = "/x"};
	cleanup_free char *md = read_doc(path);
	size_t n = 0;

	for (const char *s = md; (s = strstr(s, "\n```ini\n")); n++) {
		const char *begin = s + 8, *end = strstr(begin, "\n```");
		cleanup_free char *block = strndup(begin, (size_t)(end - begin));
		struct profile_errors errors = {0};
		struct profile *p = NULL;

		if (strstr(block, "[listener "))
			check_config(block, &errors);
		else if (profile_load_buffer(&paths, "x", path, block, strlen(block), &p, &errors) == 0)
			profile_free(p);
		for (size_t e = 0; e < errors.n; e++) {
			bool fine = false;
			for (size_t i = 0; i < TRP_ARRAY_SIZE(allowed); i++)
				fine |= strstr(errors.v[e], allowed[i]) != NULL;
			if (!fine)
				fail_msg("%s", errors.v[e]);
		}
		profile_errors_free(&errors);
		s = end;
	}
	assert_true(n >= least);
}

static void test_blocks(void **state)
{
	(void)state;
	check_blocks("doc/profile.md", 7);
	check_blocks("README.md", 4);
	check_blocks("doc/upstreams.md", 2);
}

static void test_syscall_groups(void **state)
{
	cleanup_free char *md = read_doc("doc/profile.md"), *man = read_doc("doc/trpsup-profile.5");
	size_t n;
	const struct seccomp_group *groups = seccomp_groups(&n);
	char line[256];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "\n| `%s` | %s | %s |\n", groups[i].name,
			groups[i].help, groups[i].is_default ? "yes" : "no");
		if (!strstr(md, line))
			fail_msg("doc/profile.md: there is no line%s", line);
		snprintf(line, sizeof(line), "\n.It Ic %s\n", groups[i].name);
		if (!strstr(man, line))
			fail_msg("doc/trpsup-profile.5: there is no line%s", line);
	}
}

/* The list of keys that are in force at once has all of them, and no other. */
static void check_live(const char *path, bool page)
{
	cleanup_free char *text = read_doc(path);
	char *begin = strstr(text, "These keys are in force at once:"), *over = begin ? strstr(begin, "The others count") : NULL;

	assert_non_null(over);
	*over = '\0';
	for (size_t i = 0; i < profile_n_keys; i++) {
		const struct lang_key *k = &profile_keys[i];
		cleanup_free char *section = page ? trp_asprintf("\n.It Bq %s\n", k->section) : trp_asprintf("[%s] `", k->section);
		cleanup_free char *name = page ? trp_asprintf("\n.Ic %s ", k->name) : trp_asprintf("`%s`", k->name);
		const char *from = strstr(begin, section), *found = from ? strstr(from, name) : NULL;
		const char *to = from ? strstr(from + strlen(section), page ? "\n.It " : "[") : NULL;
		if ((found && (!to || found < to)) != profile_key_is_live(k->section, k->name))
			fail_msg("%s: %s of [%s]: is it in force at once?", path, k->name, k->section);
	}
}

static void test_live(void **state)
{
	(void)state;
	check_live("doc/profile.md", false);
	check_live("doc/trpsup-profile.5", true);
}

/* The example of a key says nothing wrong in its own line (it may lack what it needs elsewhere). */
static void test_examples(void **state)
{
	static const struct profile_paths paths = {.public_port = {[TRP_PROTO_HTTP1] = 80, [TRP_PROTO_TLS] = 443}, .libexec = "/x"};

	(void)state;
	for (size_t i = 0; i < profile_n_keys; i++) {
		const struct lang_key *k = &profile_keys[i];
		struct profile_errors errors = {0};
		struct profile *p = NULL;
		char text[512];

		snprintf(text, sizeof(text), "[%s]\n%s = %s\n", k->section, k->name, k->example);
		if (profile_load_buffer(&paths, "x", "x.ini", text, strlen(text), &p, &errors) == 0)
			profile_free(p);
		for (size_t e = 0; e < errors.n; e++)
			if (strstr(errors.v[e], "expected") && strstr(errors.v[e], "is not valid"))
				fail_msg("%s", errors.v[e]);
		assert_true(k->help[0] && strchr(".", k->help[strlen(k->help) - 1]));
		assert_true(k->fallback || k->unset);
		profile_errors_free(&errors);
	}
}

/* What is hinted at exists, and is called nothing else than itself. */
static void test_foreign(void **state)
{
	const struct lang l = {.keys = profile_keys, .n_keys = profile_n_keys, .foreign = profile_foreign};

	(void)state;
	for (const struct lang_foreign *f = profile_foreign; f->theirs; f++) {
		if (!lang_find_key(&l, f->section, f->name))
			fail_msg("[%s] has no key %s", f->section, f->name);
		if (lang_find_key(&l, NULL, f->theirs))
			fail_msg("%s is a key itself", f->theirs);
		assert_ptr_equal(lang_find_foreign(&l, f->theirs), f);
	}
	assert_string_equal(lang_find_foreign(&l, "Exec_Start-Pre")->name, "setup");
	assert_null(lang_find_foreign(&l, "execstartp"));
}

/* The file that is installed has every key, and those that have a default as a comment with that. */
static void test_installed_config(void **state)
{
	cleanup_free char *conf = read_doc("etc/trpsup.conf");

	(void)state;
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct lang_key *k = &config_keys[i];
		cleanup_free char *given = trp_asprintf("\n;%s = %s\n", k->name, k->fallback ? k->fallback : "");
		cleanup_free char *set = trp_asprintf("\n%s = ", k->name), *shown = trp_asprintf("\n#\t%s = ", k->name), *unset = trp_asprintf("\n;%s = ", k->name);
		if (k->fallback ? !strstr(conf, given) : !strstr(conf, set) && !strstr(conf, shown) && !strstr(conf, unset))
			fail_msg("etc/trpsup.conf: there is no %s", k->fallback ? given : k->name);
	}
}

/* The completion of --protocol has the words of base/protocol.c, in their order. */
static void test_completion(void **state)
{
	cleanup_free char *bash = read_doc("etc/completion/trpsup.bash");
	char words[256] = "compgen -W '";
	size_t len = strlen(words);

	(void)state;
	for (size_t i = 0; trp_protocol_words[i]; i++)
		len += (size_t)snprintf(words + len, sizeof(words) - len, "%s%s", i ? " " : "", trp_protocol_words[i]);
	snprintf(words + len, sizeof(words) - len, "' -- ");
	if (!strstr(bash, words))
		fail_msg("etc/completion/trpsup.bash: there is no %s", words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"profile", test_documents, NULL, NULL, (void *)&profile_table},
		{"config", test_documents, NULL, NULL, (void *)&config_table},
		cmocka_unit_test(test_variables),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_syscall_groups),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_installed_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
