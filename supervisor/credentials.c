/* SPDX-License-Identifier: ISC */
#include "supervisor/credentials.h"
#include "base/io.h"
#include "base/trusted.h"
#include "supervisor/helper.h"
#include "supervisor/reap.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define FS_SIZE (2 * CREDENTIALS_MAX) /* whole pages, and the directory */

static int fetch_next(struct service *s);

static void forget(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len);
	free(text);
}

static void stop_watching(struct service *s)
{
	struct credential_fetch *f = &s->fetch;

	ev_io_stop(s->d->loop, &f->on_out);
	ev_io_stop(s->d->loop, &f->on_end);
	ev_timer_stop(s->d->loop, &f->limit);
	trp_close(&f->out);
	trp_close(&f->pidfd);
	f->pid = 0;
}

static void forget_all(struct credential_fetch *f)
{
	forget(f->buffer, f->buffer ? CREDENTIAL_MAX + 1 : 0);
	for (size_t i = 0; i < f->n; i++)
		forget(f->texts[i], f->lens[i]);
	free(f->texts);
	free(f->lens);
	*f = (struct credential_fetch){.pidfd = -1, .out = -1};
}

void credentials_cancel(struct service *s)
{
	struct credential_fetch *f = &s->fetch;

	if (f->pid > 0) {
		kill(-f->pid, SIGKILL); /* its session: what it runs, too */
		helper_leave(s->d->loop, f->pidfd);
		f->pidfd = -1;
		stop_watching(s);
	}
	forget_all(f);
}

static const struct profile_credential *current(const struct service *s)
{
	return &s->profile->credentials[s->fetch.at];
}

static void fail(struct service *s, int error, const char *why)
{
	const struct profile_credential *c = current(s);

	s->fetch.error = error;
	snprintf(s->fetch.why, sizeof(s->fetch.why), "%s:%u: %s: %s: %.150s", c->where.file ? c->where.file : "", c->where.line,
		c->path ? "credential" : "credential-command", c->path ? c->path : c->command.v[0], why);
}

/* The one that ran has ended, and what it printed was read. */
static void ended(struct service *s, int status)
{
	struct credential_fetch *f = &s->fetch;
	char how[100];

	if (!f->error && status != 0) {
		reap_text(status, how, sizeof(how));
		fail(s, -EAGAIN, how);
	}
	stop_watching(s);
	if (!f->error) {
		f->texts[f->at] = malloc(f->filled + 1);
		f->lens[f->at] = f->filled;
		if (f->texts[f->at])
			memcpy(f->texts[f->at], f->buffer, f->filled);
		else
			fail(s, -ENOMEM, strerror(ENOMEM));
	}
	f->at++;
	if (f->error || fetch_next(s) <= 0)
		credentials_fetched(s);
}

/* Ends the one that runs; on_end() goes on. */
static void give_up(struct service *s, int error, const char *why)
{
	if (!s->fetch.error)
		fail(s, error, why);
	ev_io_stop(s->d->loop, &s->fetch.on_out);
	kill(-s->fetch.pid, SIGKILL);
	reap_kill(s->fetch.pidfd, SIGKILL);
}

static void read_some(struct service *s)
{
	struct credential_fetch *f = &s->fetch;
	ssize_t n = read(f->out, f->buffer + f->filled, CREDENTIAL_MAX + 1 - f->filled);

	if (n > 0)
		f->filled += (size_t)n;
	if (f->filled > CREDENTIAL_MAX)
		give_up(s, -EFBIG, "it prints more than 64 KiB");
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		ev_io_stop(s->d->loop, &f->on_out);
}

static void on_out(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop, (void)events;
	read_some(w->data);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	struct service *s = w->data;
	int status;

	(void)loop, (void)events;
	if (!reap_has_ended(s->fetch.pidfd))
		return;
	kill(-s->fetch.pid, SIGKILL); /* what it has left behind, while its number is still its own */
	if (reap_status(s->fetch.pidfd, &status) <= 0)
		return;
	while (ev_is_active(&s->fetch.on_out)) {
		size_t before = s->fetch.filled;
		read_some(s);
		if (s->fetch.filled == before)
			break;
	}
	ended(s, status);
}

static void on_limit(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop, (void)events;
	give_up(t->data, -EAGAIN, "it has not ended within start-timeout");
}

static int run(struct service *s, const struct profile_credential *c)
{
	cleanup_free char *service = trp_asprintf("TRP_SERVICE=%s", s->name), *name = trp_asprintf("CREDENTIAL=%s", c->name);
	char *const envp[] = {(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C.UTF-8", service, name,
		NULL};
	struct credential_fetch *f = &s->fetch;
	posix_spawn_file_actions_t files;
	cleanup_close int theirs = -1;
	int p[2], r;

	if (!service || !name)
		return -ENOMEM;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	f->out = p[0];
	theirs = p[1];
	r = trp_set_nonblock(f->out, true);
	posix_spawn_file_actions_init(&files);
	if (r == 0)
		r = -posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = -posix_spawn_file_actions_adddup2(&files, theirs, 1);
	if (r == 0)
		r = helper_run(c->command.v[0], c->command.v, envp, &files, &f->pid, &f->pidfd);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

static int start_one(struct service *s)
{
	const struct profile_credential *c = current(s);
	struct credential_fetch *f = &s->fetch;
	struct ev_loop *loop = s->d->loop;
	char why[200];
	int r = trp_open_trusted(c->command.v[0], why, sizeof(why));

	if (r < 0) {
		fail(s, r, why);
		return r;
	}
	close(r);
	f->filled = 0;
	r = run(s, c);
	if (r < 0) {
		trp_close(&f->out);
		fail(s, r, strerror(-r));
		return r;
	}
	ev_io_init(&f->on_out, on_out, f->out, EV_READ);
	ev_io_init(&f->on_end, on_end, f->pidfd, EV_READ);
	ev_timer_init(&f->limit, on_limit, (double)s->profile->start_timeout_ms / 1000.0, 0.);
	f->on_out.data = f->on_end.data = f->limit.data = s;
	ev_io_start(loop, &f->on_out);
	ev_io_start(loop, &f->on_end);
	ev_timer_start(loop, &f->limit);
	return 0;
}

/* 1: the next one runs; 0: there is none; -errno: it cannot, which is noted. */
static int fetch_next(struct service *s)
{
	struct credential_fetch *f = &s->fetch;

	while (f->at < f->n && s->profile->credentials[f->at].path)
		f->at++;
	if (f->at == f->n)
		return 0;
	return start_one(s) < 0 ? f->error : 1;
}

bool credentials_fetch(struct service *s)
{
	struct credential_fetch *f = &s->fetch;
	size_t n = s->profile->n_credentials;

	credentials_cancel(s);
	if (n == 0)
		return false;
	f->texts = calloc(n, sizeof(*f->texts));
	f->lens = calloc(n, sizeof(*f->lens));
	f->buffer = malloc(CREDENTIAL_MAX + 1);
	if (!f->texts || !f->lens || !f->buffer) {
		fail(s, -ENOMEM, strerror(ENOMEM));
		return false;
	}
	f->n = n;
	return fetch_next(s) > 0;
}

static int set_flag(int fs, const char *flag)
{
	return fsconfig(fs, FSCONFIG_SET_FLAG, flag, NULL, 0) < 0 ? -errno : 0;
}

/* noswap is of Linux 6.4, and not in a user namespace's reach: so the daemon makes it, not the child. */
static int make_fs(void)
{
	for (int swap = 0; swap < 2; swap++) {
		cleanup_close int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
		int mnt;
		if (fs < 0)
			return -errno;
		if (fsconfig(fs, FSCONFIG_SET_STRING, "size", TRP_STR(2097152), 0) < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "64", 0) < 0 ||
			fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0500", 0) < 0)
			return -errno;
		if (!swap && set_flag(fs, "noswap") < 0)
			continue;
		if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
			return -errno;
		mnt = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		return mnt < 0 ? -errno : mnt;
	}
	return -EINVAL;
}
_Static_assert(FS_SIZE == 2097152, "as make_fs() has it");

static int write_one(int dir, const char *name, const char *text, size_t len, uid_t uid, gid_t gid)
{
	cleanup_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	int r = fd < 0 ? -errno : trp_write_all(fd, text, len);

	if (r == 0 && (fchown(fd, uid, gid) < 0 || fchmod(fd, 0400) < 0))
		r = -errno;
	return r;
}

/* Straight from the file to the tmpfs: nothing of it stays in memory that was not ours to forget. */
static int copy_file(struct service *s, int dir, const struct profile_credential *c, uid_t uid, gid_t gid, size_t *total)
{
	struct credential_fetch *f = &s->fetch;
	char why[200];
	cleanup_close int fd = trp_open_trusted(c->path, why, sizeof(why));
	struct stat st;
	ssize_t n = 1;
	int r;

	f->filled = 0;
	if (fd < 0) {
		fail(s, fd, why);
		return fd;
	}
	if (fstat(fd, &st) == 0 && (st.st_mode & S_IROTH))
		logs_note(s->logs, "credential %s: %s can be read by all of this host", c->name, c->path);
	while (n > 0 && f->filled <= CREDENTIAL_MAX) {
		n = read(fd, f->buffer + f->filled, CREDENTIAL_MAX + 1 - f->filled);
		f->filled += n > 0 ? (size_t)n : 0;
	}
	r = n < 0 ? -errno : f->filled > CREDENTIAL_MAX ? -EFBIG : write_one(dir, c->name, f->buffer, f->filled, uid, gid);
	if (r < 0)
		fail(s, r, r == -EFBIG ? "larger than 64 KiB" : strerror(-r));
	*total += f->filled;
	return r;
}

static int fill(struct service *s, int dir, uid_t uid, gid_t gid)
{
	struct credential_fetch *f = &s->fetch;
	size_t total = 0;
	int r = 0;

	for (f->at = 0; f->at < f->n && r == 0; f->at++) {
		const struct profile_credential *c = current(s);
		if (c->path) {
			r = copy_file(s, dir, c, uid, gid, &total);
		} else {
			r = write_one(dir, c->name, f->texts[f->at], f->lens[f->at], uid, gid);
			total += f->lens[f->at];
			if (r < 0)
				fail(s, r, strerror(-r));
		}
		if (r == 0 && total > CREDENTIALS_MAX) {
			r = -EFBIG;
			fail(s, r, "all of them together have more than 1 MiB");
		}
	}
	return r;
}

int credentials_mount(struct service *s, uid_t uid, gid_t gid, int *ret_tree)
{
	cleanup_close int tree = s->fetch.error ? -1 : make_fs();
	int r = s->fetch.error ? s->fetch.error : tree < 0 ? tree : 0;

	if (r == 0)
		r = fill(s, tree, uid, gid);
	if (r == 0 && fchownat(tree, "", uid, gid, AT_EMPTY_PATH) < 0)
		r = -errno;
	if (r < 0 && s->fetch.why[0])
		snprintf(s->message, sizeof(s->message), "%s", s->fetch.why);
	else if (r < 0)
		snprintf(s->message, sizeof(s->message), "the files of its credentials cannot be made: %s", strerror(-r));
	credentials_cancel(s);
	if (r == 0)
		*ret_tree = trp_steal_fd(&tree);
	return r;
}
