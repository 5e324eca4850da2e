/* SPDX-License-Identifier: ISC */
/* foreign.c: accepted sockets that stayed AF_INET6 although their listener is AF_INET (the client had closed its half before they were
 * taken, and IPV6_ADDRFORM needs an established connection): their names are shown as IPv4. They are rare; as long as there was none,
 * nobody pays for it. */
#include "notify.h"

#include <sys/syscall.h>

#define FOREIGN_MAX 256 /* the last ones */

static uint64_t cookies[FOREIGN_MAX];
static size_t n_noted;

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

void foreign_note(int client)
{
	int family = AF_INET;
	socklen_t len = sizeof(family);

	if (getsockopt(client, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family != AF_INET)
		cookies[n_noted++ % FOREIGN_MAX] = cookie_of(client);
}

static bool is_noted(int fd)
{
	uint64_t cookie = cookie_of(fd);

	for (size_t i = 0; i < FOREIGN_MAX; i++)
		if (cookie != 0 && cookies[i] == cookie)
			return true;
	return false;
}

int foreign_name_call(const struct call *c)
{
	struct sockaddr_storage six, four;
	socklen_t len = sizeof(six);
	struct trp_addr a;
	cleanup_close int sock = n_noted > 0 ? target_socket(c, NULL, NULL) : -1;

	if (sock < 0 || !is_noted(sock))
		return CALL_PASS_ON;
	if ((c->nr == SYS_getsockname ? getsockname : getpeername)(sock, (struct sockaddr *)&six, &len) < 0)
		return CALL_PASS_ON;
	trp_addr_from_sockaddr(&a, (struct sockaddr *)&six);
	len = (socklen_t)trp_addr_to_sockaddr(&a, AF_INET, &four);
	return len == 0 ? CALL_PASS_ON : target_put_address(c, &four, len, c->args[1], c->args[2]);
}
