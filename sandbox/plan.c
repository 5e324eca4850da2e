/* SPDX-License-Identifier: ISC */
/* plan.c: spec -> steps. Pure; runs in the daemon. */
#include "sandbox/plan.h"

#include <limits.h>
#include <string.h>
#include <sys/mount.h>

#define ROOT_SPARE (1024 * 1024)
#define DEV_SIZE   (64 * 1024)

static const char *const dev_nodes[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};

static const struct {
	const char *path, *text;
} dev_links[] = {
	{"/dev/fd", "/proc/self/fd"},
	{"/dev/stdin", "/proc/self/fd/0"},
	{"/dev/stdout", "/proc/self/fd/1"},
	{"/dev/stderr", "/proc/self/fd/2"},
};

/* What tells of the machine, not of the sandbox, or reaches hardware. Most is root's only; but root
 * of which namespace is decided file by file in the kernel, so none is left to that. */
static const char *const proc_masks[] = {"/proc/acpi", "/proc/asound", "/proc/bus", "/proc/driver",
	"/proc/dynamic_debug", "/proc/fs", "/proc/interrupts", "/proc/irq", "/proc/kallsyms",
	"/proc/kcore", "/proc/key-users", "/proc/keys", "/proc/kmsg", "/proc/kpagecgroup",
	"/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats", "/proc/modules",
	"/proc/sched_debug", "/proc/scsi", "/proc/slabinfo", "/proc/sysrq-trigger",
	"/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo"};

static const struct {
	int resource;
	const char *name;
} rlimit_names[] = {
	{RLIMIT_AS, "RLIMIT_AS"},
	{RLIMIT_CORE, "RLIMIT_CORE"},
	{RLIMIT_CPU, "RLIMIT_CPU"},
	{RLIMIT_DATA, "RLIMIT_DATA"},
	{RLIMIT_FSIZE, "RLIMIT_FSIZE"},
	{RLIMIT_LOCKS, "RLIMIT_LOCKS"},
	{RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
	{RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"},
	{RLIMIT_NICE, "RLIMIT_NICE"},
	{RLIMIT_NOFILE, "RLIMIT_NOFILE"},
	{RLIMIT_NPROC, "RLIMIT_NPROC"},
	{RLIMIT_RSS, "RLIMIT_RSS"},
	{RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
	{RLIMIT_RTTIME, "RLIMIT_RTTIME"},
	{RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
	{RLIMIT_STACK, "RLIMIT_STACK"},
};

static const char *rlimit_name(int resource)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(rlimit_names); i++)
		if (rlimit_names[i].resource == resource)
			return rlimit_names[i].name;
	return "resource limit";
}

/* Makes room for one more element. NULL: no memory. */
static void *grow(void **array, size_t n, size_t *size, size_t element)
{
	if (n == *size) {
		size_t more = *size ? *size * 2 : 32;
		void *grown = reallocarray(*array, more, element);
		if (!grown)
			return NULL;
		*array = grown;
		*size = more;
	}
	memset((char *)*array + n * element, 0, element);
	return (char *)*array + n * element;
}

/* Appends; after the first failure (enomem) it gives a scratch step, so that callers need not check
 * each. */
struct maker {
	struct plan plan;
	bool enomem;
	struct plan_step scratch_step;
	struct plan_source scratch_source;
	struct plan_rule scratch_rule;
};

static struct plan_step *add(
	struct maker *m, enum plan_op op, enum sandbox_stage stage, const char *path)
{
	struct plan *p = &m->plan;
	struct plan_step *s = grow((void **)&p->steps, p->n_steps, &p->size_steps, sizeof(*s));

	if (s) {
		p->n_steps++;
	} else {
		m->enomem = true;
		s = &m->scratch_step;
	}
	s->op = op;
	s->stage = stage;
	s->path = path;
	s->source = -1;
	return s;
}

static struct plan_source *add_source(struct maker *m, struct plan_step *s, const char *path)
{
	struct plan *p = &m->plan;
	struct plan_source *src =
		grow((void **)&p->sources, p->n_sources, &p->size_sources, sizeof(*src));

	if (!src) {
		m->enomem = true;
		return &m->scratch_source;
	}
	s->source = (int)p->n_sources++;
	src->path = path;
	src->stage = s->stage;
	return src;
}

static void add_rule(struct maker *m, const char *path, enum plan_access access, int source)
{
	struct plan *p = &m->plan;
	struct plan_rule *r = grow((void **)&p->rules, p->n_rules, &p->size_rules, sizeof(*r));

	if (r) {
		p->n_rules++;
	} else {
		m->enomem = true;
		r = &m->scratch_rule;
	}
	*r = (struct plan_rule){.path = path, .access = access, .source = source};
}

static struct plan_step *add_tmpfs(
	struct maker *m, enum sandbox_stage stage, const char *path, uint64_t size, mode_t mode)
{
	struct plan_step *s = add(m, PLAN_TMPFS, stage, path);

	s->number = size;
	s->mode = mode;
	m->plan.n_tmpfs++;
	return s;
}

/* The root itself, with room for the data files in whole pages. */
static void add_root(struct maker *m, const struct sandbox_spec *spec)
{
	struct plan_step *s;

	add(m, PLAN_PRIVATE, SANDBOX_STAGE_ROOT, NULL);
	s = add(m, PLAN_ROOT, SANDBOX_STAGE_ROOT, "/");
	s->number = ROOT_SPARE;
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (spec->mounts[i].kind == SANDBOX_DATA)
			s->number += (spec->mounts[i].data_len + 8191) & ~(uint64_t)4095;
	m->plan.n_tmpfs++;
	add_rule(m, "/", PLAN_ACCESS_READ, -1);
}

static void add_root_entries(struct maker *m, const struct sandbox_spec *spec,
	const struct plan_root_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (entries[i].link[0]) {
			add(m, PLAN_SYMLINK, SANDBOX_STAGE_ROOT, entries[i].name)->text =
				entries[i].link;
			continue;
		}
		struct plan_step *s = add(m, PLAN_TREE, SANDBOX_STAGE_ROOT, entries[i].name);
		struct plan_source *src = add_source(m, s, entries[i].name);
		src->from_root = true;
		src->attr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
		src->idmap = spec->root_idmap;
	}
}

/* proc comes before anything of the old root is unmounted (the kernel asks for a visible procfs),
 * and before spec's mounts, so that a profile can lay something over it. */
static void add_proc(struct maker *m)
{
	add(m, PLAN_PROC, SANDBOX_STAGE_PROC, "/proc");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(proc_masks); i++)
		add(m, PLAN_MASK, SANDBOX_STAGE_PROC, proc_masks[i]);
	add(m, PLAN_READONLY, SANDBOX_STAGE_PROC, "/proc/sys");
	add_rule(m, "/proc", PLAN_ACCESS_PROC, -1);
}

static void add_dev(struct maker *m, const struct sandbox_spec *spec)
{
	add_tmpfs(m, SANDBOX_STAGE_DEV, "/dev", DEV_SIZE, 0755)->noexec = true;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(dev_nodes); i++) {
		struct plan_step *s = add(m, PLAN_TREE, SANDBOX_STAGE_DEV, dev_nodes[i]);
		add_source(m, s, dev_nodes[i])->attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(dev_links); i++)
		add(m, PLAN_SYMLINK, SANDBOX_STAGE_DEV, dev_links[i].path)->text =
			dev_links[i].text;
	add_tmpfs(m, SANDBOX_STAGE_DEV, "/dev/shm", spec->tmp_size, 01777);
	add_rule(m, "/dev", PLAN_ACCESS_DEVICES, -1);
	add_rule(m, "/dev/shm", PLAN_ACCESS_WRITE, -1);
}

static void add_own_dirs(struct maker *m, const struct sandbox_spec *spec)
{
	struct plan_step *s;

	add_tmpfs(m, SANDBOX_STAGE_ROOT, "/tmp", spec->tmp_size, 01777);
	s = add_tmpfs(m, SANDBOX_STAGE_ROOT, "/run", spec->tmp_size, 0755);
	s->uid = spec->uid;
	s->gid = spec->gid;
	add_rule(m, "/tmp", PLAN_ACCESS_WRITE, -1);
	add_rule(m, "/run", PLAN_ACCESS_WRITE, -1);
}

static void add_bind(struct maker *m, const struct sandbox_mount *mnt)
{
	struct plan_step *s = add(m, PLAN_TREE, SANDBOX_STAGE_MOUNT, mnt->target);
	struct plan_source *src = add_source(m, s, mnt->source);

	src->attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	if (!mnt->writable)
		src->attr |= MOUNT_ATTR_RDONLY;
	if (mnt->noexec)
		src->attr |= MOUNT_ATTR_NOEXEC;
	src->idmap = mnt->idmap;
	src->optional = mnt->optional;
	/* Below a directory that a tenant writes to (state), each component may be a link of his
	 * making. */
	src->follow = !mnt->writable && !mnt->idmap;
	if (mnt->writable)
		add_rule(m, mnt->target, PLAN_ACCESS_WRITE, s->source);
}

static void add_mount(struct maker *m, const struct sandbox_mount *mnt)
{
	static const enum plan_op ops[] = {[SANDBOX_DATA] = PLAN_DATA,
		[SANDBOX_DIR] = PLAN_DIR,
		[SANDBOX_SYMLINK] = PLAN_SYMLINK};
	struct plan_step *s;

	switch (mnt->kind) {
	case SANDBOX_BIND:
		add_bind(m, mnt);
		return;
	case SANDBOX_TMPFS:
		s = add_tmpfs(m, SANDBOX_STAGE_MOUNT, mnt->target, mnt->size, mnt->mode);
		s->noexec = mnt->noexec;
		add_rule(m, mnt->target, PLAN_ACCESS_WRITE, -1);
		break;
	case SANDBOX_DATA:
	case SANDBOX_DIR:
	case SANDBOX_SYMLINK:
		s = add(m, ops[mnt->kind], SANDBOX_STAGE_MOUNT, mnt->target);
		s->mode = mnt->mode;
		s->text = mnt->source;
		s->data = mnt->data;
		s->data_len = mnt->data_len;
		break;
	default:
		return; /* refused by check_mount() */
	}
	s->uid = mnt->uid;
	s->gid = mnt->gid;
}

static void add_all(struct maker *m, const struct sandbox_spec *spec,
	const struct plan_root_entry *entries, size_t n_entries)
{
	add(m, PLAN_WAIT, SANDBOX_STAGE_SYNC, NULL);
	if (spec->cgroup)
		add(m, PLAN_CGROUPNS, SANDBOX_STAGE_CGROUP, NULL);
	add(m, PLAN_NS_ROOT, SANDBOX_STAGE_USERNS, NULL);
	if (!spec->host_network) {
		add(m, PLAN_LOOPBACK, SANDBOX_STAGE_NETNS, NULL);
		add(m, PLAN_PORT_START, SANDBOX_STAGE_NETNS, NULL)->number = spec->first_unprivileged_port;
	}
	add(m, PLAN_HOSTNAME, SANDBOX_STAGE_HOSTNAME, NULL)->text = spec->hostname;
	add_root(m, spec);
	add_root_entries(m, spec, entries, n_entries);
	add_proc(m);
	add_dev(m, spec);
	add_own_dirs(m, spec);
	for (size_t i = 0; i < spec->n_mounts; i++)
		add_mount(m, &spec->mounts[i]);
	add(m, PLAN_SEAL, SANDBOX_STAGE_DEV, "/dev");
	add(m, PLAN_SEAL, SANDBOX_STAGE_ROOT, "/");
	add(m, PLAN_PIVOT, SANDBOX_STAGE_PIVOT, NULL);
	add(m, PLAN_FDS, SANDBOX_STAGE_FDS, NULL);
	add(m, PLAN_BOUNDING, SANDBOX_STAGE_CAPS, NULL);
	add(m, PLAN_IDS, SANDBOX_STAGE_IDS, NULL);
	add(m, PLAN_DROP_CAPS, SANDBOX_STAGE_CAPS, NULL);
	add(m, PLAN_NO_NEW_PRIVS, SANDBOX_STAGE_CAPS, NULL);
	add(m, PLAN_SESSION, SANDBOX_STAGE_SESSION, spec->cwd ? spec->cwd : "/");
	add(m, PLAN_LANDLOCK, SANDBOX_STAGE_LANDLOCK, NULL);
	/* late: a small limit on open files must not stop the steps above */
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		struct plan_step *s = add(m, PLAN_RLIMIT, SANDBOX_STAGE_RLIMIT, NULL);
		s->text = rlimit_name(spec->rlimits[i].resource);
		s->resource = spec->rlimits[i].resource;
		s->number = spec->rlimits[i].limit;
	}
	add(m, PLAN_SECCOMP, SANDBOX_STAGE_SECCOMP, NULL);
	add(m, PLAN_EXEC, SANDBOX_STAGE_EXEC, NULL)->text = spec->argv[0];
}

/* Absolute, not "/" itself, no "..", "." or empty component: links are resolved by the kernel, dots
 * by nobody. */
static bool valid_target(const char *path)
{
	if (!path || path[0] != '/' || !path[1] || strlen(path) >= PATH_MAX)
		return false;
	for (const char *p = path; *p;) {
		const char *name = p + 1;
		size_t len = strcspn(name, "/");
		if (len == 0 || len > NAME_MAX || (len == 1 && name[0] == '.') ||
			(len == 2 && memcmp(name, "..", 2) == 0))
			return false;
		p = name + len;
	}
	return true;
}

static bool valid_mount(const struct sandbox_mount *m)
{
	if (!valid_target(m->target))
		return false;
	switch (m->kind) {
	case SANDBOX_BIND:
		return m->source && m->source[0] == '/';
	case SANDBOX_SYMLINK:
		return m->source && m->source[0];
	case SANDBOX_TMPFS:
		return m->size > 0;
	case SANDBOX_DATA:
		return m->data || m->data_len == 0;
	case SANDBOX_DIR:
		return true;
	}
	return false;
}

static int refuse(struct sandbox_failure *f, enum sandbox_stage stage, const char *detail)
{
	sandbox_failure_set(f, stage, EINVAL, detail);
	return -EINVAL;
}

static int check_spec(const struct sandbox_spec *s, struct sandbox_failure *f)
{
	if (s->uid_base == 0 || s->uid_count == 0 || s->uid_base > UINT32_MAX - s->uid_count)
		return refuse(f, SANDBOX_STAGE_USERNS, "uid range");
	if (s->uid >= s->uid_count || s->gid >= s->uid_count)
		return refuse(f, SANDBOX_STAGE_IDS, "uid or gid outside of the range");
	if (!s->seccomp || !s->seccomp->insns || s->seccomp->len == 0)
		return refuse(f, SANDBOX_STAGE_SECCOMP, "no filter");
	if (!s->argv || !s->argv[0] || !s->envp || s->exec_fd < 0)
		return refuse(f, SANDBOX_STAGE_EXEC, "no program");
	if (!s->hostname || !s->hostname[0])
		return refuse(f, SANDBOX_STAGE_HOSTNAME, "no hostname");
	if (s->cwd && s->cwd[0] != '/')
		return refuse(f, SANDBOX_STAGE_SESSION, s->cwd);
	if (s->tmp_size == 0)
		return refuse(
			f, SANDBOX_STAGE_ROOT, "tmp_size"); /* size=0 is "no limit" to tmpfs */
	for (size_t i = 0; i < s->n_mounts; i++)
		if (!valid_mount(&s->mounts[i]))
			return refuse(f, SANDBOX_STAGE_MOUNT, s->mounts[i].target);
	if (s->n_connect_ports > 0 && !s->host_network)
		return refuse(f, SANDBOX_STAGE_LANDLOCK, "ports without the host's network");
	if (s->n_fds > PLAN_FDS_MAX)
		return refuse(f, SANDBOX_STAGE_FDS, "too many descriptors");
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].from < 0 || s->fds[i].to < 0 || s->fds[i].to >= 1024 ||
			(i > 0 && s->fds[i].to <= s->fds[i - 1].to))
			return refuse(f, SANDBOX_STAGE_FDS, "descriptor numbers must ascend");
	return 0;
}

int plan_make(const struct sandbox_spec *spec, const struct plan_root_entry *entries,
	size_t n_entries, struct plan *ret, struct sandbox_failure *ret_failure)
{
	struct maker m = {0};
	int r = check_spec(spec, ret_failure);

	if (r < 0)
		return r;
	add_all(&m, spec, entries, n_entries);
	if (m.enomem) {
		plan_free(&m.plan);
		sandbox_failure_set(ret_failure, SANDBOX_STAGE_NONE, ENOMEM, NULL);
		return -ENOMEM;
	}
	*ret = m.plan;
	return 0;
}

void plan_free(struct plan *plan)
{
	free(plan->steps);
	free(plan->sources);
	free(plan->rules);
	*plan = (struct plan){0};
}
