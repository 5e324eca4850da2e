/* SPDX-License-Identifier: ISC */
#include "base/later.h"
#include "base/fdpass.h"
#include "base/io.h"

#include <string.h>
#include <sys/socket.h>

static bool passes(int error)
{
	return error == -EAGAIN || trp_is_shortage(error);
}

int trp_later_flush(struct trp_later *l, int sock)
{
	size_t sent = 0;

	while (sent < l->n && !passes(trp_fd_send(sock, l->messages[sent].bytes, l->messages[sent].len, NULL, 0, MSG_DONTWAIT)))
		sent++;
	l->n -= sent;
	memmove(l->messages, l->messages + sent, l->n * sizeof(l->messages[0]));
	return l->n > 0 ? TRP_LATER_MS : -1;
}

int trp_later_send(struct trp_later *l, int sock, const void *msg, size_t len)
{
	int r = -EAGAIN;

	if (trp_later_flush(l, sock) < 0)
		r = trp_fd_send(sock, msg, len, NULL, 0, MSG_DONTWAIT);
	if (!passes(r))
		return r;
	if (l->n == TRP_LATER_MAX || len > TRP_LATER_BYTES)
		return -ENOBUFS;
	l->messages[l->n].len = len;
	memcpy(l->messages[l->n++].bytes, msg, len);
	return 0;
}
