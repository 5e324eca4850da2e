/* SPDX-License-Identifier: ISC */
/* trace.c: ptrace(2). Each thread stops where it enters a system call and where it leaves one; init itself runs on, only its
 * children are watched, from the moment that they have executed a program. */
#include "learn.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define TRACEES_MAX 16384
#define BUCKETS     4096 /* a power of two */

struct tracee {
	struct tracee *next;
	struct learn_call call; /* call.tid: the thread */
	bool inside;  /* in that call */
	bool watched; /* it is no part of init any more */
	bool begun;   /* its first stop has been */
};

static struct tracee pool[TRACEES_MAX];
static struct tracee *buckets[BUCKETS], *unused;
static size_t n_fresh, n_tracees;
static pid_t init_pid;

static struct tracee **place_of(pid_t tid)
{
	struct tracee **p = &buckets[(unsigned)tid % BUCKETS];

	while (*p && (*p)->call.tid != tid)
		p = &(*p)->next;
	return p;
}

/* NULL: there are too many, and what this thread does is not seen. */
static struct tracee *find_or_add(pid_t tid)
{
	struct tracee **place = place_of(tid), *t = *place;

	if (t)
		return t;
	if (unused) {
		t = unused;
		unused = t->next;
	} else if (n_fresh < TRACEES_MAX) {
		t = &pool[n_fresh++];
	} else {
		record_cut();
		return NULL;
	}
	*t = (struct tracee){.call.tid = tid};
	*place = t;
	record_peak(LEARN_TASKS, ++n_tracees);
	return t;
}

static void forget(pid_t tid)
{
	struct tracee **place = place_of(tid), *t = *place;

	if (!t)
		return;
	*place = t->next;
	t->next = unused;
	unused = t;
	n_tracees--;
}

/* ESRCH: it was killed meanwhile, and waitpid() tells that. */
static void go_on(const struct tracee *t, pid_t tid, int signo)
{
	bool watch = !t || t->watched;

	ptrace(watch ? PTRACE_SYSCALL : PTRACE_CONT, tid, NULL, (void *)(long)signo);
}

static void on_entry(struct tracee *t, const struct __ptrace_syscall_info *info)
{
	struct learn_call *c = &t->call;
	bool missed;

	c->nr = (int)info->entry.nr;
	memcpy(c->args, info->entry.args, sizeof(c->args));
	filters_ask(info->arch, c, &c->refused, &missed);
	t->inside = true;
	record_entry(c, missed);
}

static void on_exit_stop(struct tracee *t, const struct __ptrace_syscall_info *info)
{
	if (t->inside && !t->call.refused) {
		record_exit(&t->call, info->exit.rval);
		paths_of(&t->call, info->exit.rval);
	}
	t->inside = false;
}

static void on_syscall_stop(struct tracee *t)
{
	struct __ptrace_syscall_info info;

	if (!t->watched || ptrace(PTRACE_GET_SYSCALL_INFO, t->call.tid, (void *)sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		on_entry(t, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		on_exit_stop(t, &info);
}

/* The first program of a child of init begins here: what comes before is init's own work. */
static void on_exec(struct tracee *t)
{
	unsigned long former;

	if (ptrace(PTRACE_GETEVENTMSG, t->call.tid, NULL, &former) == 0 && (pid_t)former != t->call.tid)
		forget((pid_t)former); /* a thread that took its leader's place */
	t->inside = false; /* its memory, and with it the path, is gone */
	t->watched = t->call.tid != init_pid;
	if (t->watched)
		paths_executed(t->call.tid);
}

static void on_child(const struct tracee *t)
{
	unsigned long child;
	struct tracee *c;

	if (ptrace(PTRACE_GETEVENTMSG, t->call.tid, NULL, &child) < 0)
		return;
	c = find_or_add((pid_t)child);
	if (!c || !t->watched)
		return;
	if (c->begun && !c->watched) /* looks_like_inits() was wrong: stop it once more */
		ptrace(PTRACE_INTERRUPT, c->call.tid, NULL, NULL);
	c->watched = true;
}

/* A process that has stopped for the first time, before whoever made it told so: is it part of init still? Should it be an
 * orphan whose parent was killed in that moment, it is seen again from its next program on. */
static bool looks_like_inits(pid_t tid)
{
	cleanup_free char *text = NULL;
	char path[40];
	const char *at;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (trp_read_file(AT_FDCWD, path, 8192, &text, &len) < 0)
		return false;
	at = strstr(text, "\nTgid:"); /* the name before has its line feeds escaped */
	if (!at || atoi(at + 6) != tid)
		return false;
	at = strstr(text, "\nPPid:");
	return at && atoi(at + 6) == init_pid;
}

static void on_first_stop(struct tracee *t)
{
	t->begun = true;
	if (t->call.tid != init_pid && !t->watched)
		t->watched = !looks_like_inits(t->call.tid);
}

/* What a stopped thread is to do next has to be said each time, or it stays where it is. */
static void on_stop(pid_t tid, int status)
{
	struct tracee *t = find_or_add(tid);
	int signo = WSTOPSIG(status), event = status >> 16;

	if (t && !t->begun)
		on_first_stop(t);
	if (signo == (SIGTRAP | 0x80)) {
		if (t)
			on_syscall_stop(t);
		go_on(t, tid, 0);
	} else if (event == PTRACE_EVENT_STOP && signo != SIGTRAP) {
		ptrace(PTRACE_LISTEN, tid, NULL, NULL); /* the whole process is stopped, until SIGCONT */
	} else if (event) {
		if (t && event == PTRACE_EVENT_EXEC)
			on_exec(t);
		else if (t && event != PTRACE_EVENT_STOP)
			on_child(t);
		go_on(t, tid, 0);
	} else {
		go_on(t, tid, signo);
	}
}

void trace_run(pid_t init, int go)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
		PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	pid_t tid;
	int status, r;
	char byte;

	init_pid = init;
	if (trp_fd_recv(go, &byte, 1, NULL, 0, 0) != 1)
		return; /* it ended before it was one */
	if (ptrace(PTRACE_SEIZE, init, NULL, (void *)options) < 0)
		log_fatal("cannot watch the sandbox (PTRACE_SEIZE): %m");
	find_or_add(init);
	r = trp_fd_send(go, "g", 1, NULL, 0, 0);
	trp_close(&go);
	if (r < 0 && r != -EPIPE && r != -ECONNRESET) /* ended already: seen below */
		log_fatal("trp-init cannot be told: %s", strerror(-r));
	while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (tid < 0)
			continue;
		if (WIFSTOPPED(status))
			on_stop(tid, status);
		else
			forget(tid);
	}
}
