/* SPDX-License-Identifier: ISC */
#include "supervisor/observer.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"
#include "sandbox/sandbox.h"
#include "supervisor/keep.h"
#include "supervisor/logfile.h"
#include "supervisor/reap.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define OBSERVER_IDS    "@observer" /* its own range: no service can have this name */
#define RESPAWN_MIN     0.1
#define RESPAWN_MAX     10.0
#define READY_SECONDS   10.0
#define SAMPLE_SECONDS  10.0
#define ENDS_BYTES      (8 << 20)
#define SNDBUF          (8 << 20) /* all services' names, before it reads the first */
#define FILE_SLACK      (16 << 20) /* beyond the size at which another file is asked for */

struct sample {
	STAILQ_ENTRY(sample) link;
	uint32_t seq;
	void (*done)(void *data, uint32_t look);
	void *data;
};

struct observer {
	struct daemon *d;
	int exec_fd;
	struct seccomp_filter seccomp;
	struct cgroup cgroup; /* without limits: so that a later daemon finds one that was left */
	bool has_cgroup;
	int live_fd, ends_fd; /* kept for the next one: what it did not read is still there */
	struct live *live;
	bool lines;
	uint64_t told_max; /* at which size of it trp-observer is to say so */
	struct logfile file;

	struct sandbox box; /* pid 0: not running */
	int control;
	bool ready;
	unsigned logs_told, samples_asked; /* and not answered yet: it says FULL and SAMPLED no more often */
	uint32_t seq;
	double delay;
	ev_io on_end, on_status, on_message;
	ev_timer timer; /* until OBSERVER_READY, or until the next try */
	ev_timer late;  /* while a sample is waited for */
	STAILQ_HEAD(, sample) samples;
};

static int spawn(struct observer *o);

/* ---- what it is told ---- */

static void send_msg(struct observer *o, struct observer_msg *m, int fd)
{
	int error;

	if (!o || o->control < 0)
		return;
	m->magic = OBSERVER_MAGIC;
	error = trp_fd_send(o->control, m, sizeof(*m), &fd, fd >= 0 ? 1 : 0, MSG_DONTWAIT);
	if (error < 0 && error != -EPIPE && error != -ECONNRESET) {
		log_error("observer: %s; replacing it", strerror(-error));
		reap_kill(o->box.pidfd, SIGKILL);
	}
}

void observer_service(struct observer *o, const struct service *s)
{
	struct observer_msg m = {.type = OBSERVER_SERVICE, .id = s->number};

	if (!s->number)
		return;
	snprintf(m.name, sizeof(m.name), "%s", s->name);
	send_msg(o, &m, -1);
}

void observer_listener(struct observer *o, size_t index)
{
	struct observer_msg m = {.type = OBSERVER_LISTENER};

	if (!o)
		return;
	m.id = o->d->listeners[index].id;
	m.port = o->d->config->listeners[index].port;
	snprintf(m.name, sizeof(m.name), "%s", o->d->config->listeners[index].name);
	send_msg(o, &m, -1);
}

void observer_slots(struct observer *o)
{
	struct observer_msg m = {.type = OBSERVER_SLOTS};

	if (!o)
		return;
	m.id = ledgers_used(o->d->ledgers);
	send_msg(o, &m, -1);
}

static void tell_log(struct observer *o)
{
	struct observer_msg m = {.type = OBSERVER_LOG, .json = o->d->config->access_log == ACCESS_LOG_JSON};
	struct stat st;

	if (!o->lines)
		return;
	if (o->file.fd < 0 || fstat(o->file.fd, &st) < 0) {
		log_error("%s/access.log cannot be written", o->d->config->log_dir);
		return;
	}
	m.size = (uint64_t)st.st_size;
	m.max = m.size < o->file.max_size ? o->file.max_size : m.size + o->file.max_size / 8 + 1; /* it could not be rotated: when it is tried again */
	o->told_max = m.max;
	o->logs_told++;
	send_msg(o, &m, o->file.fd);
}

static int open_file(struct observer *o);

/* Under its name, in the directory that is there now; if that cannot be it goes on with the one that it has. */
static void open_again(struct observer *o)
{
	struct logfile before = o->file;

	o->file = (struct logfile){.fd = -1, .dir_fd = -1};
	if (open_file(o) == 0 && o->file.fd >= 0) {
		logfile_free(&before);
		return;
	}
	logfile_free(&o->file);
	o->file = before;
}

/* It says that the file is full; whether that is so is for us to see. */
static void rotate(struct observer *o)
{
	struct stat st;
	int r;

	if (!o->lines || fstat(o->file.fd, &st) < 0 || (uint64_t)st.st_size < o->told_max)
		return;
	r = logfile_rotate(&o->file);
	if (r < 0) {
		log_error("access.log cannot be rotated, which is tried again: %s", strerror(-r));
		open_again(o);
	}
	tell_log(o);
}

/* ---- its life ---- */

/* To who asked by seq, and to all who asked before; seq 0: to all. */
static void give_samples(struct observer *o, uint32_t seq, uint32_t look)
{
	struct sample *s;

	while ((s = STAILQ_FIRST(&o->samples)) && (seq == 0 || (int32_t)(seq - s->seq) >= 0)) {
		STAILQ_REMOVE_HEAD(&o->samples, link);
		s->done(s->data, look);
		free(s);
	}
	if (STAILQ_EMPTY(&o->samples))
		ev_timer_stop(o->d->loop, &o->late);
}

static void forget(struct observer *o)
{
	struct ev_loop *loop = o->d->loop;

	ev_io_stop(loop, &o->on_end);
	ev_io_stop(loop, &o->on_status);
	ev_io_stop(loop, &o->on_message);
	ev_timer_stop(loop, &o->timer);
	trp_close(&o->box.pidfd);
	trp_close(&o->box.status_fd);
	trp_close(&o->control);
	o->box.pid = 0;
	o->ready = false;
	o->logs_told = o->samples_asked = 0;
	give_samples(o, 0, 0);
}

static void on_retry(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	spawn(t->data);
}

static void retry_later(struct observer *o)
{
	if (!o->ready && o->has_cgroup)
		cgroup_no_births(&o->cgroup);
	forget(o);
	ev_timer_init(&o->timer, on_retry, o->delay, 0);
	o->timer.data = o;
	ev_timer_start(o->d->loop, &o->timer);
	o->delay = o->delay * 2 < RESPAWN_MAX ? o->delay * 2 : RESPAWN_MAX;
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct observer *o = w->data;
	char text[80];
	int status;

	(void)loop;
	(void)events;
	if (reap_status(o->box.pidfd, &status) <= 0)
		return;
	reap_text(status, text, sizeof(text));
	log_error("observer (pid %d) %s; starting another", o->box.pid, text);
	retry_later(o);
}

/* 1: understood */
static bool take_message(struct observer *o, const struct observer_msg *m)
{
	switch (m->type) {
	case OBSERVER_READY:
		if (o->ready)
			return false;
		o->ready = true;
		o->delay = RESPAWN_MIN;
		ev_timer_stop(o->d->loop, &o->timer);
		log_info("observer ready (pid %d)", o->box.pid);
		return true;
	case OBSERVER_FULL:
		if (o->logs_told == 0)
			return false;
		o->logs_told--;
		rotate(o);
		return true;
	case OBSERVER_SAMPLED:
		if (o->samples_asked == 0)
			return false;
		o->samples_asked--;
		if (m->seq)
			give_samples(o, m->seq, m->id);
		return true;
	default:
		return false;
	}
}

/* It is not trusted: anything but its few fixed-size messages, and it is replaced. */
static void on_message(struct ev_loop *loop, ev_io *w, int events)
{
	struct observer *o = w->data;
	struct observer_msg m;
	ssize_t n = trp_fd_recv(o->control, &m, sizeof(m), NULL, 0, MSG_DONTWAIT);

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n == sizeof(m) && m.magic == OBSERVER_MAGIC && take_message(o, &m))
		return;
	ev_io_stop(loop, w);
	if (n < 0)
		log_error("observer: nothing can be read of it: %s; replacing it", strerror((int)-n));
	else if (n > 0)
		log_error("observer: unexpected message of %zd bytes, type %u; replacing it", n, n == sizeof(m) ? (unsigned)m.type : 0);
	reap_kill(o->box.pidfd, SIGKILL);
}

static void on_status(struct ev_loop *loop, ev_io *w, int events)
{
	struct observer *o = w->data;
	struct sandbox_failure failure;
	ssize_t n = read(o->box.status_fd, &failure, sizeof(failure));
	char text[400];

	(void)events;
	if (n < 0)
		return;
	ev_io_stop(loop, w);
	if (n == sizeof(failure)) {
		sandbox_failure_text(&failure, text, sizeof(text));
		log_error("observer: %s", text);
	}
}

static void on_late(struct ev_loop *loop, ev_timer *t, int events)
{
	struct observer *o = t->data;

	(void)events;
	ev_invoke(loop, &o->on_message, EV_READ); /* if it is the daemon that had to wait */
	if (o->ready)
		return;
	log_error("observer (pid %d) is not ready in time; replacing it", o->box.pid);
	reap_kill(o->box.pidfd, SIGKILL);
}

/* A socket of the host's network that can be asked for TCP sockets, and is told of those that die if ends. */
static int open_netlink(bool ends)
{
	static const int groups[] = {SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY};
	const struct sockaddr_nl addr = {.nl_family = AF_NETLINK};
	const int bytes = ENDS_BYTES;
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	for (size_t i = 0; ends && i < TRP_ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])) < 0)
			return -errno;
	return trp_steal_fd(&fd);
}

static int spawn_box(struct observer *o, int their_end)
{
	static const char *const argv[] = {"trp-observer", NULL}, *const envp[] = {NULL};
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	cleanup_close int diag = open_netlink(false);
	struct sandbox_failure failure;
	char text[400];
	uint32_t base;
	int error = ids_get(o->d->ids, OBSERVER_IDS, &base);

	if (error < 0 || null < 0 || diag < 0)
		return error < 0 ? error : diag < 0 ? diag : -errno;
	const struct sandbox_fd fds[] = {{null, 0}, {null, 1}, {STDERR_FILENO, 2}, {their_end, OBSERVER_CONTROL_FD},
		{ledgers_fd(o->d->ledgers), OBSERVER_LEDGER_FD}, {ledgers_wake_fd(o->d->ledgers), OBSERVER_WAKE_FD},
		{o->live_fd, OBSERVER_LIVE_FD}, {o->ends_fd, OBSERVER_ENDS_FD}, {diag, OBSERVER_DIAG_FD}};
	/* whatever becomes of it, it fills no disk */
	const struct sandbox_rlimit limits[] = {{RLIMIT_NOFILE, 32}, {RLIMIT_CORE, SANDBOX_NO_CORE},
		{RLIMIT_FSIZE, o->d->config->access_log_size + FILE_SLACK}};
	struct sandbox_spec spec = {.name = "observer",
		.hostname = "observer",
		.uid_base = base,
		.uid_count = IDS_RANGE,
		.uid = 1,
		.gid = 1,
		.tmp_size = 65536,
		.argv = argv,
		.envp = envp,
		.exec_fd = o->exec_fd,
		.fds = fds,
		.n_fds = TRP_ARRAY_SIZE(fds),
		.rlimits = limits,
		.n_rlimits = TRP_ARRAY_SIZE(limits),
		.first_unprivileged_port = 1024,
		.cgroup = o->has_cgroup ? &o->cgroup : NULL,
		.seccomp = &o->seccomp,
		.landlock_optional = true};
	error = sandbox_spawn(&spec, &o->box, &failure);
	if (error < 0) {
		sandbox_failure_text(&failure, text, sizeof(text));
		log_error("observer: %s", text);
	}
	return error;
}

static void watch(struct observer *o)
{
	struct ev_loop *loop = o->d->loop;

	ev_io_init(&o->on_end, on_end, o->box.pidfd, EV_READ);
	ev_io_init(&o->on_status, on_status, o->box.status_fd, EV_READ);
	ev_io_init(&o->on_message, on_message, o->control, EV_READ);
	ev_timer_init(&o->timer, on_late, READY_SECONDS, 0);
	o->on_end.data = o->on_status.data = o->on_message.data = o->timer.data = o;
	ev_io_start(loop, &o->on_end);
	ev_io_start(loop, &o->on_status);
	ev_io_start(loop, &o->on_message);
	ev_timer_start(loop, &o->timer);
}

static int spawn(struct observer *o)
{
	int pair[2], size = SNDBUF, error;

	error = trp_fd_pair(pair);
	if (error == 0) {
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
		error = spawn_box(o, pair[1]);
		close(pair[1]);
		if (error < 0)
			close(pair[0]);
	}
	if (error < 0) {
		log_error("observer: cannot be started: %s", strerror(-error));
		retry_later(o);
		return error;
	}
	o->control = pair[0];
	watch(o);
	for (size_t i = 0; i < o->d->n_listeners; i++)
		observer_listener(o, i);
	for (const struct service *s = o->d->services; s; s = s->next)
		observer_service(o, s);
	tell_log(o);
	observer_slots(o);
	return 0;
}

static int open_live(struct observer *o)
{
	/* that of an earlier daemon: the connections of then live on */
	o->live_fd = keep_take(o->d->keep, OBSERVER_IDS, "live", 0);
	if (o->live_fd >= 0 && !trp_has_size(o->live_fd, sizeof(struct live))) {
		log_warn("the table of open connections is of another version: those of before are not known any more");
		trp_close(&o->live_fd);
	}
	if (o->live_fd < 0) {
		o->live_fd = memfd_create("trpsup-live", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (o->live_fd < 0 || ftruncate(o->live_fd, sizeof(struct live)) < 0 ||
			fcntl(o->live_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
			return -errno;
	}
	keep_put(o->d->keep, OBSERVER_IDS, "live", 0, o->live_fd);
	o->live = mmap(NULL, sizeof(struct live), PROT_READ | PROT_WRITE, MAP_SHARED, o->live_fd, 0);
	if (o->live == MAP_FAILED) {
		o->live = NULL;
		return -errno;
	}
	return 0;
}

/* What it was told between two daemons is still to be read there. */
static int open_ends(struct observer *o)
{
	o->ends_fd = keep_take(o->d->keep, OBSERVER_IDS, "ends", 0);
	if (o->ends_fd < 0)
		o->ends_fd = open_netlink(true);
	if (o->ends_fd >= 0)
		keep_put(o->d->keep, OBSERVER_IDS, "ends", 0, o->ends_fd);
	return o->ends_fd;
}

static int open_file(struct observer *o)
{
	const struct config *c = o->d->config;
	cleanup_close int dir = -1;
	int r;

	o->lines = c->access_log == ACCESS_LOG_TEXT || c->access_log == ACCESS_LOG_JSON;
	if (!o->lines)
		return 0;
	dir = open(c->log_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = logfile_init(&o->file, dir, "access", c->access_log_size, (unsigned)c->access_log_files);
	if (r == 0)
		trp_steal_fd(&dir);
	return r;
}

static int open_all(struct observer *o, char *err, size_t err_size)
{
	static const char *const words[] = {"@default", "seccomp"};
	struct cgroup_limits limits = CGROUP_NO_LIMITS;
	int r = open_live(o);

	if (r == 0)
		r = open_ends(o);
	if (r >= 0)
		r = o->exec_fd = daemon_open_program("trp-observer");
	if (r >= 0)
		r = seccomp_compile(words, TRP_ARRAY_SIZE(words), &o->seccomp);
	if (r >= 0)
		r = open_file(o);
	if (r < 0) {
		snprintf(err, err_size, "trp-observer: %s", strerror(-r));
		return r;
	}
	if (o->d->cgroups) {
		r = cgroup_create(o->d->cgroups, OBSERVER_IDS, &limits, &o->cgroup, err, err_size);
		if (cgroup_is_shortage(r)) /* an earlier daemon's may be there still, and would go on beside ours */
			return r;
		o->has_cgroup = r == 0;
		if (!o->has_cgroup)
			log_error("observer: %s", err);
	}
	return 0;
}

static void on_sample_late(struct ev_loop *loop, ev_timer *t, int events)
{
	struct observer *o = t->data;

	(void)loop;
	(void)events;
	give_samples(o, 0, 0);
}

int observer_open(struct daemon *d, struct observer **ret, char *err, size_t err_size)
{
	struct observer *o;
	int r;

	*ret = NULL;
	if (d->config->access_log == ACCESS_LOG_NO)
		return 0;
	o = calloc(1, sizeof(*o));
	if (!o) {
		snprintf(err, err_size, "trp-observer: out of memory");
		return -ENOMEM;
	}
	o->d = d;
	o->delay = RESPAWN_MIN;
	o->file.fd = o->file.dir_fd = -1;
	o->exec_fd = o->live_fd = o->ends_fd = o->control = o->box.pidfd = o->box.status_fd = -1;
	STAILQ_INIT(&o->samples);
	ev_timer_init(&o->late, on_sample_late, SAMPLE_SECONDS, 0);
	o->late.data = o;
	r = open_all(o, err, err_size);
	if (r < 0) {
		observer_close(o);
		return r;
	}
	ledgers_record(d->ledgers, true);
	*ret = o;
	spawn(o); /* or later: nothing but its lines depends on it */
	return 0;
}

void observer_close(struct observer *o)
{
	int status;

	if (!o)
		return;
	/* what it has not written yet */
	if (o->box.pid)
		reap_kill(o->box.pidfd, SIGTERM);
	for (int ms = 0; o->box.pid; ms++) {
		if (ms == 1000)
			reap_kill(o->box.pidfd, SIGKILL);
		if (reap_status(o->box.pidfd, &status) != 0)
			break;
		trp_sleep_ms(1);
	}
	forget(o);
	if (o->has_cgroup)
		cgroup_remove(o->d->cgroups, &o->cgroup, 1000);
	if (o->live)
		munmap(o->live, sizeof(struct live));
	if (o->lines)
		logfile_free(&o->file);
	seccomp_filter_free(&o->seccomp);
	trp_close(&o->exec_fd);
	trp_close(&o->live_fd);
	trp_close(&o->ends_fd);
	free(o);
}

pid_t observer_pid(const struct observer *o)
{
	return o ? o->box.pid : 0;
}

/* ---- what it knows ---- */

int observer_live_fd(const struct observer *o)
{
	return o ? o->live_fd : -1;
}

uint64_t observer_live(const struct observer *o, uint32_t number)
{
	return o && number > 0 && number < LEDGER_SERVICES ? __atomic_load_n(&o->live->by_service[number], __ATOMIC_RELAXED) : UINT64_MAX;
}

void observer_sample(struct observer *o, void (*done)(void *data, uint32_t look), void *data)
{
	struct observer_msg m = {.type = OBSERVER_SAMPLE};
	struct sample *s = o && o->ready ? calloc(1, sizeof(*s)) : NULL;

	if (!s) {
		done(data, 0);
		return;
	}
	m.seq = ++o->seq ? o->seq : ++o->seq;
	*s = (struct sample){.seq = m.seq, .done = done, .data = data};
	STAILQ_INSERT_TAIL(&o->samples, s, link);
	if (!ev_is_active(&o->late)) {
		ev_timer_set(&o->late, SAMPLE_SECONDS, 0);
		ev_timer_start(o->d->loop, &o->late);
	}
	o->samples_asked++;
	send_msg(o, &m, -1);
}

bool observer_next(const struct observer *o, uint32_t look, uint32_t *at, struct live_entry *ret)
{
	uint32_t n = __atomic_load_n(&o->live->n_touched, __ATOMIC_RELAXED);

	for (; *at < n && *at < LIVE_MAX; ++*at) {
		const struct live_entry *e = &o->live->entries[*at];
		uint64_t cookie = __atomic_load_n(&e->cookie, __ATOMIC_ACQUIRE);
		if (cookie == 0)
			continue;
		memcpy(ret, e, sizeof(*ret));
		/* it may have been given to another connection meanwhile; the copy is what is checked */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&e->cookie, __ATOMIC_RELAXED) != cookie || ret->cookie != cookie || (int32_t)(ret->sampled - look) < 0)
			continue;
		if (ret->name_len > TRP_HANDOFF_NAME_MAX || ret->protocol >= TRP_PROTO_COUNT ||
			ret->service >= LEDGER_SERVICES || ret->local.family != AF_INET6 || ret->remote.family != AF_INET6 || ret->peer.family != AF_INET6)
			continue;
		ret->name[ret->name_len] = '\0';
		++*at;
		return true;
	}
	return false;
}

void observer_mark_kicked(struct observer *o, uint32_t at, uint64_t cookie)
{
	if (at < LIVE_MAX && o->live->entries[at].cookie == cookie)
		o->live->entries[at].kicked = 1;
}
