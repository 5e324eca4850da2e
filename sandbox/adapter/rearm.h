/* SPDX-License-Identifier: ISC */
/* rearm.h: epoll registrations, which belong to the file that listen(2) or shutdown(2) replaces. For the preload and the notify
 * adapter. */
#pragma once

#include <stdint.h>

/* A loop for each thread of a large machine; it lies on the stack of the program's thread. Of those beyond nothing is known. */
#define REARM_MAX 128

struct rearm {
	int n;
	struct {
		int epoll;
		uint32_t events;
		uint64_t data;
	} seen[REARM_MAX];
};
