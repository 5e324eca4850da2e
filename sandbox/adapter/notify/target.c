/* SPDX-License-Identifier: ISC */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PIDFD_THREAD_ O_EXCL

/* A thread that ended meanwhile may have given its number to another one: of the same sandbox, because we have rights over no
 * other process. Then a tenant's process writes to another of the same tenant, through us: it could itself. */
int target_read(const struct call *c, uint64_t from, void *to, size_t len)
{
	struct iovec here = {to, len}, there = {(void *)(uintptr_t)from, len};

	return process_vm_readv(c->tid, &here, 1, &there, 1, 0) == (ssize_t)len ? 0 : -EFAULT;
}

int target_write(const struct call *c, uint64_t to, const void *from, size_t len)
{
	struct iovec here = {(void *)from, len}, there = {(void *)(uintptr_t)to, len};

	if (len == 0)
		return 0;
	return process_vm_writev(c->tid, &here, 1, &there, 1, 0) == (ssize_t)len ? 0 : -EFAULT;
}

int target_put_address(const struct call *c, const void *from, socklen_t from_len, uint64_t addr, uint64_t len)
{
	int room, r = target_read(c, len, &room, sizeof(room));

	if (r < 0)
		return r;
	if (room < 0)
		return -EINVAL;
	r = target_write(c, addr, from, (size_t)room < from_len ? (size_t)room : from_len);
	return r < 0 ? r : target_write(c, len, &from_len, sizeof(from_len));
}

bool target_is(const struct call *c, int our_fd)
{
	return syscall(SYS_kcmp, getpid(), c->tid, KCMP_FILE, (unsigned long)our_fd, (unsigned long)(unsigned)c->fd) == 0;
}

/* A file of procfs with lines "name:\tNUMBER". */
static int read_number(const char *path, const char *name, int base, long *ret)
{
	FILE *f = fopen(path, "re");
	size_t len = strlen(name);
	char line[256];
	int r = -ENOENT;

	if (!f)
		return -errno;
	while (r < 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			*ret = strtol(line + len + 1, NULL, base);
			r = 0;
		}
	fclose(f);
	return r;
}

pid_t target_process(pid_t tid)
{
	char path[64];
	long tgid;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	r = read_number(path, "Tgid", 10, &tgid);
	return r < 0 ? r : (pid_t)tgid;
}

/* The thread itself, where the kernel can (Linux 6.9): the first one of its process may have ended, and its descriptors with it. */
static int open_thread(pid_t tid)
{
	int fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD_);
	pid_t process;

	if (fd >= 0)
		return fd;
	process = target_process(tid);
	fd = process > 0 ? (int)syscall(SYS_pidfd_open, process, 0) : -1;
	return fd < 0 ? -ESRCH : fd;
}

int target_fetch(int pidfd, int fd)
{
	int got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	return got < 0 ? -errno : got;
}

int target_is_cloexec(pid_t tid, int fd)
{
	char path[64];
	long flags;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", tid, fd);
	r = read_number(path, "flags", 8, &flags);
	return r < 0 ? r : (flags & 02000000) != 0; /* O_CLOEXEC as proc(5) shows it, on every architecture that we know */
}

int target_socket(const struct call *c, int *ret_pidfd)
{
	cleanup_close int low = open_thread(c->tid);
	cleanup_close int pidfd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, NOTIFY_OWN_FDS); /* out of rearm()'s way */
	int sock;

	trp_close(&low);
	if (pidfd < 0)
		return -ESRCH;
	sock = target_fetch(pidfd, c->fd);
	if (sock < 0)
		return sock;
	if (ret_pidfd)
		*ret_pidfd = trp_steal_fd(&pidfd);
	return sock;
}
