/* SPDX-License-Identifier: ISC */
/* inforce.c: reads /proc of a service's processes. They may end at any time: who is gone is passed over. What the files say is
 * the kernel's word; score/seen.c takes it apart. */
#include "supervisor/inforce.h"
#include "base/io.h"
#include "base/parse.h"
#include "supervisor/box/box.h"
#include "supervisor/launch.h"
#include "supervisor/score/score.h"
#include "supervisor/service.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_MAX (1u << 20)

struct found {
	struct score_process *v;
	size_t n, size;
	bool more; /* than are looked at */
};

static int read_text(int dir, const char *name, char **ret)
{
	return trp_read_file(dir, name, TEXT_MAX, ret, NULL);
}

static unsigned own_namespaces(int dir)
{
	unsigned own = 0;

	for (int i = 0; i < NS_COUNT; i++) {
		char theirs[64], ours[64];
		struct stat a, b;
		snprintf(theirs, sizeof(theirs), "ns/%s", score_ns_names[i]);
		snprintf(ours, sizeof(ours), "/proc/self/ns/%s", score_ns_names[i]);
		if (fstatat(dir, theirs, &a, 0) == 0 && stat(ours, &b) == 0 && (a.st_ino != b.st_ino || a.st_dev != b.st_dev))
			own |= 1u << i;
	}
	return own;
}

/* As a whole part of a path in one of its lines */
static bool names_group(const char *text, const char *name)
{
	const size_t len = strlen(name);

	for (const char *at = text; (at = strstr(at, name)); at++)
		if (at > text && at[-1] == '/' && (at[len] == '\n' || at[len] == '/'))
			return true;
	return false;
}

/* Its own; or that of another instance, which has ids of its range, too. */
static bool in_group(const struct service *s, int dir)
{
	cleanup_free char *text = NULL;

	if (!s->has_cgroup)
		return true;
	if (read_text(dir, "cgroup", &text) < 0)
		return false;
	return names_group(text, s->cgroup.name) ||
		(s->beside && s->beside->has_cgroup && names_group(text, s->beside->cgroup.name));
}

/* Still: what was read is of one process, and not of one that was ending meanwhile. */
static bool runs(int dir)
{
	cleanup_free char *status = NULL;
	struct score_process p;

	return read_text(dir, "status", &status) == 0 && score_read_status(status, &p) == 0;
}

/* 0; -ENOENT: it is none of the service's, or gone. */
static int look(const struct service *s, const struct score_view *v, int proc, const char *name, struct score_process *ret)
{
	cleanup_close int dir = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *status = NULL, *limits = NULL, *mounts = NULL, *oom = NULL;
	struct score_process p = {0};
	uint64_t pid;

	if (dir < 0 || trp_parse_u64(name, &pid) < 0 || read_text(dir, "status", &status) < 0 || score_read_status(status, &p) < 0)
		return -ENOENT;
	p.pid = (pid_t)pid;
	/* by the range, which no other service has, or by the sandbox's init */
	if ((p.ids[0] < s->uid_base || p.ids[0] - s->uid_base >= IDS_RANGE) && p.pid != s->run.box.pid)
		return -ENOENT;
	if (p.pid == sdnotify_pid(s) || (s->beside && p.pid == sdnotify_pid(s->beside))) /* stands outside, and is no process of the service's */
		return -ENOENT;
	if (p.pid == s->run.loopback.box.pid)
		p.role = SCORE_RELAY;
	if (p.pid == s->run.notifier.pid || p.pid == s->run.learner.pid)
		p.role = SCORE_HELPER;
	if (read_text(dir, "limits", &limits) < 0 || score_read_limits(limits, &p) < 0 || read_text(dir, "oom_score_adj", &oom) < 0)
		return -ENOENT;
	p.oom_score_adj = atoi(oom);
	p.own_ns = own_namespaces(dir);
	p.in_group = in_group(s, dir);
	/* the mount namespace is one for all of the sandbox */
	if (p.pid == s->run.box.pid && read_text(dir, "mountinfo", &mounts) == 0)
		score_read_mounts(&v->plan, mounts, &p);
	if (!runs(dir))
		return -ENOENT;
	*ret = p;
	return 0;
}

static int keep(struct found *f, const struct score_process *p)
{
	if (f->n == SCORE_PROCESSES_MAX) {
		f->more = true;
		return 0;
	}
	if (f->n == f->size) {
		size_t size = f->size ? f->size * 2 : 32;
		struct score_process *grown = reallocarray(f->v, size, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		f->v = grown;
		f->size = size;
	}
	f->v[f->n++] = *p;
	return 0;
}

static int find_processes(const struct service *s, const struct score_view *v, struct found *f)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	if (!proc)
		return -errno;
	while (r == 0 && (entry = readdir(proc))) {
		struct score_process p;
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		if (look(s, v, dirfd(proc), entry->d_name, &p) == 0)
			r = keep(f, &p);
	}
	closedir(proc);
	return r;
}

static json_t *judge(struct service *s, struct score_view *v, char *err, size_t err_size)
{
	struct score_group group = {""};
	struct found f = {0};
	struct score score;
	json_t *o = NULL;
	int r = 0;

	score_judge(v, &score);
	if (s->run.running)
		r = find_processes(s, v, &f);
	if (r == 0 && s->run.running) {
		if (s->has_cgroup)
			(void)(cgroup_in_force(s->d->cgroups, &s->cgroup, &v->limits, group.differs, sizeof(group.differs)) &&
				cgroup_io_in_force(s->d->cgroups, &s->cgroup, &s->io, group.differs, sizeof(group.differs)));
		score_verify(v, f.v, f.n, s->has_cgroup ? &group : NULL, &score);
	}
	if (r < 0)
		snprintf(err, err_size, "its processes cannot be looked at: %s", strerror(-r));
	else
		o = score_json(v, &score);
	if (o) {
		json_object_set_new(o, "running", json_boolean(s->run.running));
		json_object_set_new(o, "processes", json_integer((json_int_t)f.n));
		json_object_set_new(o, "all_processes", json_boolean(!f.more));
	}
	free(f.v);
	return o;
}

json_t *inforce_score(struct service *s, char *err, size_t err_size)
{
	cleanup_close int root = s->root ? open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	struct score_view view;
	struct box_site site;
	json_t *o;
	int r = launch_site(s, &site);

	if (r < 0) {
		snprintf(err, err_size, "its user: %s", strerror(-r));
		return NULL;
	}
	site.secret = NULL; /* nobody reads them here */
	r = score_view_make(&site, root, &view, err, err_size);
	if (r < 0)
		return NULL;
	o = judge(s, &view, err, err_size);
	score_view_free(&view);
	return o;
}
