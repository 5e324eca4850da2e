/* SPDX-License-Identifier: ISC */
/* learnmsg.h: the fixed-size messages from trp-learn to the daemon (AF_UNIX SOCK_SEQPACKET, native byte order). trp-learn watches
 * what a hostile program does: the daemon takes a message for what it says of that one service, bounds what it keeps, and
 * uses it for nothing but to be shown. Totals, not differences: a later message of the same thing replaces an earlier one. */
#pragma once

#include "base/util.h"

/* Descriptors of trp-learn. Its standard error goes to the service's log. */
#define LEARN_CONTROL_FD   3 /* to the daemon */
#define LEARN_GO_FD        4 /* to trp-init's TRP_INIT_LEARN_FD: one byte comes when it is there, one goes when it is watched */
#define LEARN_PIDFD_FD     5 /* of trp-init */
#define LEARN_FILTER_FD    6 /* a file with the filter that the service is under: struct sock_filter[] */
#define LEARN_REFERENCE_FD 7 /* the same with the one that it learns under */

#define LEARN_MAGIC     0x4c505254u /* "TRPL" */
#define LEARN_NR_MAX    1024        /* system call numbers */
#define LEARN_ARGS      3
#define LEARN_PATH_MAX  1024        /* with its NUL */
#define LEARN_PATHS_MAX 4096
#define LEARN_PATH_BYTES (192 * 1024) /* of all together */
#define LEARN_FORMS_MAX 512

enum learn_type {
	LEARN_CALL = 1, /* nr, times, refused, missed, denied */
	LEARN_FORM,     /* the same of one form of a call: with these args, as many as matter to that call */
	LEARN_PATH,     /* path, uses */
	LEARN_PEAK,     /* nr: enum learn_peak, times: the value */
	LEARN_CUT,      /* something did not fit, and what was learnt is not all */
	LEARN_END,      /* everything has ended and been told */
};

enum learn_peak { LEARN_TASKS, LEARN_FILES, LEARN_PEAK_COUNT };

/* What was done with a path; shifted by LEARN_REFUSED what it was not allowed to do (EACCES, EROFS). */
enum learn_use { LEARN_READ = 1, LEARN_WRITE = 2, LEARN_EXEC = 4, LEARN_LOOK = 8 };
#define LEARN_REFUSED  8
#define LEARN_USE_MASK 0x0f0f

struct learn_msg {
	uint32_t magic;
	uint16_t type; /* enum learn_type */
	uint16_t uses;
	int32_t nr;
	uint32_t args[LEARN_ARGS];
	uint64_t times;
	uint64_t refused; /* of those, by the filter */
	uint64_t missed;  /* of those refused, how many the reference would have allowed */
	uint64_t denied;  /* of those not refused: answered EPERM or EACCES */
	char path[LEARN_PATH_MAX];
};
