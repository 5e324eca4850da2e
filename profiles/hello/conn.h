/* SPDX-License-Identifier: ISC */
/* conn.h: one client of trp-hello: reads requests, writes answers, never blocks. */
#pragma once

#include "sandbox/adapter/native/trp.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define CONN_IN_MAX  8192
#define CONN_OUT_MAX 16384

enum conn_state {
	CONN_IDLE,  /* between requests */
	CONN_HEAD,  /* a request has begun */
	CONN_WRITE, /* an answer is being sent */
	CONN_DRAIN, /* answered for the last time: waits for the client's end, or a reset would eat the answer */
};

struct conn {
	int fd;
	enum conn_state state;
	bool close_after; /* the answer */
	uint64_t deadline_ms;
	size_t in_len, out_len, out_done;
	struct trp_client client;
	char in[CONN_IN_MAX];
	char out[CONN_OUT_MAX];
};

/* Takes fd (non-blocking) over. */
void conn_open(struct conn *c, int fd);
short conn_events(const struct conn *c);
/* Does what can be done now. Returns false when the connection is over; the caller closes it. */
bool conn_step(struct conn *c, bool going_down);
