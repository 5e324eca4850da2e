/* SPDX-License-Identifier: ISC */
/* cgroup_oom.c: that the kernel has killed processes of a group for want of memory (Linux Documentation/admin-guide/cgroup-v2.rst, "Memory Interface
 * Files"; cgroup-v1/memory.rst, "OOM Control"). Runs in the daemon. */
#include "sandbox/cgroup_host.h"

#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define KILLS "oom_kill "

/* The kernel keeps the eventfd's other side until it is closed, or the group removed. */
static int watch_v1(int dir)
{
	cleanup_close int control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	cleanup_close int fd = control < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char text[32];
	int r;

	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%d %d", fd, control);
	r = trp_write_file(dir, "cgroup.event_control", text);
	return r < 0 ? r : trp_steal_fd(&fd);
}

int cgroup_oom_watch(const struct cgroup *cg, uint32_t *ret_events)
{
	const int v1 = cg->v1_fd[CGROUP_MEMORY];
	int fd = v1 >= 0 ? watch_v1(v1) : cg->v2_fd < 0 ? -ENOENT : openat(cg->v2_fd, "memory.events", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		fd = fd == -1 ? -errno : fd;
		return fd == -ENOENT ? -ENOTSUP : fd;
	}
	*ret_events = v1 >= 0 ? EPOLLIN : EPOLLPRI;
	return fd;
}

uint64_t cgroup_oom_kills(const struct cgroup *cg, int watch)
{
	const int v1 = cg->v1_fd[CGROUP_MEMORY];
	uint64_t times;

	if (v1 >= 0) {
		if (watch >= 0 && read(watch, &times, sizeof(times)) < 0 && errno != EAGAIN)
			return UINT64_MAX;
		return cgroup_number(v1, "memory.oom_control", KILLS);
	}
	if (watch < 0)
		return cgroup_number(cg->v2_fd, "memory.events", KILLS);
	/* what was read through this descriptor is what poll compares with */
	return lseek(watch, 0, SEEK_SET) < 0 ? UINT64_MAX : cgroup_number_of_fd(watch, KILLS);
}
