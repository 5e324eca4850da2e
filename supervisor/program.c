/* SPDX-License-Identifier: ISC */
/* program.c: the daemon's own file, and the helper programs that it executes by descriptor. */
#include "base/io.h"
#include "base/log.h"
#include "supervisor/daemon.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void daemon_own_program(char *out, size_t size)
{
	static const char gone[] = " (deleted)"; /* as the kernel says of a file that was replaced since it was opened */
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	size_t len = n > 0 ? (size_t)n : 0;

	out[len] = '\0';
	if (len >= sizeof(gone) && strcmp(out + len + 1 - sizeof(gone), gone) == 0 && access(out, F_OK) < 0)
		out[len + 1 - sizeof(gone)] = '\0';
}

int daemon_open_program(const char *name)
{
	cleanup_free char *path = trp_asprintf("%s/%s", config_libexec(), name);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		log_error("cannot open %s: %m", path ? path : name);
	return fd < 0 ? -errno : fd;
}
