/* SPDX-License-Identifier: ISC */
#include "sandbox/obstacle.h"

#include "base/io.h"
#include "base/parse.h"

#include <stdio.h>
#include <string.h>

static const struct setting {
	const char *file, *name;
	unsigned long long bad;
	bool everybody; /* also those with CAP_SYS_ADMIN */
	const char *advice;
} settings[] = {
	{"user/max_user_namespaces", "user.max_user_namespaces", 0, true, "raise it, 10000 is enough for most"},
	{"kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", 0, false, "set it to 1 or run trpsupd as root"},
	{"kernel/apparmor_restrict_unprivileged_userns", "kernel.apparmor_restrict_unprivileged_userns", 1, false,
		"load the AppArmor profile trpsupd (apparmor_parser -r /etc/apparmor.d/trpsupd), run trpsupd as root, or set it to 0"},
};

static bool stands_in_the_way(int dir_fd, const struct setting *s)
{
	cleanup_free char *text = NULL;
	uint64_t value;

	if (trp_read_file(dir_fd, s->file, 64, &text, NULL) < 0)
		return false; /* this kernel has no such setting */
	text[strcspn(text, "\n")] = '\0';
	return trp_parse_u64(text, &value) == 0 && value == s->bad;
}

void obstacle_userns(int dir_fd, bool privileged, bool advice, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < TRP_ARRAY_SIZE(settings); i++) {
		const struct setting *s = &settings[i];
		if ((privileged && !s->everybody) || !stands_in_the_way(dir_fd, s))
			continue;
		int n = snprintf(out + len, size - len, "%ssysctl %s is %llu%s%s", len ? "; " : "", s->name, s->bad,
			advice ? ": " : "", advice ? s->advice : "");
		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}
