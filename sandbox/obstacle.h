/* SPDX-License-Identifier: ISC */
/* obstacle.h: what of the host's settings keeps user namespaces from being made. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* dir_fd: /proc/sys. Writes the settings that stand in the way to out ("" if none does), as "sysctl NAME is VALUE"; with advice also what
 * helps. privileged: for who has CAP_SYS_ADMIN on the host, whom some of them do not concern. */
void obstacle_userns(int dir_fd, bool privileged, bool advice, char *out, size_t size);
