/* SPDX-License-Identifier: ISC */
/* /proc of a service's process, as the daemon reads it for trpsup score: the kernel's text, with a name and paths of the service's choice in
 * it. The first byte says which file it is. */
#include "supervisor/score/score.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct plan_rule rules[] = {{"/tmp", PLAN_ACCESS_WRITE, -1}, {"/", PLAN_ACCESS_READ, -1}};
	static const struct plan plan = {.rules = rules, .n_rules = TRP_ARRAY_SIZE(rules)};
	struct score_process p = {0};
	char *text;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	if (data[0] % 3 == 0)
		score_read_status(text, &p);
	else if (data[0] % 3 == 1)
		score_read_limits(text, &p);
	else if (score_read_mounts(&plan, text, &p) == 0 && !p.mounts_known)
		abort();
	free(text);
	return 0;
}
