/* SPDX-License-Identifier: ISC */
/* A server written for libtrp (libtrp(3)): answers each client with its own address and the name that it asked for.
 *	cc -o native-example native-example.c $(pkg-config --cflags --libs libtrp)
 * Profile: [service] command = /usr/local/bin/native-example, adapter = native; [route] host = ..., http = 8080 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <trp.h>
#include <unistd.h>

static void answer(int fd, const struct trp_client *c)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&c->peer;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&c->peer;
	const void *ip = c->peer.ss_family == AF_INET ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr;
	char request[4096], address[INET6_ADDRSTRLEN], out[1024];
	int n;

	if (recv(fd, request, sizeof(request), 0) <= 0) /* the router has only looked at it */
		return;
	inet_ntop(c->peer.ss_family, ip, address, sizeof(address));
	n = snprintf(out, sizeof(out), "HTTP/1.0 200 OK\r\n\r\nyou are %s, you asked for %s\n", address, c->name);
	send(fd, out, (size_t)n, MSG_NOSIGNAL);
}

int main(void)
{
	int listener = trp_listen(8080, AF_INET6, 0, SOCK_CLOEXEC);

	if (listener < 0) {
		fprintf(stderr, "trp_listen: %s\n", strerror(-listener));
		return 1;
	}
	for (;;) {
		struct trp_client client;
		int fd = trp_accept(listener, &client, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		answer(fd, &client);
		close(fd);
	}
}
