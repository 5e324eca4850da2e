/* SPDX-License-Identifier: ISC */
/* The plan of a sandbox: what is done, in which order, and what is refused. No process, no privilege. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sandbox/plan.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

static struct sock_filter insn;
static const struct seccomp_filter filter = {&insn, 1};
static const struct cgroup cg = {.name = "x"};

static const struct sandbox_mount mounts[] = {
	{.kind = SANDBOX_BIND, .source = "/srv/ro", .target = "/data"},
	{.kind = SANDBOX_BIND, .source = "/srv/rw", .target = "/state", .writable = true, .idmap = true,
		.noexec = true, .optional = true},
	{.kind = SANDBOX_TMPFS, .target = "/scratch", .size = 4096, .mode = 0700, .uid = 5, .gid = 6},
	{.kind = SANDBOX_DATA, .target = "/etc/ld.so.preload", .data = "x", .data_len = 1, .mode = 0444},
	{.kind = SANDBOX_DIR, .target = "/d", .mode = 0755},
	{.kind = SANDBOX_SYMLINK, .target = "/l", .source = "d"},
};
static const struct sandbox_fd fds[] = {{3, 0}, {4, 1}, {4, 2}};
static const struct sandbox_rlimit rlimits[] = {{RLIMIT_FSIZE, 7}, {RLIMIT_NOFILE, 64}};
static const char *const argv[] = {"trp-init", NULL};
static const char *const envp[] = {NULL};

static const struct sandbox_spec good = {
	.name = "unit",
	.hostname = "unit",
	.uid_base = 100000,
	.uid_count = 65536,
	.uid = 1000,
	.gid = 1000,
	.root = "/image",
	.root_idmap = true,
	.tmp_size = 65536,
	.mounts = mounts,
	.n_mounts = TRP_ARRAY_SIZE(mounts),
	.argv = argv,
	.envp = envp,
	.exec_fd = 9,
	.fds = fds,
	.n_fds = TRP_ARRAY_SIZE(fds),
	.rlimits = rlimits,
	.n_rlimits = TRP_ARRAY_SIZE(rlimits),
	.cgroup = &cg,
	.seccomp = &filter,
};
static const struct plan_root_entry entries[] = {{"/usr", ""}, {"/bin", "usr/bin"}};

static struct plan make(const struct sandbox_spec *spec)
{
	struct plan plan;
	struct sandbox_failure f;

	assert_int_equal(plan_make(spec, entries, TRP_ARRAY_SIZE(entries), &plan, &f), 0);
	return plan;
}

/* Index of the first (last) step with op, and path if it is not NULL. */
static size_t at(const struct plan *p, enum plan_op op, const char *path)
{
	for (size_t i = 0; i < p->n_steps; i++)
		if (p->steps[i].op == op && (!path || strcmp(p->steps[i].path, path) == 0))
			return i;
	fail_msg("no step %d %s", op, path ? path : "");
	return 0;
}

static size_t last(const struct plan *p, enum plan_op op)
{
	for (size_t i = p->n_steps; i-- > 0;)
		if (p->steps[i].op == op)
			return i;
	fail_msg("no step %d", op);
	return 0;
}

static void test_order(void **state)
{
	/* each comes before the next one */
	static const enum plan_op order[] = {PLAN_PRIVATE, PLAN_ROOT, PLAN_PROC, PLAN_PIVOT, PLAN_SIGNALS, PLAN_BOUNDING, PLAN_WAIT,
		PLAN_GROUPS, PLAN_CGROUPNS, PLAN_NS_ROOT, PLAN_SEAL, PLAN_FDS, PLAN_IDS, PLAN_DROP_CAPS, PLAN_NO_NEW_PRIVS,
		PLAN_SESSION, PLAN_LANDLOCK, PLAN_RLIMIT, PLAN_SECCOMP, PLAN_EXEC};
	struct plan p = make(&good);

	(void)state;
	for (size_t i = 1; i < TRP_ARRAY_SIZE(order); i++)
		assert_true(at(&p, order[i - 1], NULL) < at(&p, order[i], NULL));
	assert_int_equal(at(&p, PLAN_EXEC, NULL), p.n_steps - 1);
	assert_int_equal(at(&p, PLAN_SECCOMP, NULL), p.n_steps - 2);
	/* capabilities go after the last mount; the root is sealed after the last change */
	static const enum plan_op changing[] = {
		PLAN_TREE, PLAN_TMPFS, PLAN_DATA, PLAN_DIR, PLAN_SYMLINK, PLAN_MASK, PLAN_READONLY};
	for (size_t i = 0; i < TRP_ARRAY_SIZE(changing); i++)
		assert_true(last(&p, changing[i]) < at(&p, PLAN_SEAL, NULL));
	assert_true(at(&p, PLAN_SEAL, "/dev") < at(&p, PLAN_IDS, NULL));
	assert_true(at(&p, PLAN_SEAL, "/") < at(&p, PLAN_IDS, NULL));
	/* a profile's mounts come last, in their order, over what the sandbox has itself */
	assert_true(at(&p, PLAN_TMPFS, "/run") < at(&p, PLAN_TREE, "/data"));
	assert_true(at(&p, PLAN_TREE, "/usr") < at(&p, PLAN_TREE, "/data"));
	assert_true(at(&p, PLAN_TREE, "/data") < at(&p, PLAN_TREE, "/state"));
	assert_true(at(&p, PLAN_TREE, "/state") < at(&p, PLAN_TMPFS, "/scratch"));
	assert_true(at(&p, PLAN_DATA, "/etc/ld.so.preload") < at(&p, PLAN_SYMLINK, "/l"));
	plan_free(&p);
}

static bool same_text(const char *a, const char *b)
{
	return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* What is made ahead is the beginning of the plan of each spec with the same base, but for whose it is. */
static void test_base(void **state)
{
	struct sandbox_spec other = good;
	struct plan_base base, wider;
	struct plan p = make(&good), ahead;

	(void)state;
	plan_base_of(&good, &base);
	assert_int_equal(plan_make_base(&base, &ahead), 0);
	assert_int_equal(ahead.steps[ahead.n_steps - 1].op, PLAN_WAIT);
	assert_int_equal(ahead.n_sources, p.n_base);
	for (size_t i = 0; i < ahead.n_steps; i++) {
		const struct plan_step *a = &ahead.steps[i], *b = &p.steps[i];
		assert_true(a->op == b->op && same_text(a->path, b->path) && a->source == b->source && a->number == b->number &&
			a->mode == b->mode && a->noexec == b->noexec);
		assert_true(!a->text && !a->data); /* nothing of a spec's */
	}
	/* a source that comes before PLAN_WAIT is none of the spec's, and no tmpfs of ours comes after */
	for (size_t i = 0; i < p.n_sources; i++) {
		assert_true(i < p.n_base || !p.sources[i].tmpfs);
		assert_true(i >= p.n_base || (!p.sources[i].from_root && !p.sources[i].idmap && !p.sources[i].optional));
	}
	for (size_t i = ahead.n_steps; i < p.n_steps; i++)
		assert_true(p.steps[i].source < 0 || (size_t)p.steps[i].source >= p.n_base);
	other.uid_base = 300000;
	other.uid = 7;
	other.hostname = "other";
	other.n_mounts = 0;
	plan_base_of(&other, &wider);
	assert_true(plan_base_equal(&base, &wider));
	other.tmp_size *= 2;
	plan_base_of(&other, &wider);
	assert_false(plan_base_equal(&base, &wider));
	plan_free(&p);
	plan_free(&ahead);
}

static const struct plan_source *source_of(const struct plan *p, const char *path)
{
	const struct plan_step *s = &p->steps[at(p, PLAN_TREE, path)];

	assert_in_range(s->source, 0, p->n_sources - 1);
	return &p->sources[s->source];
}

static void test_mount_attributes(void **state)
{
	struct plan p = make(&good);
	const struct plan_source *usr = source_of(&p, "/usr"), *ro = source_of(&p, "/data"),
				 *rw = source_of(&p, "/state"), *null = source_of(&p, "/dev/null");

	(void)state;
	for (size_t i = 0; i < p.n_sources; i++)
		assert_true(p.sources[i].attr & MOUNT_ATTR_NOSUID);
	assert_true(usr->from_root && usr->idmap && !usr->follow);
	assert_int_equal(usr->attr, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	assert_int_equal(ro->attr, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	assert_true(ro->follow && !ro->idmap && !ro->optional);
	assert_int_equal(rw->attr, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	assert_true(rw->idmap && rw->optional && !rw->follow); /* a tenant writes there: no links */
	assert_int_equal(null->attr, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	plan_free(&p);
}

static const struct plan_rule *rule_of(const struct plan *p, const char *path)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (strcmp(p->rules[i].path, path) == 0)
			return &p->rules[i];
	return NULL;
}

static void test_landlock_follows_the_mounts(void **state)
{
	static const char *const writable[] = {"/tmp", "/run", "/dev/shm", "/state", "/scratch"};
	struct plan p = make(&good);

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(writable); i++) {
		assert_non_null(rule_of(&p, writable[i]));
		assert_int_equal(rule_of(&p, writable[i])->access,
			strcmp(writable[i], "/scratch") == 0 ? PLAN_ACCESS_WRITE_EXECUTE : PLAN_ACCESS_WRITE);
	}
	assert_int_equal(rule_of(&p, "/")->access, PLAN_ACCESS_READ);
	assert_int_equal(rule_of(&p, "/data")->access, PLAN_ACCESS_EXECUTE);
	assert_int_equal(rule_of(&p, "/usr")->access, PLAN_ACCESS_EXECUTE);
	/* an optional mount that is not there has no rule either */
	assert_ptr_equal(&p.sources[rule_of(&p, "/state")->source], source_of(&p, "/state"));
	plan_free(&p);
}

/* What can be written to cannot be executed, unless it was asked for. */
static void test_exec_from(void **state)
{
	static const struct {
		const char *path;
		unsigned where;
	} places[] = {{"/tmp", SANDBOX_EXEC_TMP}, {"/run", SANDBOX_EXEC_RUN}, {"/dev/shm", SANDBOX_EXEC_SHM}};
	struct sandbox_spec spec = good;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(places); i++) {
		spec.exec_from = places[i].where;
		struct plan p = make(&spec);
		for (size_t j = 0; j < TRP_ARRAY_SIZE(places); j++) {
			assert_int_equal(p.steps[at(&p, PLAN_TMPFS, places[j].path)].noexec, i != j);
			assert_int_equal(rule_of(&p, places[j].path)->access,
				i == j ? PLAN_ACCESS_WRITE_EXECUTE : PLAN_ACCESS_WRITE);
		}
		plan_free(&p);
	}
	struct plan p = make(&good);
	assert_true(p.steps[at(&p, PLAN_ROOT, NULL)].noexec);
	plan_free(&p);
}

static void expect_line(const struct plan *p, size_t i, const char *want)
{
	char text[512];

	assert_true(plan_step_text(p, i, text, sizeof(text)) < (int)sizeof(text));
	assert_string_equal(text, want);
}

/* Nothing but processes: then there is nothing to hide, and it is not the same base. */
static void test_proc(void **state)
{
	struct sandbox_spec other = good;
	struct plan_base all, pid;
	struct plan p = make(&good), q;

	(void)state;
	other.proc_pid = true;
	plan_base_of(&good, &all);
	plan_base_of(&other, &pid);
	assert_false(plan_base_equal(&all, &pid));
	q = make(&other);
	expect_line(&p, at(&p, PLAN_PROC, "/proc"), "proc      proc /proc");
	expect_line(&q, at(&q, PLAN_PROC, "/proc"), "proc      proc /proc subset=pid");
	for (size_t i = 0; i < q.n_steps; i++)
		assert_int_not_equal(q.steps[i].op, PLAN_MASK);
	assert_true(q.n_rules == p.n_rules);
	plan_free(&p);
	plan_free(&q);
}

static void test_print(void **state)
{
	struct plan p = make(&good);
	char text[512];

	(void)state;
	expect_line(&p, at(&p, PLAN_WAIT, NULL), "sync      wait");
	expect_line(&p, at(&p, PLAN_TREE, "/usr"), "root      attach /usr <- ROOT/usr read-only idmapped");
	expect_line(&p, at(&p, PLAN_TREE, "/state"),
		"mount     attach /state <- /srv/rw writable noexec idmapped optional");
	expect_line(&p, at(&p, PLAN_TMPFS, "/scratch"), "mount     tmpfs /scratch 4096 bytes, mode 0700, owner 5:6");
	expect_line(&p, at(&p, PLAN_SYMLINK, "/bin"), "root      symlink /bin -> usr/bin");
	expect_line(&p, last(&p, PLAN_RLIMIT), "rlimit    limit RLIMIT_NOFILE 64");
	expect_line(&p, at(&p, PLAN_SYSCTL, "/proc/sys/user/max_user_namespaces"),
		"sysctl    sysctl /proc/sys/user/max_user_namespaces = 0");
	expect_line(&p, at(&p, PLAN_EXEC, NULL), "exec      exec trp-init");
	for (size_t i = 0; i < p.n_steps; i++)
		assert_true(plan_step_text(&p, i, text, sizeof(text)) > 10);
	plan_free(&p);
}

/* One that may make namespaces may not make as many as it likes. */
static void test_namespaces(void **state)
{
	struct sandbox_spec spec = good;
	struct plan p;

	(void)state;
	spec.user_namespaces = true;
	p = make(&spec);
	expect_line(&p, at(&p, PLAN_SYSCTL, "/proc/sys/user/max_user_namespaces"), "sysctl    sysctl /proc/sys/user/max_user_namespaces = 256");
	expect_line(&p, at(&p, PLAN_SYSCTL, "/proc/sys/user/max_net_namespaces"), "sysctl    sysctl /proc/sys/user/max_net_namespaces = 256");
	plan_free(&p);
}

static void test_no_cgroup_no_root(void **state)
{
	struct sandbox_spec spec = good;
	struct sandbox_failure f;
	struct plan p;

	(void)state;
	spec.cgroup = NULL;
	spec.root = NULL;
	assert_int_equal(plan_make(&spec, NULL, 0, &p, &f), 0);
	for (size_t i = 0; i < p.n_steps; i++)
		assert_true(p.steps[i].op != PLAN_CGROUPNS && p.steps[i].op != PLAN_GROUPS);
	for (size_t i = 0; i < p.n_sources; i++)
		assert_false(p.sources[i].from_root);
	plan_free(&p);
}

static void refused(const struct sandbox_spec *spec, enum sandbox_stage stage)
{
	struct plan p = {.n_steps = 77};
	struct sandbox_failure f;

	assert_int_equal(plan_make(spec, NULL, 0, &p, &f), -EINVAL);
	assert_int_equal(f.stage, stage);
	assert_int_equal(f.error, EINVAL);
	assert_int_equal(p.n_steps, 77); /* untouched */
}

#define REFUSED(stage, ...)                                                                        \
	do {                                                                                       \
		struct sandbox_spec spec = good;                                                   \
		__VA_ARGS__;                                                                       \
		refused(&spec, stage);                                                             \
	} while (0)

static void test_refused(void **state)
{
	static const struct sandbox_fd descending[] = {{3, 1}, {4, 1}};
	static const char *const bad_targets[] = {
		"relative", "/", "/a/../b", "/a/./b", "/a//b", "/a/", "", "/.."};
	struct sandbox_mount m = {.kind = SANDBOX_DIR};

	(void)state;
	REFUSED(SANDBOX_STAGE_USERNS, spec.uid_base = 0);
	REFUSED(SANDBOX_STAGE_USERNS, spec.uid_count = 0);
	REFUSED(SANDBOX_STAGE_USERNS, spec.uid_base = UINT32_MAX - 10);
	REFUSED(SANDBOX_STAGE_IDS, spec.uid = 65536);
	REFUSED(SANDBOX_STAGE_IDS, spec.gid = (gid_t)-1);
	REFUSED(SANDBOX_STAGE_SECCOMP, spec.seccomp = NULL);
	REFUSED(SANDBOX_STAGE_SECCOMP, spec.seccomp = &(struct seccomp_filter){0});
	REFUSED(SANDBOX_STAGE_EXEC, spec.argv = envp);
	REFUSED(SANDBOX_STAGE_EXEC, spec.exec_fd = -1);
	REFUSED(SANDBOX_STAGE_HOSTNAME, spec.hostname = NULL);
	REFUSED(SANDBOX_STAGE_SESSION, spec.cwd = "tmp");
	REFUSED(SANDBOX_STAGE_ROOT, spec.tmp_size = 0); /* to tmpfs 0 is no limit */
	REFUSED(SANDBOX_STAGE_LANDLOCK, spec.n_connect_ports = 1); /* of a network that has nobody in it */
	REFUSED(SANDBOX_STAGE_NETNS, spec.host_network = spec.own_all_addresses = true);
	REFUSED(SANDBOX_STAGE_NETNS, spec.network_of = &(struct sandbox){0}; spec.own_all_addresses = true);
	REFUSED(SANDBOX_STAGE_FDS, spec.fds = descending; spec.n_fds = 2);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(bad_targets); i++) {
		m.target = bad_targets[i];
		REFUSED(SANDBOX_STAGE_MOUNT, spec.mounts = &m; spec.n_mounts = 1);
	}
	m = (struct sandbox_mount){.kind = SANDBOX_BIND, .source = "relative", .target = "/x"};
	REFUSED(SANDBOX_STAGE_MOUNT, spec.mounts = &m; spec.n_mounts = 1);
	m = (struct sandbox_mount){.kind = SANDBOX_TMPFS, .size = 0, .target = "/x"};
	REFUSED(SANDBOX_STAGE_MOUNT, spec.mounts = &m; spec.n_mounts = 1);
}

/* Nothing is done to a network that is not the sandbox's own. */
static void test_host_network(void **state)
{
	struct sandbox_spec spec = good;
	struct plan plan;

	(void)state;
	plan = make(&good);
	at(&plan, PLAN_LOOPBACK, NULL);
	at(&plan, PLAN_PORT_START, NULL);
	plan_free(&plan);
	spec.host_network = true;
	plan = make(&spec);
	for (size_t i = 0; i < plan.n_steps; i++)
		assert_int_not_equal(plan.steps[i].stage, SANDBOX_STAGE_NETNS);
	at(&plan, PLAN_LANDLOCK, NULL);
	plan_free(&plan);
	spec.host_network = false;
	spec.network_of = &(struct sandbox){0};
	spec.n_connect_ports = 1;
	spec.connect_ports = &(const uint16_t){80};
	plan = make(&spec);
	for (size_t i = 0; i < plan.n_steps; i++)
		assert_int_not_equal(plan.steps[i].stage, SANDBOX_STAGE_NETNS);
	plan_free(&plan);
}

/* Before anything of the tenant's runs, while the capability for it is there; and only where it is asked for. */
static void test_all_addresses(void **state)
{
	struct sandbox_spec spec = good;
	struct plan plan = make(&spec);
	char text[200];

	(void)state;
	for (size_t i = 0; i < plan.n_steps; i++)
		assert_int_not_equal(plan.steps[i].op, PLAN_ALL_ADDRESSES);
	plan_free(&plan);
	spec.own_all_addresses = true;
	plan = make(&spec);
	assert_true(at(&plan, PLAN_LOOPBACK, NULL) < at(&plan, PLAN_ALL_ADDRESSES, NULL));
	assert_true(at(&plan, PLAN_ALL_ADDRESSES, NULL) < at(&plan, PLAN_BOUNDING, NULL));
	assert_int_equal(plan.steps[at(&plan, PLAN_ALL_ADDRESSES, NULL)].stage, SANDBOX_STAGE_ADDRESSES);
	plan_step_text(&plan, at(&plan, PLAN_ALL_ADDRESSES, NULL), text, sizeof(text));
	assert_string_equal(text, "addresses all-addresses");
	plan_free(&plan);
}

/* One more process has every step that binds one, in the order of a start, and none that makes something. */
static void test_entry(void **state)
{
	struct sandbox_fd terminals[] = {{SANDBOX_FD_TERMINAL, 0}, {SANDBOX_FD_TERMINAL, 1}, {SANDBOX_FD_TERMINAL, 2}};
	struct sandbox_spec spec = good;
	struct sandbox_failure f;
	struct plan start = make(&good), entry;
	size_t k;

	(void)state;
	for (int op = 0; op < PLAN_OP_COUNT; op++)
		assert_int_not_equal(plan_binds_process((enum plan_op)op), -1);
	assert_int_equal(plan_make_entry(&good, entries, TRP_ARRAY_SIZE(entries), false, &entry, &f), -EINVAL); /* exec_fd */
	spec.exec_fd = -1;
	assert_int_equal(plan_make_entry(&spec, entries, TRP_ARRAY_SIZE(entries), false, &entry, &f), 0);
	assert_int_equal(entry.steps[0].op, PLAN_GROUPS); /* while it is nobody's yet */
	assert_int_equal(entry.steps[1].op, PLAN_ENTER);
	assert_int_equal(entry.n_rules, start.n_rules);
	assert_int_equal(entry.n_sources, 0);
	k = at(&entry, PLAN_WAIT, NULL) + 1;
	for (size_t i = 0; i < start.n_steps; i++) {
		if (!plan_binds_process(start.steps[i].op))
			continue;
		assert_true(k < entry.n_steps);
		assert_int_equal(entry.steps[k].op, start.steps[i].op);
		assert_int_equal(entry.steps[k].number, start.steps[i].number);
		k++;
	}
	assert_int_equal(k, entry.n_steps);
	plan_free(&entry);
	/* its terminal is made as root of the sandbox, before all that, and becomes its own in a session of its own */
	spec.fds = terminals;
	spec.n_fds = TRP_ARRAY_SIZE(terminals);
	assert_int_equal(plan_make_entry(&spec, entries, TRP_ARRAY_SIZE(entries), true, &entry, &f), 0);
	assert_true(at(&entry, PLAN_NS_ROOT, NULL) < at(&entry, PLAN_TERMINAL, NULL));
	assert_true(at(&entry, PLAN_TERMINAL, NULL) < at(&entry, PLAN_INSIDE, NULL));
	assert_int_equal(at(&entry, PLAN_CONTROLLING, NULL), at(&entry, PLAN_SESSION, NULL) + 1);
	plan_free(&entry);
	/* at a start there is none */
	spec.exec_fd = 9;
	assert_int_equal(plan_make(&spec, entries, TRP_ARRAY_SIZE(entries), &entry, &f), -EINVAL);
	plan_free(&start);
}

static void test_failure_text(void **state)
{
	struct sandbox_failure f;
	char text[512], tiny[8], path[300];

	(void)state;
	sandbox_failure_set(&f, SANDBOX_STAGE_CLONE, ENOSPC, NULL);
	sandbox_failure_text(&f, text, sizeof(text));
	assert_non_null(strstr(text, "user.max_user_namespaces"));
	sandbox_failure_set(&f, SANDBOX_STAGE_MOUNT, ENOENT, "/no/where");
	sandbox_failure_text(&f, text, sizeof(text));
	assert_non_null(strstr(text, "cannot mount /no/where: No such file or directory; "));
	sandbox_failure_set(&f, SANDBOX_STAGE_RLIMIT, EPERM, "RLIMIT_NOFILE");
	sandbox_failure_text(&f, text, sizeof(text));
	assert_non_null(strstr(text, "cannot set the resource limit (RLIMIT_NOFILE): Operation not permitted; "));
	sandbox_failure_text(&f, tiny, sizeof(tiny));
	assert_string_equal(tiny, "cannot ");
	/* the end of a long path is what tells */
	memset(path, 'a', sizeof(path));
	memcpy(path + sizeof(path) - 5, "/end", 5);
	sandbox_failure_set(&f, SANDBOX_STAGE_MOUNT, EACCES, path);
	assert_int_equal(strlen(f.detail), sizeof(f.detail) - 1);
	assert_memory_equal(f.detail, "...aaa", 6);
	assert_string_equal(f.detail + strlen(f.detail) - 4, "/end");
	/* from a child that has gone mad: no terminator, no such stage */
	memset(&f, 0xee, sizeof(f));
	sandbox_failure_text(&f, text, sizeof(text));
	assert_non_null(strstr(text, "cannot prepare the sandbox"));
	assert_string_equal(sandbox_stage_name((enum sandbox_stage)4711), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_proc),
		cmocka_unit_test(test_mount_attributes),
		cmocka_unit_test(test_landlock_follows_the_mounts),
		cmocka_unit_test(test_exec_from),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_no_cgroup_no_root),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_host_network),
		cmocka_unit_test(test_all_addresses),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_failure_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
