/* SPDX-License-Identifier: ISC */
/* collapse.h: many paths as few lines that a person reads. Pure. */
#pragma once

#include "supervisor/profile/profile.h"

/* Sorts paths (absolute, without double slashes) and gives the lines: a path as it is, or "DIR/ **" (without the blank) where more of DIR
 * was used than is worth naming: 4 lines, of a directory at the top 12. The longest such prefix; never of "/" itself.
 * 0 or -ENOMEM; ret is the caller's to free in either case. */
int collapse_paths(const char **paths, size_t n, struct strv *ret);
