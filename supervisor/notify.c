/* SPDX-License-Identifier: ISC */
#include "supervisor/notify.h"
#include "base/pidfile.h"

#include <string.h>

#define ERRNO_MAX 4095 /* the kernel's MAX_ERRNO */

/* Decimal digits and nothing else; *ret is untouched otherwise. */
static void take_number(const char *text, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0 || len > 19)
		return;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return;
		v = v * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = v;
}

static bool starts(const char *line, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

/* Lines of the form NAME=NUMBER. */
static bool take_numbers(const char *line, size_t n, struct notify_state *out)
{
	uint64_t v = UINT64_MAX;

	if (starts(line, n, "MONOTONIC_USEC=")) {
		take_number(line + 15, n - 15, &out->monotonic_us);
	} else if (starts(line, n, "EXTEND_TIMEOUT_USEC=")) {
		take_number(line + 20, n - 20, &out->extend_us);
	} else if (starts(line, n, "WATCHDOG_USEC=")) {
		take_number(line + 14, n - 14, &v);
		out->has_watchdog_us = v != UINT64_MAX;
		out->watchdog_us = out->has_watchdog_us ? v : 0;
	} else if (starts(line, n, "ERRNO=")) {
		take_number(line + 6, n - 6, &v);
		out->error = v <= ERRNO_MAX ? (int)v : 0;
	} else {
		return false;
	}
	return true;
}

/* Whole words. False: it is none of these. */
static bool take_word(const char *line, size_t n, struct notify_state *out)
{
	const struct {
		const char *word;
		bool *said;
	} words[] = {{"READY=1", &out->ready}, {"RELOADING=1", &out->reloading}, {"STOPPING=1", &out->stopping}, {"WATCHDOG=1", &out->watchdog},
		{"WATCHDOG=trigger", &out->trigger}, {"FDSTORE=1", &out->store}, {"FDSTOREREMOVE=1", &out->store_remove}, {"BARRIER=1", &out->barrier}};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(words); i++)
		if (strlen(words[i].word) == n && memcmp(line, words[i].word, n) == 0)
			return *words[i].said = true;
	return false;
}

static void take_name(const char *name, size_t n, struct notify_state *out)
{
	bool valid = n > 0 && n < sizeof(out->store_name);

	for (size_t i = 0; valid && i < n; i++)
		valid = name[i] > ' ' && name[i] <= '~' && name[i] != ':';
	if (valid)
		memcpy(out->store_name, name, n);
	out->store_name[valid ? n : 0] = '\0';
}

void notify_parse(const char *text, size_t len, struct notify_state *out)
{
	const char *end = text + len;

	memset(out, 0, sizeof(*out));
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((nl ? nl : end) - text);
		if (take_word(text, n, out) || take_numbers(text, n, out)) {
			; /* taken */
		} else if (starts(text, n, "FDNAME=")) {
			take_name(text + 7, n - 7, out);
		} else if (starts(text, n, "MAINPID=")) {
			(void)trp_pidfile_parse(text + 8, n - 8, &out->main_pid); /* else as if it were not there */
		} else if (starts(text, n, "STATUS=")) {
			size_t o = 0;
			for (size_t i = 7; i < n && o + 1 < sizeof(out->status); i++)
				if (text[i] >= ' ' && text[i] < 127)
					out->status[o++] = text[i];
			out->status[o] = '\0';
		}
		text += n + 1;
	}
}
