/* SPDX-License-Identifier: ISC */
/* client.h: what attack programs do with the clients that they are passed. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

/* 4 for an IPv4 client, which is v4-mapped on a dual-stack socket; 0: it has gone. */
static inline int client_family(int fd)
{
	struct sockaddr_in6 peer = {0};
	socklen_t len = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return 0;
	return peer.sin6_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr) ? 4 : 6;
}

/* It is answered, so that it does not hang. */
static inline void client_answer(int fd)
{
	static const char text[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
	char discard[4096];

	if (recv(fd, discard, sizeof(discard), 0) > 0)
		send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
}
