/* SPDX-License-Identifier: ISC */
/* What trp-learn makes of a program's paths, and what the daemon makes of trp-learn's messages. First byte 0: two texts with a NUL
 * between, base and path; else messages, one behind the other. */
#include "sandbox/learn/learn.h"
#include "supervisor/learn/learning.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_join(const char *text, size_t size)
{
	char *copy = strndup(text, size), out[LEARN_PATH_MAX], again[LEARN_PATH_MAX];
	size_t len = strlen(copy);
	char *path = len < size ? strndup(text + len + 1, size - len - 1) : strdup("");

	if (learn_join(copy, path, out) == 0 && (out[0] != '/' || learn_join("", out, again) < 0 || strcmp(out, again) != 0))
		abort(); /* what is clean stays as it is */
	free(copy);
	free(path);
}

static void check_messages(const uint8_t *data, size_t size)
{
	json_t *facts = facts_new(), *sum = facts_new();
	struct learn_msg m;

	for (; size > 0; data += size < sizeof(m) ? size : sizeof(m), size -= size < sizeof(m) ? size : sizeof(m)) {
		memset(&m, 0, sizeof(m));
		memcpy(&m, data, size < sizeof(m) ? size : sizeof(m));
		facts_take(facts, &m);
	}
	facts_add(sum, facts);
	if (!facts_valid(facts) || !facts_valid(sum))
		abort(); /* it could not be read back */
	json_decref(facts);
	json_decref(sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 0)
		check_join((const char *)data + 1, size - 1);
	else
		check_messages(data + 1, size - 1);
	return 0;
}
