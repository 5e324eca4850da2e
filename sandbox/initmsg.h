/* SPDX-License-Identifier: ISC */
/* initmsg.h: the fixed-size messages on the control socket between the daemon and trp-init, and between an
 * adapter and trp-init. AF_UNIX SOCK_SEQPACKET, native byte order. doc/protocol.md describes them.
 *
 * trp-init finds the control socket at descriptor TRP_INIT_CONTROL_FD and its work in its arguments:
 *   trp-init [fd:N] [PIDFILE] STEPS STOPS ARGC ARG... [ARGC ARG...]...
 * STEPS commands; all but the last are setup steps, run one after the other, each must exit 0; the last is the upstream. Behind them STOPS
 * commands, which are run one after the other before the upstream is told to end, and whose failure changes nothing.
 * With fd:N the upstream has the write end of a pipe as descriptor N, and is ready when it writes a newline there.
 * With PIDFILE (an absolute path) the upstream's main process is the one that writes its id there: the command itself, or
 * a daemon that it leaves behind when it exits 0; and when that one ends, the one that the file names then.
 * The daemon has sent the channels before it starts init: init takes what lies in the socket first. */
#pragma once

#include <stdint.h>

#define TRP_INIT_CONTROL_FD 3
/* Only with the notify adapter: a socket to trp-notify. One message goes over it, one byte with the descriptor of the upstream's
 * filter (seccomp_unotify(2)). trp-notify has its own control socket, with CHANNEL from and LISTEN to the daemon. */
#define TRP_INIT_NOTIFY_FD  4
/* Only in a run that is learnt from: a socket to trp-learn. init sends one byte (it is there), and waits for one before
 * its first step (it is watched). */
#define TRP_INIT_LEARN_FD   5
/* Only with keep-descriptors: sandbox/keptmsg.h. */
#define TRP_INIT_KEPT_FD    6
/* Of trp-relay beside a sandbox: a NETLINK_SOCK_DIAG socket of the sandbox's network namespace. */
#define TRP_RELAY_DIAG_FD   4
#define TRP_INIT_MAGIC      0x49505254u /* "TRPI" */

enum trp_init_type {
	/* daemon -> init */
	TRP_INIT_CHANNEL = 1, /* + one descriptor: the service end of (port, family) */
	TRP_INIT_SIGNAL = 2,  /* value: signal number, for the main process */
	TRP_INIT_STOP = 3,    /* value: signal number, for the main process, also while a setup step runs: then for
	                         the step, and no further one is started. value2 1: the STOPS first; 0: at once, also
	                         if they run: the one that does is killed */
	TRP_INIT_CLAIM = 4,   /* value: pid inside that a process of the sandbox said to be the main one's (MAINPID=) */
	TRP_INIT_CHECK = 5,   /* + one descriptor: the client's end of a connection on which a check was sent; init reads its answer.
	                         port: enum trp_check, value: milliseconds that it has, value2: number of the check. It takes
	                         the place of one before */
	/* init -> daemon */
	TRP_INIT_STEP = 16,    /* value: index of the step that starts now, value2: its pid inside */
	TRP_INIT_LISTEN = 17,  /* port, family (AF_UNSPEC: both), v6only; value: backlog: an adapter took that channel */
	TRP_INIT_EXITED = 18,  /* value: index of the step that ended, value2: its wait status. Sent for a failed setup
	                          step and for the upstream; init then exits itself */
	TRP_INIT_EXEC_FAILED = 19, /* value: index, value2: errno of execve */
	/* trp-relay beside a sandbox (adapter = loopback) -> daemon, after STOP */
	TRP_INIT_DRAINED = 20, /* all clients that it took were accepted: the upstream may be told to end */
	/* init -> daemon */
	TRP_INIT_MAIN = 21,        /* with a pid file or a claim. value: pid inside of the main process from now on */
	TRP_INIT_NO_MAIN = 22,     /* with a pid file. The upstream ended well, and there is no process that the file could
	                              name. init then exits itself */
	TRP_INIT_READY = 23,       /* with fd:N. value: 1: its newline came; 0: nobody has that descriptor any more, and none came */
	TRP_INIT_STOP_STEP = 24,   /* value: index of the STOPS that starts now, value2: its pid inside */
	TRP_INIT_STOP_EXITED = 25, /* value: its index, value2: its wait status */
	TRP_INIT_STOP_EXEC_FAILED = 26, /* value: its index, value2: errno of execve */
	TRP_INIT_STOPS_OVER = 27,  /* after a STOP with value2 1: none is left, the main process has got its signal */
	TRP_INIT_CHECKED = 28,     /* value: number of the check; value2: what came: HTTP's status; 0: as it should; a negative enum
	                              trp_check_failure; TRP_CHECK_ALERT - the number of a TLS alert. Once for each check */
};

/* What a check looks for. */
enum trp_check {
	TRP_CHECK_HTTP = 1, /* a status line */
	TRP_CHECK_TCP = 2,  /* the client has ended its half: any byte, or the end of the connection, shows that somebody had it */
	TRP_CHECK_TLS = 3   /* a ServerHello */
};
enum trp_check_failure {
	TRP_CHECK_LATE = -1,   /* nothing of it in time */
	TRP_CHECK_CLOSED = -2, /* closed before */
	TRP_CHECK_OTHER = -3,  /* something else */
};
#define TRP_CHECK_ALERT (-100)

struct trp_init_msg {
	uint32_t magic;
	uint16_t type;   /* enum trp_init_type */
	uint16_t port;   /* host byte order */
	uint16_t family; /* AF_INET or AF_INET6; LISTEN: AF_UNSPEC: both */
	uint16_t v6only; /* 0 or 1 */
	int32_t value;
	int32_t value2;
	uint32_t several;  /* LISTEN: 1: it takes messages with several clients (base/several.h) */
};

/* The adapter's question to init, on a SOCK_SEQPACKET socket connected to the abstract address
 * TRP_ADAPTER_ADDRESS (leading NUL not counted) of the sandbox's own network namespace. */
#define TRP_ADAPTER_ADDRESS "trpsup/init"
#define TRP_ADAPTER_MAGIC   0x41505254u /* "TRPA" */

struct trp_adapter_ask {
	uint32_t magic;
	uint16_t port;
	uint16_t family;
	uint16_t v6only;
	uint16_t several; /* 1: messages with several clients, please. All that take from one channel must say the same */
	int32_t backlog;
};

/* The answer: status 0 with one descriptor (the channel), or without one -ENOENT: not a port of the profile, or asked in a setup step; the program's
 * own listener is to be used; or -EBUSY: another process takes clients there with the other value of several. */
struct trp_adapter_answer {
	uint32_t magic;
	int32_t status;
};

/* Name of each end of a channel, bound in the abstract namespace so that getsockname(2) tells an adapter that a
 * descriptor is a channel, after any dup, fork, exec or passing, and that recvmsg(2) tells of each client which it came through. Exactly TRP_CHANNEL_NAME_LEN bytes after the NUL:
 *   "trpsup:PPPPP:F:HHHHHHHHHHHHHHHH"   PPPPP port in five digits, F 4 or 6, H random hex (the daemon's)
 */
#define TRP_CHANNEL_PREFIX   "trpsup:"
#define TRP_CHANNEL_NAME_LEN 31
