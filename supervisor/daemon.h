/* SPDX-License-Identifier: ISC */
/* daemon.h: what belongs to the running daemon, and nothing to one service. */
#pragma once

#include "sandbox/cgroup.h"
#include "supervisor/control.h"
#include "supervisor/handover.h"
#include "supervisor/ids.h"
#include "supervisor/image.h"
#include "supervisor/ledger.h"
#include "supervisor/listener.h"
#include "supervisor/profile/config.h"
#include "supervisor/routerproc.h"

#include <ev.h>
#include <limits.h>

struct observer;
struct service;
struct job;
struct keep;
struct event_stream;
struct exec;
struct strangers;
struct upgrade;
struct logger;
struct oom_poll;
struct timers;

struct daemon {
	struct ev_loop *loop;
	struct config *config;
	const char *config_path; /* as it was given, or NULL */
	struct profile_paths paths;
	double started; /* ev_time() */

	struct cgroup_host *cgroups; /* NULL: none to be had; services that do not allow that are refused */
	int cgroup_dir;              /* v2 directory of our group, borrowed, or -1 */
	struct ids *ids;
	int records; /* directory of what the next daemon must know of the services (record.h), or -1 */
	struct keep *keep; /* NULL: nothing outlives the daemon */
	struct logger *logger;
	struct images *images;
	struct listener *listeners; /* as config->listeners */
	size_t n_listeners;
	uint32_t last_listener_id;
	struct ledgers *ledgers; /* what the routers count */
	struct observer *observer; /* NULL: access-log = no */
	struct routerproc *router;
	struct control *control;
	int init_exec_fd; /* trp-init */

	struct service *services;
	struct share_group *groups; /* of share.c */
	struct job *jobs; /* start, stop, restart calls that are being answered */
	struct exec *execs; /* commands that run inside of services (exec.h) */
	struct strv enabled; /* services that are started with the daemon besides those of config (enable.h) */
	uint64_t last_event; /* of events.h */
	struct event_stream *event_streams;
	const char *cgroup_parent; /* as cgroup_host_open()'s within */
	bool stopping;
	bool detach; /* it ends, and nothing of what it has started */
	char *const *argv;   /* as it was started */
	char program[PATH_MAX]; /* its own file */
	int lock;            /* of the run directory */
	struct handover handover; /* by the image before, if there was one */
	ev_timer turn; /* active: something was just started, and what else is to be waits (service.c) */
	uint64_t turns; /* given so far */
	bool adopting; /* profiles are those that an earlier daemon had in force */
	unsigned taken_over; /* services that run on, of an earlier daemon's; */
	struct strv lost; /* and those that could not */
	struct timers *timers;
	struct upgrade *upgrade; /* NULL: none is under way */
	struct strangers *strangers;
	struct sdnotify *ending_notify; /* of services that have no use for theirs any more */
	struct oom_poll *oom; /* of oom.h; NULL: nobody was watched yet */
	struct profile *seen;    /* by group_expand(), */
	unsigned seen_turn;      /* in this turn of the loop */
	ev_timer sweep; /* what could not be released at once */
	ev_timer ahead; /* ahead.h */
	ev_signal on_term, on_int, on_hup, on_usr2;
};

/* The path of our own file, though another may have its name by now (an upgrade executes that one); "": it cannot be told. */
void daemon_own_program(char *out, size_t size);
/* trp-init and friends are looked for beside trpsupd or in LIBEXECDIR. Opens for execveat, close-on-exec. */
int daemon_open_program(const char *name);
/* The processors' share of all services together, as trpsup.conf says; a kernel that does not take it is said in the log. */
void daemon_set_weight(const struct daemon *d);
/* Listeners that carry this kind of route and that the profile names (or all). Calls each(id). */
bool daemon_listener_carries(const struct daemon *d, size_t index, const struct profile *p, enum trp_protocol protocol);
/* The i-th name whose clients p gets on d->listeners[l] by this protocol ("": those that no name matches), NULL behind the last. */
const char *route_name_on(const struct daemon *d, size_t l, const struct profile *p, enum trp_protocol protocol, size_t i);
