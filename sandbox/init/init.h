/* SPDX-License-Identifier: ISC */
/* init.h: trp-init, PID 1 of a sandbox. It runs as the upstream's own user, without a capability and under
 * the service's seccomp filter; what protects it from the upstream is that it is not dumpable (no ptrace,
 * no /proc/1/fd) and that signals of a child namespace cannot kill PID 1.
 *
 * It parses nothing but the fixed-size messages of sandbox/initmsg.h, and the first bytes of an answer to a health check. One thread, one poll(2) loop,
 * nothing blocks, no memory is allocated after start. Functions return 0 or -errno. */
#pragma once

#include "base/util.h"
#include "sandbox/initmsg.h"

#include <poll.h>
#include <sys/types.h>

#define INIT_STEPS_MAX    64 /* with those before the end */
#define INIT_CHANNELS_MAX 64

/* control.c: the daemon's socket, the channels that came through it, and what is to be told to the daemon */

struct init_channel {
	uint16_t port, family;
	int fd;
	/* the last listen(2) on it, to be reported when the socket takes it */
	uint16_t v6only;
	int32_t backlog;
	bool report;
	bool asked, several; /* as the first that took it in this run said */
	unsigned reports; /* bounded: an upstream must not keep the daemon busy */
};

/* What the daemon wants of the program that runs. */
struct init_order {
	bool stop;
	bool stops_first; /* with stop: those of stops.c */
	int signo; /* 0: none */
	pid_t claim; /* who says that it is the main process; 0: nobody */
};

/* Takes the control socket over (close-on-exec) and what lies in it. -ENOTSOCK: it is none. */
int control_open(int fd);
int control_fd(void); /* -1: the daemon is gone */
bool control_wants_write(void);
/* One message, if there is one. Returns 1 with an order that may be empty, 0 when there is none. */
int control_read(struct init_order *ret);
/* Queues a TRP_INIT_STEP, _EXITED, _EXEC_FAILED or _READY. */
void control_report(enum trp_init_type type, int value, int value2);
/* A TRP_INIT_CHECKED; of several that wait only the last is sent. */
void control_checked(int number, int result);
/* A TRP_INIT_MAIN; of several that wait only the last is sent. */
void control_main(pid_t pid);
/* Sends what is queued as far as the socket takes it. */
void control_flush(void);
/* Before exit: sends the rest, waiting for the daemon a second at most. */
void control_finish(void);

/* The channel of (port, family), or NULL. */
struct init_channel *control_channel(uint16_t port, uint16_t family);
/* An adapter took it: report that. */
void control_listens(struct init_channel *ch, uint16_t v6only, int32_t backlog);

/* adapter.c: answers adapters */

#define ADAPTERS_MAX 16
int adapter_open(void);
/* Fills in at most 1 + ADAPTERS_MAX entries of p; returns how many. */
size_t adapter_poll_fill(struct pollfd *p);
void adapter_poll_done(const struct pollfd *p, size_t n);
/* Milliseconds until the next asker is given up, -1: nobody asks. */
int adapter_timeout(void);

/* trap.c: the notify adapter's filter */

/* Takes the socket to trp-notify over (close-on-exec), if there is one: else another adapter serves. */
int trap_open(int fd);
/* In the child that will be the upstream: its listener's calls go to trp-notify from now on. Nothing without a socket. */
int trap_load(void);

/* ready.c: the newline on a descriptor of the upstream's by which it says that it is ready (s6's notification) */

/* word: "fd:N". False: it is another argument. */
bool ready_parse(const char *word);
/* Before the upstream is started. 0 (also without fd:N) or -errno. */
int ready_open(void);
/* In the child that will be the upstream: it gets its end. *report, which must stay open, may get another number. 0 or -errno. */
int ready_give(int *report);
/* The child has its end, or there is none: ours of it goes. */
void ready_given(void);
int ready_fd(void); /* to be polled; -1: nothing is waited for */
void ready_read(void);
/* Milliseconds until ready_tick() is to be called, -1: never. */
int ready_timeout(void);
void ready_tick(void);

/* kept.c: descriptors of an earlier run */

/* Takes the socket over (close-on-exec), if there is one. */
int kept_open(int fd);
/* Before the upstream is started: receives them, within 2 s. Its environment: env, or a longer one. */
char **kept_take(char **env);
/* In the child that will be the upstream. *report, which must stay open, may get another number. 0 or -errno. */
int kept_give(int *report);
/* The child has them: ours go. */
void kept_given(void);

/* check.c: reads the answer to a check; one at a time */

/* Takes fd over, which does not block. */
void check_begin(int fd, int kind, int ms, int number);
int check_fd(void); /* to be polled; -1: there is none */
void check_read(void);
/* Milliseconds until check_tick() is to be called, -1: never. */
int check_timeout(void);
void check_tick(void);

/* learn.c: returns when trp-learn watches us, at once if nobody is to (fd is no socket). -EPIPE: it is gone. */
int learn_wait(int fd);

/* mainproc.c: the main process by its pid file, or by what it said to the daemon */

void mainproc_set_file(const char *path); /* kept by reference */
bool mainproc_has_file(void);
void mainproc_forget(void); /* removes the file: the upstream is about to start */
/* Another one than the file's. True if it is a child of ours already. */
bool mainproc_claim(pid_t pid);
/* Can the service go on in another process? */
bool mainproc_may_change(void);
/* The child of ours that the file names now, else the one that was claimed, or -1. Never blocks. */
pid_t mainproc_named(void);
int mainproc_look_again_ms(void);

/* steps.c: the commands, one after the other */

/* [fd:N] [PIDFILE] STEPS STOPS ARGC ARG... as in initmsg.h; argv is kept by reference and gets NULLs. -EINVAL */
int steps_parse(int argc, char **argv);
/* Starts the first. */
void steps_start(void);
void steps_obey(const struct init_order *order);
/* A child of ours has ended. */
void steps_child_ended(pid_t pid, int status);
/* There is none any more. */
void steps_no_child_left(void);
/* Milliseconds until steps_tick() is to be called, -1: never. */
int steps_timeout(void);
void steps_tick(void);
/* -1: something runs; else the exit status for init itself. */
int steps_result(void);
bool steps_upstream_was_started(void);
/* Starts a command; is_main: it is the upstream. Its pid, and *ret_pipe for steps_exec_error(); or -errno. env NULL: -ENOMEM. */
pid_t steps_spawn(char **argv, char **env, bool is_main, int *ret_pipe);
/* After its end: the errno of a failed execve(2), or 0. Closes the pipe. */
int steps_exec_error(int *pipe);
/* Our environment without what is only the upstream's affair, and one entry more (NULL: none). Kept for good; NULL: no memory. */
char **steps_environment(char *more);

/* stops.c: the commands that are run before the upstream is told to end */

/* argvs is kept by reference. */
void stops_set(char ***argvs, int n);
/* Starts the first of them; main_pid is told to it. False: there are none, or they were run already. */
bool stops_begin(pid_t main_pid);
bool stops_running(void);
/* No further one is started, and the one that runs is killed. */
void stops_skip(void);
/* A child has ended; true: it was one of them. */
bool stops_child_ended(pid_t pid, int status);
