/* SPDX-License-Identifier: ISC */
/* limits.c: limits of a profile that this host may be unable to hold: refused by file, line and key; and the weight of all together. Runs in the daemon. */
#include "base/io.h"
#include "base/log.h"
#include "supervisor/blockdev.h"
#include "supervisor/box/box.h"
#include "supervisor/profile/config.h"
#include "supervisor/profile/keys.h"
#include "supervisor/service.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const char *const io_keys[] = {
	[CGROUP_IO_READ] = "io-read", [CGROUP_IO_WRITE] = "io-write", [CGROUP_IO_READ_OPS] = "io-read-ops",
	[CGROUP_IO_WRITE_OPS] = "io-write-ops", [CGROUP_IO_WEIGHT] = "io-weight"};
_Static_assert(TRP_ARRAY_SIZE(io_keys) == CGROUP_IO_LIMITS, "a key for each");

static int refuse_in(struct service *s, const char *section, const char *key, int error, const char *text)
{
	struct profile_where where = profile_where(s->profile, section, key);

	snprintf(s->message, sizeof(s->message), "%s:%u: %s: %s", where.file ? where.file : s->profile->file, where.line, key, text);
	return error;
}

static int refuse(struct service *s, const char *key, int error, const char *text)
{
	return refuse_in(s, "limits", key, error, text);
}

/* ---- standing still ---- */

int limits_freezer(struct service *s)
{
	if (s->profile->idle_freeze_ms == 0 || (s->has_cgroup && cgroup_can_freeze(&s->cgroup)))
		return 0;
	return refuse_in(s, "service", "idle-freeze", -EOPNOTSUPP, s->has_cgroup ?
		CGROUP_NO_FREEZER : "it has no control group (allow-missing = cgroup)");
}

/* ---- locked memory ---- */

/* The child inherits what we have. Raising that takes CAP_SYS_RESOURCE. */
int limits_locked_memory(struct service *s)
{
	uint64_t want = box_locked_memory(s->profile);
	struct rlimit ours;
	char text[160];

	if (getrlimit(RLIMIT_MEMLOCK, &ours) < 0)
		return refuse(s, "locked-memory", -errno, strerror(errno));
	if (want <= ours.rlim_max)
		return 0;
	struct rlimit more = {want, want};
	if (setrlimit(RLIMIT_MEMLOCK, &more) == 0)
		return 0;
	snprintf(text, sizeof(text), "the daemon itself may lock no more than %llu bytes (systemd: LimitMEMLOCK= of trpsupd): %s",
		(unsigned long long)ours.rlim_max, strerror(errno));
	return refuse(s, "locked-memory", -EPERM, text);
}

/* ---- disks ---- */

/* An optional bind may have nothing to show. */
static int add_disks(const char *path, bool optional, struct blockdevs *devs, char *err, size_t err_size)
{
	int r = blockdev_find(path, devs);

	if (r >= 0 || (optional && r == -ENOENT))
		return 0;
	if (r == -ENODEV)
		snprintf(err, err_size, "%.80s is on no block device that can be limited", path);
	else
		snprintf(err, err_size, "the disk of %.80s: %s", path, strerror(-r));
	return r;
}

/* Of all that it can read or write by name. */
static int find_disks(const struct service *s, struct blockdevs *devs, char *err, size_t err_size)
{
	const struct profile *p = s->profile;
	cleanup_free char *state = prepare_state_dir(s);
	const struct {
		const char *path;
		bool has;
	} places[] = {{state, p->state}, {"/usr", p->root == ROOT_HOST}, {"/etc", p->root == ROOT_HOST}, {s->root, s->root != NULL},
		{p->files_dir, p->files_dir != NULL}, {config_libexec(), true}};
	int r = state ? 0 : -ENOMEM;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(places) && r == 0; i++)
		if (places[i].has)
			r = add_disks(places[i].path, false, devs, err, err_size);
	for (size_t i = 0; i < p->n_binds && r == 0; i++)
		r = add_disks(p->binds[i].source, p->binds[i].optional, devs, err, err_size);
	return r;
}

static const char *first_io_key(const struct cgroup_io *io)
{
	int i = 0;

	while (i < CGROUP_IO_WEIGHT && io->limit[i] == 0)
		i++;
	return io_keys[i];
}

int limits_io(struct service *s, const struct cgroup_io *wanted)
{
	struct cgroup_io io = *wanted;
	enum cgroup_io_limit failed;
	struct blockdevs devs = {0};
	char err[280] = "", text[360];
	const char *key = first_io_key(&io);
	int r;

	s->io = (struct cgroup_io){0};
	s->io_missing[0] = '\0';
	if (!cgroup_io_wanted(&io))
		return 0;
	_Static_assert(TRP_ARRAY_SIZE(devs.v) == CGROUP_IO_DEVICES, "all that are found are limited");
	r = find_disks(s, &devs, err, sizeof(err));
	if (r == 0) {
		memcpy(io.devices, devs.v, sizeof(devs.v));
		io.n_devices = devs.n;
		r = cgroup_io_set(s->d->cgroups, &s->cgroup, &io, &failed, err, sizeof(err));
		if (r < 0)
			key = io_keys[failed];
	}
	if (r == 0) {
		s->io = io;
		return 0;
	}
	if (strv_has(&s->profile->allow_missing, "io")) {
		snprintf(s->io_missing, sizeof(s->io_missing), "%s: %s", key, err);
		log_warn("%s: %s; its profile allows that (allow-missing = io)", s->name, s->io_missing);
		return 0;
	}
	snprintf(text, sizeof(text), "%s (to run without it: allow-missing = io in [sandbox])", err);
	return refuse(s, key, r, text);
}

/* ---- all together ---- */

void daemon_set_weight(const struct daemon *d)
{
	int r = d->cgroups ? cgroup_host_set_weight(d->cgroups, (unsigned)d->config->cpu_weight) : 0;

	if (r < 0)
		log_warn("cpu-weight: %s", strerror(-r));
}
