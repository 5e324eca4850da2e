/* SPDX-License-Identifier: ISC */
/* plan.c: spec -> steps. Pure; runs in the daemon. */
#include "sandbox/plan.h"
#include "sandbox/spec.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define ROOT_SPARE (2 * 1024 * 1024)
#define DEV_SIZE   (64 * 1024)

#define DIR(name, bits, seen)  {name, S_IFDIR | (bits), NULL, seen}
#define FILE_AT(name)          {name, S_IFREG | 0444, NULL, false}
#define LINK(name, text)       {name, S_IFLNK, text, true}

/* How many namespaces of each kind there may be in one. Most of what the kernel has for a network namespace, some 100 KiB, is in no control group. */
#define NAMESPACES_MAX 256
static const char *const namespaces[] = {"/proc/sys/user/max_user_namespaces", "/proc/sys/user/max_net_namespaces", "/proc/sys/user/max_ipc_namespaces",
	"/proc/sys/user/max_mnt_namespaces", "/proc/sys/user/max_pid_namespaces", "/proc/sys/user/max_uts_namespaces", "/proc/sys/user/max_cgroup_namespaces"};

static const char *const dev_nodes[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};

static const struct plan_entry in_root[] = {DIR("dev", 0755, false), DIR("proc", 0755, false), DIR("tmp", 0755, false),
	DIR("run", 0755, false), DIR(PLAN_HIDDEN_NAME, 0711, true), DIR(PLAN_EMPTY_DIR, 0555, true),
	{PLAN_EMPTY_FILE, S_IFREG | 0444, NULL, true}};

static const struct plan_entry in_dev[] = {FILE_AT("null"), FILE_AT("zero"), FILE_AT("full"), FILE_AT("random"), FILE_AT("urandom"),
	FILE_AT("tty"), DIR("shm", 0755, false), LINK("fd", "/proc/self/fd"), LINK("stdin", "/proc/self/fd/0"),
	LINK("stdout", "/proc/self/fd/1"), LINK("stderr", "/proc/self/fd/2")};

/* What tells of the machine, not of the sandbox, or reaches hardware. Most is root's only; but root
 * of which namespace is decided file by file in the kernel, so none is left to that. */
static const char *const proc_masks[] = {"/proc/acpi", "/proc/asound", "/proc/bus", "/proc/driver",
	"/proc/dynamic_debug", "/proc/fs", "/proc/interrupts", "/proc/irq", "/proc/kallsyms",
	"/proc/kcore", "/proc/key-users", "/proc/keys", "/proc/kmsg", "/proc/kpagecgroup",
	"/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats", "/proc/modules",
	"/proc/sched_debug", "/proc/scsi", "/proc/slabinfo", "/proc/sysrq-trigger",
	"/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo"};

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

/* Made by the daemon, before anybody knows whose it will be. */
static void add_tmpfs_source(struct maker *m, struct plan_step *s, const struct plan_entry *entries, size_t n)
{
	struct plan_source *src = add_source(m, s, s->path);

	src->tmpfs = true;
	src->step = m->enomem ? 0 : (size_t)(s - m->plan.steps);
	src->attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (s->noexec ? MOUNT_ATTR_NOEXEC : 0);
	src->entries = entries;
	src->n_entries = n;
}

/* Executable if base says so. */
static void add_writable_tmpfs(struct maker *m, enum sandbox_stage stage, const char *path, mode_t mode, const struct plan_base *base,
	unsigned where)
{
	bool exec = base->exec_from & where;
	struct plan_step *s = add_tmpfs(m, stage, path, base->tmp_size, mode);

	s->noexec = !exec;
	add_tmpfs_source(m, s, NULL, 0);
	add_rule(m, path, exec ? PLAN_ACCESS_WRITE_EXECUTE : PLAN_ACCESS_WRITE, -1);
}

static void add_root(struct maker *m, const struct plan_base *base)
{
	struct plan_step *s;

	add(m, PLAN_PRIVATE, SANDBOX_STAGE_ROOT, NULL);
	s = add(m, PLAN_ROOT, SANDBOX_STAGE_ROOT, "/");
	s->number = base->root_size;
	s->mode = 0755;
	s->noexec = true; /* all that it has itself is data files */
	m->plan.n_tmpfs++;
	add_tmpfs_source(m, s, in_root, TRP_ARRAY_SIZE(in_root));
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
		add_rule(m, entries[i].name, PLAN_ACCESS_EXECUTE, s->source);
	}
}

/* proc comes before anything of the old root is unmounted (the kernel asks for a visible procfs),
 * and before spec's mounts, so that a profile can lay something over it. */
static void add_proc(struct maker *m, const struct plan_base *base)
{
	add(m, PLAN_PROC, SANDBOX_STAGE_PROC, "/proc")->text = base->proc_pid ? "subset=pid" : NULL;
	add_rule(m, "/proc", PLAN_ACCESS_PROC, -1);
	if (base->proc_pid) /* there is nothing to hide */
		return;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(proc_masks); i++)
		add(m, PLAN_MASK, SANDBOX_STAGE_PROC, proc_masks[i]);
	add(m, PLAN_READONLY, SANDBOX_STAGE_PROC, "/proc/sys");
}

static void add_dev(struct maker *m, const struct plan_base *base)
{
	struct plan_step *s = add_tmpfs(m, SANDBOX_STAGE_DEV, "/dev", DEV_SIZE, 0755);

	s->noexec = true;
	add_tmpfs_source(m, s, in_dev, TRP_ARRAY_SIZE(in_dev));
	for (size_t i = 0; i < TRP_ARRAY_SIZE(dev_nodes); i++) {
		s = add(m, PLAN_TREE, SANDBOX_STAGE_DEV, dev_nodes[i]);
		add_source(m, s, dev_nodes[i])->attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	}
	add_rule(m, "/dev", PLAN_ACCESS_DEVICES, -1);
	add_writable_tmpfs(m, SANDBOX_STAGE_DEV, "/dev/shm", 01777, base, SANDBOX_EXEC_SHM);
}

/* All that is the same whosever it will be. */
static void add_base(struct maker *m, const struct plan_base *base)
{
	/* without one, nobody in here gets a capability again */
	for (size_t i = 0; i < (base->user_namespaces ? TRP_ARRAY_SIZE(namespaces) : 1); i++)
		add(m, PLAN_SYSCTL, SANDBOX_STAGE_SYSCTL, namespaces[i])->number = base->user_namespaces ? NAMESPACES_MAX : 0;
	if (base->own_network) {
		add(m, PLAN_LOOPBACK, SANDBOX_STAGE_NETNS, NULL);
		add(m, PLAN_PORT_START, SANDBOX_STAGE_NETNS, NULL)->number = base->first_unprivileged_port;
		if (base->own_all_addresses)
			add(m, PLAN_ALL_ADDRESSES, SANDBOX_STAGE_ADDRESSES, NULL);
	}
	add_root(m, base);
	add_proc(m, base);
	add_dev(m, base);
	add_writable_tmpfs(m, SANDBOX_STAGE_ROOT, "/tmp", 01777, base, SANDBOX_EXEC_TMP);
	add_writable_tmpfs(m, SANDBOX_STAGE_ROOT, "/run", 0755, base, SANDBOX_EXEC_RUN);
	add(m, PLAN_PIVOT, SANDBOX_STAGE_PIVOT, NULL);
	add(m, PLAN_SIGNALS, SANDBOX_STAGE_SESSION, NULL);
	add(m, PLAN_BOUNDING, SANDBOX_STAGE_CAPS, NULL);
	add(m, PLAN_WAIT, SANDBOX_STAGE_SYNC, NULL);
	m->plan.n_base = m->plan.n_sources;
}

/* /run is its user's. */
static void give_run(struct plan *p, const struct sandbox_spec *spec)
{
	for (size_t i = 0; i < p->n_steps; i++)
		if (p->steps[i].op == PLAN_TMPFS && strcmp(p->steps[i].path, "/run") == 0) {
			p->steps[i].uid = spec->uid;
			p->steps[i].gid = spec->gid;
		}
}

/* /proc/PID/mem writes to any page, whatever it is mapped for: no right to write there if what was written is not to be executed. */
static void close_proc(struct plan *p)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].access == PLAN_ACCESS_PROC)
			p->rules[i].access = PLAN_ACCESS_READ;
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
		add_rule(m, mnt->target, mnt->noexec ? PLAN_ACCESS_WRITE : PLAN_ACCESS_WRITE_EXECUTE, s->source);
	else if (!mnt->noexec)
		add_rule(m, mnt->target, PLAN_ACCESS_EXECUTE, s->source);
}

static void add_made(struct maker *m, const struct sandbox_mount *mnt)
{
	struct plan_source *src = add_source(m, add(m, PLAN_TREE, SANDBOX_STAGE_MOUNT, mnt->target), mnt->target);

	src->attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY;
	src->made = true;
	src->tree = mnt->tree;
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
	case SANDBOX_MOUNTED:
		add_made(m, mnt);
		return;
	case SANDBOX_TMPFS:
		s = add_tmpfs(m, SANDBOX_STAGE_MOUNT, mnt->target, mnt->size, mnt->mode);
		s->noexec = mnt->noexec;
		add_rule(m, mnt->target, mnt->noexec ? PLAN_ACCESS_WRITE : PLAN_ACCESS_WRITE_EXECUTE, -1);
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
		return; /* refused by spec.c */
	}
	s->uid = mnt->uid;
	s->gid = mnt->gid;
}

static void add_rest(struct maker *m, const struct sandbox_spec *spec,
	const struct plan_root_entry *entries, size_t n_entries)
{
	if (spec->cgroup) {
		add(m, PLAN_GROUPS, SANDBOX_STAGE_CGROUP, NULL);
		add(m, PLAN_CGROUPNS, SANDBOX_STAGE_CGROUP, NULL);
	}
	add(m, PLAN_NS_ROOT, SANDBOX_STAGE_USERNS, NULL);
	add(m, PLAN_HOSTNAME, SANDBOX_STAGE_HOSTNAME, NULL)->text = spec->hostname;
	add_root_entries(m, spec, entries, n_entries);
	for (size_t i = 0; i < spec->n_mounts; i++)
		add_mount(m, &spec->mounts[i]);
	add(m, PLAN_SEAL, SANDBOX_STAGE_DEV, "/dev");
	add(m, PLAN_SEAL, SANDBOX_STAGE_ROOT, "/");
	add(m, PLAN_FDS, SANDBOX_STAGE_FDS, NULL);
	add(m, PLAN_IDS, SANDBOX_STAGE_IDS, NULL);
	add(m, PLAN_DROP_CAPS, SANDBOX_STAGE_CAPS, NULL);
	add(m, PLAN_NO_NEW_PRIVS, SANDBOX_STAGE_CAPS, NULL);
	if (spec->memory_deny_write_execute)
		add(m, PLAN_MDWE, SANDBOX_STAGE_MDWE, NULL);
	add(m, PLAN_SESSION, SANDBOX_STAGE_SESSION, spec->cwd ? spec->cwd : "/");
	add(m, PLAN_LANDLOCK, SANDBOX_STAGE_LANDLOCK, NULL);
	/* late: a small limit on open files must not stop the steps above */
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		struct plan_step *s = add(m, PLAN_RLIMIT, SANDBOX_STAGE_RLIMIT, NULL);
		s->text = plan_rlimit_name(spec->rlimits[i].resource);
		s->resource = spec->rlimits[i].resource;
		s->number = spec->rlimits[i].limit;
	}
	add(m, PLAN_SECCOMP, SANDBOX_STAGE_SECCOMP, NULL);
	add(m, PLAN_EXEC, SANDBOX_STAGE_EXEC, NULL)->text = spec->argv[0];
}

void plan_base_of(const struct sandbox_spec *spec, struct plan_base *ret)
{
	const bool own = !spec->host_network && !spec->network_of;
	uint64_t data = 0;

	for (size_t i = 0; i < spec->n_mounts; i++)
		if (spec->mounts[i].kind == SANDBOX_DATA)
			data += (spec->mounts[i].data_len + 8191) & ~(uint64_t)4095; /* in whole pages */
	*ret = (struct plan_base){
		/* in steps: most have the same then */
		.root_size = ROOT_SPARE + (data > ROOT_SPARE / 2 ? data : 0),
		.tmp_size = spec->tmp_size,
		.exec_from = spec->exec_from,
		.user_namespaces = spec->user_namespaces,
		.proc_pid = spec->proc_pid,
		.own_network = own,
		.own_all_addresses = own && spec->own_all_addresses,
		.first_unprivileged_port = own ? spec->first_unprivileged_port : 0,
	};
}

bool plan_base_equal(const struct plan_base *a, const struct plan_base *b)
{
	return a->root_size == b->root_size && a->tmp_size == b->tmp_size && a->exec_from == b->exec_from &&
		a->user_namespaces == b->user_namespaces && a->proc_pid == b->proc_pid && a->own_network == b->own_network &&
		a->own_all_addresses == b->own_all_addresses && a->first_unprivileged_port == b->first_unprivileged_port;
}

static int finish(struct maker *m, struct plan *ret, struct sandbox_failure *ret_failure)
{
	if (m->enomem) {
		plan_free(&m->plan);
		sandbox_failure_set(ret_failure, SANDBOX_STAGE_NONE, ENOMEM, NULL);
		return -ENOMEM;
	}
	*ret = m->plan;
	return 0;
}

int plan_make_base(const struct plan_base *base, struct plan *ret)
{
	struct sandbox_failure failure;
	struct maker m = {0};

	add_base(&m, base);
	return finish(&m, ret, &failure);
}

static void add_all(struct maker *m, const struct sandbox_spec *spec, const struct plan_root_entry *entries, size_t n_entries)
{
	struct plan_base base;

	plan_base_of(spec, &base);
	add_base(m, &base);
	give_run(&m->plan, spec);
	if (spec->memory_deny_write_execute)
		close_proc(&m->plan);
	add_rest(m, spec, entries, n_entries);
}

int plan_make(const struct sandbox_spec *spec, const struct plan_root_entry *entries,
	size_t n_entries, struct plan *ret, struct sandbox_failure *ret_failure)
{
	struct maker m = {0};
	int r = spec_check(spec, false, ret_failure);

	if (r < 0)
		return r;
	add_all(&m, spec, entries, n_entries);
	return finish(&m, ret, ret_failure);
}

/* Every step of a start is one or the other: a new one that is not in here fails the unit test. */
static const enum { AROUND = 1, PROCESS } bound[PLAN_OP_COUNT] = {
	[PLAN_GROUPS] = AROUND,
	[PLAN_CGROUPNS] = AROUND,
	[PLAN_NS_ROOT] = AROUND,
	[PLAN_LOOPBACK] = AROUND,
	[PLAN_PORT_START] = AROUND,
	[PLAN_HOSTNAME] = AROUND,
	[PLAN_PRIVATE] = AROUND,
	[PLAN_ROOT] = AROUND,
	[PLAN_TREE] = AROUND,
	[PLAN_SYMLINK] = AROUND,
	[PLAN_TMPFS] = AROUND,
	[PLAN_DATA] = AROUND,
	[PLAN_DIR] = AROUND,
	[PLAN_PROC] = AROUND,
	[PLAN_MASK] = AROUND,
	[PLAN_READONLY] = AROUND,
	[PLAN_SEAL] = AROUND,
	[PLAN_PIVOT] = AROUND,
	[PLAN_ALL_ADDRESSES] = AROUND,
	[PLAN_SYSCTL] = AROUND,
	[PLAN_FDS] = PROCESS,
	[PLAN_RLIMIT] = PROCESS,
	[PLAN_BOUNDING] = PROCESS,
	[PLAN_IDS] = PROCESS,
	[PLAN_DROP_CAPS] = PROCESS,
	[PLAN_NO_NEW_PRIVS] = PROCESS,
	[PLAN_SESSION] = PROCESS,
	[PLAN_LANDLOCK] = PROCESS,
	[PLAN_SECCOMP] = PROCESS,
	[PLAN_EXEC] = PROCESS,
	[PLAN_MDWE] = PROCESS,
	[PLAN_SIGNALS] = PROCESS,
	/* they are added here */
	[PLAN_ENTER] = AROUND,
	[PLAN_TERMINAL] = AROUND,
	[PLAN_INSIDE] = AROUND,
	[PLAN_WAIT] = AROUND,
	[PLAN_CONTROLLING] = AROUND,
};

int plan_binds_process(enum plan_op op)
{
	return bound[op] ? bound[op] == PROCESS : -1;
}

static void add_entry(struct maker *m, const struct plan *start, bool group, bool terminal)
{
	if (group)
		add(m, PLAN_GROUPS, SANDBOX_STAGE_CGROUP, NULL);
	add(m, PLAN_ENTER, SANDBOX_STAGE_ENTER, NULL);
	add(m, PLAN_NS_ROOT, SANDBOX_STAGE_USERNS, NULL);
	if (terminal)
		add(m, PLAN_TERMINAL, SANDBOX_STAGE_TERMINAL, NULL);
	add(m, PLAN_INSIDE, SANDBOX_STAGE_SYNC, NULL);
	add(m, PLAN_WAIT, SANDBOX_STAGE_SYNC, NULL);
	for (size_t i = 0; i < start->n_steps; i++) {
		const struct plan_step *s = &start->steps[i];
		if (plan_binds_process(s->op) == 0)
			continue;
		*add(m, s->op, s->stage, s->path) = *s;
		if (s->op == PLAN_SESSION && terminal)
			add(m, PLAN_CONTROLLING, SANDBOX_STAGE_TERMINAL, NULL);
	}
}

int plan_make_entry(const struct sandbox_spec *spec, const struct plan_root_entry *entries, size_t n_entries, bool terminal,
	struct plan *ret, struct sandbox_failure *ret_failure)
{
	struct maker start = {0}, m = {0};
	int r = spec_check(spec, true, ret_failure);

	if (r < 0)
		return r;
	add_all(&start, spec, entries, n_entries);
	m.enomem = start.enomem;
	add_entry(&m, &start.plan, spec->cgroup != NULL, terminal);
	m.plan.rules = start.plan.rules;
	m.plan.n_rules = start.plan.n_rules;
	start.plan.rules = NULL;
	plan_free(&start.plan);
	return finish(&m, ret, ret_failure);
}

void plan_free(struct plan *plan)
{
	free(plan->steps);
	free(plan->sources);
	free(plan->rules);
	*plan = (struct plan){0};
}
