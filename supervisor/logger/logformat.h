/* SPDX-License-Identifier: ISC */
/* logformat.h: a line of a service as syslogd and journald take it, one datagram each. Pure. The text is a tenant's: it can be no more than the
 * text of one message. Fuzzed. */
#pragma once

#include "supervisor/logger/logtext.h"

/* Room that a message takes beyond its text. */
#define LOGFORMAT_MORE 512

/* "<30>Nov 26 17:41:22 web: text", as syslog(3) writes it (facility daemon; out is info, err warning, sup notice; local time). A NUL is a blank.
 * Bytes; 0: there is no room. */
size_t logformat_syslog(const char *service, const struct log_line *line, char *buf, size_t size);
/* Fields of systemd.journal-fields(7): MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, TRPSUP_SERVICE, TRPSUP_STREAM, TRPSUP_TIME (of the line). The same. */
size_t logformat_journal(const char *service, const struct log_line *line, char *buf, size_t size);
