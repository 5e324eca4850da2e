/* SPDX-License-Identifier: ISC */
/* clone3.h: flags of clone3(2) that are not in all of the C library's headers. */
#pragma once

#include <linux/sched.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
