/* SPDX-License-Identifier: ISC */
/* trpsupd: the daemon. Reads profiles, makes listeners, starts the router and the services, answers the control socket. Never reads
 * a byte that came from a client. */
#include "base/io.h"
#include "base/log.h"
#include "supervisor/daemon.h"
#include "supervisor/load.h"
#include "supervisor/service.h"
#include "supervisor/verbs.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SWEEP_SECONDS 0.05
#define LISTENERS_MAX 256 /* the router's own bound */

/* sd_notify(3): tells who started us that all is up. */
static void tell_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int fd = -1;
	size_t len;

	if (!path || (path[0] != '/' && path[0] != '@'))
		return;
	len = strlen(path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	if (sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warn("NOTIFY_SOCKET: %m");
}

static bool any_active(const struct daemon *d)
{
	for (const struct service *s = d->services; s; s = s->next)
		if (service_is_active(s))
			return true;
	return false;
}

/* Runs only while something has to be released that was busy, or while the daemon stops. */
static void on_sweep(struct ev_loop *loop, ev_timer *t, int events)
{
	struct daemon *d = t->data;
	bool clean = true;

	(void)events;
	for (struct service *s = d->services; s; s = s->next)
		clean &= service_sweep(s);
	if (d->stopping && clean && !any_active(d))
		ev_break(loop, EVBREAK_ALL);
	if (clean && !d->stopping)
		ev_timer_stop(loop, t);
}

static void stop_all(struct daemon *d)
{
	bool again = d->stopping;

	d->stopping = true;
	ev_timer_start(d->loop, &d->sweep);
	for (struct service *s = d->services, *next; s; s = next) {
		next = s->next;
		if (!service_is_active(s))
			continue;
		if (!again) {
			service_stop(s);
			continue;
		}
		service_event(s, EVENT_STOP);
		if (s->run.running)
			service_event(s, EVENT_TIMEOUT);
	}
}

static void on_stop_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	struct daemon *d = w->data;

	(void)loop;
	(void)events;
	log_info(d->stopping ? "stopping at once" : "stopping");
	stop_all(d);
}

static void on_hangup(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)loop;
	(void)w;
	(void)events;
	log_warn("SIGHUP: profiles are read when a service is started or restarted; nothing to do");
}

static void watch_signal(struct daemon *d, ev_signal *w, int signo, void (*callback)(struct ev_loop *, ev_signal *, int))
{
	ev_signal_init(w, callback, signo);
	w->data = d;
	ev_signal_start(d->loop, w);
}

/* Directories, and the lock that keeps a second daemon away from them. The descriptor stays open for our life. */
static int open_directories(const struct config *c)
{
	const struct {
		const char *path;
		mode_t mode;
	} dirs[] = {{c->run_dir, 0755}, {c->state_dir, 0700}, {c->log_dir, 0750}};
	cleanup_free char *lock = trp_asprintf("%s/lock", c->run_dir);
	int fd;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(dirs); i++) {
		int r = trp_mkdir_p(dirs[i].path, dirs[i].mode);
		if (r < 0) {
			log_error("%s: %s", dirs[i].path, strerror(-r));
			return r;
		}
	}
	fd = lock ? open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			log_error("another trpsupd runs on %s", c->run_dir);
		else
			log_error("%s: %m", lock);
		return -errno;
	}
	return 0;
}

static int open_listeners(struct daemon *d)
{
	const struct config *c = d->config;
	char err[300];

	if (c->n_listeners > LISTENERS_MAX) {
		log_error("%s: %zu listeners, at most %d", c->file, c->n_listeners, LISTENERS_MAX);
		return -E2BIG;
	}
	d->listeners = calloc(c->n_listeners + 1, sizeof(*d->listeners));
	if (!d->listeners)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_listeners; i++) {
		int r = listener_open(c->listeners[i].name, c->listeners[i].port, d->cgroup_dir, &d->listeners[i], err,
			sizeof(err));
		if (r < 0) {
			log_error("%s:%u: %s", c->listeners[i].where.file ? c->listeners[i].where.file : "default",
				c->listeners[i].where.line, err);
			return r;
		}
		d->n_listeners++;
	}
	return 0;
}

/* What a daemon that was killed has left: processes in our groups, mounts of published directories. */
static void clear_leftover(void *data, const char *service)
{
	struct daemon *d = data;
	cleanup_free char *publish = prepare_publish_dir(d, service);

	if (d->cgroups && cgroup_clear(d->cgroups, service) > 0)
		log_warn("%s: ended what was left of it by an earlier daemon", service);
	if (publish)
		umount2(publish, MNT_DETACH | UMOUNT_NOFOLLOW);
}

static int open_host(struct daemon *d)
{
	const struct config *c = d->config;
	char err[300] = "";
	int r;

	r = ids_open(c->state_dir, c->uid_base, c->uid_ranges, &d->ids, err, sizeof(err));
	if (r < 0) {
		log_error("%s/%s", c->state_dir, err);
		return r;
	}
	r = cgroup_host_open(c->cgroup, &d->cgroups, err, sizeof(err));
	if (r < 0)
		log_warn("no control groups: %s; services that do not allow that will not start", err);
	d->cgroup_dir = d->cgroups ? cgroup_host_v2_fd(d->cgroups) : -1;
	ids_each(d->ids, clear_leftover, d);
	return images_open(d->loop, c->state_dir, c->log_dir, &d->images);
}

static int open_all(struct daemon *d)
{
	cleanup_free char *socket_path = trp_asprintf("%s/control", d->config->run_dir);
	const struct control_verb *verbs;
	size_t n_verbs;
	char err[300];
	int r = socket_path ? open_directories(d->config) : -ENOMEM;

	if (r == 0)
		r = open_host(d);
	if (r == 0)
		r = open_listeners(d);
	if (r < 0)
		return r;
	d->init_exec_fd = daemon_open_program("trp-init");
	if (d->init_exec_fd < 0)
		return d->init_exec_fd;
	r = routerproc_open(d, route_resync, &d->router, err, sizeof(err));
	if (r < 0) {
		log_error("%s", err);
		return r;
	}
	verbs = verbs_table(&n_verbs);
	r = control_open(d->loop, socket_path, verbs, n_verbs, d, &d->control);
	if (r < 0)
		log_error("%s: %s", socket_path, strerror(-r));
	return r;
}

static void close_all(struct daemon *d)
{
	if (d->control)
		control_close(d->control);
	while (d->services)
		service_free(d->services);
	share_free(d);
	routerproc_close(d->router);
	images_close(d->images);
	for (size_t i = 0; i < d->n_listeners; i++)
		listener_close(&d->listeners[i], d->cgroup_dir);
	free(d->listeners);
	ids_close(d->ids);
	cgroup_host_free(d->cgroups);
	trp_close(&d->init_exec_fd);
}

static void start_configured(struct daemon *d)
{
	for (size_t i = 0; i < d->config->start.n; i++) {
		struct profile_errors errors = {0};
		struct service *s;
		int r = load_service(d, d->config->start.v[i], false, &s, &errors);
		for (size_t e = 0; e < errors.n; e++)
			log_error("%s", errors.v[e]);
		profile_errors_free(&errors);
		if (r < 0)
			continue;
		s->wanted = true;
		service_event(s, EVENT_START);
	}
}

static int run(const char *config_path)
{
	struct daemon d = {.init_exec_fd = -1, .cgroup_dir = -1, .started = ev_time()};
	struct profile_errors errors = {0};
	int r = config_load(config_path, &d.config, &errors);

	for (size_t i = 0; i < errors.n; i++)
		log_error("%s", errors.v[i]);
	profile_errors_free(&errors);
	if (r < 0)
		return r;
	/* not the default loop: that one reaps every child by itself, and ours are reaped by pidfd */
	d.loop = ev_loop_new(EVFLAG_AUTO);
	if (!d.loop)
		log_fatal("event loop: %m");
	config_profile_paths(d.config, &d.paths);
	ev_timer_init(&d.sweep, on_sweep, SWEEP_SECONDS, SWEEP_SECONDS);
	d.sweep.data = &d;
	r = open_all(&d);
	if (r == 0) {
		watch_signal(&d, &d.on_term, SIGTERM, on_stop_signal);
		watch_signal(&d, &d.on_int, SIGINT, on_stop_signal);
		watch_signal(&d, &d.on_hup, SIGHUP, on_hangup);
		tell_ready();
		log_info("trpsup " TRP_VERSION " ready");
		start_configured(&d);
		ev_run(d.loop, 0);
	}
	close_all(&d);
	config_free(d.config);
	ev_loop_destroy(d.loop);
	return r;
}

/* Each service takes some twenty descriptors: the usual soft limit of 1024 would do for fifty. */
static void raise_descriptors(void)
{
	struct rlimit nofile;

	if (getrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return;
	nofile.rlim_cur = nofile.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &nofile) < 0)
		log_warn("RLIMIT_NOFILE: %m");
}

static int usage(FILE *to, int code)
{
	fprintf(to, "usage: trpsupd [-c FILE] [-v] [--version]\n"
		    "  -c FILE    configuration (default /etc/trpsup/trpsup.conf)\n"
		    "  -v         say more\n");
	return code;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *config = NULL;
	int c;

	log_init("trpsupd", LOG_LEVEL_INFO);
	while ((c = getopt_long(argc, argv, "c:vVh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 'v':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'V':
			puts("trpsupd " TRP_VERSION);
			return 0;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	}
	if (optind < argc)
		return usage(stderr, 2);
	if (geteuid() != 0)
		log_fatal("must be started by root");
	umask(0022);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	return run(config) < 0 ? 1 : 0;
}
