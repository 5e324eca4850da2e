/* SPDX-License-Identifier: ISC */
#include "supervisor/initsock.h"
#include "base/fdpass.h"

#include <errno.h>
#include <sys/socket.h>

enum initsock_got initsock_look(int fd, struct trp_init_msg *ret)
{
	ssize_t n = trp_fd_recv(fd, ret, sizeof(*ret), NULL, 0, MSG_DONTWAIT | MSG_PEEK);

	if (n == -ECONNRESET)
		return INITSOCK_RESET;
	if (n == -EMSGSIZE || n == -EBADMSG) /* too long, or with descriptors: were it left there, we would be told of it for ever */
		return INITSOCK_OTHER;
	if (n < 0) /* also for want of memory: it is still there the next time */
		return INITSOCK_NONE;
	if (n == 0)
		return INITSOCK_END;
	return n == sizeof(*ret) && ret->magic == TRP_INIT_MAGIC ? INITSOCK_MESSAGE : INITSOCK_OTHER;
}

void initsock_done(int fd)
{
	struct trp_init_msg taken;

	trp_fd_recv(fd, &taken, sizeof(taken), NULL, 0, MSG_DONTWAIT);
}
