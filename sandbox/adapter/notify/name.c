/* SPDX-License-Identifier: ISC */
/* name.c: the names of accepted sockets, where the kernel's would mislead (shown.h). As long as there was none, nobody pays
 * for it. */
#include "notify.h"

#include <sys/syscall.h>

int name_call(const struct call *c)
{
	struct sockaddr_storage sa;
	socklen_t len;
	cleanup_close int sock = shown_none() ? -1 : target_socket(c, NULL);

	if (sock < 0)
		return CALL_PASS_ON;
	len = shown_name(sock, c->nr == SYS_getpeername, &sa);
	return len == 0 ? CALL_PASS_ON : target_put_address(c, &sa, len, c->args[1], c->args[2]);
}
