/* SPDX-License-Identifier: ISC */
/* A service's line on its way to syslogd and journald: one message, and no field but those that are ours. */
#include "supervisor/logger/logformat.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char buf[70000 + LOGFORMAT_MORE];
	struct log_line line;
	size_t n, newlines = 0;

	if (size > 70000 || !logtext_line((const char *)data, size, &line))
		return 0;
	n = logformat_syslog("web@one", &line, buf, sizeof(buf));
	if (n <= line.len || buf[0] != '<' || memchr(buf, 0, n))
		abort();
	n = logformat_journal("web@one", &line, buf, sizeof(buf));
	for (size_t i = 0; i < n; i++)
		newlines += buf[i] == '\n';
	if (n == 0 ? !memchr(line.text, '\n', line.len) : newlines != 7 || buf[n - 1] != '\n')
		abort();
	/* never more than there is room for */
	if (logformat_syslog("web", &line, buf, line.len) != 0 || logformat_journal("web", &line, buf, line.len) != 0)
		abort();
	return 0;
}
