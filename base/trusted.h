/* SPDX-License-Identifier: ISC */
/* trusted.h: files that decide something, or are secret: nobody but root may have written or placed what is read. */
#pragma once

#include <stddef.h>

/* Opens a regular file for reading, close-on-exec, never blocking: it and each directory and symbolic link on the way must belong to root
 * or to the caller's user, and nobody else may write to them (to a directory only if it is sticky). Links are followed under these
 * rules, at most 40. path is absolute. The descriptor, or -errno with why it was refused in why: -ENOENT when there is none, -EPERM when it
 * is somebody else's or others could write to it. */
int trp_open_trusted(const char *path, char *why, size_t why_size);
/* The same, read whole: at most max bytes in fresh memory (caller frees), NUL-terminated, ret_len without the NUL. -EFBIG: longer. */
int trp_read_trusted(const char *path, size_t max, char **ret, size_t *ret_len, char *why, size_t why_size);
