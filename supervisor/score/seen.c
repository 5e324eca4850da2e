/* SPDX-License-Identifier: ISC */
/* seen.c: what /proc says of a process of a service. Pure, bounded by the text that it is given. The kernel wrote it, but names in it
 * are the service's: of status that is the first line, where the kernel escapes line feeds, so a line begins where one begins. */
#include "base/parse.h"
#include "supervisor/score/tables.h"

#include <stdio.h>
#include <string.h>

const char *const score_ns_names[NS_COUNT] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};

/* What follows "KEY" at the beginning of a line, without blanks in front. NULL: there is no such line. */
static const char *line_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0)
			return line + len + strspn(line + len, " \t");
	}
	return NULL;
}

/* Numbers between blanks; false: fewer than n. */
static bool numbers(const char *at, int base, uint64_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *end;

		if (!at)
			return false;
		at += strspn(at, " \t");
		if (!((*at >= '0' && *at <= '9') || (base == 16 && ((*at >= 'a' && *at <= 'f') || (*at >= 'A' && *at <= 'F')))))
			return false;
		errno = 0;
		ret[i] = strtoull(at, &end, base);
		if (errno || end == at)
			return false;
		at = end;
	}
	return true;
}

int score_read_status(const char *text, struct score_process *ret)
{
	static const char *const cap_keys[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
	const char *state = line_of(text, "State:");
	uint64_t ids[8], one;

	if (!state)
		return -EBADMSG;
	if (*state && strchr("ZXx", *state))
		return -ESRCH;
	if (!numbers(line_of(text, "Uid:"), 10, ids, 4) || !numbers(line_of(text, "Gid:"), 10, ids + 4, 4))
		return -EBADMSG;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(ids); i++)
		ret->ids[i] = (uint32_t)ids[i];
	for (size_t i = 0; i < TRP_ARRAY_SIZE(cap_keys); i++)
		if (!numbers(line_of(text, cap_keys[i]), 16, &ret->caps[i], 1))
			return -EBADMSG;
	if (!numbers(line_of(text, "NoNewPrivs:"), 10, &one, 1))
		return -EBADMSG;
	ret->no_new_privs = one == 1;
	if (!numbers(line_of(text, "Seccomp:"), 10, &one, 1))
		return -EBADMSG;
	ret->seccomp = (unsigned)one;
	return 0;
}

/* "Max open files            8192                 8192                 files": the second is the hard one */
static bool hard_limit(const char *text, const char *key, uint64_t *ret)
{
	const char *at = line_of(text, key);
	size_t soft;

	if (!at)
		return false;
	soft = strcspn(at, " \n");
	at += soft + strspn(at + soft, " ");
	if (strncmp(at, "unlimited", 9) == 0) {
		*ret = UINT64_MAX;
		return true;
	}
	return numbers(at, 10, ret, 1);
}

int score_read_limits(const char *text, struct score_process *ret)
{
	return hard_limit(text, "Max core file size", &ret->limit_core) && hard_limit(text, "Max open files", &ret->limit_files) &&
			hard_limit(text, "Max file size", &ret->limit_file_size) && hard_limit(text, "Max locked memory", &ret->limit_locked)
		       ? 0
		       : -EBADMSG;
}

/* Is one of its words this one? words: separated by commas. */
static bool has_option(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, word, len) == 0 && (p[len] == ',' || p[len] == '\0'))
			return true;
	}
	return false;
}

/* May the plan's sandbox write here? The path is below nothing that the plan does not make writable. Of /proc that is a matter of its
 * step, whatever Landlock allows there, and not of what is mounted below. */
static bool is_planned(const struct plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct plan_rule *r = &plan->rules[i];
		if (r->access != PLAN_ACCESS_READ && r->access != PLAN_ACCESS_PROC && trp_path_within(path, r->path))
			return true;
	}
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].op == PLAN_PROC && strcmp(plan->steps[i].path, path) == 0)
			return true;
	return false;
}

/* proc_pid_mountinfo(5): id parent dev root MOUNTPOINT OPTIONS [tags] - TYPE source SUPEROPTIONS */
static void take_mount(const struct plan *plan, char *line, struct score_process *ret)
{
	char *save = NULL, *words[6], *tail = strstr(line, " - "), *type, *super;

	if (!tail)
		return;
	*tail = '\0';
	for (size_t i = 0; i < TRP_ARRAY_SIZE(words); i++) {
		words[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
		if (!words[i])
			return;
	}
	type = strtok_r(tail + 3, " ", &save);
	strtok_r(NULL, " ", &save);
	super = strtok_r(NULL, " ", &save);
	if (!type)
		return;
	if (strcmp(type, "proc") == 0 && strcmp(words[4], "/proc") == 0)
		snprintf(ret->proc_options, sizeof(ret->proc_options), "%.150s", super ? super : "");
	if (!has_option(words[5], "ro") && !is_planned(plan, words[4]) && !ret->writable[0])
		snprintf(ret->writable, sizeof(ret->writable), "%.150s", words[4]);
	/* the nodes of /dev, and what the sandbox's own root, made by it, holds */
	if ((!has_option(words[5], "nosuid") || (!has_option(words[5], "nodev") && strncmp(words[4], "/dev/", 5) != 0)) &&
		strcmp(words[4], "/") != 0 && !ret->loose[0])
		snprintf(ret->loose, sizeof(ret->loose), "%.150s", words[4]);
}

int score_read_mounts(const struct plan *plan, const char *text, struct score_process *ret)
{
	cleanup_free char *copy = strdup(text);
	char *save = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_mount(plan, line, ret);
	ret->mounts_known = true;
	return 0;
}
