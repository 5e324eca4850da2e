/* SPDX-License-Identifier: ISC */
#include "supervisor/image.h"
#include "base/io.h"
#include "supervisor/reap.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PROGRESS_SECONDS 5.0
#define SOURCES_MAX      32

/* One image that is being built. */
struct build {
	struct build *next;
	struct images *images;
	char *path, *part, *log; /* final directory, the one being filled, the builder's output */
	char *list;              /* "SUITE\nPACKAGE\n..." */
	pid_t pid;
	int pidfd;
	ev_io ended;
	ev_timer tick;
	double started;
	struct image_request *waiting;
};

struct images {
	struct ev_loop *loop;
	char *dir, *log_dir, *host_suite;
	struct build *builds;
};

/* VERSION_CODENAME of os-release(5) */
static char *host_suite(void)
{
	cleanup_free char *text = NULL;
	const char *p;

	if (trp_read_file(AT_FDCWD, "/etc/os-release", 65536, &text, NULL) < 0)
		return NULL;
	p = strstr(text, "VERSION_CODENAME=");
	if (!p)
		return NULL;
	p += strlen("VERSION_CODENAME=");
	p += *p == '"';
	return strndup(p, strcspn(p, "\"\n"));
}

int images_open(struct ev_loop *loop, const char *state_dir, const char *log_dir, struct images **ret)
{
	struct images *i = calloc(1, sizeof(*i));
	int r = -ENOMEM;

	if (i) {
		i->loop = loop;
		i->dir = trp_asprintf("%s/images", state_dir);
		i->log_dir = strdup(log_dir);
		i->host_suite = host_suite();
	}
	if (i && i->dir && i->log_dir)
		r = trp_mkdir_p(i->dir, 0700);
	if (r < 0) {
		images_close(i);
		return r;
	}
	*ret = i;
	return 0;
}

static void build_free(struct build *b)
{
	ev_io_stop(b->images->loop, &b->ended);
	ev_timer_stop(b->images->loop, &b->tick);
	trp_close(&b->pidfd);
	free(b->path);
	free(b->part);
	free(b->log);
	free(b->list);
	free(b);
}

void images_close(struct images *i)
{
	int status;

	if (!i)
		return;
	while (i->builds) {
		struct build *b = i->builds;
		i->builds = b->next;
		/* mmdebstrap takes its own mounts away when it is asked to end */
		kill(-b->pid, SIGTERM);
		for (int tries = 0; reap_status(b->pidfd, &status) == 0; tries++) {
			if (tries == 100)
				kill(-b->pid, SIGKILL);
			trp_sleep_ms(50);
		}
		trp_remove_tree(AT_FDCWD, b->part);
		build_free(b);
	}
	free(i->dir);
	free(i->log_dir);
	free(i->host_suite);
	free(i);
}

static char *list_text(const struct images *i, const char *suite, const struct strv *packages)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fprintf(f, "%s\n", suite ? suite : i->host_suite ? i->host_suite : "stable");
	for (size_t n = 0; n < packages->n; n++)
		fprintf(f, "%s\n", packages->v[n]);
	return fclose(f) == 0 ? text : NULL;
}

/* FNV-1a, 64 bits: only to make a short name; the list beside the image is what is compared. */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3u;
	return h;
}

static char *path_of(const struct images *i, const char *list)
{
	return trp_asprintf("%s/%.*s-%016llx", i->dir, (int)strcspn(list, "\n"), list,
		(unsigned long long)hash(list));
}

char *image_path(const struct images *i, const char *suite, const struct strv *packages)
{
	cleanup_free char *list = list_text(i, suite, packages);
	return list ? path_of(i, list) : NULL;
}

/* Is there a finished image for exactly this list? 1, 0, or -EEXIST: the name is taken by another list. */
static int exists(const char *path, const char *list)
{
	cleanup_free char *list_path = trp_asprintf("%s.list", path);
	cleanup_free char *have = NULL;
	struct stat st;

	if (!list_path)
		return -ENOMEM;
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (trp_read_file(AT_FDCWD, list_path, 65536, &have, NULL) < 0)
		return 0;
	return strcmp(have, list) == 0 ? 1 : -EEXIST;
}

/* The host's apt sources, as arguments for mmdebstrap: sources.list and *.list, *.sources. */
static size_t host_sources(char *out[SOURCES_MAX])
{
	DIR *d = opendir("/etc/apt/sources.list.d");
	struct dirent *e;
	struct stat st;
	size_t n = 0;

	if (stat("/etc/apt/sources.list", &st) == 0 && st.st_size > 0)
		out[n++] = strdup("/etc/apt/sources.list");
	while (d && (e = readdir(d)) && n < SOURCES_MAX - 1) {
		const char *dot = strrchr(e->d_name, '.');
		if (dot && (strcmp(dot, ".list") == 0 || strcmp(dot, ".sources") == 0))
			out[n++] = trp_asprintf("/etc/apt/sources.list.d/%s", e->d_name);
	}
	if (d)
		closedir(d);
	out[n] = NULL;
	return n;
}

/* What every image lacks or has, so that a sandbox can be made of it: no password hashes, no home of root; empty files where
 * the sandbox puts its own. $1 is the new root. */
static const char finish_hook[] =
	"rm -rf \"$1\"/etc/shadow* \"$1\"/etc/gshadow* \"$1\"/root \"$1\"/boot \"$1\"/etc/ssh/ssh_host_* "
	"\"$1\"/etc/ssl/private/*.key && "
	": > \"$1/etc/ld.so.preload\" && : > \"$1/etc/resolv.conf\" && "
	"printf '127.0.0.1 localhost\\n::1 localhost\\n' > \"$1/etc/hosts\"";

/* Runs in the builder's process. Whatever fills the same directory for a daemon that was killed has this log open, and is asked to end: until then
 * we wait. */
static void begin_alone(const struct build *b, int log)
{
	int r;

	while (flock(log, LOCK_EX) < 0 && errno == EINTR) /* else its file system knows no locks */
		;
	r = ftruncate(log, 0) < 0 ? -errno : trp_remove_tree(AT_FDCWD, b->part);
	if (r == 0)
		return;
	dprintf(log, "E: cannot remove %s: %s\n", b->part, strerror(-r));
	_exit(-r);
}

/* Runs in the builder's process. */
static void builder_child(const struct build *b)
{
	cleanup_free char *include = NULL, *hook = trp_asprintf("--customize-hook=%s", finish_hook);
	char *sources[SOURCES_MAX], *suite = strndup(b->list, strcspn(b->list, "\n"));
	const char *argv[16 + SOURCES_MAX];
	size_t n = 0;
	int null = open("/dev/null", O_RDONLY), log;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* what mmdebstrap mounts is its own affair, and gone with it however it ends */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(errno);
	log = open(b->log, O_WRONLY | O_CREAT | O_APPEND, 0640);
	if (log < 0)
		_exit(errno);
	begin_alone(b, log);
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	include = trp_asprintf("--include=%s", strchr(b->list, '\n') + 1);
	if (!include || !hook || !suite)
		_exit(ENOMEM);
	for (char *p = include; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ',' : '\0';
	argv[n++] = "mmdebstrap";
	argv[n++] = "--variant=essential";
	argv[n++] = "--format=directory";
	argv[n++] = "--aptopt=APT::Install-Recommends \"false\"";
	argv[n++] = "--dpkgopt=path-exclude=/usr/share/doc/*";
	argv[n++] = "--dpkgopt=path-exclude=/usr/share/man/*";
	/* the directories stay: openjdk's alternatives have links to manual pages */
	argv[n++] = "--dpkgopt=path-include=/usr/share/man/man[1-9]";
	argv[n++] = hook;
	argv[n++] = include;
	argv[n++] = suite;
	argv[n++] = b->part;
	host_sources(sources);
	for (size_t s = 0; sources[s]; s++)
		argv[n++] = sources[s];
	argv[n] = NULL;
	setenv("DEBIAN_FRONTEND", "noninteractive", 1);
	execvp(argv[0], (char *const *)(void *)argv);
	dprintf(2, "E: cannot execute mmdebstrap: %s (apt-get install mmdebstrap)\n", strerror(errno));
	_exit(127);
}

/* The last line of the builder's output that says something, without control characters. */
static void last_line(const char *log, char *out, size_t size)
{
	cleanup_close int fd = open(log, O_RDONLY | O_CLOEXEC);
	char buf[2048];
	ssize_t n = 0;

	out[0] = '\0';
	if (fd < 0)
		return;
	off_t end = lseek(fd, 0, SEEK_END);
	n = pread(fd, buf, sizeof(buf) - 1, end > (off_t)sizeof(buf) - 1 ? end - ((off_t)sizeof(buf) - 1) : 0);
	if (n <= 0)
		return;
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r' || buf[n - 1] == ' '))
		n--;
	buf[n] = '\0';
	const char *start = buf;
	for (const char *p = buf; *p; p++)
		if (*p == '\n' || *p == '\r')
			start = p + 1;
	size_t len = 0;
	for (; *start && len + 1 < size; start++)
		if ((unsigned char)*start >= ' ' && *start != 127)
			out[len++] = *start;
	out[len] = '\0';
}

static void on_tick(struct ev_loop *loop, ev_timer *t, int events)
{
	struct build *b = t->data;
	char line[120], text[256];

	(void)loop, (void)events;
	last_line(b->log, line, sizeof(line));
	snprintf(text, sizeof(text), "building its root file system, %.0f s: %s", trp_now_seconds() - b->started, line);
	for (struct image_request *r = b->waiting; r; r = r->next)
		if (r->progress)
			r->progress(r, text);
}

static void finish(struct build *b, int error, const char *text)
{
	struct images *i = b->images;
	struct image_request *r = b->waiting, *next;

	for (struct build **p = &i->builds; *p; p = &(*p)->next)
		if (*p == b) {
			*p = b->next;
			break;
		}
	b->waiting = NULL;
	build_free(b);
	for (; r; r = next) {
		next = r->next;
		r->next = NULL;
		r->done(r, error, text);
	}
}

static int publish(const struct build *b)
{
	cleanup_free char *list_path = trp_asprintf("%s.list", b->path);
	int r = list_path ? trp_write_atomic(AT_FDCWD, list_path, b->list, strlen(b->list), 0600) : -ENOMEM;

	if (r < 0)
		return r;
	/* a directory without its list is a leftover */
	r = trp_remove_tree(AT_FDCWD, b->path);
	if (r == 0 && rename(b->part, b->path) < 0)
		r = -errno;
	return r;
}

static void on_ended(struct ev_loop *loop, ev_io *w, int events)
{
	struct build *b = w->data;
	char text[512], line[200];
	int status, r = reap_status(b->pidfd, &status);

	(void)loop;
	(void)events;
	if (r == 0)
		return;
	if (r > 0 && status == 0) {
		r = publish(b);
		snprintf(text, sizeof(text), "%s: %s", b->path, r < 0 ? strerror(-r) : "built");
		finish(b, r, text);
		return;
	}
	last_line(b->log, line, sizeof(line));
	trp_remove_tree(AT_FDCWD, b->part);
	snprintf(text, sizeof(text), "its root file system could not be built: %s (%s)", line, b->log);
	finish(b, -EIO, text);
}

static int start_build(struct images *i, char *path, char *list, struct image_request *r)
{
	struct build *b = calloc(1, sizeof(*b));
	const char *name = strrchr(path, '/') + 1;

	if (!b) {
		free(path);
		free(list);
		return -ENOMEM;
	}
	b->images = i;
	b->pidfd = -1;
	b->path = path;
	b->list = list;
	b->part = trp_asprintf("%s.part", path);
	b->log = trp_asprintf("%s/image-%s.log", i->log_dir, name);
	b->started = trp_now_seconds();
	int error = b->part && b->log ? 0 : -ENOMEM;
	if (error == 0) {
		b->pid = fork();
		if (b->pid == 0)
			builder_child(b);
		error = b->pid < 0 ? -errno : 0;
	}
	if (error == 0) {
		b->pidfd = reap_pidfd(b->pid);
		error = b->pidfd < 0 ? b->pidfd : 0;
		if (error < 0) { /* out of descriptors: nobody would ever hear of its end */
			kill(b->pid, SIGKILL);
			waitpid(b->pid, NULL, 0);
		}
	}
	if (error < 0) {
		build_free(b);
		return error;
	}
	b->waiting = r;
	if (r)
		r->next = NULL;
	ev_io_init(&b->ended, on_ended, b->pidfd, EV_READ);
	b->ended.data = b;
	ev_io_start(i->loop, &b->ended);
	ev_timer_init(&b->tick, on_tick, PROGRESS_SECONDS, PROGRESS_SECONDS);
	b->tick.data = b;
	ev_timer_start(i->loop, &b->tick);
	b->next = i->builds;
	i->builds = b;
	return 0;
}

int image_request(struct images *i, const char *suite, const struct strv *packages, struct image_request *r,
	char *err, size_t err_size)
{
	cleanup_free char *list = list_text(i, suite, packages);
	cleanup_free char *path = list ? path_of(i, list) : NULL;
	int have;

	if (!path)
		return -ENOMEM;
	for (struct build *b = i->builds; b; b = b->next)
		if (strcmp(b->path, path) == 0) {
			if (r) {
				r->next = b->waiting;
				b->waiting = r;
			}
			return 0;
		}
	have = exists(path, list);
	if (have > 0)
		return 1;
	if (have == 0)
		have = start_build(i, trp_steal_ptr(&path), trp_steal_ptr(&list), r);
	if (have < 0)
		snprintf(err, err_size, "its root file system cannot be built: %s", strerror(-have));
	return have;
}

bool images_building(const struct images *i)
{
	return i->builds != NULL;
}

void image_forget(struct images *i, struct image_request *r)
{
	for (struct build *b = i->builds; b; b = b->next)
		for (struct image_request **p = &b->waiting; *p; p = &(*p)->next)
			if (*p == r) {
				*p = r->next;
				return;
			}
}
