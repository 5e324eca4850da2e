/* SPDX-License-Identifier: ISC */
/* service.h: one service while the daemon knows it. service.c turns events into the transitions of state.h and carries the
 * actions out; box/ describes its sandbox, launch.c starts it; instance.c watches what runs; route.c tells the router; job.c tells those who wait. */
#pragma once

#include "sandbox/initmsg.h"
#include "sandbox/sandbox.h"
#include "supervisor/channel.h"
#include "supervisor/credentials.h"
#include "supervisor/hold.h"
#include "supervisor/keep.h"
#include "supervisor/daemon.h"
#include "supervisor/demand.h"
#include "supervisor/doze.h"
#include "supervisor/health.h"
#include "supervisor/learn/learner.h"
#include "supervisor/learn/learning.h"
#include "supervisor/logs.h"
#include "supervisor/loopback.h"
#include "supervisor/notifier.h"
#include "supervisor/notify.h"
#include "supervisor/oom.h"
#include "supervisor/overlap.h"
#include "supervisor/pace.h"
#include "supervisor/sdnotify.h"
#include "supervisor/state.h"
#include "supervisor/statedisk.h"
#include "supervisor/timers.h"

#define SERVICE_CHANNELS_MAX (TRP_PROTO_COUNT * 2)

/* One run of a service: a sandbox from its spawn to its end. */
struct instance {
	bool running;
	struct sandbox box;
	int control; /* to trp-init */
	int notify;  /* sd_notify datagrams; -1: the profile does not use them */
	ev_io on_end, on_status, on_control, on_notify;
	size_t n_setup;     /* steps before the upstream */
	bool pre_stop;      /* its stop began with the steps for that, and they are not over (prestop.h) */
	int last_stop;      /* of these that has begun; -1: none; */
	int last_stop_end;  /* and that has ended */
	int last_step;      /* that init has begun; -1: none */
	struct pace messages; /* from all its sockets */
	double next_status; /* trp_now_seconds() from which the next STATUS= is passed on */
	bool upstream_runs;
	int claimed;        /* inside: the last that said that it is the main process (MAINPID=); 0: none */
	bool reported;      /* init said how the upstream or a setup step ended: */
	int reported_step, reported_status;
	bool exec_failed;
	int exec_errno;
	bool stop_asked;
	struct notifier notifier; /* with adapter = notify */
	struct loopback loopback; /* with adapter = loopback */
	struct learner learner;   /* if it is learnt from */
	struct oom oom;
	char lost[120];           /* what it cannot run without is gone; "": nothing is */
	struct sandbox_failure failure; /* stage NONE: the sandbox was made */
	bool says_ready;          /* sd_notify READY=1, or its newline */
	bool never_ready;         /* it has closed the descriptor for that newline */
	char says[200];           /* its last STATUS=; "": none */
	int says_error;           /* its last ERRNO=; 0: none */
	ev_timer watchdog;
	uint64_t watchdog_us;     /* a WATCHDOG=1 must come within this; 0: none need come */
	double next_reloading;    /* trp_now_seconds() from which a reload that it began itself is looked at */
	bool main_known;          /* it runs and, with a pid file, is named there */
	bool no_main;             /* init said that none came of it */
	int main_inside;          /* its pid in the sandbox; 0: unknown */
	pid_t main_pid;           /* on the host; 0: not looked up yet */
	double next_main;         /* trp_now_seconds() until which changes of it have been told, a second for each */
};

struct event_ring;

struct service {
	struct service *next;
	struct daemon *d;
	char *name;
	char key[140]; /* overlap.h: what belongs to this instance is called so */
	struct service *beside; /* another instance of it, or NULL */
	bool shadow;            /* it is the one that does not serve */
	bool outgoing;          /* ... because the other has replaced it; else it is still to become ready */
	ev_timer beside_timer;
	double look;            /* until it is seen again whether it has connections */
	enum overlap_result overlap; /* the last `restart --overlap` */
	char overlap_why[400];
	uint32_t number;         /* under which routers count its clients; 0: with those of nobody */
	struct profile *profile; /* in force */
	struct profile *pending; /* takes its place at the next start */
	struct strv live_keys;   /* of the one in force: those that a reload has changed since it was started, */
	char live_text[17];      /* to what they are in the profile of this text_hash */
	struct logs *logs;

	enum service_state state;
	bool wanted;  /* asked for by itself, not only because another requires it */
	bool stop_asked; /* it is to go down: what comes after it is to be down first, if that goes too */
	bool start_asked; /* its turn to be started comes in this turn of the loop: what comes after it waits for it already */
	bool marked;     /* scratch of depend.c */
	bool stop_after_dependents; /* its stop waits until those that require it are down */
	bool frozen;  /* its processes stand still (freezer.h) */
	struct doze doze;
	double since; /* ev_time() of the last change of state, to be shown, */
	double changed; /* and trp_now_seconds() of it, as of these: */
	double up_since; /* when this run became ready; 0: it has not */
	double worked; /* when it last ended well, if it runs once (ready = exit) */
	char message[400];
	struct event_ring *events; /* what happened to it lately; NULL: nothing yet */
	enum reload_result { RELOAD_NONE, RELOAD_GOING, RELOAD_DONE, RELOAD_FAILED } reload; /* the last one of this run */
	uint64_t reload_asked_us; /* CLOCK_MONOTONIC of its signal */
	bool reload_seen;         /* it has said RELOADING=1 since */
	unsigned restarts;          /* since it was last down */
	unsigned failures_in_a_row; /* for the back-off */
	double window_start;        /* of the start limit, trp_now_seconds() */
	unsigned window_failures;
	ev_timer timer;    /* timeout.h */
	double timer_most; /* trp_now_seconds() until which the service itself may put it off */

	uint32_t uid_base;
	char *root; /* directory, or NULL */
	uint64_t turn; /* its place among those that are about to be started; 0: it is none of them */
	bool image_wanted;
	struct image_request image;
	struct statedisk disk;
	struct credential_fetch fetch;
	struct service_timer timed;
	unsigned adapter;     /* enum profile_adapter, never auto: how this run receives connections */
	char adapter_why[200];
	const struct seccomp_filter *seccomp; /* shared by those of the same policy */
	struct learning learning;
	struct cgroup cgroup;
	bool has_cgroup;
	struct cgroup_io io;   /* what of it holds, and on which disks */
	char io_missing[320];  /* which of it does not, and why: its profile allows that; "": all does */
	bool publish_mounted;
	bool has_disk; /* mounted, until the daemon forgets it or its disk grows */
	struct channel channels[SERVICE_CHANNELS_MAX];
	size_t n_channels;
	struct renewed *renewed; /* ends of channels that were replaced, until no router has the other */
	enum service_place place; /* hold.c: where its clients go, in what they wait, id 0: there is none */
	struct channel waiting;
	ev_io on_waiting;
	ev_timer hold_timer;
	bool hold_told; /* that some have waited too long */
	ev_timer use_timer;     /* demand.c: when it is seen whether it is used, */
	double used_at;         /* trp_now_seconds() at which it last was, */
	uint64_t seen_cpu, seen_clients; /* and what was counted then */
	bool quiet;             /* routes lead away from it, to see whether it can be stopped */
	uint32_t quota;   /* number of its limits in the router, 0: not told yet */
	bool routes_told; /* the router knows our names */
	bool restored;    /* from an earlier daemon: it is as it was, whatever trpsup.conf says of its start */
	struct sdnotify *sdnotify; /* NULL: none runs */
	struct health health; /* of this run */
	struct instance run;
};

/* The service of that name if the daemon knows it. */
struct service *service_find(struct daemon *d, const char *name);
void service_free(struct service *s);

/* Feeds an event to the state machine. */
void service_event(struct service *s, enum service_event event);
/* What starts it, by its profile: at once, or when somebody wants it, or when its time comes. */
enum service_event service_start_event(const struct service *s);
/* Its sandbox ended, or could not be made: event is one of GONE_*, by the profile's policy; the start limit is applied here. */
void service_gone(struct service *s, enum service_event event);
/* It could not be started: START_TEMPORARY for an errno that may pass, else START_PERMANENT. */
enum service_event instance_error_event(int error);
/* provide.c: what it has to have before it is spawned; EVENT_IMAGE_READY or EVENT_IMAGE_FAILED follows, at once or later. */
void service_provide(struct service *s);
/* judge.c: says how its run ended and returns the event that the profile's policy makes of it. init_status: wait status of its init. */
enum service_event instance_judge(struct service *s, int init_status);
/* A sentence for status, for those who wait, and for its log. */
void service_say(struct service *s, const char *event, const char *fmt, ...) TRP_PRINTF(3, 4);
/* Does it serve? Also while it reloads. */
bool service_is_up(const struct service *s);
/* Has it something that runs or is about to? */
bool service_is_active(const struct service *s);
/* It is down: what it shares with the instance beside it goes, unless that is there. */
void service_let_go(struct service *s);
/* Tries to release what could not be released at once. True if nothing is left. */
bool service_sweep(struct service *s);

/* instance.c: watches what was spawned; ends in service_gone(). */
int instance_spawn(struct service *s); /* 0; or -errno with run.failure or message set */
void instance_release(struct service *s);
/* As before its first run. */
void instance_none(struct service *s);
/* Ends it without a word. */
void instance_discard(struct service *s);
/* Takes over the run that an earlier daemon began; s->run says how far it is. 0, or -ENOENT: a descriptor of it is missing. */
int instance_adopt(struct service *s);
int instance_send(struct service *s, enum trp_init_type type, int value);
/* Ends it: the signal for the upstream, or for the setup step that runs. With run.pre_stop the steps for that go first. */
int instance_stop(struct service *s, int signo);
/* The same without a word to a relay beside it. */
int instance_tell_stop(struct service *s, int signo);
int instance_send_channels(struct service *s, int sock);
void instance_listened(struct service *s, const struct trp_init_msg *msg); /* an adapter took that channel */
/* Tells init of run.claimed, if the upstream runs: it knows whether there is such a process, and answers with MAIN. */
void instance_claim(struct service *s);
/* n messages came from inside. Too many: nothing more is read of any of its sockets for a moment. */
void instance_took(struct service *s, unsigned n);
/* Before it is told that something has not come: it may lie there, if it is the daemon that had to wait. Bounded. */
void instance_catch_up(struct service *s);
/* Reads what a process of ours beside a service's says on its control socket, as init does: take gets each message. False: it has ended, which
 * its pidfd tells too. */
bool instance_hear(struct service *s, int control, void (*take)(struct service *s, const struct trp_init_msg *msg));
void instance_lost(struct service *s, const char *what); /* ends it; it failed, by what */
bool instance_is_ready(const struct service *s);
/* Something was learnt that could make it ready. */
void instance_check_ready(struct service *s);
pid_t instance_main_pid(struct service *s); /* the host's, of the upstream's main process; -1: unknown, or none */

/* watchdog.c */
#define WATCHDOG_LEAST_US 10000 /* a shorter one is not taken from a service */
void watchdog_start(struct service *s); /* counts anew from now, if it is up and has one */
void watchdog_stop(struct service *s);
void watchdog_take(struct service *s, const struct notify_state *said);

/* prepare.c: what a sandbox needs on the host: range, root, group, directories, filter. 0 or -errno with message set. */
int prepare_host(struct service *s);
/* For one that runs, started by an earlier daemon: what of that the daemon itself must know. */
int prepare_adopt(struct service *s);
/* Who it runs as inside (users.h); its root must be known. */
int prepare_user(const struct service *s, uid_t *ret_uid, gid_t *ret_gid);
/* Its disk, if it has one or is to have one: as statedisk_make(), with message set. disk.done is the caller's. */
int prepare_disk(struct service *s);
/* limits.c: what the host may be unable to hold. 0; or -errno with message set: file, line, key, and why. */
int limits_locked_memory(struct service *s);
int limits_freezer(struct service *s); /* of its group, which must be made unless it may be missing */
int limits_io(struct service *s, const struct cgroup_io *wanted); /* of its group, which must be made */
/* Its state directory is no mount of the daemon any more. */
void prepare_disk_undo(struct service *s);
/* Unmounts what prepare_host() mounted, but for the disk. */
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
/* An earlier daemon's channel, of which the rest is known. 0, or -ENOENT: an end of it is missing. */
int route_adopt(struct service *s, const struct channel *c);
void route_close(struct service *s);     /* closes its channels: who waits in them is refused, or goes to another instance */
void route_rest(struct service *s);      /* the same while its clients may wait: also those still do that a router sends there yet */
/* An adapter took that channel. False: that was known, or there is no such channel. */
bool route_listened(struct service *s, const struct trp_init_msg *msg);
/* renew.c: replaces a channel in which messages with several clients may lie by one that has none: the next run may not take them. */
int renew_channel(struct service *s, struct channel *c);
/* Takes the service end of a channel over, of which the routers were told that it is no more: who still comes there goes to hold_give(). */
void renew_follow(struct service *s, uint32_t id, int service_end);
void renew_hand_over(struct service *from, struct service *to);
void renew_adopt(struct service *s); /* the old ends that an earlier daemon had; after those that are in use */
void renew_stop(struct service *s); /* who is still on the way is refused */
/* That of this port which is listened on by this run, the IPv4 one rather than the other; NULL: none is. */
const struct channel *route_taken(const struct service *s, uint16_t port);
bool route_all_listened(const struct service *s);
bool route_any_listened(const struct service *s);
/* Does somebody wait in its channels? */
bool route_is_queued(const struct service *s);
/* The same of one whose run is over, and of clients alone: a check is of the run for which it was made. */
bool route_has_clients(const struct service *s);
/* That of its channels to which a router would send this client now, also the one in which it waits; or NULL. */
const struct channel *route_channel_for(const struct service *s, const struct trp_handoff *h);
void route_resync(struct daemon *d);     /* all of it, to a new router */
/* A router has ended. It may have been taken over, and have shut down channels, which is for ever: no client would come through them any more. Where clients wait is made anew; a run
 * that has such a channel is ended, as one that has lost its adapter. */
void route_check(struct daemon *d);
/* The configuration has changed from old: takes back what is no more, tells what is now. */
void route_reconfigure(struct daemon *d, const struct config *old, const struct listener *old_listeners, size_t n_old);

/* quota.c: its limits and its channels, to the router. Without a channel: nothing is left of them there. */
void quota_tell(struct service *s);

/* share.c: instances of one profile under the same names (share = yes) */
/* Tells the router over which instances the clients of this kind are to be spread, and gives the numbers of the groups; 0:
 * none is up. */
void share_channels(struct service *s, enum trp_protocol protocol, uint32_t *ret_c4, uint32_t *ret_c6);
/* Clients go to those that are well: s is, or is not any more. */
void share_changed(struct service *s);
/* Another instance that keeps the names when s is stopped, or NULL. */
struct service *share_other(const struct service *s);
/* Puts a client of s where those of another instance go: the best that has room; with ready, none for which it would have to wait. */
bool share_put(const struct service *s, bool ready, const struct trp_handoff *h, int fd);
void share_free(struct daemon *d);

/* job.c: calls of the control protocol that wait for services */
enum job_kind { JOB_UP, JOB_DOWN, JOB_RELOAD, JOB_OVERLAP };
/* Answers call when all services have come to rest; progress before if the call wants more. names: copied. */
int job_open(struct daemon *d, struct control_call *call, enum job_kind kind, const char *const *names, size_t n);
void job_say(struct service *s, const char *event, const char *text);
/* All services of the jobs opened so far were told what to do: from now on they can be over. */
void job_arm(struct daemon *d);
void job_check(struct daemon *d);
