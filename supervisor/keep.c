/* SPDX-License-Identifier: ISC */
#include "supervisor/keep.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/daemon.h"
#include "supervisor/helper.h"
#include "supervisor/keeptable.h"
#include "supervisor/reap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define KEEPER_IDS   "@keeper" /* its own range: no service can have this name */
#define SNDBUF       (1 << 20)
#define WAIT_SECONDS 5 /* for a keeper that does not read, or does not answer */
#define STEADY_MS    1000 /* one that has lived for so long is replaced at once, others after a while, */
#define AGAIN_MIN    0.1  /* seconds, */
#define AGAIN_MAX    10.0 /* twice as many each time */

struct keep {
	struct daemon *d;
	char *path;
	int sock; /* -1: there is no keeper */
	ev_io on_end;
	pid_t pid; /* 0: not known */
	int pidfd;
	bool found;
	uint64_t started_ms;
	double delay;
	ev_timer again;
	struct cgroup cgroup;
	bool has_cgroup;
	struct keep_table table; /* what was never used of it takes no memory */
};

static int start(struct keep *k);

static struct keep_key make_key(const char *owner, const char *what, uint32_t number)
{
	struct keep_key key = {.number = number};

	snprintf(key.owner, sizeof(key.owner), "%s", owner);
	snprintf(key.what, sizeof(key.what), "%s", what);
	return key;
}

static int address(const struct keep *k, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(k->path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret->sun_path, k->path);
	return 0;
}

/* Only root's socket is believed; the directory is root's, too. */
static int connect_keeper(struct keep *k)
{
	const struct timeval patience = {.tv_sec = WAIT_SECONDS};
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int bytes = SNDBUF, r = address(k, &a);

	if (r < 0 || fd < 0)
		return r < 0 ? r : -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (cred.uid != geteuid())
		return -EPERM;
	k->sock = trp_steal_fd(&fd);
	return 0;
}

static int say(struct keep *k, enum keep_type type, const struct keep_key *key, int fd)
{
	struct keep_msg m = {.magic = KEEP_MAGIC, .type = type};

	if (key)
		m.key = *key;
	return trp_fd_send(k->sock, &m, sizeof(m), &fd, fd >= 0 ? 1 : 0, 0);
}

static void stop_watching(struct keep *k)
{
	ev_io_stop(k->d->loop, &k->on_end);
	trp_close(&k->sock);
}

static void reap(struct keep *k)
{
	helper_end(k->pid, k->pidfd);
	k->pid = 0;
	keep_drop(k, KEEPER_IDS, "process", 0);
	trp_close(&k->pidfd);
}

static void later(struct keep *k)
{
	const double twice = k->delay * 2 < AGAIN_MAX ? k->delay * 2 : AGAIN_MAX;

	k->delay = k->delay > 0. ? twice : AGAIN_MIN;
	ev_timer_stop(k->d->loop, &k->again);
	ev_timer_set(&k->again, k->delay, 0.);
	ev_timer_start(k->d->loop, &k->again);
}

static void start_another(struct keep *k)
{
	int r = start(k);

	for (size_t i = 0; i < k->table.n && r == 0; i++)
		r = say(k, KEEP_PUT, &k->table.items[i].key, k->table.items[i].fd);
	if (r == 0)
		return;
	log_error("trp-keeper: %s; what runs will not survive the daemon until there is one", strerror(-r));
	stop_watching(k);
	reap(k);
	later(k);
}

static void on_again(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	start_another(t->data);
}

/* What the daemon has is all still open: another keeper gets it. Without one the daemon goes on, only that it must not be killed. */
static void replace(struct keep *k)
{
	const bool steady = trp_now_ms() - k->started_ms >= STEADY_MS;

	stop_watching(k);
	reap(k);
	log_error("trp-keeper is gone; starting another");
	if (!steady) {
		later(k);
		return;
	}
	k->delay = 0.;
	start_another(k);
}

static void on_end(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop;
	(void)events;
	replace(w->data); /* it says nothing but when it is asked */
}

static void tell(struct keep *k, enum keep_type type, const struct keep_key *key, int fd)
{
	if (k->sock >= 0 && say(k, type, key, fd) < 0)
		replace(k);
}

static void watch(struct keep *k)
{
	ev_io_init(&k->on_end, on_end, k->sock, EV_READ);
	k->on_end.data = k;
	ev_io_start(k->d->loop, &k->on_end);
}

static int listen_at(struct keep *k, int *ret)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;
	mode_t mask;
	int r = address(k, &a);

	if (r < 0 || fd < 0)
		return r < 0 ? r : -errno;
	unlink(k->path); /* we hold the lock of this directory, and nobody answered there */
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0)
		*ret = trp_steal_fd(&fd);
	return r;
}

static int start(struct keep *k)
{
	cleanup_close int sock = -1;
	char id[16];
	uint32_t base;
	int r = ids_get(k->d->ids, KEEPER_IDS, &base);

	k->started_ms = trp_now_ms();
	if (r == 0)
		r = listen_at(k, &sock);
	if (r < 0)
		return r;
	snprintf(id, sizeof(id), "%u", base + 1);
	r = helper_start("trp-keeper", id, (const int[]){STDERR_FILENO, sock}, 2, &k->pid, &k->pidfd);
	if (r == 0 && k->has_cgroup)
		r = cgroup_attach(&k->cgroup, k->pid);
	if (r == 0)
		r = connect_keeper(k);
	if (r < 0)
		return r;
	watch(k);
	keep_put(k, KEEPER_IDS, "process", 0, k->pidfd); /* it has itself: the next daemon is to know when it ends */
	return 0;
}

/* A message that was cut off is one whose descriptor found no room, if there is none. */
static int is_there_room(void)
{
	cleanup_close int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : 0;
}

static int fetch(struct keep *k)
{
	int r = say(k, KEEP_FETCH, NULL, -1);

	while (r == 0) {
		struct keep_msg m;
		struct keep_item *i = NULL;
		size_t n_fds = 0;
		int fd = -1;
		ssize_t n = trp_fd_recv_upto(k->sock, &m, sizeof(m), &fd, 1, &n_fds, 0);
		if (n == -EMSGSIZE && (r = is_there_room()) < 0)
			return r;
		if (n < 0)
			return (int)n;
		if (n == sizeof(m) && m.magic == KEEP_MAGIC && m.type == KEEP_DONE && n_fds == 0)
			return 0;
		m.key.owner[sizeof(m.key.owner) - 1] = m.key.what[sizeof(m.key.what) - 1] = '\0';
		if (n == sizeof(m) && m.magic == KEEP_MAGIC && m.type == KEEP_ITEM && n_fds == 1 && !keep_table_find(&k->table, &m.key))
			i = keep_table_add(&k->table, &m.key, fd);
		if (!i) {
			trp_close(&fd);
			return -EBADMSG;
		}
		i->untaken = true;
	}
	return r;
}

static void free_keep(struct keep *k)
{
	stop_watching(k);
	ev_timer_stop(k->d->loop, &k->again);
	trp_close(&k->pidfd);
	free(k->path);
	free(k);
}

static int open_group(struct keep *k, bool adopt)
{
	struct cgroup_limits limits = CGROUP_NO_LIMITS;
	char err[200] = "";
	int r = 0;

	if (!k->d->cgroups)
		return 0;
	r = adopt ? cgroup_adopt(k->d->cgroups, KEEPER_IDS, &k->cgroup)
		  : cgroup_create(k->d->cgroups, KEEPER_IDS, &limits, &k->cgroup, err, sizeof(err));
	k->has_cgroup = r == 0;
	if (r < 0)
		log_warn("trp-keeper is in no control group of ours: %s", adopt ? strerror(-r) : err);
	return r;
}

static int find_or_start(struct keep *k)
{
	int r = connect_keeper(k);

	if (r == 0)
		r = fetch(k);
	if (trp_is_shortage(r)) { /* it goes on having what it has: for a daemon that has room for it */
		trp_close(&k->sock);
		keep_let_go_rest(k, NULL);
		return r;
	}
	if (r == 0 && !keep_has(k, KEEPER_IDS, "process", 0)) {
		/* its daemon was killed before the first word, perhaps before it was put into our group: nothing is lost with it */
		say(k, KEEP_FINISH, NULL, -1);
		r = -ENODATA;
	}
	if (r == 0) {
		open_group(k, true);
		watch(k);
		k->pidfd = keep_take(k, KEEPER_IDS, "process", 0);
		k->pid = k->pidfd < 0 ? 0 : reap_pid(k->pidfd);
		k->found = true;
		return 0;
	}
	if (k->sock >= 0) {
		log_error("trp-keeper does not answer as it should: %s; starting another", strerror(-r));
		trp_close(&k->sock); /* it is told nothing more */
		keep_let_go_rest(k, NULL);
	}
	r = open_group(k, false); /* ends what is in it */
	return cgroup_is_shortage(r) ? r : start(k);
}

int keep_open(struct daemon *d, struct keep **ret)
{
	struct keep *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->d = d;
	k->sock = k->pidfd = -1;
	ev_timer_init(&k->again, on_again, 0., 0.);
	k->again.data = k;
	k->path = trp_asprintf("%s/keeper", d->config->run_dir);
	r = k->path ? find_or_start(k) : -ENOMEM;
	if (r < 0) {
		log_error("trp-keeper: %s%s", strerror(-r), r == -EMFILE ? ": raise RLIMIT_NOFILE of trpsupd" : "");
		free_keep(k);
		return r;
	}
	*ret = k;
	return 0;
}

bool keep_is_own_group(const char *name)
{
	return strcmp(name, KEEPER_IDS) == 0;
}

bool keep_works(const struct keep *k)
{
	return k && k->sock >= 0;
}

pid_t keep_pid(const struct keep *k)
{
	return k && k->pid > 0 ? k->pid : 0;
}

bool keep_found(const struct keep *k)
{
	return k && k->found;
}

void keep_close(struct keep *k)
{
	if (!k)
		return;
	if (k->sock >= 0)
		say(k, KEEP_FINISH, NULL, -1);
	stop_watching(k);
	unlink(k->path);
	reap(k);
	if (k->has_cgroup && cgroup_remove(k->d->cgroups, &k->cgroup, 1000) < 0) {
		cgroup_kill(&k->cgroup);
		cgroup_remove(k->d->cgroups, &k->cgroup, 1000);
	}
	free_keep(k);
}

void keep_put(struct keep *k, const char *owner, const char *what, uint32_t number, int fd)
{
	struct keep_key key = make_key(owner, what, number);
	struct keep_item *i;

	if (!k)
		return;
	if (fd < 0) {
		keep_drop(k, owner, what, number);
		return;
	}
	i = keep_table_find(&k->table, &key);
	if (i) {
		if (i->untaken) /* an earlier daemon's, which nobody wanted: ours is not to be closed with the rest of those */
			trp_close(&i->fd);
		i->untaken = false;
		i->fd = fd;
	} else if (!keep_table_add(&k->table, &key, fd)) {
		log_error("trp-keeper has no room for %s of %s, which will not survive the daemon", what, owner);
		return;
	}
	tell(k, KEEP_PUT, &key, fd);
}

static void remove_item(struct keep *k, struct keep_item *i)
{
	struct keep_key key = i->key;

	if (i->untaken)
		trp_close(&i->fd);
	keep_table_remove(&k->table, i);
	tell(k, KEEP_DROP, &key, -1);
}

static struct keep_item *find(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	struct keep_key key = make_key(owner, what, number);

	return k ? keep_table_find(&k->table, &key) : NULL;
}

void keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	struct keep_item *i = find(k, owner, what, number);

	if (i)
		remove_item(k, i);
}

void keep_drop_all(struct keep *k, const char *owner)
{
	struct keep_item *i;

	while (k && (i = keep_table_next_of(&k->table, owner, NULL)))
		remove_item(k, i);
}

void keep_drop_unwanted(struct keep *k, const char *what, bool (*wanted)(const void *data, const char *owner, uint32_t number), const void *data)
{
	for (size_t i = 0; k && i < k->table.n;) {
		const struct keep_key *key = &k->table.items[i].key;
		if (strcmp(key->what, what) == 0 && !wanted(data, key->owner, key->number))
			remove_item(k, &k->table.items[i]);
		else
			i++;
	}
}

static int take(struct keep_item *i)
{
	i->untaken = false;
	return i->fd;
}

int keep_take(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	struct keep_item *i = find(k, owner, what, number);

	return i && i->untaken ? take(i) : -1;
}

bool keep_has(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	return find(k, owner, what, number);
}

static bool is_left(const struct keep_item *i, const char *what, uint32_t *ret_number)
{
	if (!i->untaken || strcmp(i->key.what, what) != 0)
		return false;
	*ret_number = i->key.number;
	return true;
}

int keep_take_any(struct keep *k, const char *owner, const char *what, uint32_t *ret_number)
{
	struct keep_item *i = NULL;

	while (k && owner && (i = keep_table_next_of(&k->table, owner, i)))
		if (is_left(i, what, ret_number))
			return take(i);
	for (size_t n = 0; k && !owner && n < k->table.n; n++)
		if (is_left(&k->table.items[n], what, ret_number))
			return take(&k->table.items[n]);
	return -1;
}

/* A daemon that was killed between two words leaves a channel under two names, with one number. */
static bool has_another_name(const struct keep *k, const struct keep_item *item)
{
	for (size_t i = 0; i < k->table.n; i++) {
		const struct keep_item *o = &k->table.items[i];
		if (o != item && o->key.number == item->key.number && trp_same_file(o->fd, item->fd))
			return true;
	}
	return false;
}

void keep_let_go_rest(struct keep *k, void (*before)(const char *what, int fd))
{
	for (size_t i = 0; k && i < k->table.n;) {
		struct keep_item *item = &k->table.items[i];
		if (!item->untaken) {
			i++;
			continue;
		}
		if (before && !has_another_name(k, item))
			before(item->key.what, item->fd);
		remove_item(k, item);
	}
}
