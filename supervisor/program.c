/* SPDX-License-Identifier: ISC */
/* program.c: the helper programs that the daemon executes by descriptor. */
#include "base/io.h"
#include "base/log.h"
#include "supervisor/daemon.h"

#include <fcntl.h>

int daemon_open_program(const char *name)
{
	cleanup_free char *path = trp_asprintf("%s/%s", config_libexec(), name);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		log_error("cannot open %s: %m", path ? path : name);
	return fd < 0 ? -errno : fd;
}
