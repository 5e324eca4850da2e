/* SPDX-License-Identifier: ISC */
/* keepmsg.h: the fixed-size messages between trpsupd and trp-keeper, which holds duplicates of the descriptors that must outlive
 * the daemon. AF_UNIX SOCK_SEQPACKET, native byte order. */
#pragma once

#include <stdint.h>

#define KEEP_MAGIC     0x4b505254u /* "TRPK" */
#define KEEP_VERSION   1 /* another one: another magic */
#define KEEP_LISTEN_FD 3 /* of trp-keeper: its listening socket; root's daemons connect there, one at a time */
#define KEEP_MAX       20000

/* Unused bytes are zero: keys are compared whole. */
struct keep_key {
	char owner[136]; /* a service, or "@router"... */
	char what[20];
	uint32_t number;
};

enum keep_type {
	/* daemon -> keeper */
	KEEP_PUT = 1,  /* + one descriptor; instead of what it has under this key */
	KEEP_DROP = 2,
	KEEP_FETCH = 3,  /* it answers with all that it has */
	KEEP_FINISH = 4, /* it ends, and lets all go */
	/* keeper -> daemon */
	KEEP_ITEM = 16, /* + one descriptor; it keeps its own */
	KEEP_DONE = 17,
};

struct keep_msg {
	uint32_t magic;
	uint32_t type;
	struct keep_key key;
};
