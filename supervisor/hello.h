/* SPDX-License-Identifier: ISC */
/* hello.h: the beginning of a TLS connection that goes no further: what a server answers shows that it would. */
#pragma once

#include <stddef.h>

/* A ClientHello (TLS 1.3 or 1.2) with that name (SNI), in one record. Returns its length, 0: out is too small, or there is no randomness. */
size_t hello_make(const char *name, unsigned char *out, size_t size);
