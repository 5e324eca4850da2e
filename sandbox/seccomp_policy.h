/* SPDX-License-Identifier: ISC */
/* seccomp_policy.h: inside sandbox/ only: between the tables and the compiler. */
#pragma once

#include "sandbox/seccomp.h"

/* What trp-init needs: names, NULL-terminated. */
extern const char *const seccomp_always[];
