/* SPDX-License-Identifier: ISC */
#include "supervisor/sdnotify.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"
#include "sandbox/keptmsg.h"
#include "supervisor/helper.h"
#include "supervisor/pace.h"
#include "supervisor/reap.h"
#include "supervisor/sdnotifymsg.h"
#include "supervisor/service.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define OWN_ID  65530 /* inside the service's range; beside trp-notify's and trp-learn's */
#define KEPT_AS "sdnotify"
#define SAYS_IN_A_SECOND 50 /* at most: it has something to say ten times in that, and when a run begins or it is asked; */
#define SAYS_AT_ONCE     400 /* what its socket holds, and more: the daemon may have had to wait */

/* A group of its own for each, beside the service's: what it keeps is not to be killed with a run. A flood of datagrams costs it all the time that it can
 * get, so that has a ceiling far above what honest ones need. It allocates nothing once it is locked down (no brk, no mmap), and makes no process. */
#define GROUP_PREFIX "@notify-" /* no service can have such a name */
static const struct cgroup_limits limits = {.pids = 1, .memory = 8 << 20, .cpu_permille = 100};

struct sdnotify {
	struct service *s; /* NULL: it is being ended */
	struct daemon *d;
	struct sdnotify *next; /* of d->ending_notify, while that is so */
	struct cgroup group;
	bool has_group;
	pid_t pid;
	int pidfd; /* -1: its end was taken */
	int control;
	unsigned kept, refused;
	struct pace says;
	ev_io on_end, on_message;
};

char *sdnotify_group(const char *service)
{
	return trp_asprintf(GROUP_PREFIX "%s", service);
}

static bool release(struct sdnotify *n)
{
	if (n->pidfd >= 0 || (n->has_group && cgroup_destroy(n->d->cgroups, &n->group) < 0))
		return false;
	free(n);
	return true;
}

bool sdnotify_sweep(struct daemon *d)
{
	for (struct sdnotify **p = &d->ending_notify, *n, *next; (n = *p);) {
		next = n->next;
		if (release(n))
			*p = next;
		else
			p = &n->next;
	}
	return !d->ending_notify;
}

static void drop(struct service *s)
{
	keep_drop(s->d->keep, s->name, KEPT_AS, 0);
	keep_drop(s->d->keep, s->name, KEPT_AS "-control", 0);
}

/* Its group goes when it has ended, and a moment later if the kernel wants that. */
static void forget(struct sdnotify *n)
{
	struct service *s = n->s;
	struct daemon *d = n->d;

	ev_io_stop(d->loop, &n->on_message);
	pace_stop(&n->says);
	drop(s);
	trp_close(&n->control);
	s->sdnotify = NULL;
	n->s = NULL;
	n->next = d->ending_notify;
	d->ending_notify = n;
	if (n->pidfd >= 0)
		reap_kill(n->pidfd, SIGKILL);
	else if (!sdnotify_sweep(d))
		ev_timer_start(d->loop, &d->sweep);
}

/* False: it has not ended, or that was heard before. */
static bool take_end(struct sdnotify *n, int *ret_status)
{
	if (n->pidfd < 0 || reap_status(n->pidfd, ret_status) == 0)
		return false;
	ev_io_stop(n->d->loop, &n->on_end);
	trp_close(&n->pidfd);
	return true;
}

/* Its runs see it by the end of their sockets. */
static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct sdnotify *n = w->data;
	struct daemon *d = n->d;
	int status = REAP_UNKNOWN;
	char text[80];

	(void)events;
	if (!take_end(n, &status))
		return;
	if (!n->s) {
		if (!sdnotify_sweep(d))
			ev_timer_start(loop, &d->sweep);
		return;
	}
	reap_text(status, text, sizeof(text));
	log_error("%s: trp-sdnotify (pid %d) %s", n->s->name, n->pid, text);
	if (n->kept > 0)
		logs_note(n->s->logs, "%u descriptors that were kept for it are lost: trp-sdnotify %s", n->kept, text);
	forget(n);
}

static void on_message(struct ev_loop *loop, ev_io *w, int events)
{
	struct sdnotify *n = w->data;
	struct sdnotify_msg m;
	ssize_t len = trp_fd_recv(n->control, &m, sizeof(m), NULL, 0, MSG_DONTWAIT);

	(void)events;
	if (len == -EAGAIN)
		return;
	if (len != sizeof(m) || m.magic != SDNOTIFY_MAGIC || m.type != SDNOTIFY_KEPT || m.kept > KEPT_MAX || !pace_take(&n->says, 1)) {
		ev_io_stop(loop, w); /* it has ended, or a tenant has taken it over: on_end() goes on */
		reap_kill(n->pidfd, SIGKILL);
		return;
	}
	if (m.refused > n->refused && n->refused == 0)
		logs_note(n->s->logs, "a descriptor that it wanted kept was refused: there are keep-descriptors of them, or it is a file");
	n->kept = m.kept;
	n->refused = m.refused;
}

static void never_again(struct pace *p)
{
	(void)p; /* it is ended as soon as it is too much */
}

static void watch(struct sdnotify *n)
{
	struct ev_loop *loop = n->s->d->loop;

	ev_io_init(&n->on_end, on_end, n->pidfd, EV_READ);
	ev_io_init(&n->on_message, on_message, n->control, EV_READ);
	n->on_end.data = n->on_message.data = n;
	pace_init(&n->says, loop, SAYS_IN_A_SECOND, SAYS_AT_ONCE, never_again, n);
	ev_io_start(loop, &n->on_end);
	ev_io_start(loop, &n->on_message);
	keep_put(n->s->d->keep, n->s->name, KEPT_AS, 0, n->pidfd);
	keep_put(n->s->d->keep, n->s->name, KEPT_AS "-control", 0, n->control);
}

/* One that is still being ended has lost it to the next. */
static int make_group(struct sdnotify *n, const char *name)
{
	char err[200];
	int r;

	for (struct sdnotify *o = n->d->ending_notify; o; o = o->next)
		if (o->has_group && strcmp(o->group.name, name) == 0) {
			cgroup_close(&o->group);
			o->has_group = false;
		}
	r = cgroup_create(n->d->cgroups, name, &limits, &n->group, err, sizeof(err));
	if (r < 0)
		snprintf(n->s->message, sizeof(n->s->message), "limits of its trp-sdnotify: %s", err);
	return r;
}

/* Where a service may be without limits, this one is. */
static int join_group(struct sdnotify *n)
{
	cleanup_free char *name = sdnotify_group(n->s->name);
	int r;

	if (!name)
		return -ENOMEM;
	if (!n->d->cgroups)
		return helper_join(NULL, n->pid);
	r = make_group(n, name);
	n->has_group = r == 0;
	return r < 0 ? r : helper_join(&n->group, n->pid);
}

static int start(struct service *s)
{
	struct sdnotify *n = calloc(1, sizeof(*n));
	cleanup_close int theirs = -1;
	char id[16];
	int pair[2], r = n ? trp_fd_pair(pair) : -ENOMEM;

	if (r < 0) {
		free(n);
		return r;
	}
	*n = (struct sdnotify){.s = s, .d = s->d, .group = {CGROUP_NONE}, .pidfd = -1, .control = pair[0]};
	theirs = pair[1];
	snprintf(id, sizeof(id), "%u", s->uid_base + OWN_ID);
	r = helper_start("trp-sdnotify", id, (const int[]){STDERR_FILENO, theirs}, 2, &n->pid, &n->pidfd);
	s->sdnotify = n;
	if (r < 0) {
		forget(n);
		return r;
	}
	watch(n);
	r = join_group(n);
	if (r < 0)
		forget(n);
	return r;
}

/* A datagram socket in its run directory, bind mounted into its sandbox. */
static int open_socket(struct service *s, int *ret)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cleanup_free char *run = prepare_run_dir(s);
	uid_t uid;
	gid_t gid;
	int r = run ? prepare_user(s, &uid, &gid) : -ENOMEM;

	if (fd < 0)
		return -errno;
	if (r < 0)
		return r;
	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify", run) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	if (unlink(addr.sun_path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(addr.sun_path, 0600) < 0 ||
		lchown(addr.sun_path, s->uid_base + uid, s->uid_base + gid) < 0)
		return -errno;
	*ret = trp_steal_fd(&fd);
	return 0;
}

int sdnotify_run(struct service *s, int *ret_kept)
{
	struct service *owner = s->shadow && s->beside ? s->beside : s;
	struct sdnotify_msg m = {.magic = SDNOTIFY_MAGIC, .type = SDNOTIFY_RUN, .max = (uint32_t)s->profile->keep_descriptors};
	cleanup_close int sock = -1, relay = -1, relay_end = -1, to_init = -1, init_end = -1;
	int pair[2], r = open_socket(s, &sock);

	if (r == 0 && !owner->sdnotify)
		r = start(owner);
	if (r == 0)
		r = trp_fd_pair(pair);
	if (r < 0)
		return r;
	relay = pair[0];
	relay_end = pair[1];
	if (m.max > 0) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
			return -errno;
		init_end = pair[0];
		to_init = pair[1];
	}
	r = trp_fd_send(owner->sdnotify->control, &m, sizeof(m), (const int[]){sock, relay_end, to_init}, m.max > 0 ? 3 : 2, MSG_DONTWAIT);
	if (r < 0)
		return r;
	s->run.notify = trp_steal_fd(&relay);
	*ret_kept = trp_steal_fd(&init_end);
	return 0;
}

void sdnotify_hand_over(struct service *from, struct service *to)
{
	to->sdnotify = from->sdnotify;
	from->sdnotify = NULL;
	if (to->sdnotify)
		to->sdnotify->s = to;
}

static void adopt_group(struct sdnotify *n)
{
	cleanup_free char *name = sdnotify_group(n->s->name);
	int r = name ? 0 : -ENOMEM;

	if (r == 0 && n->d->cgroups)
		r = cgroup_adopt(n->d->cgroups, name, &n->group);
	n->has_group = r == 0 && n->d->cgroups;
	if (r == -ENOENT) /* of a daemon that made none for each */
		r = join_group(n);
	if (r < 0)
		log_error("%s: trp-sdnotify (pid %d) is without limits: %s", n->s->name, n->pid, strerror(-r));
}

void sdnotify_adopt(struct service *s)
{
	const struct sdnotify_msg m = {.magic = SDNOTIFY_MAGIC, .type = SDNOTIFY_COUNT};
	int pidfd = keep_take(s->d->keep, s->name, KEPT_AS, 0), control = keep_take(s->d->keep, s->name, KEPT_AS "-control", 0);
	struct sdnotify *n = pidfd < 0 || control < 0 ? NULL : calloc(1, sizeof(*n));

	if (!n) {
		drop(s);
		if (pidfd >= 0)
			helper_leave(s->d->loop, pidfd);
		trp_close(&control);
		return;
	}
	*n = (struct sdnotify){.s = s, .d = s->d, .group = {CGROUP_NONE}, .pid = reap_pid(pidfd), .pidfd = pidfd, .control = control};
	s->sdnotify = n;
	adopt_group(n);
	watch(n);
	(void)trp_fd_send(control, &m, sizeof(m), NULL, 0, MSG_DONTWAIT);
}

void sdnotify_end(struct service *s)
{
	if (s->sdnotify)
		forget(s->sdnotify);
}

unsigned sdnotify_kept(const struct service *s, unsigned *ret_refused)
{
	*ret_refused = s->sdnotify ? s->sdnotify->refused : 0;
	return s->sdnotify ? s->sdnotify->kept : 0;
}

pid_t sdnotify_pid(const struct service *s)
{
	return s->sdnotify ? s->sdnotify->pid : 0;
}

void sdnotify_close(struct daemon *d)
{
	int status;

	for (int tries = 0; tries < 100; tries++) {
		for (struct sdnotify *n = d->ending_notify; n; n = n->next)
			take_end(n, &status);
		if (sdnotify_sweep(d))
			return;
		trp_sleep_ms(10);
	}
}
