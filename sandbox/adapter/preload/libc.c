/* SPDX-License-Identifier: ISC */
/* libc.c: the four functions that a compiler may call on its own in freestanding code, and errno. They are
 * hidden: the program keeps its own. */
#include "preload.h"

#include <stddef.h>
#include <string.h>

#if !defined(__clang__)
/* or the loops below become calls to themselves */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

/* Exported by glibc and musl alike. Weak: a program without a C library has no errno. */
extern int *__errno_location(void) __attribute__((weak, visibility("default")));

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	char *t = to;
	const char *f = from;

	while (n--) {
		*t++ = *f++;
		__asm__ volatile("");
	}
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	if (t <= f)
		return memcpy(to, from, n);
	while (n--) {
		t[n] = f[n];
		__asm__ volatile("");
	}
	return to;
}

void *memset(void *to, int c, size_t n)
{
	char *t = to;

	while (n--) {
		*t++ = (char)c;
		__asm__ volatile("");
	}
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

int finish(long result)
{
	if (result >= 0)
		return (int)result;
	if (__errno_location)
		*__errno_location() = (int)-result;
	return -1;
}

void copy_address(const void *from, socklen_t from_len, struct sockaddr *to, socklen_t *len)
{
	memcpy(to, from, *len < from_len ? *len : from_len);
	*len = from_len;
}
