/* SPDX-License-Identifier: ISC */
/* trpsupd: the daemon. Reads profiles, makes listeners, starts the router and the services, answers the control socket. Never reads
 * a byte that came from a client. */
#include "base/io.h"
#include "base/log.h"
#include "sandbox/obstacle.h"
#include "supervisor/adopt.h"
#include "supervisor/ahead.h"
#include "supervisor/daemon.h"
#include "supervisor/depend.h"
#include "supervisor/enable.h"
#include "supervisor/exec.h"
#include "supervisor/inherit.h"
#include "supervisor/group.h"
#include "supervisor/keep.h"
#include "supervisor/load.h"
#include "supervisor/logger.h"
#include "supervisor/manager.h"
#include "supervisor/observer.h"
#include "supervisor/oom.h"
#include "supervisor/pid1.h"
#include "supervisor/privilege.h"
#include "supervisor/record.h"
#include "supervisor/reload.h"
#include "supervisor/service.h"
#include "supervisor/statedisk.h"
#include "supervisor/strangers.h"
#include "supervisor/upgrade.h"
#include "supervisor/verbs.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRIES    200 /* of 10 ms */
#define SWEEP_SECONDS 0.05

static bool any_active(const struct daemon *d)
{
	for (const struct service *s = d->services; s; s = s->next)
		if (service_is_active(s) || s->beside)
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
	clean &= sdnotify_sweep(d);
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
		overlap_end(s);
		if (again && s->beside && s->beside->run.running)
			service_event(s->beside, EVENT_TIMEOUT);
		if (!service_is_active(s) && s->state != STATE_IDLE)
			continue;
		if (!again) {
			depend_stop(s);
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
	manager_stopping();
	stop_all(d);
}

static void on_hangup(struct ev_loop *loop, ev_signal *w, int events)
{
	struct profile_errors errors = {0};
	struct strv changes = {0};
	struct daemon *d = w->data;
	int r;

	(void)loop;
	(void)events;
	manager_reloading();
	r = reload_config(d, &changes, &errors);
	manager_ready();
	for (size_t i = 0; i < errors.n; i++)
		log_error("%s", errors.v[i]);
	if (r < 0)
		log_error("SIGHUP: %s; everything stays as it is", errors.n ? "the configuration is wrong" : strerror(-r));
	for (size_t i = 0; i < changes.n; i++)
		log_info("%s", changes.v[i]);
	if (r == 0)
		log_info("SIGHUP: configuration read, %zu changes", changes.n);
	profile_errors_free(&errors);
	strv_free(&changes);
}

static void on_upgrade_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)loop;
	(void)events;
	upgrade_begin(w->data, NULL, false);
}

static void watch_signal(struct daemon *d, ev_signal *w, int signo, void (*callback)(struct ev_loop *, ev_signal *, int))
{
	ev_signal_init(w, callback, signo);
	w->data = d;
	ev_signal_start(d->loop, w);
}

/* After an upgrade those that came meanwhile have waited, all blocked. */
static void watch_signals(struct daemon *d)
{
	sigset_t none;

	watch_signal(d, &d->on_term, SIGTERM, on_stop_signal);
	watch_signal(d, &d->on_int, SIGINT, on_stop_signal);
	watch_signal(d, &d->on_hup, SIGHUP, on_hangup);
	watch_signal(d, &d->on_usr2, SIGUSR2, on_upgrade_signal);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* That of the image before, if it is of the same file. */
static int open_lock(const struct daemon *d, const char *path)
{
	struct stat theirs, there;
	int fd = d->handover.lock;

	if (fd >= 0 && fstat(fd, &theirs) == 0 && stat(path, &there) == 0 && theirs.st_dev == there.st_dev && theirs.st_ino == there.st_ino)
		return fd;
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* A child that a killed daemon was just making has its descriptors, too, until it sees that nobody is there any more. */
static int take_lock(int fd)
{
	int r = flock(fd, LOCK_EX | LOCK_NB);

	for (int tries = 0; r < 0 && errno == EWOULDBLOCK && tries < LOCK_TRIES; tries++) {
		trp_sleep_ms(10);
		r = flock(fd, LOCK_EX | LOCK_NB);
	}
	return r;
}

/* Directories, and the lock that keeps a second daemon away from them. The descriptor stays open for our life. */
static int open_directories(struct daemon *d)
{
	const struct config *c = d->config;
	const struct {
		const char *path;
		mode_t mode;
	} dirs[] = {{c->run_dir, 0755}, {c->state_dir, 0700}, {c->log_dir, LOG_DIR_MODE}};
	cleanup_free char *lock = trp_asprintf("%s/lock", c->run_dir);

	for (size_t i = 0; i < TRP_ARRAY_SIZE(dirs); i++) {
		int r = trp_mkdir_p(dirs[i].path, dirs[i].mode);
		if (r < 0) {
			log_error("%s: %s", dirs[i].path, strerror(-r));
			return r;
		}
	}
	d->lock = lock ? open_lock(d, lock) : -1;
	if (d->lock < 0 || take_lock(d->lock) < 0) {
		if (errno == EWOULDBLOCK)
			log_error("another trpsupd runs on %s", c->run_dir);
		else
			log_error("%s: %m", lock);
		return -errno;
	}
	return 0;
}

/* Those that an earlier daemon had, as long as they are wanted. */
static int adopt_listeners(struct daemon *d)
{
	for (size_t i = 0; i < d->config->n_listeners; i++) {
		struct listener *l = &d->listeners[i];
		int r;
		l->fd = l->cgroup_fd = -1;
		r = listener_adopt(d->keep, &d->config->listeners[i], d->cgroup_dir, l);
		if (r < 0 && r != -ENOENT) {
			log_error("listeners of an earlier trpsupd: %s", strerror(-r));
			return r;
		}
		if (r == 0 && l->id > d->last_listener_id)
			d->last_listener_id = l->id;
	}
	listeners_end_rest(d->keep, d->cgroup_dir, d->listeners, d->config->n_listeners);
	return 0;
}

static int open_listeners(struct daemon *d)
{
	const struct config *c = d->config;
	cleanup_free char *unused = NULL;
	char err[300];
	int r;

	d->listeners = calloc(c->n_listeners + 1, sizeof(*d->listeners));
	if (!d->listeners)
		return -ENOMEM;
	r = adopt_listeners(d);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->n_listeners; i++) {
		r = d->listeners[i].fd >= 0 ? 0
					    : listener_open(&c->listeners[i], ++d->last_listener_id, d->cgroup_dir,
							  &d->listeners[i], err, sizeof(err));
		if (r < 0) {
			log_error("%s:%u: %s", c->listeners[i].where.file ? c->listeners[i].where.file : "default",
				c->listeners[i].where.line, err);
			return r;
		}
		d->n_listeners++;
	}
	listeners_redirect(c, d->listeners);
	listeners_keep(d->keep, c, d->listeners, d->n_listeners);
	unused = inherit_unused(c);
	if (unused && *unused)
		log_warn("of the sockets that were passed (LISTEN_FDS), no listener has %s", unused);
	return 0;
}

/* Nobody can talk to the routers that are left: they go, or their listeners would be in the way of ours. */
static void clear_unkept(void *data, const char *name)
{
	struct daemon *d = data;

	if (name[0] == '@' && !keep_is_own_group(name) && cgroup_clear(d->cgroups, name) > 0)
		log_warn("%s: ended what was left of it by an earlier daemon", name + 1);
}

/* Before the first service fails. */
static void warn_of_obstacles(void)
{
	cleanup_close int dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[600] = "";

	if (dir >= 0)
		obstacle_userns(dir, true, true, text, sizeof(text));
	if (text[0])
		log_error("no service can start, as no user namespace can be made here: %s", text);
}

static int open_host(struct daemon *d)
{
	const struct config *c = d->config;
	char err[300] = "";
	int r;

	r = enable_load(d);
	if (r < 0) {
		log_error("%s/enabled: %s", c->state_dir, strerror(-r));
		return r;
	}
	r = ids_open(c->state_dir, c->uid_base, c->uid_ranges, &d->ids, err, sizeof(err));
	if (r < 0) {
		log_error("%s/%s", c->state_dir, err);
		return r;
	}
	r = cgroup_host_open(c->cgroup, d->cgroup_parent, &d->cgroups, err, sizeof(err));
	if (cgroup_is_shortage(r)) { /* for want of it what runs would be ended, and nothing would start */
		log_error("control groups: %s", err);
		return r;
	}
	if (r < 0)
		log_warn("no control groups: %s; services that do not allow that will not start", err);
	else
		daemon_set_weight(d);
	d->cgroup_dir = d->cgroups ? cgroup_host_v2_fd(d->cgroups) : -1;
	warn_of_obstacles();
	r = keep_open(d, &d->keep);
	if (cgroup_is_shortage(r))
		return r; /* there may be one, with all that runs */
	if (r == 0)
		r = record_open(d);
	if (trp_is_shortage(r) || r == -ENOSPC) {
		log_error("%s/records: %s", c->run_dir, strerror(-r));
		return r;
	}
	if (r == 0) {
		r = adopt_check_room(d);
		if (r < 0)
			return r;
	}
	if (d->cgroups && !keep_found(d->keep))
		ids_each(d->ids, clear_unkept, d);
	if (!keep_found(d->keep))
		statedisk_sweep(c->state_dir);
	if (r < 0)
		log_error("what runs will not survive trpsupd: %s", strerror(-r));
	r = logger_open(d, &d->logger);
	return r < 0 ? r : images_open(d->loop, c->state_dir, c->log_dir, &d->images);
}

static int open_control(struct daemon *d)
{
	cleanup_free char *path = trp_asprintf("%s/control", d->config->run_dir);
	const struct control_verb *verbs;
	size_t n_verbs;
	int r = path ? 0 : -ENOMEM;

	verbs = verbs_table(&n_verbs);
	if (r == 0 && d->handover.control >= 0 &&
		control_adopt(d->loop, path, d->handover.control, verbs, n_verbs, d, &d->control) == 0)
		return 0;
	trp_close(&d->handover.control);
	if (r == 0)
		r = control_open(d->loop, path, verbs, n_verbs, d, &d->control);
	if (r < 0)
		log_error("%s: %s", path ? path : "control", strerror(-r));
	return r;
}

static int open_all(struct daemon *d)
{
	char err[300];
	int r = open_directories(d);

	d->strangers = strangers_find(d);
	if (r == 0)
		r = open_host(d);
	if (r == 0)
		r = open_listeners(d);
	if (r < 0)
		return r;
	d->init_exec_fd = daemon_open_program("trp-init");
	if (d->init_exec_fd < 0)
		return d->init_exec_fd;
	r = ledgers_open(d->keep, &d->ledgers);
	if (r < 0) {
		log_error("memory for the routers' counters: %s", strerror(-r));
		return r;
	}
	r = observer_open(d, &d->observer, err, sizeof(err));
	if (r < 0) {
		log_error("%s", err);
		return r;
	}
	r = routerproc_open(d, route_resync, &d->router, err, sizeof(err));
	if (r < 0) {
		log_error("%s", err);
		return r;
	}
	r = timers_open(d, &d->timers);
	if (r < 0) {
		log_error("timerfd: %s", strerror(-r));
		return r;
	}
	adopt_all(d);
	timers_adopted(d);
	strangers_watch(d, &d->strangers);
	return open_control(d);
}

static void close_all(struct daemon *d)
{
	upgrade_cancel(d);
	strangers_close(d->strangers);
	if (d->control)
		control_close(d->control);
	exec_close(d);
	while (d->services)
		service_free(d->services);
	oom_close(d);
	timers_close(d->timers);
	d->timers = NULL;
	share_free(d);
	sdnotify_close(d);
	logger_close(d->logger);
	routerproc_close(d->router);
	observer_close(d->observer);
	ledgers_close(d->ledgers);
	images_close(d->images);
	/* first: one whose control group is gone already is no use to a daemon that comes after one that is killed here */
	listeners_keep(d->keep, d->config, d->listeners, 0);
	for (size_t i = 0; i < d->n_listeners; i++)
		listener_close(&d->listeners[i], d->cgroup_dir);
	free(d->listeners);
	strv_free(&d->enabled);
	group_forget_seen(d);
	record_close(d);
	keep_close(d->keep);
	ids_close(d->ids);
	cgroup_host_free(d->cgroups);
	trp_close(&d->init_exec_fd);
	strv_free(&d->lost);
}

static void start_configured(struct daemon *d)
{
	struct profile_errors errors = {0};
	struct strv names = {0};
	const struct strv *const lists[] = {&d->config->start, &d->enabled};
	struct service **services;
	size_t n = 0;

	for (size_t k = 0; k < TRP_ARRAY_SIZE(lists); k++)
		for (size_t i = 0; i < lists[k]->n; i++) {
			(void)group_expand(d, lists[k]->v[i], SIZE_MAX, &names, &errors);
			load_log_errors(&errors);
		}
	services = calloc(names.n + 1, sizeof(struct service *));
	for (size_t i = 0; services && i < names.n; i++) {
		struct service *s;
		int r = load_service(d, names.v[i], false, &s, &errors);
		load_log_errors(&errors);
		if (r == 0 && !s->restored)
			services[n++] = s;
	}
	depend_announce(services, n);
	for (size_t i = 0; i < n; i++) {
		services[i]->wanted = true;
		service_event(services[i], service_start_event(services[i]));
	}
	free(services);
	strv_free(&names);
}

/* Until it is to end. */
static void serve(struct daemon *d)
{
	watch_signals(d);
	manager_watchdog(d->loop);
	manager_ready();
	log_info("trpsup " TRP_VERSION " ready");
	if (d->handover.lock >= 0)
		upgrade_done(d);
	else
		start_configured(d);
	do
		ev_run(d->loop, 0);
	while (upgrade_execute(d));
	if (d->detach)
		upgrade_detach(d);
	manager_watchdog_end(d->loop);
}

/* Without this libev aborts; after it, it tries again. Others may have used up what it asked for, and what we are for must not end of that. */
static void on_loop_error(const char *what)
{
	const int error = errno;

	if (!trp_is_shortage(error))
		log_fatal("event loop: %s: %s", what, strerror(error));
	log_error("event loop: %s: %s; trying again", what, strerror(error));
	trp_sleep_ms(100);
}

/* What runs is an earlier daemon's. It is to go on, and so we end as that one has: without a word to anybody. */
static void leave_to_next(void) __attribute__((noreturn));
static void leave_to_next(void)
{
	log_error("not started; what an earlier trpsupd has left goes on, and the next one takes it over");
	_exit(1);
}

static int run(const char *config_path, const char *cgroup_parent, char *const *argv, const struct handover *handover)
{
	struct daemon d = {.init_exec_fd = -1, .records = -1, .cgroup_dir = -1, .started = ev_time(), .config_path = config_path,
		.cgroup_parent = cgroup_parent, .argv = argv, .lock = -1, .handover = *handover};
	struct profile_errors errors = {0};
	int r = config_load(config_path, &d.config, &errors);

	daemon_own_program(d.program, sizeof(d.program));

	if (r == 0) {
		config_profile_paths(d.config, &d.paths);
		r = config_check_defaults(d.config, &d.paths, &errors);
	}
	load_log_errors(&errors);
	if (r < 0)
		return r;
	ev_set_syserr_cb(on_loop_error);
	/* not the default loop: that one reaps every child by itself, and ours are reaped by pidfd */
	d.loop = ev_loop_new(EVFLAG_AUTO);
	if (!d.loop)
		log_fatal("event loop: %m");
	ahead_init(&d);
	ev_timer_init(&d.sweep, on_sweep, SWEEP_SECONDS, SWEEP_SECONDS);
	d.sweep.data = &d;
	r = open_all(&d);
	if (r < 0 && keep_found(d.keep))
		leave_to_next();
	if (r == 0) {
		ahead_begin();
		serve(&d);
	}
	close_all(&d);
	ahead_stop(&d);
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
	nofile.rlim_cur = nofile.rlim_max - channel_reserve(nofile.rlim_max);
	if (setrlimit(RLIMIT_NOFILE, &nofile) < 0)
		log_warn("RLIMIT_NOFILE: %m");
}

static int usage(FILE *to, int code)
{
	fprintf(to, "usage: trpsupd [-c FILE] [-v] [--cgroup-parent PATH] [--check] [--version]\n"
		    "  -c FILE    configuration (default /etc/trpsup/trpsup.conf)\n"
		    "  -v         say more\n"
		    "  --cgroup-parent PATH  make control groups below this one, not below the daemon's own\n"
		    "  --check    say whether it would start, and what it would not take over of a daemon that runs\n");
	return code;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'}, {"check", no_argument, NULL, 'C'},
		{"cgroup-parent", required_argument, NULL, 'G'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *config = NULL, *cgroup_parent = NULL;
	struct handover handover;
	bool check = false;
	int c;

	if (trp_occupy_standard() < 0)
		return 1;
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
		case 'G':
			cgroup_parent = optarg;
			break;
		case 'C':
			check = true;
			break;
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
	if (check)
		return upgrade_check(config);
	prctl(PR_SET_NAME, "trpsupd"); /* executed by descriptor it would be called by its number */
	pid1_stay_behind(argv);
	handover_take(&handover);
	inherit_init();
	raise_descriptors();
	privilege_drop();
	return run(config, cgroup_parent, argv, &handover) < 0 ? 1 : 0;
}
