/* SPDX-License-Identifier: ISC */
/* stamp: says on its standard output when its first instruction ran, by CLOCK_MONOTONIC in ns, and waits to be ended. Without a
 * libc, that nothing comes before. */
#include "base/rawsys.h"

#include <time.h>

#define DIGITS 20

void _start(void) __attribute__((noreturn));
void _start(void)
{
	char text[] = "stamp 00000000000000000000\n";
	struct timespec now;
	unsigned long ns;

	trp_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0, 0);
	ns = (unsigned long)now.tv_sec * 1000000000ul + (unsigned long)now.tv_nsec;
	for (char *digit = text + sizeof("stamp ") - 1 + DIGITS; ns; ns /= 10)
		*--digit = (char)('0' + ns % 10);
	trp_syscall(SYS_write, 1, (long)text, sizeof(text) - 1, 0, 0, 0);
	for (;;)
		trp_syscall(SYS_ppoll, 0, 0, 0, 0, 0, 0);
}
