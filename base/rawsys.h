/* SPDX-License-Identifier: ISC */
/* rawsys.h: the system calls that base's freestanding-capable code makes, returning -errno.
 *
 * With -DTRP_FREESTANDING they are raw (no libc, no errno, no thread cancellation): the preload
 * adapter is loaded into programs with glibc or musl and must not call back into the functions that
 * it replaces. Otherwise they are libc's, so that tests can --wrap them. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>

#ifdef TRP_FREESTANDING

#include <sys/syscall.h>

static inline long trp_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
#error "no system call sequence for this architecture"
#endif
}

static inline ssize_t trp_raw_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return trp_syscall(SYS_sendmsg, fd, (long)m, flags, 0, 0, 0);
}

static inline ssize_t trp_raw_recvmsg(int fd, struct msghdr *m, int flags)
{
	return trp_syscall(SYS_recvmsg, fd, (long)m, flags, 0, 0, 0);
}

static inline int trp_raw_close(int fd)
{
	return (int)trp_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline int trp_raw_socket(int family, int type, int protocol)
{
	return (int)trp_syscall(SYS_socket, family, type, protocol, 0, 0, 0);
}

static inline int trp_raw_socketpair(int family, int type, int protocol, int fds[2])
{
	return (int)trp_syscall(SYS_socketpair, family, type, protocol, (long)fds, 0, 0);
}

static inline int trp_raw_connect(int fd, const void *addr, socklen_t len)
{
	return (int)trp_syscall(SYS_connect, fd, (long)addr, len, 0, 0, 0);
}

static inline int trp_raw_setsockopt(int fd, int level, int opt, const void *value, socklen_t len)
{
	return (int)trp_syscall(SYS_setsockopt, fd, level, opt, (long)value, len, 0);
}

static inline int trp_raw_getsockopt(int fd, int level, int opt, void *value, socklen_t *len)
{
	return (int)trp_syscall(SYS_getsockopt, fd, level, opt, (long)value, (long)len, 0);
}

static inline int trp_raw_getsockname(int fd, void *addr, socklen_t *len)
{
	return (int)trp_syscall(SYS_getsockname, fd, (long)addr, (long)len, 0, 0, 0);
}

static inline int trp_raw_fcntl(int fd, int cmd, long arg)
{
	return (int)trp_syscall(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
}

/* Not for files that are made: it passes no mode. */
static inline int trp_raw_openat(int dir, const char *path, int flags)
{
	return (int)trp_syscall(SYS_openat, dir, (long)path, flags, 0, 0, 0);
}

#else

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static inline ssize_t trp_raw_sendmsg(int fd, const struct msghdr *m, int flags)
{
	ssize_t n = sendmsg(fd, m, flags);
	return n < 0 ? -errno : n;
}

static inline ssize_t trp_raw_recvmsg(int fd, struct msghdr *m, int flags)
{
	ssize_t n = recvmsg(fd, m, flags);
	return n < 0 ? -errno : n;
}

static inline int trp_raw_close(int fd)
{
	return close(fd) < 0 ? -errno : 0;
}

static inline int trp_raw_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);
	return fd < 0 ? -errno : fd;
}

static inline int trp_raw_socketpair(int family, int type, int protocol, int fds[2])
{
	return socketpair(family, type, protocol, fds) < 0 ? -errno : 0;
}

static inline int trp_raw_connect(int fd, const void *addr, socklen_t len)
{
	return connect(fd, (const struct sockaddr *)addr, len) < 0 ? -errno : 0;
}

static inline int trp_raw_setsockopt(int fd, int level, int opt, const void *value, socklen_t len)
{
	return setsockopt(fd, level, opt, value, len) < 0 ? -errno : 0;
}

static inline int trp_raw_getsockopt(int fd, int level, int opt, void *value, socklen_t *len)
{
	return getsockopt(fd, level, opt, value, len) < 0 ? -errno : 0;
}

static inline int trp_raw_getsockname(int fd, void *addr, socklen_t *len)
{
	return getsockname(fd, (struct sockaddr *)addr, len) < 0 ? -errno : 0;
}

static inline int trp_raw_fcntl(int fd, int cmd, long arg)
{
	int r = fcntl(fd, cmd, arg);
	return r < 0 ? -errno : r;
}

static inline int trp_raw_openat(int dir, const char *path, int flags)
{
	int fd = openat(dir, path, flags);
	return fd < 0 ? -errno : fd;
}

#endif
