/* SPDX-License-Identifier: ISC */
#include "supervisor/notify.h"
#include "base/fdpass.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

int notify_open(const char *path, uid_t uid, gid_t gid, int *ret_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int off = 0;

	if (fd < 0)
		return -errno;
	/* A descriptor that is sent along is closed by our recv(2), and the close of a TCP socket with SO_LINGER blocks for as long
	 * as its owner likes. An older kernel has no such option: doc/security.md. */
	setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, 0600) < 0 || lchown(path, uid, gid) < 0)
		return -errno;
	*ret_fd = trp_steal_fd(&fd);
	return 0;
}

static bool starts(const char *line, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

void notify_parse(const char *text, size_t len, struct notify_state *out)
{
	const char *end = text + len;

	memset(out, 0, sizeof(*out));
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((nl ? nl : end) - text);
		if (n == 7 && starts(text, n, "READY=1")) {
			out->ready = true;
		} else if (n == 10 && starts(text, n, "STOPPING=1")) {
			out->stopping = true;
		} else if (starts(text, n, "STATUS=")) {
			size_t o = 0;
			for (size_t i = 7; i < n && o + 1 < sizeof(out->status); i++)
				if (text[i] >= ' ' && text[i] < 127)
					out->status[o++] = text[i];
			out->status[o] = '\0';
		}
		text += n + 1;
	}
}
