/* SPDX-License-Identifier: ISC */
/* keptmsg.h: descriptors that a service had kept (sd_notify(3), FDSTORE=1), on their way from trp-sdnotify to the trp-init of its next run, which finds the socket at
 * TRP_INIT_KEPT_FD. AF_UNIX SOCK_SEQPACKET; each message has n descriptors, in the order of names; the last one has left 0. */
#pragma once

#include <stdint.h>

#define KEPT_MAGIC    0x54504b54u /* "TKPT" */
#define KEPT_MAX      128 /* of a service */
#define KEPT_NAME_MAX 64  /* with its NUL; printable ASCII without ':' */
#define KEPT_IN_ONE   16

struct kept_msg {
	uint32_t magic;
	uint32_t n, left; /* in this message, and still to come */
	char names[KEPT_IN_ONE][KEPT_NAME_MAX];
};
