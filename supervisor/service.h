/* SPDX-License-Identifier: ISC */
/* service.h: one service while the daemon knows it. service.c turns events into the transitions of state.h and carries the
 * actions out; spawn.c makes its sandbox; instance.c watches what runs; route.c tells the router; job.c tells those who wait. */
#pragma once

#include "sandbox/initmsg.h"
#include "sandbox/sandbox.h"
#include "supervisor/channel.h"
#include "supervisor/daemon.h"
#include "supervisor/logs.h"
#include "supervisor/notifier.h"
#include "supervisor/state.h"

#define SERVICE_CHANNELS_MAX (ROUTE_KINDS * 2)

/* One run of a service: a sandbox from its spawn to its end. */
struct instance {
	bool running;
	struct sandbox box;
	int control; /* to trp-init */
	int notify;  /* sd_notify datagrams; -1: the profile does not use them */
	ev_io on_end, on_status, on_control, on_notify;
	size_t n_setup;     /* steps before the upstream */
	int last_step;      /* that init has begun; -1: none */
	double next_status; /* ev_now() from which the next STATUS= is passed on */
	bool upstream_runs;
	bool reported;      /* init said how the upstream or a setup step ended: */
	int reported_step, reported_status;
	bool exec_failed;
	int exec_errno;
	bool stop_asked;
	struct notifier notifier; /* with adapter = notify */
	char lost[120];           /* what it cannot run without is gone; "": nothing is */
	struct sandbox_failure failure; /* stage NONE: the sandbox was made */
};

struct service {
	struct service *next;
	struct daemon *d;
	char *name;
	struct profile *profile; /* in force */
	struct profile *pending; /* takes its place at the next start */
	struct logs *logs;

	enum service_state state;
	bool wanted;  /* asked for by itself, not only because another requires it */
	bool stop_after_dependents; /* its stop waits until those that require it are down */
	bool served;  /* was ready since it was last down: clients wait in its channels */
	double since; /* ev_time() of the last change of state */
	double worked; /* ev_time() at which it last ended well, if it runs once (ready = exit) */
	char message[400];
	unsigned restarts;          /* since it was last down */
	unsigned failures_in_a_row; /* for the back-off */
	double window_start;        /* of the start limit */
	unsigned window_failures;
	ev_timer timer;

	uint32_t uid_base;
	char *root; /* directory, or NULL */
	bool image_wanted;
	struct image_request image;
	unsigned adapter;     /* enum profile_adapter, never auto: how this run receives connections */
	char adapter_why[200];
	struct seccomp_filter seccomp;
	struct cgroup cgroup;
	bool has_cgroup;
	bool publish_mounted;
	struct channel channels[SERVICE_CHANNELS_MAX];
	size_t n_channels;
	bool routes_told; /* the router knows our names */
	struct instance run;
};

/* The service of that name if the daemon knows it. */
struct service *service_find(struct daemon *d, const char *name);
void service_free(struct service *s);

/* Feeds an event to the state machine. */
void service_event(struct service *s, enum service_event event);
/* Its sandbox ended, or could not be made: event is one of GONE_*, by the profile's policy; the start limit is applied here. */
void service_gone(struct service *s, enum service_event event);
/* Lines for services that wait or fail come from here too: "EVENT_GONE_AGAIN" for an error that may pass, else FAILED. */
enum service_event instance_error_event(int error);
/* As service_event(EVENT_STOP), after everything that requires it has stopped. */
void service_stop(struct service *s);
/* A sentence for status, for those who wait, and for its log. */
void service_say(struct service *s, const char *event, const char *fmt, ...) TRP_PRINTF(3, 4);
/* Has it something that runs or is about to? */
bool service_is_active(const struct service *s);
/* Does it require that service, itself or through others? */
bool service_requires(const struct service *s, const char *name);
/* Tries to release what could not be released at once. True if nothing is left. */
bool service_sweep(struct service *s);

/* instance.c: watches what was spawned; ends in service_gone(). */
int instance_spawn(struct service *s); /* 0; or -errno with run.failure or message set */
void instance_release(struct service *s);
int instance_send(struct service *s, enum trp_init_type type, int value);
int instance_send_channels(struct service *s, int sock);
void instance_listened(struct service *s, const struct trp_init_msg *msg); /* an adapter took that channel */
void instance_lost(struct service *s, const char *what); /* ends it; it failed, by what */
bool instance_is_ready(const struct service *s);

/* spawn.c: makes the sandbox from the profile. out_err: write ends for 1 and 2; control: init's end; notify: its end of the
 * socket to trp-notify, or -1. */
int spawn_sandbox(struct service *s, const int out_err[2], int control, int notify);

/* prepare.c: what a sandbox needs on the host: range, root, group, directories, filter. 0 or -errno with message set. */
int prepare_host(struct service *s);
/* Who it runs as inside (users.h); its root must be known. */
int prepare_user(const struct service *s, uid_t *ret_uid, gid_t *ret_gid);
/* Unmounts what prepare_host() mounted. */
void prepare_undo(struct service *s);
char *prepare_state_dir(const struct service *s);
char *prepare_run_dir(const struct service *s);     /* RUN_DIR/services/NAME */
char *prepare_publish_dir(const struct daemon *d, const char *service);

/* route.c */
int route_channels(struct service *s);   /* makes the channels that the profile needs */
void route_update(struct service *s);    /* tells the router what is up */
/* Its channels for clients of each family; 0: not up. */
void route_pick(const struct service *s, uint16_t port, uint32_t *c4, uint32_t *c6);
void route_forget(struct service *s);    /* takes its names back; the channels stay */
/* Instead of the names of old, its profile before, those of the one that it has now. */
void route_replace(struct service *s, const struct profile *old);
void route_close(struct service *s);     /* closes its channels: who waits in them is let go */
void route_listened(struct service *s, const struct trp_init_msg *msg);
bool route_all_listened(const struct service *s);
void route_resync(struct daemon *d);     /* all of it, to a new router */

/* share.c: instances of one profile under the same names (share = yes) */
/* Tells the router over which instances the clients of this kind are to be spread, and gives the numbers of the groups; 0:
 * none is up. */
void share_channels(struct service *s, enum profile_route_kind kind, uint32_t *ret_c4, uint32_t *ret_c6);
/* Another instance that keeps the names when s is stopped, or NULL. */
struct service *share_other(const struct service *s);
/* Clients that wait for s are given to one that is up, before its channels are closed. */
void share_move(struct service *s);
void share_free(struct daemon *d);

/* job.c: calls of the control protocol that wait for services */
enum job_kind { JOB_UP, JOB_DOWN };
/* Answers call when all services have come to rest; progress before if the call wants more. names: copied. */
int job_open(struct daemon *d, struct control_call *call, enum job_kind kind, const char *const *names, size_t n);
void job_say(struct service *s, const char *event, const char *text);
/* All services of the jobs opened so far were told what to do: from now on they can be over. */
void job_arm(struct daemon *d);
void job_check(struct daemon *d);
