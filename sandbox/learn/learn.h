/* SPDX-License-Identifier: ISC */
/* learn.h: trp-learn. One process beside a sandbox that is to be learnt from: it watches the system calls of all its processes
 * (ptrace(2), entry and exit) and tells the daemon which there were, which the filter refused, and on what paths.
 *
 * It decides nothing. The kernel asks a tracer before it runs the seccomp filter, and the filter then sees what the call is by that
 * time: whatever becomes of trp-learn, no call passes that the filter refuses. Its own filter allows no request that
 * changes a register or a byte of a process, so it cannot do so itself. If it ends, the kernel ends all that it watches
 * (PTRACE_O_EXITKILL): nothing goes on unwatched.
 *
 * All that it learns from the program is hostile. A program that lies (another thread that changes a path between the call and our
 * look, say) spoils what is learnt of itself; tables are bounded, and what does not fit is said. Nothing here blocks
 * but waitpid(2) and sending to the daemon. */
#pragma once

#include "sandbox/learnmsg.h"

#include <linux/filter.h>
#include <sys/types.h>

/* One system call of one thread. */
struct learn_call {
	pid_t tid; /* as seen from here */
	int nr;
	uint64_t args[6];
	bool refused; /* by the filter that the service is under */
};

/* trace.c: watches init and all that comes of it until all have ended. go: to init (TRP_INIT_LEARN_FD). */
void trace_run(pid_t init, int go);

/* filters.c: what would the service's filter answer, and that by which it learns? */
int filters_load(int fd, int reference); /* 0 or -errno */
void filters_ask(uint32_t arch, const struct learn_call *c, bool *ret_refused, bool *ret_missed);

/* record.c: tables of what there was, and the daemon, which is told each thing when it is new, when it has doubled, and at the end */
void record_open(int control);
void record_entry(const struct learn_call *c, bool missed);
void record_exit(const struct learn_call *c, long result);
void record_peak(enum learn_peak peak, uint64_t value);
void record_path(const char *path, unsigned uses);
void record_cut(void);
void record_end(void);

/* calls.c: what the arguments of a call are, as far as it matters here */
/* Those that tell forms of a call apart. How many; 0: it has one form. */
size_t calls_form(const struct learn_call *c, uint32_t ret[LEARN_ARGS]);
/* The highest descriptor that a call which gave result is proof of, or -1. */
int calls_descriptor(const struct learn_call *c, long result);
/* The i-th path of a call: what it does with it. False: it has no further one. */
struct learn_path {
	unsigned uses;   /* enum learn_use; 0: by its open flags, see flags */
	int dir;         /* the argument with the directory's descriptor; -1: the current directory */
	int name;        /* the argument with the text; -1: none, it is the descriptor in argument dir */
	bool opens;      /* its result is the file */
	bool is_address; /* a struct sockaddr_un in its place, its length in the next argument */
};
bool calls_path(const struct learn_call *c, size_t i, struct learn_path *ret);

/* paths.c: the paths of a call that has returned */
void paths_of(const struct learn_call *c, long result);
/* A process has executed another program. */
void paths_executed(pid_t tid);

/* join.c, pure: path as it is from base (absolute), with . and .. and // taken out and the numbers of processes in /proc made
 * "self". 0; -EINVAL: not printable, or base not absolute; -ENAMETOOLONG. */
int learn_join(const char *base, const char *path, char ret[LEARN_PATH_MAX]);

/* lockdown.c. Says what went wrong and returns -1. */
int lockdown_enter(int pidfd);
