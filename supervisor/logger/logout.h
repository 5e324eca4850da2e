/* SPDX-License-Identifier: ISC */
/* logout.h: lines of services to syslogd and journald, in trp-logger. Whoever reads there may hang: lines are dropped and counted then, and
 * nobody waits. One that is only slow for a moment is waited for, within a bound for all. */
#pragma once

#include "supervisor/logmsg.h"

/* Takes fd over, in place of the one before. -1: there is none. */
void logout_socket(enum log_socket k, int fd);
/* Sends whole lines to those of to (LOG_TO_...), each as one message; before them a line about those that were dropped (unsaid). Fills in
 * what of the answer is about that. */
void logout_write(const char *service, uint32_t to, const char *lines, size_t len, const uint64_t unsaid[LOG_SOCKETS], struct log_ack *ack);
