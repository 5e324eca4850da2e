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

#else

#include <errno.h>
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

#endif
