/* SPDX-License-Identifier: ISC */
#include "supervisor/notify.h"
#include "base/fdpass.h"
#include "base/pidfile.h"
#include "sandbox/weaken.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define ERRNO_MAX 4095 /* the kernel's MAX_ERRNO */

int notify_open(const char *path, uid_t uid, gid_t gid, int *ret_fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int off = 0;

	if (fd < 0)
		return -errno;
	/* A descriptor that is sent along is closed by our recv(2), and the close of a TCP socket with SO_LINGER blocks for as long
	 * as its owner likes. An older kernel has no such option: doc/security.md. */
	if (!weakened(CONTROL_PASSRIGHTS))
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

/* Decimal digits and nothing else; *ret is untouched otherwise. */
static void take_number(const char *text, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0 || len > 19)
		return;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return;
		v = v * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = v;
}

static bool starts(const char *line, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

/* Lines of the form NAME=NUMBER. */
static bool take_numbers(const char *line, size_t n, struct notify_state *out)
{
	uint64_t v = UINT64_MAX;

	if (starts(line, n, "MONOTONIC_USEC=")) {
		take_number(line + 15, n - 15, &out->monotonic_us);
	} else if (starts(line, n, "EXTEND_TIMEOUT_USEC=")) {
		take_number(line + 20, n - 20, &out->extend_us);
	} else if (starts(line, n, "WATCHDOG_USEC=")) {
		take_number(line + 14, n - 14, &v);
		out->has_watchdog_us = v != UINT64_MAX;
		out->watchdog_us = out->has_watchdog_us ? v : 0;
	} else if (starts(line, n, "ERRNO=")) {
		take_number(line + 6, n - 6, &v);
		out->error = v <= ERRNO_MAX ? (int)v : 0;
	} else {
		return false;
	}
	return true;
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
		} else if (n == 11 && starts(text, n, "RELOADING=1")) {
			out->reloading = true;
		} else if (n == 10 && starts(text, n, "WATCHDOG=1")) {
			out->watchdog = true;
		} else if (n == 16 && starts(text, n, "WATCHDOG=trigger")) {
			out->trigger = true;
		} else if (take_numbers(text, n, out)) {
			; /* taken */
		} else if (n == 10 && starts(text, n, "STOPPING=1")) {
			out->stopping = true;
		} else if (starts(text, n, "MAINPID=")) {
			(void)trp_pidfile_parse(text + 8, n - 8, &out->main_pid); /* else as if it were not there */
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
