/* SPDX-License-Identifier: ISC */
/* util.h: cleanup attributes and the few helpers that every program links.
 *
 * Convention of the supervisor-side code: a function returns 0 (or a count) or -errno; its ret_
 * outputs are written only on success; what it acquires is held in a cleanup_ variable and handed to
 * the caller with trp_steal_fd() or trp_steal_ptr() as the last act. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define TRP_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TRP_STR_(x)       #x
#define TRP_STR(x)        TRP_STR_(x)
#define TRP_PRINTF(f, a)  __attribute__((format(printf, f, a)))

static inline void trp_close_p(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
}

static inline void trp_free_p(void *p)
{
	free(*(void **)p);
}

/* int fd, closed when it leaves scope unless it is negative */
#define cleanup_close __attribute__((cleanup(trp_close_p)))
/* any pointer from malloc() */
#define cleanup_free  __attribute__((cleanup(trp_free_p)))

/* Hands the descriptor to the caller: the variable keeps -1, so its cleanup does nothing. */
static inline int trp_steal_fd(int *fd)
{
	int stolen = *fd;
	*fd = -1;
	return stolen;
}

static inline void *trp_steal_ptr_(void *pp)
{
	void *stolen = *(void **)pp;
	*(void **)pp = NULL;
	return stolen;
}
#define trp_steal_ptr(pp) ((__typeof__(*(pp)))trp_steal_ptr_(pp))

/* Closes *fd if it is open and sets it to -1. Keeps errno. */
static inline void trp_close(int *fd)
{
	trp_close_p(fd);
	*fd = -1;
}

/* Of two times to wait for, -1: for ever. */
static inline int trp_sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}
