/* SPDX-License-Identifier: ISC */
/* libc.c: the four functions that a compiler may call on its own in freestanding code (they are hidden: the program keeps its
 * own), errno, and cancellation of threads. */
#include "preload.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

#if !defined(__clang__)
/* or the loops below become calls to themselves */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

/* Exported by glibc and musl alike. Weak: a program without a C library has no errno. */
extern int *__errno_location(void) __attribute__((weak, visibility("default")));
/* Older versions of glibc have it only with threads. */
extern int pthread_setcanceltype(int, int *) __attribute__((weak, visibility("default")));
extern void pthread_testcancel(void) __attribute__((weak, visibility("default")));

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

void cancel_point(void)
{
	if (pthread_testcancel)
		pthread_testcancel();
}

int cancel_allow(void)
{
	int before = PTHREAD_CANCEL_DEFERRED;

	if (pthread_setcanceltype)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &before);
	return before;
}

void cancel_restore(int before)
{
	if (pthread_setcanceltype)
		pthread_setcanceltype(before, &before);
}

void copy_address(const void *from, socklen_t from_len, struct sockaddr *to, socklen_t *len)
{
	memcpy(to, from, *len < from_len ? *len : from_len);
	*len = from_len;
}
