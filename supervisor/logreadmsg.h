/* SPDX-License-Identifier: ISC */
/* logreadmsg.h: what trpsupd and trp-logread say to each other, over a SEQPACKET pair. */
#pragma once

#include "supervisor/logger/logtext.h"

#define LOGREAD_MAGIC    0x747a7201u
#define LOGREAD_FD       3
#define LOGREAD_GREP_MAX 512
#define LOGREAD_NAMES_MAX (64 * 1024) /* bytes of all names */
#define LOGREAD_TEXT_MAX (16 * 1024)
#define LOGREAD_STRANGER '?' /* before a name: the daemon does not know it, so it must have a log */

/* The first message to it; the names follow, each with a NUL: none is all services that have a log. Each later message is the name of
 * a service that has written something, or "": more have than could be named. */
struct logread_request {
	uint32_t magic;
	uint32_t streams; /* bits 1 << enum log_stream */
	uint64_t lines;   /* begin with so many of the last; UINT64_MAX: all */
	uint64_t since, until; /* microseconds since 1970; 0, UINT64_MAX: no bound */
	uint32_t follow;
	char grep[LOGREAD_GREP_MAX]; /* extended regular expression (regex(7)), or "" */
};

enum logread_type {
	LOGREAD_LINES,  /* lines, each "SERVICE LINE" with a newline */
	LOGREAD_WAITS,  /* lines, if there are; that was all for now (with follow) */
	LOGREAD_END,    /* lines, if there are; that was all */
	LOGREAD_FAILED, /* a sentence */
	LOGREAD_UNKNOWN, /* the name of a stranger without a log */
};

struct logread_reply {
	uint32_t magic;
	uint32_t type;
	char text[LOGREAD_TEXT_MAX];
};
