/* SPDX-License-Identifier: ISC */
/* seccomp_abi.h: what a filter finds in struct seccomp_data on this machine. */
#pragma once

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* AUDIT_ARCH_... of this build: calls by any other table of the kernel end the process. */
#if defined(__x86_64__)
#define SECCOMP_NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SECCOMP_NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define SECCOMP_NATIVE_ARCH AUDIT_ARCH_RISCV64
#else
#error "which architecture's system calls are these?"
#endif

/* A program looks at 32 bits of an argument at a time: at the high ones of SECCOMP_HIGH | arg. */
#define SECCOMP_HIGH 8u

/* Where they lie in struct seccomp_data. */
static inline uint32_t seccomp_half(unsigned arg)
{
	const unsigned high = arg & SECCOMP_HIGH ? 4 : 0;

	return (uint32_t)(offsetof(struct seccomp_data, args) + (arg & ~SECCOMP_HIGH) * sizeof(uint64_t) +
		(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? high : 4 - high));
}
