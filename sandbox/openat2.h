/* SPDX-License-Identifier: ISC */
/* openat2.h: the system call that libc has no name for (openat2(2)). Usable in a forked child. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_CLOEXEC is always set. The descriptor or -errno. */
static inline int trp_openat2(int dir_fd, const char *path, int flags, unsigned long long resolve)
{
	struct open_how how = {
		.flags = (unsigned long long)(flags | O_CLOEXEC), .resolve = resolve};
	long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}
