/* SPDX-License-Identifier: ISC */
/* daemon.h: what belongs to the running daemon, and nothing to one service. */
#pragma once

#include "sandbox/cgroup.h"
#include "supervisor/control.h"
#include "supervisor/ids.h"
#include "supervisor/image.h"
#include "supervisor/listener.h"
#include "supervisor/profile/config.h"
#include "supervisor/routerproc.h"

#include <ev.h>

struct service;
struct job;

struct daemon {
	struct ev_loop *loop;
	struct config *config;
	struct profile_paths paths;
	double started; /* ev_time() */

	struct cgroup_host *cgroups; /* NULL: none to be had; services that do not allow that are refused */
	int cgroup_dir;              /* v2 directory of our group, borrowed, or -1 */
	struct ids *ids;
	struct images *images;
	struct listener *listeners; /* as config->listeners; id in the router = index + 1 */
	size_t n_listeners;
	struct routerproc *router;
	struct control *control;
	int init_exec_fd; /* trp-init */

	struct service *services;
	struct share_group *groups; /* of share.c */
	struct job *jobs; /* start, stop, restart calls that are being answered */
	bool stopping;
	ev_timer sweep; /* what could not be released at once */
	ev_signal on_term, on_int, on_hup;
};

/* trp-init and friends are looked for beside trpsupd or in LIBEXECDIR. Opens for execveat, close-on-exec. */
int daemon_open_program(const char *name);
/* Listeners that carry this kind of route and that the profile names (or all). Calls each(id). */
bool daemon_listener_carries(const struct daemon *d, size_t index, const struct profile *p, enum profile_route_kind kind);
enum trp_protocol route_protocol(enum profile_route_kind kind);
