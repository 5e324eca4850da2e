/* SPDX-License-Identifier: ISC */
/* message.h: is it a message of router/control.h that the daemon may send? Pure. */
#pragma once

#include "router/control.h"
#include <stddef.h>

/* m: len bytes as received, with n_fds descriptors. Returns NULL, or what is wrong (static text).
 */
const char *message_check(const struct router_msg *m, size_t len, size_t n_fds);
