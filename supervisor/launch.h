/* SPDX-License-Identifier: ISC */
/* launch.h: starts the sandboxes that box.h describes. Runs in the daemon. */
#pragma once

#include <stddef.h>

struct box_site;
struct env_set;
struct service;

/* out_err: write ends for 1 and 2; control: init's end; notify: its end of the socket to trp-notify, or -1; kept: to
 * trp-sdnotify, or -1. 0; or -errno with run.failure
 * or message set. */
int launch_service(struct service *s, const int out_err[2], int control, int notify, int kept);
/* trp-relay beside a sandbox that runs. err: for 2; control: its end. 0; or -errno, with run.loopback.failure set if its sandbox was what
 * could not be made. */
int launch_loopback(struct service *s, int err, int control);
/* What its sandbox is made from now; its range, root, adapter, filter and group must be prepared. 0 or -errno. */
int launch_site(struct service *s, struct box_site *ret);
/* What its environment files say now, the caller's (env_set_free()). 0; or -errno with the first mistake in err, and all of them in its log. */
int launch_environment(struct service *s, struct env_set *ret, char *err, size_t err_size);

