/* SPDX-License-Identifier: ISC */
#include "supervisor/strangers.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/exec.h"
#include "supervisor/keep.h"
#include "supervisor/observer.h"
#include "supervisor/reap.h"
#include "supervisor/reaplater.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define LIST_MAX (1 << 20)

struct strangers {
	struct strangers *next;
	struct ev_loop *loop;
	pid_t pid;
	int pidfd; /* -1: it is not watched, or has ended */
	ev_io on_end;
	ev_timer again; /* for on_end */
};

static bool is_router(const struct daemon *d, pid_t pid)
{
	pid_t pids[2 * LEDGER_SLOTS];
	size_t n = routerproc_all(d->router, pids, TRP_ARRAY_SIZE(pids));

	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static bool is_of(const struct service *s, pid_t pid)
{
	return pid == s->run.box.pid || pid == s->run.notifier.pid || pid == s->run.loopback.box.pid || pid == s->run.learner.pid ||
		pid == sdnotify_pid(s);
}

/* Whoever waits for it otherwise: it was taken over. */
static bool is_ours(const struct daemon *d, pid_t pid)
{
	if (pid == observer_pid(d->observer) || pid == keep_pid(d->keep) || is_router(d, pid) || exec_is_child(d, pid))
		return true;
	for (const struct service *s = d->services; s; s = s->next)
		if (is_of(s, pid) || (s->beside && is_of(s->beside, pid)))
			return true;
	return false;
}

static void forget(struct strangers *s)
{
	ev_io_stop(s->loop, &s->on_end);
	ev_timer_stop(s->loop, &s->again);
	trp_close(&s->pidfd);
	free(s);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct strangers *s = w->data;
	int status;

	(void)events;
	if (reap_status(s->pidfd, &status) == 0) {
		reap_later(loop, w, &s->again);
		return;
	}
	log_debug("reaped pid %d, which was not started by this daemon", s->pid);
	ev_io_stop(loop, w);
	trp_close(&s->pidfd);
}

static struct strangers *add(struct daemon *d, pid_t pid, struct strangers *next)
{
	struct strangers *s = calloc(1, sizeof(*s));

	if (!s)
		return next;
	*s = (struct strangers){.next = next, .loop = d->loop, .pid = pid, .pidfd = -1};
	return s;
}

struct strangers *strangers_find(struct daemon *d)
{
	cleanup_free char *text = NULL;
	struct strangers *all = NULL;
	char path[64], *save = NULL;

	/* a kernel without CONFIG_PROC_CHILDREN has no such file: then they stay zombies until we end */
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	if (trp_read_file(AT_FDCWD, path, LIST_MAX, &text, NULL) < 0)
		return NULL;
	for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		pid_t pid = (pid_t)strtol(word, NULL, 10);
		if (pid > 0)
			all = add(d, pid, all);
	}
	return all;
}

/* False: it is no stranger, or there is no way to hear of its end. */
static bool watch(const struct daemon *d, struct strangers *s)
{
	if (is_ours(d, s->pid))
		return false;
	s->pidfd = reap_pidfd(s->pid);
	if (s->pidfd < 0)
		return false;
	ev_io_init(&s->on_end, on_end, s->pidfd, EV_READ);
	s->on_end.data = s;
	ev_io_start(s->loop, &s->on_end);
	return true;
}

void strangers_watch(struct daemon *d, struct strangers **all)
{
	for (struct strangers **at = all, *s; (s = *at);) {
		if (watch(d, s)) {
			at = &s->next;
		} else {
			*at = s->next;
			forget(s);
		}
	}
}

void strangers_close(struct strangers *s)
{
	for (struct strangers *next; s; s = next) {
		next = s->next;
		forget(s);
	}
}
