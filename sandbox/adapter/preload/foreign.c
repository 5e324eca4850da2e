/* SPDX-License-Identifier: ISC */
#include "preload.h"

#include <stddef.h>

#define FOREIGN_MAX 256

/* By descriptor number; the cookie tells whether it is still the same socket. */
static uint64_t cookies[FOREIGN_MAX];

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

void foreign_note(int fd)
{
	__atomic_store_n(&cookies[(unsigned)fd % FOREIGN_MAX], cookie_of(fd), __ATOMIC_RELAXED);
}

bool foreign_is(int fd)
{
	uint64_t cookie = __atomic_load_n(&cookies[(unsigned)fd % FOREIGN_MAX], __ATOMIC_RELAXED);

	return cookie != 0 && cookie == cookie_of(fd);
}
