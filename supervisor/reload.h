/* SPDX-License-Identifier: ISC */
/* reload.h: trpsup.conf, and the profiles of services that run, read anew while the daemon runs. */
#pragma once

#include "supervisor/daemon.h"

/* Applies all of it, or, with errors in any file, nothing. Of profiles what can be at once (live.h). Listeners that stay as they are bound keep their sockets, with who waits in
 * them. changes: a sentence for each thing that is different now, or needs a restart of the daemon. 0 or -errno with
 * errors. */
int reload_config(struct daemon *d, struct strv *changes, struct profile_errors *errors);
