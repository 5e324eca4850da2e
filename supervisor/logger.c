/* SPDX-License-Identifier: ISC */
#include "supervisor/logger.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/daemon.h"
#include "supervisor/helper.h"
#include "supervisor/reap.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#define AGAIN_SECONDS 1.0 /* from one start to the next, at least */
#define LAST_SECONDS  3.0 /* without that anything was written: then its last lines are given up */
#define END_MS        2000

struct logger {
	struct daemon *d;
	struct logsink *sink;
	pid_t pid; /* 0: it does not run */
	int pidfd;
	double started; /* trp_now_seconds() */
	ev_io on_end;
	ev_timer again;
};

static void on_end(struct ev_loop *loop, ev_io *w, int events);

/* Again, if it was removed. mkdir(2) of one that is there waits for its disk, which may hang. */
static void make_directory(const char *path)
{
	int r = access(path, F_OK) < 0 && errno == ENOENT ? trp_mkdir_p(path, LOG_DIR_MODE) : 0;

	if (r < 0)
		log_error("%s: %s", path, strerror(-r));
}

static int start(struct logger *l)
{
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[2 + LOG_SOCKETS] = {STDERR_FILENO, logsink_their_end(l->sink)}, r;

	make_directory(l->d->config->log_dir);
	for (unsigned k = 0; k < LOG_SOCKETS; k++) {
		int fd = logsink_socket(l->sink, (enum log_socket)k);
		fds[2 + k] = fd < 0 ? null : fd;
	}
	r = helper_start("trp-logger", l->d->config->log_dir, fds, TRP_ARRAY_SIZE(fds), &l->pid, &l->pidfd);

	l->started = trp_now_seconds();
	if (r < 0) {
		log_error("trp-logger: %s", strerror(-r));
		return r;
	}
	ev_io_init(&l->on_end, on_end, l->pidfd, EV_READ);
	l->on_end.data = l;
	ev_io_start(l->d->loop, &l->on_end);
	logsink_announce(l->sink);
	return 0;
}

static void on_again(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)events;
	ev_timer_stop(loop, t);
	if (start(t->data) < 0)
		ev_timer_again(loop, t);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct logger *l = w->data;
	char text[80];
	int status;

	(void)events;
	if (reap_status(l->pidfd, &status) == 0)
		return;
	reap_text(status, text, sizeof(text));
	log_error("trp-logger (pid %d) %s; starting another", l->pid, text);
	ev_io_stop(loop, w);
	trp_close(&l->pidfd);
	l->pid = 0;
	if (trp_now_seconds() - l->started < AGAIN_SECONDS || start(l) < 0)
		ev_timer_again(loop, &l->again);
}

int logger_open(struct daemon *d, struct logger **ret)
{
	struct logger *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->d = d;
	l->pidfd = -1;
	ev_timer_init(&l->again, on_again, 0.0, AGAIN_SECONDS);
	l->again.data = l;
	r = logsink_open(d->loop, &l->sink);
	if (r == 0)
		logsink_paths(l->sink, (const char *const[LOG_SOCKETS]){[LOG_SYSLOG] = d->config->syslog_socket, [LOG_JOURNAL] = d->config->journal_socket});
	if (r == 0)
		r = start(l);
	if (r < 0) {
		logsink_close(l->sink);
		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

/* One that waits for a disk is left alone with it. */
static void end(struct logger *l)
{
	struct pollfd p = {.fd = l->pidfd, .events = POLLIN};
	int status;

	if (poll(&p, 1, END_MS) <= 0) {
		log_error("trp-logger (pid %d) does not end; killed", l->pid);
		reap_kill(l->pidfd, SIGKILL);
		poll(&p, 1, END_MS);
	}
	reap_status(l->pidfd, &status);
	trp_close(&l->pidfd);
}

void logger_settle(struct logger *l)
{
	if (!logsink_settle(l->sink, LAST_SECONDS))
		log_error("the last lines of the logs cannot be written");
}

void logger_close(struct logger *l)
{
	if (!l)
		return;
	ev_timer_stop(l->d->loop, &l->again);
	if (l->pid > 0) {
		ev_io_stop(l->d->loop, &l->on_end);
		logger_settle(l);
		logsink_finish(l->sink);
		end(l);
	}
	logsink_close(l->sink);
	free(l);
}

struct logsink *logger_sink(struct logger *l)
{
	return l->sink;
}

void logger_limits(const struct daemon *d, const struct profile *p, struct log_limits *ret)
{
	*ret = (struct log_limits){.size = p->log_size,
		.age = p->log_age_ms * 1000,
		.keep = p->log_keep_ms * 1000,
		.total = p->log_total == UINT64_MAX ? 0 : p->log_total,
		.all = d->config->log_total == UINT64_MAX ? 0 : d->config->log_total,
		.files = (uint32_t)p->log_files,
		.to = (strv_has(&p->log_to, "file") ? LOG_TO_FILE : 0) | (strv_has(&p->log_to, "syslog") ? LOG_TO_SYSLOG : 0) |
			(strv_has(&p->log_to, "journal") ? LOG_TO_JOURNAL : 0),
		.compress = p->log_compress};
}
