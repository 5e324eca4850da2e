/* SPDX-License-Identifier: ISC */
/* prepare.c: what a sandbox needs on the host before it can be spawned. Runs in the daemon, as root. */
#include "base/io.h"
#include "base/log.h"
#include "sandbox/weaken.h"
#include "supervisor/box/adapter.h"
#include "supervisor/box/box.h"
#include "supervisor/containment.h"
#include "supervisor/profile/keys.h"
#include "supervisor/service.h"
#include "supervisor/statedisk.h"
#include "supervisor/box/users.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLISH_OPTIONS "size=1m,nr_inodes=256,mode=0755"

char *prepare_state_dir(const struct service *s)
{
	return box_state_dir(s->d->config->state_dir, s->name);
}

char *prepare_run_dir(const struct service *s)
{
	return box_run_dir(s->d->config->run_dir, s->key);
}

char *prepare_publish_dir(const struct daemon *d, const char *service)
{
	return box_publish_dir(d->config->run_dir, service);
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
	fd = open(path, O_RDONLY | O_DIRECTORY | (weakened(CONTROL_STATE_LINKS) ? 0 : O_NOFOLLOW) | O_CLOEXEC);
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

/* Below it all is the tenant's: what is no directory there was one once, or has become a link to elsewhere. */
static int prepare_state(struct service *s, const char *state, uid_t uid, gid_t gid)
{
	const struct profile *p = s->profile;
	int r = p->state ? own_directory(state, s->uid_base + uid, s->uid_base + gid, 0700) : 0;

	if (r < 0)
		return fail(s, r, state);
	for (size_t i = 0; i < p->state_at.n; i++) {
		const char *word = p->state_at.v[i];
		cleanup_free char *sub = trp_asprintf("%s/%.*s", state, (int)strcspn(word, ":"), word);
		r = sub ? own_directory(sub, s->uid_base + uid, s->uid_base + gid, 0700) : -ENOMEM;
		if (r < 0)
			return fail(s, r, sub ? sub : state);
	}
	return 0;
}

/* What was kept of the run before (keep-descriptors) is memory of its group, and without that it would be nobody's, with each run so much more. But
 * limits on disks that are no more are nowhere taken back. */
static bool group_stays(const struct service *s, const struct cgroup_io *io)
{
	return s->sdnotify && s->profile->keep_descriptors > 0 &&
		(!cgroup_io_wanted(&s->io) || memcmp(s->io.limit, io->limit, sizeof(io->limit)) == 0);
}

static int prepare_group(struct service *s)
{
	const struct profile *p = s->profile;
	struct cgroup_limits limits = box_limits(p);
	char err[200] = "";
	int r;

	/* the group of the last run goes, so that the limits are those of this profile; one that is still emptying itself
	 * is taken over by cgroup_create(), which sets them */
	limits.stays = s->has_cgroup && group_stays(s, &limits.io);
	if (s->has_cgroup && (limits.stays || cgroup_destroy(s->d->cgroups, &s->cgroup) < 0))
		cgroup_close(&s->cgroup);
	s->has_cgroup = false;
	if (!s->d->cgroups) {
		if (strv_has(&p->allow_missing, "cgroup"))
			return limits_freezer(s);
		snprintf(s->message, sizeof(s->message),
			"limits: this host has no control groups (to run without limits: allow-missing = cgroup in [sandbox])");
		return -ENOTSUP;
	}
	r = cgroup_create(s->d->cgroups, s->key, &limits, &s->cgroup, err, sizeof(err));
	if (r < 0) {
		snprintf(s->message, sizeof(s->message), "limits: %s", err);
		return r;
	}
	s->has_cgroup = true;
	r = limits_freezer(s);
	if (r == 0)
		r = limits_io(s, &limits.io);
	if (r < 0 && cgroup_destroy(s->d->cgroups, &s->cgroup) == 0)
		s->has_cgroup = false;
	return r;
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

static int prepare_adapter(struct service *s)
{
	struct adapter_choice choice;
	int r = adapter_choose(s->profile, s->profile->root == ROOT_HOST ? "/" : s->root, &choice);

	if (r < 0) {
		snprintf(s->message, sizeof(s->message), "%s", choice.refusal);
		return r;
	}
	s->adapter = choice.adapter;
	snprintf(s->adapter_why, sizeof(s->adapter_why), "%s", choice.why);
	return 0;
}

int prepare_user(const struct service *s, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct profile *p = s->profile;

	return users_resolve(p->root == ROOT_HOST ? "/" : s->root, p->user, p->group, ret_uid, ret_gid);
}

static int at_key(struct service *s, int error, const char *text)
{
	struct profile_where where = profile_where(s->profile, "limits", "state-size");

	snprintf(s->message, sizeof(s->message), "%s:%u: %s", where.file ? where.file : s->profile->file, where.line, text);
	return error;
}

/* The other instance, which finishes with its clients or ends, has it mounted. */
static bool cannot_grow(const struct service *s, const char *image)
{
	struct stat st;

	return s->beside && service_is_active(s->beside) && s->profile->limit_state_size != UINT64_MAX && stat(image, &st) == 0 &&
		(uint64_t)st.st_size < s->profile->limit_state_size;
}

int prepare_disk(struct service *s)
{
	cleanup_free char *image = statedisk_image(s->d->config->state_dir, s->name), *dir = prepare_state_dir(s);
	char err[300] = "";
	int r;

	if (!image || !dir)
		return at_key(s, -ENOMEM, strerror(ENOMEM));
	if (!s->profile->state)
		return 1;
	if (cannot_grow(s, image)) {
		service_say(s, "note", "state-size: its disk is in use by another instance of it: it grows at a later start");
		return 1;
	}
	r = statedisk_make(&s->disk, s->d->loop, image, dir, s->profile->limit_state_size, err, sizeof(err));
	return r < 0 ? at_key(s, r, err) : r;
}

/* Somebody may have unmounted it by hand. */
static bool is_mounted(const char *dir)
{
	cleanup_free char *parent = trp_asprintf("%s/..", dir);
	struct stat at, above;

	return parent && stat(dir, &at) == 0 && stat(parent, &above) == 0 && at.st_dev != above.st_dev;
}

static int mount_disk(struct service *s, const char *dir)
{
	cleanup_free char *image = statedisk_image(s->d->config->state_dir, s->name);
	char err[300] = "";
	int r = image ? trp_mkdir_p(dir, 0700) : -ENOMEM;

	if (r < 0)
		return fail(s, r, "state directory");
	if (s->has_disk && is_mounted(dir))
		return 0;
	r = statedisk_mount(image, dir, err, sizeof(err));
	if (r < 0)
		return at_key(s, r, err);
	s->has_disk = r > 0;
	if (s->has_disk || s->profile->limit_state_size == UINT64_MAX)
		return 0;
	return at_key(s, -ENOENT, "state-size: its disk is gone"); /* made when it was started */
}

void prepare_disk_undo(struct service *s)
{
	cleanup_free char *dir = prepare_state_dir(s);

	if (s->has_disk && dir)
		statedisk_unmount(dir);
	s->has_disk = false;
}

static int prepare_filter(struct service *s)
{
	struct strv words = {0};
	int r;

	if (s->learning.on)
		return learning_filters(s);
	r = box_filter_words(s->profile, &s->profile->syscalls, &words);
	if (r == 0)
		r = seccomp_share((const char *const *)words.v, words.n, s->adapter == ADAPTER_NOTIFY, &s->seccomp);
	strv_free(&words);
	return r;
}

int prepare_adopt(struct service *s)
{
	uint32_t base;
	int r = ids_get(s->d->ids, s->name, &base);

	if (r == 0 && base != s->uid_base)
		r = -ERANGE;
	if (r < 0)
		return fail(s, r, "uid range");
	r = prepare_root(s);
	if (r < 0)
		return fail(s, r, "root");
	r = prepare_filter(s);
	return r < 0 ? fail(s, r, "seccomp filter") : 0;
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
	r = prepare_adapter(s);
	if (r < 0)
		return r;
	r = containment_check(s);
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
	r = limits_locked_memory(s);
	if (r == 0 && p->state)
		r = mount_disk(s, state);
	if (r < 0)
		return r;
	r = trp_mkdir_p(run, 0700);
	if (r == 0)
		r = prepare_state(s, state, uid, gid);
	if (r < 0)
		return r;
	if (p->publish) {
		r = prepare_publish(s, s->uid_base + uid, s->uid_base + gid);
		if (r < 0)
			return fail(s, r, "published directory");
	}
	r = prepare_filter(s);
	if (r < 0)
		return fail(s, r, "seccomp filter");
	return prepare_group(s);
}

void prepare_undo(struct service *s)
{
	cleanup_free char *dir = prepare_publish_dir(s->d, s->name);
	cleanup_free char *run = prepare_run_dir(s), *own = box_run_dir(s->d->config->run_dir, s->name);
	cleanup_free char *notify = run ? trp_asprintf("%s/notify", run) : NULL;

	if (s->shadow) { /* the published directory is the service's */
		if (notify)
			unlink(notify);
		if (run)
			rmdir(run);
		return;
	}
	if (s->publish_mounted && dir && umount2(dir, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		log_warn("%s: unmount %s: %m", s->name, dir);
	s->publish_mounted = false;
	if (run)
		trp_remove_tree(AT_FDCWD, run);
	if (own)
		trp_remove_tree(AT_FDCWD, own);
}
