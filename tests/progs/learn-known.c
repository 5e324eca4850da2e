/* SPDX-License-Identifier: ISC */
/* learn-known: makes exactly the system calls that are written here, without a C library, and then waits for its end. For
 * `trpsup learn`, which must find them all and no other. */
#include "base/rawsys.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CALL(nr, ...) call_(SYS_##nr, (const long[6]){__VA_ARGS__})

static long call_(long nr, const long a[6])
{
	return trp_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

__attribute__((used, noreturn)) static void run(void)
{
	static const char services[] = "/etc/services", written[] = "/tmp/./x/../written", system_file[] = "/usr/learn-known",
				  looked_at[] = "protocols", etc[] = "/etc", shown[] = "running\n";
	char buf[16];
	long fd, dir, child;

	fd = CALL(openat, AT_FDCWD, (long)services, O_RDONLY);
	CALL(pread64, fd, (long)buf, sizeof(buf), 0);
	CALL(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	fd = CALL(openat, AT_FDCWD, (long)written + 11, O_WRONLY | O_CREAT, 0600); /* "/../written": from the root */
	fd = CALL(openat, AT_FDCWD, (long)written, O_WRONLY | O_CREAT, 0600); /* /tmp/x is not there: nothing */
	CALL(mkdirat, AT_FDCWD, (long)"/tmp/x", 0700);
	fd = CALL(openat, AT_FDCWD, (long)written, O_WRONLY | O_CREAT, 0600);
	CALL(fsync, fd);
	CALL(openat, AT_FDCWD, (long)system_file, O_WRONLY | O_CREAT, 0600); /* read-only there */
	dir = CALL(openat, AT_FDCWD, (long)etc, O_PATH | O_DIRECTORY);
	CALL(faccessat, dir, (long)looked_at, 0);
	CALL(fchownat, AT_FDCWD, (long)"/tmp/written", 12, 12, 0); /* CAP_CHOWN */
	CALL(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CALL(socket, AF_INET, SOCK_DGRAM, 0);
	CALL(socket, AF_PACKET, SOCK_RAW, 0);     /* refused: the family */
	CALL(ioctl, 0, TIOCSTI, (long)buf);       /* refused: the request */
	CALL(clone3, 0, 0);                       /* refused */
	CALL(unshare, CLONE_NEWUSER);             /* refused */
	CALL(unshare, CLONE_NEWUSER);
	child = CALL(clone, SIGCHLD);
	if (child == 0) {
		CALL(sched_yield);
		CALL(exit_group, 0);
	}
	CALL(wait4, child);
	CALL(write, 1, (long)shown, sizeof(shown) - 1);
	for (;;)
		CALL(ppoll, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n"
#if defined(__x86_64__)
	"xor %ebp, %ebp\n and $-16, %rsp\n call run\n"
#else
	"mov x29, #0\n bl run\n"
#endif
);
