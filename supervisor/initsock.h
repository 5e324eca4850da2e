/* SPDX-License-Identifier: ISC */
/* initsock.h: what trp-init and the processes beside it say (sandbox/initmsg.h), so that nothing is lost with a daemon that is killed: a
 * message stays in its socket until what it says was done and recorded. Then it may be done twice, which must not matter. */
#pragma once

#include "sandbox/initmsg.h"
#include <stdbool.h>

enum initsock_got {
	INITSOCK_MESSAGE, /* *ret; then initsock_done() */
	INITSOCK_OTHER,   /* no message of ours: initsock_done(), too */
	INITSOCK_NONE,    /* not now */
	INITSOCK_RESET,   /* it ended without having read all of ours; what it said still comes */
	INITSOCK_END,
};

enum initsock_got initsock_look(int fd, struct trp_init_msg *ret);
void initsock_done(int fd);
