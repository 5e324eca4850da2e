/* SPDX-License-Identifier: ISC */
/* sdnotifymsg.h: between the daemon and trp-sdnotify, on that one's descriptor 3. AF_UNIX SOCK_SEQPACKET, native byte order. */
#pragma once

#include <stdint.h>

#define SDNOTIFY_FD    3
#define SDNOTIFY_MAGIC 0x4e534454u /* "TDSN" */

enum sdnotify_type {
	/* daemon -> trp-sdnotify */
	SDNOTIFY_RUN = 1,   /* a run begins. + its datagram socket, the socket on which what came there is passed on, and where max > 0 the
	                       one to its init (sandbox/keptmsg.h). max: descriptors that may be kept */
	SDNOTIFY_COUNT = 2, /* say SDNOTIFY_KEPT */
	/* trp-sdnotify -> daemon */
	SDNOTIFY_KEPT = 16, /* kept: so many now; refused: so many were not taken since the first run */
};

struct sdnotify_msg {
	uint32_t magic;
	uint32_t type;
	uint32_t max;
	uint32_t kept, refused;
};
