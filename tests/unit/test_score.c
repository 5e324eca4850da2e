/* SPDX-License-Identifier: ISC */
/* trpsup score: each control that a profile weakens, each step that a plan loses and each thing that a process has not changes its row,
 * that row alone, and makes the number worse. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "profile_files.h"
#include "supervisor/box/adapter.h"
#include "supervisor/profile/keys.h"
#include "supervisor/score/tables.h"

#include <sys/mount.h>

#define STRICT                                                                                                                             \
	"[service]\ncommand = /usr/bin/true\nadapter = loopback\n"                                                                         \
	"[route]\nhost = a.example\nhttp = 80\nmax-connections = 100\n"                                                                     \
	"[limits]\ncpu = 100%\nfile-size = 1G\nstate-size = 1G\nio-read = 50M\nio-write = 20M\n[sandbox]\n"

struct judged {
	struct profile *profile;
	struct seccomp_filter filter;
	struct box_site site;
	struct score_view view;
	struct score score;
};

static const struct cgroup group = {.name = "unit", CGROUP_NONE};

/* The score of a profile of this text. */
static struct judged judge(const char *text)
{
	const char *dirs[] = {files_dir};
	struct profile_paths paths = {.dirs = dirs, .n_dirs = 1, .public_port = {0}, .libexec = "/nowhere"};
	struct adapter_choice adapter;
	struct judged j = {0};
	struct strv words = {0};
	char err[400];

	file_write("s.ini", text);
	if (profile_load(&paths, "s", &j.profile, &errors) < 0)
		fail_msg("%s", errors.v[0]);
	assert_int_equal(box_filter_words(j.profile, &j.profile->syscalls, &words), 0);
	assert_int_equal(seccomp_compile((const char *const *)words.v, words.n, &j.filter), 0);
	strv_free(&words);
	assert_int_equal(adapter_choose(j.profile, NULL, &adapter), 0);
	j.site = (struct box_site){.profile = j.profile, .service = "s", .state_dir = "/var/lib/trpsup", .run_dir = "/run/trpsup",
		.adapter = adapter.adapter, .uid_base = 1000000, .uid = strcmp(j.profile->user, "0") == 0 ? 0 : 1000, .gid = 1000,
		.seccomp = &j.filter, .cgroup = &group};
	if (score_view_make(&j.site, -1, &j.view, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	return j;
}

static void judge_now(struct judged *j)
{
	j->view.site = &j->site; /* they were copied */
	j->site.seccomp = j->view.filter = &j->filter;
	score_judge(&j->view, &j->score);
}

static void judged_free(struct judged *j)
{
	score_view_free(&j->view);
	seccomp_filter_free(&j->filter);
	profile_free(j->profile);
}

static const struct score_row *row_of(const struct score *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->rows[i].control->name, name) == 0)
			return &s->rows[i];
	fail_msg("no control %s", name);
	return NULL;
}

/* Row name is worse in b than in a, no other differs, and so is the number. */
static void worse_by(const struct score *a, const struct score *b, const char *name, const char *what)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		const char *control = a->rows[i].control->name;
		if (strcmp(control, name) == 0) {
			if (b->rows[i].exposure <= a->rows[i].exposure)
				fail_msg("%s: %s is %u, was %u (%s)", what, control, b->rows[i].exposure, a->rows[i].exposure, b->rows[i].has);
		} else if (b->rows[i].exposure != a->rows[i].exposure) {
			fail_msg("%s changed %s too: %u, was %u (%s)", what, control, b->rows[i].exposure, a->rows[i].exposure, b->rows[i].has);
		}
	}
	if (b->total <= a->total || b->mean <= a->mean)
		fail_msg("%s: the number is %u, was %u", what, b->total, a->total);
}

/* What a profile can say, and the control that it concerns. */
static const struct {
	const char *line, *control;
	bool advice; /* the message names the line */
} weaker[] = {
	{"syscalls = @default mount", "calls-mount", true},
	{"syscalls = @default bpf", "calls-kernel", true},
	{"syscalls = @default @io-uring", "calls-io-uring", true},
	{"syscalls = @default @debug", "calls-debug", true},
	{"syscalls = @default @keyring", "calls-keyring", true},
	{"syscalls = @default @self-filter", "calls-self-filter", true},
	{"syscalls = @default settimeofday", "calls-clock", true},
	{"syscalls = @default reboot", "calls-host", true},
	{"syscalls = @default modify_ldt", "calls-obsolete", true},
#if defined(__x86_64__)
	{"architectures = native x86", "architectures", true},
#endif
	{"syscalls = @default unshare", "new-namespaces", true},
	{"syscalls = @default setns", "new-namespaces", true},
	{"syscalls = @default clone3", "new-namespaces", true},
	{"allow-missing = landlock", "landlock", true},
	{"allow-missing = cgroup", "control-group", true},
	{"bind = /srv/data /srv/data", "host-readable", true},
	{"bind = / /host", "host-readable", true},
	{"bind = /srv/data /srv/data rw noexec", "host-writable", true},
	{"host-files = /etc/hostname", "host-files", true},
	{"secret = other/key\n[service]\nrequires = other", "secrets", true},
	{"publish = yes", "published", true},
	{"use = other\n[service]\nrequires = other", "used", true},
	{"[route]\ndefault = yes", "names", true},
	{"[route]\nhost = *.b.example", "names", false},
	{"[service]\nready = notify", "daemon-socket", true},
	{"[service]\nuser = 0", "user", true},
	{"[service]\nstart-limit-burst = 0", "restarts", true},
	{"[service]\nlog-size = 1G", "logs", true},
	{"[limits]\nmemory = unlimited", "memory", true},
	{"[limits]\nprocesses = unlimited", "processes", true},
	{"[limits]\nlocked-memory = unlimited", "locked-memory", true},
	{"allow-missing = io", "io", false},
};

/* A gap that has a key is named with it, and closed by it alone. */
static void test_key_that_closes_a_gap(void **state)
{
	/* without the calls of which it takes a part, or it would change their number too */
	struct judged open = judge(STRICT "syscalls = @default -memfd_create -shmat\n"),
		closed = judge(STRICT "syscalls = @default -memfd_create -shmat\nmemory-deny-write-execute = yes\n");

	(void)state;
	judge_now(&open);
	judge_now(&closed);
	worse_by(&closed.score, &open.score, "write-execute-memory", "without memory-deny-write-execute");
	assert_int_equal(row_of(&closed.score, "write-execute-memory")->exposure, 0);
	assert_string_equal(row_of(&open.score, "write-execute-memory")->control->key, "memory-deny-write-execute");
	assert_string_not_equal(row_of(&open.score, "write-execute-memory")->advice, "");
	for (size_t i = 0; i < closed.score.n; i++)
		if (closed.score.rows[i].exposure > 0 && closed.score.rows[i].advice[0] == '\0')
			fail_msg("%s is a gap without a key: %s", closed.score.rows[i].control->name, closed.score.rows[i].has);
	judged_free(&open);
	judged_free(&closed);
}

#if defined(__x86_64__)
/* A call that i386 alone has is seen, and one whose arguments nobody sees is worse than the rest of them. */
static void test_x86_calls(void **state)
{
	struct judged plain = judge(STRICT "architectures = native x86\n"),
		old = judge(STRICT "architectures = native x86\nsyscalls = @default vm86\n"),
		unseen = judge(STRICT "architectures = native x86\nsyscalls = @default socketcall\n");

	(void)state;
	judge_now(&plain);
	judge_now(&old);
	judge_now(&unseen);
	assert_string_equal(row_of(&plain.score, "architectures")->has, "i386 too");
	worse_by(&plain.score, &old.score, "calls-obsolete", "vm86");
	worse_by(&plain.score, &unseen.score, "architectures", "socketcall");
	judged_free(&plain);
	judged_free(&old);
	judged_free(&unseen);
}
#endif

static void test_each_key(void **state)
{
	struct judged strict = judge(STRICT);

	(void)state;
	judge_now(&strict);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(weaker); i++) {
		char text[1024], last[200];
		snprintf(text, sizeof(text), "%s%s\n", STRICT, weaker[i].line);
		struct judged j = judge(text);
		judge_now(&j);
		worse_by(&strict.score, &j.score, weaker[i].control, weaker[i].line);
		const struct score_row *row = row_of(&j.score, weaker[i].control);
		snprintf(last, sizeof(last), "%s", row->where.file ? row->where.file : "");
		if (weaker[i].advice && (row->where.line == 0 || !strstr(last, "s.ini")))
			fail_msg("%s: line %u of '%s'", weaker[i].line, row->where.line, last);
		assert_string_not_equal(row->advice, "");
		judged_free(&j);
	}
	judged_free(&strict);
}

/* The other way round: what the strict profile says, taken away. */
static void test_keys_that_are_missing(void **state)
{
	static const struct {
		const char *from, *to, *control;
	} changes[] = {
		{"adapter = loopback\n", "adapter = preload\n", "passed-sockets"},
		{"max-connections = 100\n", "", "clients"},
		{"max-connections = 100\n", "rate = 5/s\n", "clients"},
		{"cpu = 100%\n", "", "cpu"},
		{"file-size = 1G\n", "", "file-size"},
		{"state-size = 1G\n", "", "state-size"},
		{"io-read = 50M\n", "", "io"},
		{"io-write = 20M\n", "", "io"},
	};
	struct judged strict = judge(STRICT);

	(void)state;
	judge_now(&strict);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(changes); i++) {
		const char *at = strstr(STRICT, changes[i].from);
		char text[1024];
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - STRICT), STRICT, changes[i].to, at + strlen(changes[i].from));
		struct judged j = judge(text);
		judge_now(&j);
		/* two rows speak of the adapter: without trp-relay beside it there is one process less */
		if (strcmp(changes[i].control, "passed-sockets") == 0) {
			assert_true(row_of(&j.score, "passed-sockets")->exposure > row_of(&strict.score, "passed-sockets")->exposure);
			assert_true(row_of(&j.score, "adapter-process")->exposure < row_of(&strict.score, "adapter-process")->exposure);
		} else {
			worse_by(&strict.score, &j.score, changes[i].control, changes[i].to);
		}
		judged_free(&j);
	}
	judged_free(&strict);
}

/* A step that somebody takes out of the plan. */
static void test_each_step(void **state)
{
	static const struct {
		enum plan_op op;
		const char *path, *control;
	} steps[] = {
		{PLAN_BOUNDING, NULL, "capabilities"},
		{PLAN_DROP_CAPS, NULL, "capabilities"},
		{PLAN_NO_NEW_PRIVS, NULL, "no-new-privileges"},
		{PLAN_PRIVATE, NULL, "namespaces"},
		{PLAN_PIVOT, NULL, "namespaces"},
		{PLAN_LANDLOCK, NULL, "landlock"},
		{PLAN_SEAL, "/", "root-read-only"},
		{PLAN_SEAL, "/dev", "root-read-only"},
		{PLAN_PROC, "/proc", "proc"},
		{PLAN_READONLY, "/proc/sys", "proc"},
		{PLAN_RLIMIT, NULL, "core-dumps"},
	};
	struct judged strict = judge(STRICT);

	(void)state;
	judge_now(&strict);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(steps); i++) {
		struct judged j = judge(STRICT);
		struct plan *plan = &j.view.plan;
		for (size_t k = 0; k < plan->n_steps; k++) {
			struct plan_step *s = &plan->steps[k];
			if (s->op != steps[i].op || (steps[i].path && strcmp(s->path, steps[i].path) != 0) ||
				(s->op == PLAN_RLIMIT && s->resource != RLIMIT_CORE))
				continue;
			memmove(s, s + 1, (plan->n_steps - k - 1) * sizeof(*s));
			plan->n_steps--;
			break;
		}
		assert_int_not_equal(plan->n_steps, strict.view.plan.n_steps);
		judge_now(&j);
		worse_by(&strict.score, &j.score, steps[i].control, steps[i].control);
		judged_free(&j);
	}
	judged_free(&strict);
}

/* Whatever the daemon may do: no service runs before the others. */
static void test_scheduling(void **state)
{
	static const int limits[] = {RLIMIT_NICE, RLIMIT_RTPRIO};
	struct judged j = judge(STRICT);
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < j.view.plan.n_steps; i++)
		for (size_t k = 0; k < TRP_ARRAY_SIZE(limits); k++)
			if (j.view.plan.steps[i].op == PLAN_RLIMIT && j.view.plan.steps[i].resource == limits[k]) {
				assert_int_equal(j.view.plan.steps[i].number, 0);
				found++;
			}
	assert_int_equal(found, TRP_ARRAY_SIZE(limits));
	judged_free(&j);
}

/* A process as it is to be; then each thing that can be wrong with it. */
static const struct score_process good_process = {.pid = 7, .in_group = true, .own_ns = (1u << NS_COUNT) - 1, .seccomp = 2, .no_new_privs = true,
	.ids = {1001000, 1001000, 1001000, 1001000, 1001000, 1001000, 1001000, 1001000}, .limit_core = 0, .limit_files = 8192,
	.limit_file_size = 1 << 30, .limit_locked = 1 << 20, .oom_score_adj = 200, .proc_options = "rw,hidepid=invisible", .mounts_known = true};

#define WRONG(name, control, change)                                                                                                       \
	static const char *name(struct score_process *p)                                                                                   \
	{                                                                                                                                  \
		change;                                                                                                                    \
		return control;                                                                                                            \
	}
WRONG(no_filter, "system-call-filter", p->seccomp = 0)
WRONG(new_privs, "no-new-privileges", p->no_new_privs = false)
WRONG(effective, "capabilities", p->caps[2] = 1)
WRONG(bounding, "capabilities", p->caps[3] = 1ull << 21)
WRONG(ambient, "capabilities", p->caps[4] = 1)
WRONG(host_root, "user-namespace", p->ids[1] = 0)
WRONG(other_range, "user-namespace", p->ids[7] = 1000000 + 65536)
WRONG(host_userns, "user-namespace", p->own_ns &= ~(1u << NS_USER))
WRONG(host_net, "network", p->own_ns &= ~(1u << NS_NET))
WRONG(host_pid, "namespaces", p->own_ns &= ~(1u << NS_PID))
WRONG(host_mnt, "namespaces", p->own_ns &= ~(1u << NS_MNT))
WRONG(host_ipc, "namespaces", p->own_ns &= ~(1u << NS_IPC))
WRONG(host_uts, "namespaces", p->own_ns &= ~(1u << NS_UTS))
WRONG(host_cgroup, "namespaces", p->own_ns &= ~(1u << NS_CGROUP))
WRONG(other_group, "control-group", p->in_group = false)
WRONG(core, "core-dumps", p->limit_core = UINT64_MAX)
WRONG(files, "open-files", p->limit_files = 8193)
WRONG(file_size, "file-size", p->limit_file_size = UINT64_MAX)
WRONG(locked, "locked-memory", p->limit_locked = UINT64_MAX)
WRONG(oom, "out-of-memory", p->oom_score_adj = 0)
WRONG(written, "root-read-only", strcpy(p->writable, "/usr"))
WRONG(device, "devices", strcpy(p->loose, "/mnt"))
WRONG(hidepid, "proc", strcpy(p->proc_options, "rw"))

static void test_each_thing_in_force(void **state)
{
	static const char *(*const wrongs[])(struct score_process *) = {no_filter, new_privs, effective, bounding, ambient, host_root, other_range,
		host_userns, host_net, host_pid, host_mnt, host_ipc, host_uts, host_cgroup, other_group, core, files, file_size, locked, oom, written,
		device, hidepid};
	struct judged j = judge(STRICT);
	const struct score_group fine = {""}, off = {"pids.max of its control group is max, not 512"};
	struct score clean;

	(void)state;
	judge_now(&j);
	clean = j.score;
	score_verify(&j.view, &good_process, 1, &fine, &j.score);
	assert_false(j.score.broken);
	assert_int_equal(j.score.total, clean.total);
	assert_int_equal(row_of(&j.score, "capabilities")->looked, 1);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(wrongs); i++) {
		struct score_process two[] = {good_process, good_process}; /* the second of them */
		const char *control = wrongs[i](&two[1]);
		j.score = clean;
		score_verify(&j.view, two, 2, &fine, &j.score);
		assert_true(j.score.broken);
		worse_by(&clean, &j.score, control, control);
		assert_string_not_equal(row_of(&j.score, control)->found, "");
		assert_string_equal(j.score.raised->control->name, control);
		assert_true(j.score.total >= 9000);
	}
	j.score = clean;
	score_verify(&j.view, &good_process, 1, &off, &j.score);
	worse_by(&clean, &j.score, "control-group", off.differs);
	judged_free(&j);
}

static void test_formula(void **state)
{
	struct judged j = judge(STRICT "bind = / /host rw\n");
	unsigned long sum = 0, weights = 0;

	(void)state;
	judge_now(&j);
	for (size_t i = 0; i < j.score.n; i++) {
		sum += j.score.rows[i].control->weight * j.score.rows[i].exposure;
		weights += j.score.rows[i].control->weight;
	}
	assert_int_equal(j.score.mean, (sum * 100 + weights - 1) / weights);
	assert_int_equal(j.score.total, 9000); /* one row is enough */
	assert_string_equal(j.score.raised->control->name, "host-writable");
	assert_string_equal(score_word(0), "PERFECT");
	assert_string_equal(score_word(100), "SAFE");
	assert_string_equal(score_word(1000), "OK");
	assert_string_equal(score_word(4999), "OK");
	assert_string_equal(score_word(5000), "MEDIUM");
	assert_string_equal(score_word(7500), "EXPOSED");
	assert_string_equal(score_word(9000), "UNSAFE");
	assert_string_equal(score_word(10000), "DANGEROUS");
	judged_free(&j);
}

static void test_paths(void **state)
{
	static const struct {
		const char *path;
		unsigned read_least, write_least;
	} paths[] = {
		{"/", 90, 90}, {"/run/docker.sock", 90, 90}, {"/var/run/docker.sock", 90, 90}, {"/run", 90, 90}, {"/var", 75, 90},
		{"/var/lib", 75, 90}, {"/var/lib/trpsup/state/other", 75, 90}, {"/etc", 75, 90}, {"/etc/shadow", 75, 90}, {"/etc/nginx", 0, 90},
		{"/etc/ssl/private/key.pem", 50, 75}, {"/home/ada/www", 50, 75}, {"/srv/www", 0, 0}, {"/usr/share/doc", 0, 90},
		{"/usrlocal", 0, 0}, {"/dev/kvm", 50, 90},
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(paths); i++) {
		unsigned least, read = score_path_grave(paths[i].path, false, &least, &why), write;
		if (least != paths[i].read_least)
			fail_msg("%s, read: %u (%s)", paths[i].path, least, why);
		write = score_path_grave(paths[i].path, true, &least, &why);
		if (least != paths[i].write_least)
			fail_msg("%s, written: %u (%s)", paths[i].path, least, why);
		assert_true(read > 0 && write >= read);
	}
}

/* Of several binds the gravest counts, in whatever respect. */
static void test_two_binds(void **state)
{
	(void)state;
	for (int turned = 0; turned < 2; turned++) {
		struct judged j = judge(turned ? STRICT "bind = /etc/letsencrypt /k\nbind = /var/log /l\n" : STRICT "bind = /var/log /l\nbind = /etc/letsencrypt /k\n");
		const struct score_row *row;

		judge_now(&j);
		row = row_of(&j.score, "host-readable");
		assert_int_equal(row->least, SCORE_FLOOR_BAD);
		assert_int_equal(row->exposure, 60);
		judged_free(&j);
	}
}

/* trpsup.conf says where the daemon's socket and the services' state are. */
static void test_own_directories(void **state)
{
	static const struct {
		const char *bind, *row;
		unsigned least;
	} binds[] = {{"/srv/own/run /x", "host-readable", SCORE_FLOOR_HOST}, {"/srv/own/state/state/other /x rw", "host-writable", SCORE_FLOOR_HOST},
		{"/srv/own/state /x", "host-readable", SCORE_FLOOR_GRAVE}, {"/srv /x rw", "host-writable", SCORE_FLOOR_HOST}, {"/srv/www /x", "host-readable", 0}};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(binds); i++) {
		cleanup_free char *text = trp_asprintf("%sbind = %s\n", STRICT, binds[i].bind);
		struct judged j = judge(text);

		j.site.run_dir = "/srv/own/run";
		j.site.state_dir = "/srv/own/state";
		judge_now(&j);
		if (row_of(&j.score, binds[i].row)->least != binds[i].least)
			fail_msg("bind = %s: %u", binds[i].bind, row_of(&j.score, binds[i].row)->least);
		judged_free(&j);
	}
}

static void test_proc_files(void **state)
{
	static const char status[] = "Name:\tSeccomp: 0\\nCapEff:\t00\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t1001000\t1001001\t1001002\t1001003\n"
				     "Gid:\t1\t2\t3\t4\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000001\nCapEff:\t000001ffffffffff\n"
				     "CapBnd:\t0000000000000002\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";
	static const char limits[] = "Limit                     Soft Limit           Hard Limit           Units     \n"
				     "Max file size             unlimited            unlimited            bytes     \n"
				     "Max core file size        0                    0                    bytes     \n"
				     "Max open files            1024                 8192                 files     \n"
				     "Max locked memory         65536                8388608              bytes     \n";
	struct score_process p = {0};
	char cut[sizeof(status)];

	(void)state;
	assert_int_equal(score_read_status(status, &p), 0);
	assert_int_equal(p.ids[3], 1001003);
	assert_int_equal(p.ids[4], 1);
	assert_int_equal(p.caps[2], 0x1ffffffffff);
	assert_int_equal(p.caps[3], 2);
	assert_true(p.no_new_privs && p.seccomp == 2);
	assert_int_equal(score_read_limits(limits, &p), 0);
	assert_int_equal(p.limit_files, 8192);
	assert_int_equal(p.limit_locked, 8388608);
	assert_int_equal(p.limit_core, 0);
	assert_true(p.limit_file_size == UINT64_MAX);
	for (size_t i = 0; i < strlen(status) - strlen("2\nSeccomp_filters:\t1\n"); i++) {
		memcpy(cut, status, i);
		cut[i] = '\0';
		assert_int_equal(score_read_status(cut, &p), -EBADMSG);
	}
	memcpy(cut, status, sizeof(status));
	*strstr(cut, "S (sleeping)") = 'Z';
	assert_int_equal(score_read_status(cut, &p), -ESRCH);
}

static void test_mounts(void **state)
{
	struct judged j = judge(STRICT);
	struct score_process p = {0};

	(void)state;
	assert_int_equal(score_read_mounts(&j.view.plan,
				 "1 0 0:1 / / ro,relatime - tmpfs trpsup rw\n"
				 "2 1 0:2 / /proc rw,nosuid,nodev,noexec - proc proc rw,hidepid=invisible\n"
				 "3 1 0:3 / /tmp rw,nosuid,nodev shared:4 - tmpfs trpsup rw\n"
				 "4 1 0:4 / /dev/null rw,nosuid,noexec - devtmpfs dev rw\n"
				 "5 1 0:5 / /trp/state rw,nosuid,nodev - ext4 /dev/sda rw\n"
				 "bad line\n6 1 0:6 - x\n",
				 &p),
		0);
	assert_true(p.mounts_known);
	assert_string_equal(p.writable, "");
	assert_string_equal(p.loose, "");
	assert_string_equal(p.proc_options, "rw,hidepid=invisible");
	score_read_mounts(&j.view.plan, "7 1 0:7 / /tmpx rw,nosuid,nodev - ext4 /dev/sda rw\n8 1 0:8 / /usr ro,nodev - ext4 x rw\n", &p);
	assert_string_equal(p.writable, "/tmpx");
	assert_string_equal(p.loose, "/usr");
	judged_free(&j);
}

/* /proc is mounted to be written to, whatever Landlock allows there. What is below it is another mount. */
static void test_mounts_of_proc(void **state)
{
	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		struct judged j = judge(closed ? STRICT "memory-deny-write-execute = yes\n" : STRICT);
		struct score_process p = {0};

		score_read_mounts(&j.view.plan, "2 1 0:2 / /proc rw,nosuid,nodev,noexec - proc proc rw,hidepid=invisible\n", &p);
		assert_string_equal(p.writable, "");
		score_read_mounts(&j.view.plan, "3 2 0:2 /sys /proc/sys rw,nosuid,nodev,noexec - proc proc rw\n", &p);
		assert_string_equal(p.writable, "/proc/sys");
		judged_free(&j);
	}
}

/* Every control is known by a name of its own, weighs something, and where a profile can change it, names a key that exists. */
static void test_table(void **state)
{
	struct judged j = judge(STRICT);

	(void)state;
	judge_now(&j);
	assert_true(j.score.n > 40 && j.score.n < SCORE_ROWS_MAX);
	for (size_t i = 0; i < j.score.n; i++) {
		const struct score_control *c = j.score.rows[i].control;
		bool exists = !c->key;
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(j.score.rows[k].control->name, c->name);
		assert_true(c->weight >= 1 && c->weight <= 20);
		assert_true(!c->key == !c->section && !c->key == !c->advice);
		for (size_t k = 0; k < profile_n_keys; k++)
			exists |= c->key && strcmp(profile_keys[k].section, c->section) == 0 && strcmp(profile_keys[k].name, c->key) == 0;
		if (!exists)
			fail_msg("%s: there is no key %s in [%s]", c->name, c->key, c->section);
		assert_string_not_equal(j.score.rows[i].has, "");
	}
	judged_free(&j);
}

/* There is room for all that may be said. */
static void test_large(void **state)
{
	cleanup_free char *text = files_large_profile(PROFILE_MOUNTS_MAX, PROFILE_VARS_MAX, PROFILE_WORDS_MAX);
	struct judged j;

	(void)state;
	j = judge(text);
	judged_free(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_key),
		cmocka_unit_test(test_key_that_closes_a_gap),
#if defined(__x86_64__)
		cmocka_unit_test(test_x86_calls),
#endif
		cmocka_unit_test(test_keys_that_are_missing),
		cmocka_unit_test(test_each_step),
		cmocka_unit_test(test_scheduling),
		cmocka_unit_test(test_each_thing_in_force),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_formula),
		cmocka_unit_test(test_paths), cmocka_unit_test(test_two_binds), cmocka_unit_test(test_own_directories),
		cmocka_unit_test(test_proc_files),
		cmocka_unit_test(test_mounts), cmocka_unit_test(test_mounts_of_proc),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
