/* SPDX-License-Identifier: ISC */
/* relay.h: trp-relay, for services that can be reached by TCP only. It receives clients from the service end of the
 * handoff channels as an upstream would, connects to a target, and copies bytes both ways with splice(2). One
 * process, one thread, one epoll loop; nothing waits.
 *
 * All sockets are in the loop once, edge-triggered, for their whole life: no epoll_ctl() for each change of mind. What
 * could go on is on the run queue: a connection moves a bounded number of bytes in one turn, then it is the next
 * one's. No byte of an idle connection is held here and no pipe: what cannot be written is left in the
 * sender's socket, or lies in one of a bounded number of pipes. */
#pragma once

#include "base/later.h"
#include "router/relay/listening.h"
#include "router/relay/proxy.h"
#include "router/relay/target.h"

#include <stdint.h>
#include <sys/queue.h>

#define RELAY_CHANNELS_MAX (RELAY_SETS_MAX * 2)
#define RELAY_SETS_MAX     TRP_PROTO_COUNT /* ports: one for each kind of route */
#define RELAY_PIPES_MAX    256
#define RELAY_PEER_BITS    12 /* of a place among the lists of peers.c */
#define RELAY_PEER_WORDS   6  /* of 32 bits: address, port, scope */
#define RELAY_COMPLAIN_NS  (10 * 1000000000ull) /* between two lines of one kind in the log */

struct relay_options {
	enum balance balance;
	enum proxy_version proxy;
	uint64_t connect_timeout_ms, idle_timeout_ms, health_interval_ms; /* 0: none */
	unsigned health_failures;
	struct sockaddr_storage targets[TARGETS_MAX]; /* port 0: that of the route */
	size_t n_targets;
	bool pass_on; /* they are unix sockets, all of them: a client's socket is passed on to its target */
	bool loopback; /* no targets: a program in this network namespace that listens on the channels' ports */
};

/* For a channel out of which nothing is to be taken now. That it was shut down is told without being asked for: with this once, not again and again. */
#define RELAY_NO_EVENTS EPOLLONESHOT

/* What an epoll event belongs to. The first member of each: data.ptr points at it. */
enum source_kind { SOURCE_CONTROL, SOURCE_CHANNEL, SOURCE_CLIENT, SOURCE_TARGET, SOURCE_CHECK, SOURCE_DIAL };
struct source {
	uint8_t kind;
};

struct pipe_pair {
	struct pipe_pair *next; /* free list */
	int fd[2];              /* 0 is read, 1 is written */
};

/* Bytes from side d to side 1 - d of a connection; side 0 is the client, 1 the target. */
struct flow {
	struct pipe_pair *pipe; /* NULL: nothing is under way */
	uint32_t in_pipe;
	bool ended; /* end of file was read */
	bool shut;  /* and passed on */
};

struct conn_link {
	struct conn_link *prev, *next;
};

enum conn_state { CONN_CONNECTING, CONN_OPEN, CONN_REFUSED, CONN_DEAD };

struct conn {
	struct source side[2]; /* SOURCE_CLIENT, SOURCE_TARGET */
	uint8_t state;
	uint8_t protocol; /* enum trp_protocol */
	bool hung_up[2];  /* that side is gone; what it sent before may still be there to read */
	bool queued;      /* on the run queue */
	bool counted;     /* in its target's active */
	bool reset;       /* the client did not end in order */
	int8_t target;    /* index in set */
	int fd[2];
	struct flow flow[2];
	struct target_set *set;
	uint64_t tried;
	uint64_t moved_ns; /* last time that a byte moved, or the state changed */
	struct conn_link clock; /* in the list of its state, oldest first */
	struct conn *next;      /* run queue, or the dead */
	LIST_ENTRY(conn) by_peer; /* loopback: peers.c, while it is open */
	struct trp_addr peer, local;
};

LIST_HEAD(conn_list, conn);

struct channel {
	struct source source;
	int fd;
	uint16_t port, family;
	struct target_set *set;
	/* loopback.c: */
	struct source dial_source; /* SOURCE_DIAL */
	bool watched;
	int client_fd; /* what lies first in it, while it is being connected; -1: none */
	int dial_fd;   /* by this socket, or -1 */
	uint64_t due_ns, pause_ns; /* next try, 0: none; pause before it */
	uint64_t full_since_ns;    /* since when nobody could be connected at once; 0: somebody could */
	struct trp_handoff handoff;
};

/* loopback: a port of the program */
struct upstream {
	struct listening at; /* when it was last looked at */
	bool open;           /* it listens, as far as is known */
	bool told[LISTENING_FAMILIES];
	unsigned unchanged; /* looks since another family came or went */
	uint64_t closed_ns; /* since when it does not any more; 0: it does, or never has */
};

/* A TCP connect to one target, to see whether it can be reached. */
struct check {
	struct source source;
	int fd; /* -1: none under way */
	struct target_set *set;
	size_t target;
	uint64_t due_ns; /* begin the next, or give this one up */
};

enum conn_clock { CLOCK_CONNECT, CLOCK_IDLE, CLOCK_REFUSED, CLOCK_COUNT };

struct relay {
	struct relay_options opt;
	int epoll_fd;
	uint64_t now_ns;
	size_t conns_max, n_conns;
	bool intake_off; /* all of conns_max are there: clients wait in the channels */
	bool stopping;   /* no further clients; ends with the last connection */
	bool end;
	struct source control_source;
	int control_fd; /* -1: the daemon is gone */
	struct trp_later later; /* that it is told */
	struct channel channels[RELAY_CHANNELS_MAX];
	size_t n_channels;
	struct target_set sets[RELAY_SETS_MAX];
	uint16_t set_port[RELAY_SETS_MAX];
	size_t n_sets;
	struct check *checks;
	size_t n_checks;
	struct conn_link clocks[CLOCK_COUNT];
	struct conn *run_first, *run_last; /* run queue */
	struct conn *dead;                 /* freed when no event can name them any more */
	struct pipe_pair *pipes;           /* empty ones */
	size_t n_pipes, n_spare;           /* all, those in pipes */
	uint64_t complained_ns, full_ns; /* last time that the log was told: no target, no room */
	uint64_t clients, refused; /* so far */
	/* loopback: */
	struct conn_list peers[1 << RELAY_PEER_BITS];
	uint64_t peer_key[RELAY_PEER_WORDS + 1]; /* secret */
	int diag_fd;
	struct upstream upstreams[RELAY_SETS_MAX]; /* as sets */
	uint64_t look_since_ns, look_due_ns, look_pause_ns; /* due 0: no need to look */
	uint64_t drain_due_ns, drain_end_ns;                /* due 0: nobody is waited for */
};

/* main loop: loop.c */
int relay_init(struct relay *r, size_t fd_limit);
int relay_run(struct relay *r); /* until it is to end; 0 or -errno */
void relay_update_clock(struct relay *r);
int relay_watch(struct relay *r, int fd, uint32_t events, struct source *source);
/* For descriptors of which others have copies too: closing ours would leave them in the loop, and events would come
 * for what is freed already. The daemon has each channel, the router each client until it has closed its own. */
void relay_unwatch_close(struct relay *r, int *fd);
void relay_enqueue(struct relay *r, struct conn *c);

/* control.c: the daemon, by trp-init's own protocol (sandbox/initmsg.h) */
/* The channels, which the daemon has sent before we were started. */
void control_take_channels(struct relay *r);
void control_ready(struct relay *r);
/* Says again what could not be said. Milliseconds until it must be called again, -1: not for that. */
int control_run(struct relay *r);
/* We serve: STEP, and LISTEN for each channel. */
void control_announce(struct relay *r);
/* We end well. */
void control_farewell(struct relay *r);

/* Loopback: that port is listened on; nobody is any more between a channel and the upstream's accept(). */
void control_listens(struct relay *r, uint16_t port, uint16_t family, bool v6only);
void control_drained(struct relay *r);

/* intake.c: handoff messages */
void intake_ready(struct relay *r, struct channel *ch);
void intake_switch(struct relay *r, bool on);

/* conn.c: one client's connection, from its intake to its end */
/* Takes fd. */
void conn_open(struct relay *r, struct target_set *set, int fd, const struct trp_handoff *h);
/* Takes both: connected already. error: not, and why. */
void conn_open_loopback(struct relay *r, int fd, int target, const struct trp_handoff *h, int error);
void conn_ready(struct relay *r, struct conn *c, int side, uint32_t events);
void conn_run(struct relay *r, struct conn *c);
/* A client is there again from the same address and port to the same: its connection before is over, even if we have not been told yet, and
 * is ended. False: there was none. */
bool conn_give_way(struct relay *r, const struct trp_handoff *h);
/* Closes those whose time is over. Milliseconds until the next may be, -1: none. */
int conn_expire(struct relay *r);
void conn_free_dead(struct relay *r);

/* peers.c: loopback's open connections by who the client is and what he speaks to */
int peers_init(struct relay *r); /* 0 or -errno */
void peers_add(struct relay *r, struct conn *c);
void peers_del(struct conn *c); /* if it is there */
struct conn *peers_find(struct relay *r, const struct trp_addr *peer, const struct trp_addr *local);

/* dial.c: a socket that connects to a target */
/* Non-blocking. The descriptor, writable when it is decided, or -errno. */
int dial_start(const struct target *t);
/* Passes client to a unix socket: connect, one byte "0" with the descriptor, close (PyReverseProxy's way). 0 or -errno. */
int dial_pass(const struct target *t, int client);
/* From one address to another, whoever has them. *ret_fd gets the socket with 0 (connected) and -EINPROGRESS. */
int dial_from(const struct trp_addr *from, const struct trp_addr *to, int *ret_fd);
/* After EPOLLOUT: 0, or -errno */
int dial_result(int fd);
/* Notes how it went, for logs and balancing. error 0: well. */
void dial_note(struct relay *r, struct target_set *set, size_t target, int error);

/* loopback.c: clients of a program in this network namespace */
void loopback_begin(struct relay *r);
void loopback_ready(struct relay *r, struct channel *ch);
void loopback_dialed(struct relay *r, struct channel *ch);
void loopback_watch(struct relay *r, struct channel *ch);
/* No further clients; says control_drained() when the last one was accepted. */
void loopback_drain(struct relay *r);
/* Does what is due. Milliseconds until the next, -1: none. */
int loopback_run(struct relay *r);

/* check.c: health checks */
int check_init(struct relay *r);
void check_ready(struct relay *r, struct check *c);
/* Begins and ends what is due. Milliseconds until the next, -1: none. */
int check_run(struct relay *r);

/* flow.c: moving bytes */
enum flow_result {
	FLOW_WAIT,      /* for an event of either socket */
	FLOW_AGAIN,     /* its share of this turn is used up */
	FLOW_DONE,      /* the end of file has been passed on */
	FLOW_NO_SENDER, /* from is gone; its end has been passed on */
	FLOW_NO_READER, /* to is gone */
};
/* From one socket to the other. *ret_moved is set when at least one byte moved. */
enum flow_result flow_run(struct relay *r, struct flow *f, int from, int to, bool *ret_moved);
/* Gives its pipe back; one with bytes in it is closed: nobody else may ever read them. */
void flow_drop(struct relay *r, struct flow *f);

/* lockdown.c */
#include "router/confine.h"
int relay_lockdown(int control_fd, const struct relay_options *o, struct confine_failure *f);

/* options.c: exits on a mistake */
void relay_options(struct relay_options *o, int argc, char **argv);
