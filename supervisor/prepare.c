/* SPDX-License-Identifier: ISC */
/* prepare.c: what a sandbox needs on the host before it can be spawned. Runs in the daemon, as root. */
#include "base/io.h"
#include "base/log.h"
#include "supervisor/adapter.h"
#include "supervisor/profile/keys.h"
#include "supervisor/service.h"
#include "supervisor/users.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define PUBLISH_OPTIONS "size=1m,nr_inodes=256,mode=0755"

char *prepare_state_dir(const struct service *s)
{
	return trp_asprintf("%s/state/%s", s->d->config->state_dir, s->name);
}

char *prepare_run_dir(const struct service *s)
{
	return trp_asprintf("%s/services/%s", s->d->config->run_dir, s->name);
}

char *prepare_publish_dir(const struct daemon *d, const char *service)
{
	return trp_asprintf("%s/services/%s/publish", d->config->run_dir, service);
}

static int fail(struct service *s, int error, const char *what)
{
	snprintf(s->message, sizeof(s->message), "%s: %s", what, strerror(-error));
	return error;
}

/* A directory that belongs to the service's user inside. Its parents are root's and closed to others. */
static int own_directory(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	cleanup_close int fd = -1;
	struct stat st;
	int r = trp_mkdir_p(path, 0700);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
		return -errno;
	return (st.st_mode & 07777) != mode && fchmod(fd, mode) < 0 ? -errno : 0;
}

static int prepare_publish(struct service *s, uid_t uid, gid_t gid)
{
	cleanup_free char *dir = prepare_publish_dir(s->d, s->name);
	int r;

	if (!dir)
		return -ENOMEM;
	if (!s->publish_mounted) {
		r = trp_mkdir_p(dir, 0700);
		if (r < 0)
			return r;
		umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW); /* left by a daemon that was killed */
		if (mount("trpsup", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, PUBLISH_OPTIONS) < 0)
			return -errno;
		s->publish_mounted = true;
	}
	return own_directory(dir, uid, gid, 0755);
}

static int prepare_group(struct service *s)
{
	const struct profile *p = s->profile;
	struct cgroup_limits limits = {
		.pids = p->limit_processes, .memory = p->limit_memory, .cpu_permille = p->limit_cpu_permille};
	char err[200] = "";
	int r;

	/* the group of the last run goes, so that the limits are those of this profile; one that is still emptying itself
	 * is taken over by cgroup_create() */
	if (s->has_cgroup && cgroup_destroy(s->d->cgroups, &s->cgroup) == 0)
		s->has_cgroup = false;
	if (s->has_cgroup)
		return 0;
	if (!s->d->cgroups) {
		if (strv_has(&p->allow_missing, "cgroup"))
			return 0;
		snprintf(s->message, sizeof(s->message),
			"limits: this host has no control groups (to run without limits: allow-missing = cgroup in [sandbox])");
		return -ENOTSUP;
	}
	r = cgroup_create(s->d->cgroups, s->name, &limits, &s->cgroup, err, sizeof(err));
	if (r < 0) {
		snprintf(s->message, sizeof(s->message), "limits: %s", err);
		return r;
	}
	s->has_cgroup = true;
	return 0;
}

static int prepare_root(struct service *s)
{
	struct profile *p = s->profile;

	free(s->root);
	s->root = NULL;
	if (p->root == ROOT_PACKAGES)
		s->root = image_path(s->d->images, p->suite, &p->packages);
	else if (p->root == ROOT_DIRECTORY)
		s->root = strdup(p->root_directory);
	return (p->root == ROOT_PACKAGES || p->root == ROOT_DIRECTORY) && !s->root ? -ENOMEM : 0;
}

int prepare_user(const struct service *s, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct profile *p = s->profile;

	return users_resolve(p->root == ROOT_HOST ? "/" : s->root, p->user, p->group, ret_uid, ret_gid);
}

int prepare_host(struct service *s)
{
	const struct profile *p = s->profile;
	cleanup_free char *state = prepare_state_dir(s), *run = prepare_run_dir(s);
	uid_t uid;
	gid_t gid;
	int r;

	if (!state || !run)
		return -ENOMEM;
	r = ids_get(s->d->ids, s->name, &s->uid_base);
	if (r < 0)
		return fail(s, r, r == -ERANGE ? "its uid range lies outside of the pool of trpsup.conf" : "uid range");
	r = prepare_root(s);
	if (r < 0)
		return fail(s, r, "root");
	r = adapter_choose(s);
	if (r < 0)
		return r;
	r = prepare_user(s, &uid, &gid);
	if (r < 0) {
		struct profile_where where = profile_where(p, "service", "user");
		snprintf(s->message, sizeof(s->message), "%s:%u: user: %s%s%s: %s", where.file ? where.file : p->file,
			where.line, p->user, p->group ? ", group " : "", p->group ? p->group : "",
			r == -ENOENT ? "not in its root's /etc/passwd or /etc/group" : strerror(-r));
		return r;
	}
	r = trp_mkdir_p(run, 0700);
	if (r == 0 && p->state)
		r = own_directory(state, s->uid_base + uid, s->uid_base + gid, 0700);
	for (size_t i = 0; r == 0 && i < p->state_at.n; i++) {
		const char *word = p->state_at.v[i];
		cleanup_free char *sub = trp_asprintf("%s/%.*s", state, (int)strcspn(word, ":"), word);
		r = sub ? own_directory(sub, s->uid_base + uid, s->uid_base + gid, 0700) : -ENOMEM;
	}
	if (r < 0)
		return fail(s, r, "state directory");
	if (p->publish) {
		r = prepare_publish(s, s->uid_base + uid, s->uid_base + gid);
		if (r < 0)
			return fail(s, r, "published directory");
	}
	seccomp_filter_free(&s->seccomp);
	r = (s->adapter == ADAPTER_NOTIFY ? seccomp_compile_notify : seccomp_compile)(
		(const char *const *)p->syscalls.v, p->syscalls.n, &s->seccomp);
	if (r < 0)
		return fail(s, r, "seccomp filter");
	return prepare_group(s);
}

void prepare_undo(struct service *s)
{
	cleanup_free char *dir = prepare_publish_dir(s->d, s->name);
	cleanup_free char *run = prepare_run_dir(s);

	if (s->publish_mounted && dir && umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		log_warn("%s: unmount %s: %m", s->name, dir);
	s->publish_mounted = false;
	if (run)
		trp_remove_tree(AT_FDCWD, run);
}
