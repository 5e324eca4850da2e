/* SPDX-License-Identifier: ISC */
/* Real sandboxes, looked at from inside (a shell script) and from outside. Needs root: without it every test is
 * skipped with a reason, and with TRPSUP_MUST_ROOT=1 a skip is a failure. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "sandbox/cgroup_host.h"
#include "sandbox/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define UID_BASE  0x7ff00000u
#define UID_COUNT 65536u
#define PREFIX    "trpsup-sandbox-"

static struct seccomp_filter filter;
static char work[] = "/tmp/" PREFIX "XXXXXX";
static const char *const top_group = work + sizeof("/tmp/") - 1; /* of this run alone, as work is: another may go on */
static char *dir_ro, *dir_rw, *dir_open, *dir_shared, *image, *hidden_shell;

#define NEED_ROOT()                                                                                \
	do {                                                                                       \
		if (geteuid() != 0) {                                                              \
			print_message("SKIP: needs root to make idmapped mounts and id ranges\n"); \
			if (getenv("TRPSUP_MUST_ROOT"))                                            \
				fail_msg("not root, and TRPSUP_MUST_ROOT is set");                 \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* What every sandbox here sees: the host's /usr and the usual links into it. */
static const struct sandbox_mount host_usr[] = {
	{.kind = SANDBOX_BIND, .source = "/usr", .target = "/usr"},
	{.kind = SANDBOX_SYMLINK, .source = "usr/bin", .target = "/bin"},
	{.kind = SANDBOX_SYMLINK, .source = "usr/lib", .target = "/lib"},
	{.kind = SANDBOX_SYMLINK, .source = "usr/lib64", .target = "/lib64"},
};
#define N_USR TRP_ARRAY_SIZE(host_usr)

static const char *const env[] = {"PATH=/usr/bin:/usr/sbin", NULL};

struct box {
	struct sandbox_spec spec;
	struct sandbox_mount mounts[16];
	const char *argv[4];
	struct sandbox_fd fds[8];
	int out[2];
	int in[2];

	/* results */
	struct sandbox sandbox;
	struct sandbox_failure failure;
	bool failed;
	int status; /* as waitid: si_code << 8 | si_status */
	char text[65536];
};

static void box_init(struct box *b, const char *script)
{
	*b = (struct box){0};
	assert_int_equal(pipe2(b->out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b->in, O_CLOEXEC), 0);
	memcpy(b->mounts, host_usr, sizeof(host_usr));
	memcpy(b->argv, ((const char *[]){"sh", "-c", script, NULL}), sizeof(b->argv));
	b->fds[0] = (struct sandbox_fd){b->in[0], 0};
	b->fds[1] = (struct sandbox_fd){b->out[1], 1};
	b->fds[2] = (struct sandbox_fd){b->out[1], 2};
	b->spec = (struct sandbox_spec){
		.name = "unit",
		.hostname = "inside",
		.uid_base = UID_BASE,
		.uid_count = UID_COUNT,
		.uid = 1000,
		.gid = 1001,
		.tmp_size = 1024 * 1024,
		.mounts = b->mounts,
		.n_mounts = N_USR,
		.argv = b->argv,
		.envp = env,
		.exec_fd = open("/usr/bin/dash", O_RDONLY | O_CLOEXEC),
		.fds = b->fds,
		.n_fds = 3,
		.seccomp = &filter,
		.oom_score_adj = 100,
	};
}

static struct sandbox_mount *box_mount(struct box *b, struct sandbox_mount m)
{
	b->mounts[b->spec.n_mounts] = m;
	return &b->mounts[b->spec.n_mounts++];
}

static void box_close(struct box *b)
{
	int *fds[] = {&b->out[0], &b->out[1], &b->in[0], &b->in[1], &b->spec.exec_fd,
		&b->sandbox.pidfd, &b->sandbox.status_fd};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(fds); i++) {
		if (*fds[i] > 0)
			trp_close(fds[i]);
		*fds[i] = -1;
	}
}

/* Waits until fd is readable; a sandbox that hangs fails the test instead of hanging it. */
static void wait_for(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 20000), 1);
}

/* 0: the program runs. Else failed is set. */
static int box_start(struct box *b)
{
	int r = sandbox_spawn(&b->spec, &b->sandbox, &b->failure);

	if (r < 0) {
		b->failed = true;
		return r;
	}
	wait_for(b->sandbox.status_fd);
	ssize_t n = read(b->sandbox.status_fd, &b->failure, sizeof(b->failure));
	assert_true(n == 0 || (n == sizeof(b->failure) && b->failure.error > 0));
	b->failed = n > 0;
	return n > 0 ? -b->failure.error : 0;
}

static void box_reap(struct box *b)
{
	siginfo_t info;

	if (b->sandbox.pid == 0)
		return;
	wait_for(b->sandbox.pidfd);
	assert_int_equal(waitid(P_PIDFD, (id_t)b->sandbox.pidfd, &info, WEXITED), 0);
	b->status = info.si_code << 8 | info.si_status;
}

/* Starts, collects what it writes until it ends. */
static void box_run(struct box *b)
{
	size_t len = 0;
	ssize_t n = 1;

	if (box_start(b) == 0) {
		trp_close(&b->out[1]);
		while (n > 0 && len < sizeof(b->text) - 1) {
			wait_for(b->out[0]);
			n = read(b->out[0], b->text + len, sizeof(b->text) - 1 - len);
			len += n > 0 ? (size_t)n : 0;
		}
	} else {
		char text[512];
		sandbox_failure_text(&b->failure, text, sizeof(text));
		print_message("  (%s)\n", text);
	}
	box_reap(b);
	box_close(b);
}

/* Runs script in a plain box and compares what it writes. */
static void expect(const char *script, const char *want)
{
	struct box b;

	box_init(&b, script);
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, want);
}

static void expect_failure(struct box *b, enum sandbox_stage stage, int error, const char *detail)
{
	box_run(b);
	assert_true(b->failed);
	assert_string_equal(sandbox_stage_name(b->failure.stage), sandbox_stage_name(stage));
	assert_int_equal(b->failure.error, error);
	assert_non_null(strstr(b->failure.detail, detail));
}

static void test_identity(void **state)
{
	(void)state;
	NEED_ROOT();
	expect("grep -E '^(Cap|NoNew|Seccomp:|Groups|Uid|Gid)' /proc/self/status",
		"Uid:\t1000\t1000\t1000\t1000\n"
		"Gid:\t1001\t1001\t1001\t1001\n"
		"Groups:\t \n"
		"CapInh:\t0000000000000000\n"
		"CapPrm:\t0000000000000000\n"
		"CapEff:\t0000000000000000\n"
		"CapBnd:\t0000000000000000\n"
		"CapAmb:\t0000000000000000\n"
		"NoNewPrivs:\t1\n"
		"Seccomp:\t2\n");
}

static void test_root_inside_has_nothing(void **state)
{
	struct box b;

	(void)state;
	NEED_ROOT();
	box_init(&b, "grep -E '^(Uid|CapPrm|CapBnd)' /proc/self/status; true > /proc/sys/kernel/hostname; "
		     "chown 1:1 /tmp 2>/dev/null; echo $?");
	b.spec.uid = b.spec.gid = 0;
	box_run(&b);
	assert_false(b.failed);
	assert_non_null(strstr(b.text, "Uid:\t0\t0\t0\t0\nCapPrm:\t0000000000000000\nCapBnd:\t0000000000000000\n"));
	assert_non_null(strstr(b.text, "Read-only file system"));
	assert_non_null(strstr(b.text, "\n1\n"));
}

static void test_namespaces(void **state)
{
	(void)state;
	NEED_ROOT();
	expect("echo $$; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; uname -n; "
	       "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; umask; cut -d/ -f2 /proc/self/oom_score_adj; "
	       "cat /proc/self/sessionid >/dev/null; ps -o sid= -p 1 2>/dev/null | tr -d ' '",
		"1\nlo\ninside\n0\n0022\n100\n1\n");
}

static void test_root_is_bare_and_read_only(void **state)
{
	(void)state;
	NEED_ROOT();
	expect("ls -A /; for d in / /dev /usr /proc/sys/kernel; do touch $d/x 2>/dev/null && echo \"$d is "
	       "writable\"; done; for d in /tmp /run /dev/shm; do touch $d/x || echo no $d; done; "
	       "stat -c '%a %u %g' /tmp /run /dev/shm /.trpsup; ls /dev; readlink /dev/fd; "
	       "echo x > /dev/null && head -c 3 /dev/zero | wc -c",
		".trpsup\nbin\ndev\nlib\nlib64\nproc\nrun\ntmp\nusr\n"
		"1777 0 0\n755 1000 1001\n1777 0 0\n500 0 0\n"
		"fd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n/proc/self/fd\n3\n");
}

static void test_mount_flags(void **state)
{
	struct box b;
	char *line, *save = NULL;
	int seen = 0;

	(void)state;
	NEED_ROOT();
	box_init(&b, "cat /proc/self/mountinfo");
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = dir_shared, .target = "/shared"});
	box_run(&b);
	assert_false(b.failed);
	for (line = strtok_r(b.text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char point[256], options[256];
		assert_int_equal(sscanf(line, "%*s %*s %*s %*s %255s %255s", point, options), 2);
		assert_non_null(strstr(options, "nosuid"));
		if (strncmp(point, "/dev/", 5) != 0 || strcmp(point, "/dev/shm") == 0)
			assert_non_null(strstr(options, "nodev"));
		assert_null(strstr(line, "shared:"));
		assert_null(strstr(line, "master:"));
		if (strcmp(point, "/") == 0 || strcmp(point, "/dev") == 0 || strcmp(point, "/usr") == 0 ||
			strcmp(point, "/proc/sys") == 0)
			assert_memory_equal(options, "ro,", 3);
		seen++;
	}
	assert_true(seen > 10);
}

static void test_proc_is_masked(void **state)
{
	(void)state;
	NEED_ROOT();
	expect("cat /proc/keys /proc/interrupts /proc/kallsyms; ls -A /proc/bus /proc/irq | "
	       "grep -v '^/proc\\|^$'; set -- /proc/[0-9]*; echo $#; "
	       "grep ' /proc ' /proc/self/mountinfo | grep -o hidepid=invisible; ls /sys 2>/dev/null",
		"1\nhidepid=invisible\n");
}

static void test_forbidden_calls(void **state)
{
	(void)state;
	NEED_ROOT();
	expect("unshare -U true 2>&1; unshare -n true 2>&1; mount -t tmpfs none /tmp 2>/dev/null || echo mount refused; "
	       "chroot /usr true 2>/dev/null || echo chroot refused; dmesg >/dev/null 2>&1 || echo dmesg refused",
		"unshare: unshare failed: Function not implemented\n"
		"unshare: unshare failed: Function not implemented\n"
		"mount refused\nchroot refused\ndmesg refused\n");
}

/* The system call filter is the first fence: what stands behind it, with a filter that lets all through. */
static void test_no_user_namespaces_behind_the_filter(void **state)
{
	static const char *const words[] = {"@default", "unshare"};
	struct seccomp_filter loose;
	struct box b;

	(void)state;
	NEED_ROOT();
	assert_int_equal(seccomp_compile(words, TRP_ARRAY_SIZE(words), &loose), 0);
	box_init(&b, "unshare -U true; cat /proc/sys/user/max_user_namespaces");
	b.spec.seccomp = &loose;
	box_run(&b);
	seccomp_filter_free(&loose);
	assert_string_equal(b.text, "unshare: unshare failed: No space left on device\n0\n");
}

#define TRY_ALL                                                                                                                    \
	"for d in /tmp /run /dev/shm; do cp /usr/bin/true $d/prog; $d/prog 2>/dev/null && echo $d; "                               \
	"/usr/lib64/ld-linux-x86-64.so.2 $d/prog 2>/dev/null && echo loaded from $d; done; "                                       \
	"/usr/bin/python3 -c 'import os, sys\ntry:\n f = os.memfd_create(\"x\", 0)\n os.write(f, open(\"/usr/bin/true\", \"rb\").read())\n"  \
	" os.execve(f, [\"true\"], {})\nexcept OSError: sys.exit(1)' && echo memfd; "

/* Neither by execve(2) nor by mmap(2), as a loader does it. */
static void test_exec_from(void **state)
{
	static const struct {
		unsigned where;
		const char *can;
	} cases[] = {{0, ""}, {SANDBOX_EXEC_TMP, "/tmp\nloaded from /tmp\n"}, {SANDBOX_EXEC_RUN, "/run\nloaded from /run\n"},
		{SANDBOX_EXEC_SHM, "/dev/shm\nloaded from /dev/shm\n"}};
	struct box b;

	(void)state;
	NEED_ROOT();
	for (size_t i = 0; i < TRP_ARRAY_SIZE(cases); i++) {
		box_init(&b, TRY_ALL);
		b.spec.exec_from = cases[i].where;
		box_run(&b);
		assert_false(b.failed);
		assert_string_equal(b.text, cases[i].can);
	}
	static const char *const words[] = {"@default", SECCOMP_WORD_MEMFD_EXEC};
	struct seccomp_filter with_memfd;
	assert_int_equal(seccomp_compile(words, TRP_ARRAY_SIZE(words), &with_memfd), 0);
	box_init(&b, TRY_ALL);
	b.spec.seccomp = &with_memfd;
	box_run(&b);
	seccomp_filter_free(&with_memfd);
	assert_string_equal(b.text, "memfd\n");
}

static void test_seen_from_the_host(void **state)
{
	struct box b;
	char path[64], *text, byte;

	(void)state;
	NEED_ROOT();
	box_init(&b, "echo; read x");
	assert_int_equal(box_start(&b), 0);
	wait_for(b.out[0]);
	assert_int_equal(read(b.out[0], &byte, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/status", b.sandbox.pid);
	assert_int_equal(trp_read_file(AT_FDCWD, path, 65536, &text, NULL), 0);
	snprintf(path, sizeof(path), "Uid:\t%u\t", UID_BASE + 1000);
	assert_non_null(strstr(text, path));
	snprintf(path, sizeof(path), "Gid:\t%u\t", UID_BASE + 1001);
	assert_non_null(strstr(text, path));
	free(text);
	static const char *const namespaces[] = {"user", "mnt", "pid", "net", "ipc", "uts"};
	for (size_t i = 0; i < TRP_ARRAY_SIZE(namespaces); i++) {
		struct stat inside, here;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", b.sandbox.pid, namespaces[i]);
		assert_int_equal(stat(path, &inside), 0);
		snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
		assert_int_equal(stat(path, &here), 0);
		assert_int_not_equal(inside.st_ino, here.st_ino);
	}
	trp_close(&b.in[1]);
	box_reap(&b);
	box_close(&b);
}

static void test_binds(void **state)
{
	struct box b;
	struct stat st;
	char path[256];

	(void)state;
	NEED_ROOT();
	box_init(&b, "test -x /links/true && cat /data/ro/file; touch /data/ro/x 2>&1 | grep -o Read-only; echo new > /deep/er/state/made; "
		     "stat -c %u:%g /deep/er/state /deep/er/state/made; cat /one; ls /absent 2>&1 | wc -l; "
		     "cp /usr/bin/true /deep/er/state/prog; /deep/er/state/prog 2>/dev/null || echo noexec");
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = dir_ro, .target = "/data/ro"});
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = dir_rw, .writable = true,
			      .idmap = true, .noexec = true, .target = "/deep/er/state"});
	snprintf(path, sizeof(path), "%s/file", dir_ro);
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = path, .target = "/one"});
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = "/does/not/exist", .writable = true,
			      .target = "/absent", .optional = true});
	/* a link of root's making, in a directory of root's */
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = "/bin", .target = "/links"});
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text,
		"readable\nRead-only\n1000:1001\n1000:1001\nreadable\n1\nnoexec\n");
	char made[300];
	snprintf(made, sizeof(made), "%s/made", dir_rw);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_uid, 1000); /* on disk: the id inside */
	assert_int_equal(st.st_gid, 1001);
}

static void test_data_and_dirs(void **state)
{
	struct box b;

	(void)state;
	NEED_ROOT();
	box_init(&b, "cat /trp/secrets/key /run/fixed; stat -c '%a %u:%g' /trp/secrets/key /trp/dir /own; "
		     "rm -f /run/fixed 2>/dev/null || echo kept; mv /run/fixed /run/y 2>/dev/null || echo kept; "
		     "chmod 777 /trp/secrets/key 2>&1 | grep -o Read-only; touch /own/x && echo own; cat /link");
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_DATA, .target = "/trp/secrets/key", .mode = 0400,
			      .uid = 1000, .gid = 1001, .data = "secret\n", .data_len = 7});
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_DATA, .target = "/run/fixed", .mode = 0444,
			      .data = "fixed\n", .data_len = 6});
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_DIR, .target = "/trp/dir", .mode = 0711, .uid = 7,
			      .gid = 8});
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_TMPFS, .target = "/own", .mode = 0700, .uid = 1000,
			      .gid = 1001, .size = 65536});
	box_mount(&b, (struct sandbox_mount){
			      .kind = SANDBOX_SYMLINK, .source = "trp/secrets/key", .target = "/link"});
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, "secret\nfixed\n400 1000:1001\n711 7:8\n700 1000:1001\nkept\nkept\nRead-only\n"
				    "own\nsecret\n");
}

/* An image whose owners are 0..65535: shown idmapped; what it already has can be covered, nothing is added. */
static void test_image_root(void **state)
{
	struct box b;

	(void)state;
	NEED_ROOT();
	box_init(&b, "stat -c '%u:%g' /etc /etc/mine; cat /etc/ld.so.conf; touch /etc/x 2>&1 | grep -o Read-only; "
		     "ls /var; readlink /sbin");
	b.spec.root = image;
	b.spec.root_idmap = true;
	b.mounts[1].target = "/bin"; /* the same link is there already: fine */
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_DATA, .target = "/etc/ld.so.conf", .mode = 0444,
			      .data = "covered\n", .data_len = 8});
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, "0:0\n1000:1000\ncovered\nRead-only\nlib\nusr/sbin\n");

	box_init(&b, "");
	b.spec.root = image;
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_DATA, .target = "/etc/not-there", .data = "x",
			      .data_len = 1});
	expect_failure(&b, SANDBOX_STAGE_MOUNT, ENOENT, "/etc/not-there");
}

/* A tenant can have left any link in his directory: none leads out of the sandbox, at either end of a mount. */
static void test_links_lead_nowhere(void **state)
{
	struct box b;
	char source[256];

	(void)state;
	NEED_ROOT();
	snprintf(source, sizeof(source), "%s/to-etc", dir_rw);
	box_init(&b, "");
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = source, .writable = true,
			      .target = "/x"});
	expect_failure(&b, SANDBOX_STAGE_MOUNT, ELOOP, "to-etc");
	box_init(&b, "");
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = source, .target = "/x"});
	expect_failure(&b, SANDBOX_STAGE_MOUNT, ELOOP, "to-etc");

	/* inside, the link's /etc is the new root's: it is made there, not on the host */
	box_init(&b, "ls /etc/made-by-test");
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = dir_rw, .writable = true, .idmap = true,
			      .target = "/state"});
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_DIR, .target = "/etc", .mode = 0755});
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = dir_ro,
			      .target = "/state/to-etc/made-by-test"});
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, "file\n");
	assert_int_equal(access("/etc/made-by-test", F_OK), -1);
}

static void test_failures_name_the_place(void **state)
{
	struct box b;
	char text[512];

	(void)state;
	NEED_ROOT();
	box_init(&b, "");
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = "/no/such/source", .target = "/x"});
	expect_failure(&b, SANDBOX_STAGE_MOUNT, ENOENT, "/no/such/source");
	sandbox_failure_text(&b.failure, text, sizeof(text));
	assert_non_null(strstr(text, "cannot mount /no/such/source: No such file or directory; it does not exist"));

	box_init(&b, "");
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = dir_ro, .target = "/usr/no-such"});
	expect_failure(&b, SANDBOX_STAGE_MOUNT, ENOENT, "/usr/no-such");

	box_init(&b, "");
	b.spec.cwd = "/nowhere";
	expect_failure(&b, SANDBOX_STAGE_SESSION, ENOENT, "/nowhere");

	box_init(&b, "");
	trp_close(&b.spec.exec_fd);
	b.spec.exec_fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	expect_failure(&b, SANDBOX_STAGE_EXEC, EACCES, "sh");
}

static void test_descriptors(void **state)
{
	struct box b;
	int extra = open("/", O_RDONLY); /* inheritable on purpose */

	(void)state;
	if (geteuid() != 0)
		close(extra);
	NEED_ROOT();
	/* swapped numbers, a gap, and nothing else */
	box_init(&b, "echo out; echo err >&2; echo seven >&7; ls /proc/$$/fd");
	b.spec.fds = (struct sandbox_fd[]){{b.out[1], 1}, {b.out[1], 2}, {b.out[1], 7}};
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, "out\nerr\nseven\n1\n2\n7\n");
	close(extra);
}

/* to = the daemon's number of another one's from */
static void test_descriptors_collide(void **state)
{
	struct box b;
	int other[2];
	char buf[8] = {0};

	(void)state;
	NEED_ROOT();
	box_init(&b, "");
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	int low = b.out[1] < other[1] ? b.out[1] : other[1];
	int high = b.out[1] < other[1] ? other[1] : b.out[1];
	char script[64];
	snprintf(script, sizeof(script), "echo A >&%d; echo B >&%d", low, high);
	b.argv[2] = script;
	/* crosswise: the lower number gets the higher's pipe */
	b.spec.fds = (struct sandbox_fd[]){{high, low}, {low, high}};
	b.spec.n_fds = 2;
	if (low > 9 || high > 9) { /* dash takes one digit */
		box_close(&b);
		close(other[0]);
		close(other[1]);
		skip();
	}
	bool other_is_high = other[1] == high;
	assert_int_equal(box_start(&b), 0);
	wait_for(other[0]);
	assert_int_equal(read(other[0], buf, sizeof(buf)), 2);
	assert_string_equal(buf, other_is_high ? "A\n" : "B\n");
	wait_for(b.out[0]);
	assert_int_equal(read(b.out[0], buf, sizeof(buf)), 2);
	assert_string_equal(buf, other_is_high ? "B\n" : "A\n");
	box_reap(&b);
	box_close(&b);
	close(other[0]);
	close(other[1]);
}

/* A directory of the host that anybody may write to, inherited by mistake: mounts and modes do not protect it,
 * Landlock does. */
static void test_landlock(void **state)
{
	struct box b;
	cleanup_close int fd = -1;

	(void)state;
	NEED_ROOT();
	fd = open(dir_open, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	box_init(&b, "touch /proc/self/fd/5/x 2>&1 | grep -o 'Permission denied'; ls /proc/self/fd/5/ 2>&1 | "
		     "grep -o 'Permission denied'; touch /tmp/x && echo own");
	b.fds[3] = (struct sandbox_fd){fd, 5};
	b.spec.n_fds = 4;
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, "Permission denied\nPermission denied\nown\n");
}

/* The program may lie where nothing of the sandbox can see it. */
/* A program that shares the host's network reaches the ports it was given, and binds none. */
static void test_host_network(void **state)
{
	static const char script[] =
		"import os, socket, sys\n"
		"print(os.readlink('/proc/self/ns/net') == sys.argv[1])\n"
		"for port in sys.argv[2:4]:\n"
		"    try: socket.create_connection(('127.0.0.1', int(port)), 5); print('connected')\n"
		"    except OSError as e: print(e.strerror)\n"
		"try: socket.socket().bind(('127.0.0.1', 0)); print('bound')\n"
		"except OSError as e: print(e.strerror)\n";
	uint16_t port[2];
	int listener[2];
	char command[2048], net[64];
	ssize_t len = readlink("/proc/self/ns/net", net, sizeof(net) - 1);
	struct box b;

	(void)state;
	NEED_ROOT();
	assert_true(len > 0);
	net[len] = '\0';
	for (int i = 0; i < 2; i++) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t size = sizeof(in);
		listener[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(listener[i], (struct sockaddr *)&in, sizeof(in)), 0);
		assert_int_equal(listen(listener[i], 5), 0);
		assert_int_equal(getsockname(listener[i], (struct sockaddr *)&in, &size), 0);
		port[i] = ntohs(in.sin_port);
	}
	snprintf(command, sizeof(command), "/usr/bin/python3 -c \"%s\" '%s' %u %u", script, net, port[0], port[1]);
	box_init(&b, command);
	b.spec.host_network = true;
	b.spec.connect_ports = &port[0];
	b.spec.n_connect_ports = 1;
	box_run(&b);
	close(listener[0]);
	close(listener[1]);
	assert_false(b.failed);
	/* doc/security.md says what is missing before ABI 4 (landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION) */
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) >= 4)
		assert_string_equal(b.text, "True\nconnected\nPermission denied\nPermission denied\n");
	else
		assert_string_equal(b.text, "True\nconnected\nconnected\nbound\n");
}

static void test_exec_fd_is_not_visible(void **state)
{
	struct box b;

	(void)state;
	NEED_ROOT();
	box_init(&b, "echo runs");
	trp_close(&b.spec.exec_fd);
	b.spec.exec_fd = open(hidden_shell, O_RDONLY | O_CLOEXEC);
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, "runs\n");
}

/* The daemon ignores SIGPIPE and may block others: the program must not inherit that. */
static void test_signals(void **state)
{
	sigset_t block, old;

	(void)state;
	NEED_ROOT();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &old);
	expect("exec grep -E '^Sig(Blk|Ign)' /proc/self/status",
		"SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static void test_limits(void **state)
{
	struct box b;
	struct sandbox_rlimit limits[] = {
		{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, 4}, {RLIMIT_FSIZE, RLIM_INFINITY}};

	(void)state;
	NEED_ROOT();
	box_init(&b, "ulimit -n; ulimit -Hc; ulimit -f");
	b.spec.rlimits = limits;
	b.spec.n_rlimits = TRP_ARRAY_SIZE(limits);
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, "4\n0\nunlimited\n");
}

static void test_bad_specs_are_refused(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, "");
	b.spec.seccomp = NULL;
	expect_failure(&b, SANDBOX_STAGE_SECCOMP, EINVAL, "no filter");
	box_init(&b, "");
	b.spec.uid_base = 0; /* would be the host's root */
	expect_failure(&b, SANDBOX_STAGE_USERNS, EINVAL, "uid range");
	box_init(&b, "");
	box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_DIR, .target = "/a/../../b"});
	expect_failure(&b, SANDBOX_STAGE_MOUNT, EINVAL, "/a/../../b");
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void test_nothing_is_left_behind(void **state)
{
	int before;
	struct box b;

	(void)state;
	NEED_ROOT();
	sandbox_unprepare();
	before = count_fds();
	for (int i = 0; i < 3; i++) {
		box_init(&b, "true");
		box_run(&b);
		assert_false(b.failed);
		/* fails in the daemon before the clone, in the child, and in the daemon after the clone */
		box_init(&b, "");
		box_mount(&b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = "/no/such", .target = "/x"});
		box_run(&b);
		assert_true(b.failed);
		box_init(&b, "");
		b.spec.cwd = "/nowhere";
		box_run(&b);
		assert_true(b.failed);
		box_init(&b, "");
		b.spec.oom_score_adj = 99999;
		assert_int_equal(box_start(&b), -EINVAL);
		assert_int_equal(b.failure.stage, SANDBOX_STAGE_RLIMIT);
		box_close(&b);
	}
	sandbox_unprepare();
	assert_int_equal(count_fds(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* The child that makes others, or 0. */
static pid_t forker_pid(void)
{
	char *text, *save = NULL;
	pid_t found = 0;

	assert_int_equal(trp_read_file(AT_FDCWD, "/proc/thread-self/children", 4096, &text, NULL), 0);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		char path[64], *comm;
		snprintf(path, sizeof(path), "/proc/%s/comm", word);
		if (trp_read_file(AT_FDCWD, path, 64, &comm, NULL) < 0)
			continue;
		if (strcmp(comm, "trp-forker\n") == 0)
			found = (pid_t)atoi(word);
		free(comm);
	}
	free(text);
	return found;
}

static pid_t await_forker(void)
{
	for (int i = 0; i < 1000; i++) {
		pid_t pid = forker_pid();
		if (pid)
			return pid;
		usleep(10000);
	}
	fail_msg("there is no forker");
	return 0;
}

/* Of the network namespace at /proc/PID/...; 0: of none */
static ino_t network_at(const char *path)
{
	char text[64] = "";

	if (readlink(path, text, sizeof(text) - 1) < 0 || strncmp(text, "net:[", 5) != 0)
		return 0;
	return (ino_t)strtoul(text + 5, NULL, 10);
}

/* The one that we hold a descriptor of, or 0. */
static ino_t network_kept(void)
{
	char path[64];
	ino_t found = 0;

	for (int fd = 0; fd < 256 && found == 0; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		found = network_at(path);
	}
	return found;
}

static uid_t owner_of(pid_t pid)
{
	char path[64];
	uid_t uid = (uid_t)-1;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(ioctl(fd, NS_GET_OWNER_UID, &uid), 0);
	return uid;
}

static void prepared_box(struct box *b, const char *script)
{
	box_init(b, script);
	b->spec.may_be_prepared = true;
}

/* Runs it up to its first byte of output; what is read from its in keeps it there. Its host pid. */
static pid_t prepared_start(struct box *b)
{
	char byte;

	prepared_box(b, "echo; read x; grep -E '^(Uid|CapBnd|NoNew|Seccomp:)' /proc/self/status; uname -n; stat -c '%u %g %a' /tmp /run /dev "
			"/dev/shm / /proc/kallsyms; stat -c '%u' /dev/fd; ls /proc/self/fd | tr '\\n' ' '; touch /x /dev/x 2>&1 | wc -l");
	assert_int_equal(box_start(b), 0);
	wait_for(b->out[0]);
	assert_int_equal(read(b->out[0], &byte, 1), 1);
	return b->sandbox.pid;
}

static void prepared_end(struct box *b)
{
	size_t len = 0;
	ssize_t n = 1;

	assert_int_equal(write(b->in[1], "\n", 1), 1);
	trp_close(&b->out[1]);
	while (n > 0) {
		wait_for(b->out[0]);
		n = read(b->out[0], b->text + len, sizeof(b->text) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	box_reap(b);
	box_close(b);
	assert_string_equal(b->text,
		"Uid:\t1000\t1000\t1000\t1000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\ninside\n"
		"0 0 1777\n1000 1001 755\n0 0 755\n0 0 1777\n0 0 755\n0 0 444\n0\n0 1 2 3 2\n");
}

static ino_t network_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return network_at(path);
}

/* What was made ahead gives the same sandbox as one that is made at once, and is used once. */
static void test_prepared(void **state)
{
	int before;
	ino_t kept;
	struct box b, c;

	(void)state;
	NEED_ROOT();
	sandbox_unprepare();
	before = count_fds();
	prepared_start(&b); /* none is there yet; it says what the next will be like */
	assert_int_equal(owner_of(b.sandbox.pid), UID_BASE + UID_COUNT - 3);
	prepared_end(&b);
	assert_int_equal(sandbox_prepare(), 0);
	kept = network_kept();
	assert_int_not_equal(kept, 0);
	assert_int_equal(sandbox_prepare(), 0); /* one is enough */
	assert_int_equal(network_kept(), kept);
	assert_int_equal(network_of(prepared_start(&b)), kept);
	assert_int_equal(network_kept(), 0);
	/* nobody comes into the same one */
	assert_int_not_equal(network_of(prepared_start(&c)), kept);
	assert_int_equal(owner_of(c.sandbox.pid), UID_BASE + UID_COUNT - 3);
	prepared_end(&c);
	prepared_end(&b);
	sandbox_unprepare();
	assert_int_equal(count_fds(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* One that is not what is wanted, or not wanted at all. */
static void test_prepared_in_vain(void **state)
{
	struct box b;
	ino_t kept;

	(void)state;
	NEED_ROOT();
	prepared_start(&b);
	prepared_end(&b);
	assert_int_equal(sandbox_prepare(), 0);
	kept = network_kept();
	box_init(&b, "df --output=size /tmp | tail -1 | tr -d ' '");
	b.spec.tmp_size = 3 * 1024 * 1024;
	b.spec.may_be_prepared = true;
	box_run(&b);
	assert_string_equal(b.text, "3072\n");
	box_init(&b, "true"); /* of a program of ours */
	box_run(&b);
	assert_int_equal(network_kept(), kept);
	sandbox_unprepare();
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* One that has died is replaced; each start is made by it. */
static void test_forker(void **state)
{
	struct box b;
	pid_t first;

	(void)state;
	NEED_ROOT();
	sandbox_unprepare();
	assert_int_equal(sandbox_prepare(), 0);
	first = await_forker();
	prepared_start(&b);
	assert_int_equal(forker_pid(), first);
	kill(first, SIGKILL); /* its children are ours, and stay */
	for (int i = 0; i < 1000 && forker_pid() == first; i++)
		usleep(10000);
	prepared_end(&b);
	prepared_start(&b);
	assert_int_not_equal(await_forker(), first);
	prepared_end(&b);
	sandbox_unprepare();
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* In its name. */
static void answer_for(pid_t forker, const void *answer, size_t len)
{
	cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, forker, 0);

	for (int i = 0; i < 1000; i++) { /* until it has put its socket there */
		cleanup_close int end = (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);
		if (send(end, answer, len, MSG_NOSIGNAL) == (ssize_t)len)
			return;
		usleep(10000);
	}
	_exit(1);
}

static void disturb(pid_t forker, int how)
{
	switch (how) {
	case 0: kill(forker, SIGCONT); break;
	case 1: kill(forker, SIGKILL); break;
	case 2: answer_for(forker, "x", 1); break;
	case 3: answer_for(forker, &(pid_t){1}, sizeof(pid_t)); break; /* nobody was born; and that one is none of ours */
	default: break; /* it stays as it is */
	}
}

/* Whatever becomes of it when it has an order: that start is made, by it or by another one. */
static void test_forker_in_a_start(void **state)
{
	int before, status;
	struct box b;

	(void)state;
	NEED_ROOT();
	sandbox_unprepare();
	before = count_fds();
	for (int how = 0; how < 5; how++) {
		pid_t first, helper;
		assert_int_equal(sandbox_prepare(), 0);
		first = await_forker();
		assert_int_equal(kill(first, SIGSTOP), 0);
		helper = fork();
		if (helper == 0) {
			usleep(200000);
			disturb(first, how);
			_exit(0);
		}
		prepared_start(&b);
		if (how > 0)
			assert_int_not_equal(forker_pid(), first);
		prepared_end(&b);
		assert_int_equal(waitpid(helper, &status, 0), helper);
		assert_int_equal(status, 0);
	}
	sandbox_unprepare();
	assert_int_equal(count_fds(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* One that takes nothing, and an order that its socket has no room for. */
static void test_large_order_for_a_stopped_forker(void **state)
{
	static char text[100 * 1024];
	const char *large[] = {text, text, text, text, NULL};
	struct box b;
	pid_t first;

	(void)state;
	NEED_ROOT();
	sandbox_unprepare();
	assert_int_equal(sandbox_prepare(), 0);
	first = await_forker();
	assert_int_equal(kill(first, SIGSTOP), 0);
	memcpy(text, "A=", 2);
	memset(text + 2, 'x', sizeof(text) - 3);
	prepared_box(&b, "echo runs");
	b.spec.envp = large;
	box_run(&b);
	assert_string_equal(b.text, "runs\n");
	assert_int_not_equal(forker_pid(), first);
	sandbox_unprepare();
}

/* What it says before it is asked is not taken for an answer. */
static void test_forker_that_speaks_first(void **state)
{
	struct box b;
	pid_t first;

	(void)state;
	NEED_ROOT();
	sandbox_unprepare();
	assert_int_equal(sandbox_prepare(), 0);
	first = await_forker();
	answer_for(first, &(pid_t){1}, sizeof(pid_t));
	prepared_start(&b);
	assert_int_not_equal(forker_pid(), first);
	prepared_end(&b);
	sandbox_unprepare();
}

/* It lives long: what the daemon opens and closes must not live on in it. */
static void test_forker_holds_nothing(void **state)
{
	int pair[2];
	char path[64], byte;
	struct dirent *e;
	struct box b;
	pid_t forker;
	int n = 0;

	(void)state;
	NEED_ROOT();
	sandbox_unprepare();
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	assert_int_equal(sandbox_prepare(), 0);
	forker = await_forker();
	close(pair[1]);
	wait_for(pair[0]); /* its end is seen here */
	assert_int_equal(read(pair[0], &byte, 1), 0);
	close(pair[0]);
	prepared_start(&b);
	prepared_end(&b);
	prepared_start(&b); /* it has been through with the first one */
	prepared_end(&b);
	snprintf(path, sizeof(path), "/proc/%d/fd", forker);
	for (int i = 0; i < 1000 && n != 2; i++) {
		DIR *d = opendir(path);
		for (n = 0; (e = readdir(d));)
			n += e->d_name[0] != '.';
		closedir(d);
		usleep(10000);
	}
	assert_int_equal(n, 2); /* its socket, the daemon's network */
	sandbox_unprepare();
}

#define MAPPING_MAX (64ul << 20) /* a sanitizer's own are of terabytes */

/* Is it anywhere in what pid can write to? */
static bool has_in_memory(pid_t pid, const char *what, size_t len)
{
	static char page[4096];
	char path[64], *maps, *save = NULL;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	assert_int_equal(trp_read_file(AT_FDCWD, path, 1 << 20, &maps, NULL), 0);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	cleanup_close int mem = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(mem >= 0);
	for (char *line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long from, to;
		char w;
		if (sscanf(line, "%lx-%lx r%c", &from, &to, &w) != 3 || w != 'w' || to - from > MAPPING_MAX)
			continue;
		for (; from < to; from += sizeof(page))
			found |= pread(mem, page, sizeof(page), (off_t)from) == sizeof(page) && memmem(page, sizeof(page), what, len);
	}
	free(maps);
	return found;
}

/* Nor what services are told: the next child has the same memory. */
static void test_forker_forgets(void **state)
{
	char secret[64], marker[20];
	const char *told[] = {secret, NULL};
	uint64_t random;
	struct box b;
	pid_t forker;

	(void)state;
	NEED_ROOT();
	sandbox_unprepare();
	assert_int_equal(sandbox_prepare(), 0);
	forker = await_forker();
	/* of after its birth, or it would have it from us */
	assert_int_equal(getrandom(&random, sizeof(random), 0), sizeof(random));
	snprintf(marker, sizeof(marker), "%016llx", (unsigned long long)random);
	snprintf(secret, sizeof(secret), "SECRET=%s", marker);
	prepared_box(&b, "echo $SECRET");
	b.spec.envp = told;
	box_run(&b);
	assert_true(strstr(b.text, marker) != NULL);
	assert_true(has_in_memory(getpid(), marker, strlen(marker)));
	for (int i = 0; i < 1000 && has_in_memory(forker, marker, strlen(marker)); i++)
		usleep(10000);
	assert_false(has_in_memory(forker, marker, strlen(marker)));
	sandbox_unprepare();
}

/* PR_SET_MDWE is of the memory of whoever calls it, for ever: it must not be the forker's. */
static void test_mdwe_is_its_own(void **state)
{
	char script[64];
	struct box b;

	(void)state;
	NEED_ROOT();
	if (!sandbox_has_mdwe()) {
		print_message("no PR_SET_MDWE here\n");
		return;
	}
	snprintf(script, sizeof(script), "perl -e 'print syscall(%d, 66, 0, 0, 0, 0)'", SYS_prctl); /* PR_GET_MDWE */
	for (int i = 0; i < 3; i++) {
		prepared_box(&b, script);
		b.spec.memory_deny_write_execute = i == 1;
		box_run(&b);
		assert_string_equal(b.text, i == 1 ? "1" : "0");
	}
	sandbox_unprepare();
}

/* More than what a prepared one has room for: a large environment, and more descriptors than go into one message. */
static void test_large_order(void **state)
{
	static char text[100 * 1024];
	static const char *large[12];
	struct box b;

	(void)state;
	NEED_ROOT();
	prepared_start(&b);
	prepared_end(&b);
	assert_int_equal(sandbox_prepare(), 0);
	memcpy(text, "A=", 2);
	memset(text + 2, 'x', sizeof(text) - 3);
	for (size_t i = 0; i < 10; i++)
		large[i] = text;
	prepared_box(&b, "echo runs");
	b.spec.envp = large;
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, "runs\n");
	struct sandbox_fd many[60];
	for (int i = 0; i < 60; i++)
		many[i] = (struct sandbox_fd){-1, i};
	prepared_box(&b, "ls /proc/self/fd | wc -l");
	memcpy(many, b.fds, 3 * sizeof(*many));
	for (int i = 3; i < 60; i++)
		many[i].from = b.in[0];
	b.spec.fds = many;
	b.spec.n_fds = 60;
	box_run(&b);
	assert_false(b.failed);
	assert_string_equal(b.text, "61\n");
	sandbox_unprepare();
}

static void read_group(int dir, const char *file, char out[64])
{
	char *text;

	assert_true(dir >= 0);
	assert_int_equal(trp_read_file(dir, file, 4096, &text, NULL), 0);
	snprintf(out, 64, "%s", text);
	free(text);
}

static struct cgroup_host *open_host(void)
{
	struct cgroup_host *host;
	char err[256] = "";
	int r = cgroup_host_open(top_group, NULL, &host, err, sizeof(err));

	if (r < 0)
		print_message("%s\n", err);
	assert_int_equal(r, 0);
	return host;
}

/* Tells of each write to a file of a group by which others are moved. */
static int watch_moves(const struct cgroup *cg)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	for (int i = -1; i < CGROUP_V1_MAX; i++) {
		char path[64];
		int fd = i < 0 ? cg->v2_fd : cg->v1_fd[i];
		snprintf(path, sizeof(path), "/proc/self/fd/%d/cgroup.procs", fd);
		if (fd >= 0)
			assert_true(inotify_add_watch(watch, path, IN_MODIFY) >= 0);
	}
	return watch;
}

/* Where there are v2 groups, its first process is born in its group and nobody waits for the kernel to move it: what is made ahead is all but that
 * process. */
static void test_prepared_for_a_group(void **state)
{
	struct cgroup_limits none = CGROUP_NO_LIMITS;
	struct cgroup_host *host;
	char err[256] = "", path[64], *groups, byte;
	int before, watch;
	struct cgroup cg;
	struct box b;
	ino_t kept;

	(void)state;
	NEED_ROOT();
	sandbox_unprepare();
	before = count_fds();
	host = open_host();
	assert_int_equal(cgroup_create(host, "ahead", &none, &cg, err, sizeof(err)), 0);
	if (cg.v2_fd < 0) {
		print_message("no v2 tree here\n");
	} else {
		prepared_box(&b, "true");
		b.spec.cgroup = &cg;
		box_run(&b);
		assert_int_equal(sandbox_prepare(), 0);
		assert_int_equal(sandbox_prepare(), 0); /* one is enough */
		kept = network_kept();
		assert_int_not_equal(kept, 0);
		watch = watch_moves(&cg);
		prepared_box(&b, "echo; read x");
		b.spec.cgroup = &cg;
		assert_int_equal(box_start(&b), 0);
		wait_for(b.out[0]);
		assert_int_equal(read(b.out[0], &byte, 1), 1);
		assert_int_equal(read(watch, err, sizeof(err)), -1); /* nobody has moved anybody */
		close(watch);
		snprintf(path, sizeof(path), "/proc/%d/ns/net", b.sandbox.pid);
		assert_int_equal(network_at(path), kept);
		assert_int_equal(network_kept(), 0); /* it is used once */
		snprintf(path, sizeof(path), "/proc/%d/cgroup", b.sandbox.pid);
		assert_int_equal(trp_read_file(AT_FDCWD, path, 65536, &groups, NULL), 0);
		int lines = 1; /* v2's */
		for (int i = 0; i < CGROUP_V1_MAX; i++)
			lines += cg.v1_fd[i] >= 0;
		snprintf(path, sizeof(path), "%s/ahead\n", top_group);
		for (char *at = groups; (at = strstr(at, path)); at++)
			lines--;
		assert_int_equal(lines, 0);
		free(groups);
		assert_int_equal(write(b.in[1], "\n", 1), 1);
		box_reap(&b);
		box_close(&b);
		sandbox_unprepare();
	}
	assert_int_equal(cgroup_destroy(host, &cg), 0);
	cgroup_host_free(host);
	assert_int_equal(count_fds(), before);
}

static void test_cgroup_limits_hold(void **state)
{
	struct cgroup_limits limits = {.pids = 12, .memory = 24 * 1024 * 1024, .cpu_permille = 500};
	struct cgroup_host *host;
	struct cgroup cg;
	struct box b;
	char err[256] = "", text[64];
	uint64_t memory, pids, cpu;
	struct pollfd poll_fd;
	uint32_t events;

	(void)state;
	NEED_ROOT();
	host = open_host();
	assert_int_equal(cgroup_create(host, "a.b@c", &limits, &cg, err, sizeof(err)), 0);
	read_group(cg.v1_fd[0] >= 0 ? cg.v1_fd[0] : cg.v2_fd, "pids.max", text);
	assert_string_equal(text, "12\n");

	/* a fork bomb, bounded; the group is the top of what is seen */
	box_init(&b, "grep " PREFIX " /proc/self/cgroup; "
		     "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 30 & done");
	b.spec.cgroup = &cg;
	box_run(&b);
	assert_false(b.failed);
	assert_non_null(strstr(b.text, "Cannot fork"));
	assert_null(strstr(b.text, PREFIX));

	/* more memory than allowed: one is killed, and told */
	poll_fd.fd = cgroup_oom_watch(&cg, &events);
	poll_fd.events = events == EPOLLIN ? POLLIN : POLLPRI;
	assert_true(poll_fd.fd >= 0);
	assert_int_equal(cgroup_oom_kills(&cg, poll_fd.fd), 0);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	box_init(&b, "tail /dev/zero; echo $?");
	b.spec.cgroup = &cg;
	box_run(&b);
	assert_string_equal(b.text, "Killed\n137\n");
	assert_int_equal(poll(&poll_fd, 1, 0), 1);
	assert_int_equal(cgroup_oom_kills(&cg, poll_fd.fd), 1);
	assert_int_equal(poll(&poll_fd, 1, 0), 0); /* until there is something new */
	assert_int_equal(cgroup_oom_kills(&cg, -1), 1);
	close(poll_fd.fd);

	/* or all of the group goes, where the kernel can do that */
	limits.oom_group = true;
	assert_int_equal(cgroup_set_limits(host, &cg, &limits, err, sizeof(err)), 0);
	box_init(&b, "tail /dev/zero; echo $?");
	b.spec.cgroup = &cg;
	box_run(&b);
	assert_string_equal(b.text, faccessat(cg.v2_fd, "memory.oom.group", F_OK, 0) == 0 ? "" : "Killed\n137\n");

	cgroup_usage(&cg, &memory, &pids, &cpu);
	assert_int_not_equal(memory, UINT64_MAX);
	assert_int_equal(pids, 0);
	assert_true(cpu > 0 && cpu != UINT64_MAX);
	assert_true(cgroup_is_empty(&cg));
	assert_int_equal(cgroup_destroy(host, &cg), 0);
	cgroup_host_free(host);
}

static void test_cgroup_kill_and_leftovers(void **state)
{
	static const char *const hierarchies[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/pids"};
	struct cgroup_limits none = CGROUP_NO_LIMITS;
	struct cgroup_limits some = {.pids = 5, .memory = CGROUP_UNLIMITED, .cpu_permille = 5};
	struct cgroup_host *host;
	struct cgroup cg, again;
	struct box b;
	char err[256] = "", text[64];

	(void)state;
	NEED_ROOT();
	host = open_host();
	assert_int_equal(cgroup_create(host, "x", &some, &cg, err, sizeof(err)), 0);
	box_init(&b, "sleep 30 & sleep 30");
	b.spec.cgroup = &cg;
	assert_int_equal(box_start(&b), 0);
	assert_false(cgroup_is_empty(&cg));
	assert_int_equal(cgroup_destroy(host, &cg), -EBUSY);
	/* made again: the old one is killed, its limits are gone */
	assert_int_equal(cgroup_create(host, "x", &none, &again, err, sizeof(err)), 0);
	box_reap(&b);
	box_close(&b);
	assert_int_equal(b.status, CLD_KILLED << 8 | SIGKILL);
	read_group(again.v1_fd[0] >= 0 ? again.v1_fd[0] : again.v2_fd, "pids.max", text);
	assert_string_equal(text, "max\n");
	assert_int_equal(cgroup_create(host, "../up", &none, &cg, err, sizeof(err)), -EINVAL);
	assert_int_equal(cgroup_destroy(host, &again), 0);
	for (int i = 0; i < CGROUP_V1_MAX; i++)
		trp_close(&cg.v1_fd[i]);
	trp_close(&cg.v2_fd);
	cgroup_host_free(host);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(hierarchies); i++) {
		snprintf(text, sizeof(text), "%s/%s", hierarchies[i], top_group);
		assert_int_equal(access(text, F_OK), -1);
	}
}

static void write_group(const struct cgroup *cg, const char *file, const char *text)
{
	assert_int_equal(trp_write_file(cg->v2_fd, file, text), 0);
}

/* Nobody is started in one that stands still; and who is born in one that has just been told to is not waited for. */
static void test_cgroup_that_stands_still(void **state)
{
	struct cgroup_limits none = CGROUP_NO_LIMITS;
	struct cgroup_host *host;
	struct cgroup cg;
	char err[256] = "";
	struct box b, c;
	pid_t first, helper;

	(void)state;
	NEED_ROOT();
	host = open_host();
	assert_int_equal(cgroup_create(host, "x", &none, &cg, err, sizeof(err)), 0);
	if (cg.v2_fd >= 0) {
		sandbox_unprepare();
		assert_int_equal(sandbox_prepare(), 0);
		first = await_forker();
		write_group(&cg, "cgroup.freeze", "1");
		prepared_box(&b, "echo runs");
		b.spec.cgroup = &cg;
		assert_int_equal(box_start(&b), -EAGAIN);
		assert_int_equal(b.failure.stage, SANDBOX_STAGE_CGROUP);
		box_close(&b);
		assert_int_equal(forker_pid(), first); /* which was not even asked */
		write_group(&cg, "cgroup.freeze", "0");
		kill(first, SIGSTOP);
		helper = fork();
		if (helper == 0) {
			usleep(200000);
			write_group(&cg, "cgroup.freeze", "1");
			kill(first, SIGCONT);
			_exit(0);
		}
		prepared_box(&b, "read x; echo runs");
		b.spec.cgroup = &cg;
		assert_int_equal(sandbox_spawn(&b.spec, &b.sandbox, &b.failure), 0);
		assert_true(waitpid(helper, NULL, 0) == helper);
		/* meanwhile others are started: that one keeps its forker's memory */
		prepared_start(&c);
		prepared_end(&c);
		write_group(&cg, "cgroup.freeze", "0");
		wait_for(b.sandbox.status_fd);
		assert_int_equal(read(b.sandbox.status_fd, &b.failure, sizeof(b.failure)), 0);
		assert_int_equal(write(b.in[1], "\n", 1), 1);
		box_reap(&b);
		assert_int_equal(b.status, CLD_EXITED << 8);
		box_close(&b);
		sandbox_unprepare();
	}
	assert_int_equal(cgroup_destroy(host, &cg), 0);
	cgroup_host_free(host);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* A group in which all were killed and that could not be removed, by this daemon or by one before: who is started there lives. */
static void test_cgroup_that_was_killed(void **state)
{
	struct cgroup_limits none = CGROUP_NO_LIMITS;
	struct cgroup_host *host;
	struct cgroup cg, adopted;
	char err[256] = "";
	struct box b;

	(void)state;
	NEED_ROOT();
	host = open_host();
	assert_int_equal(cgroup_create(host, "x", &none, &cg, err, sizeof(err)), 0);
	assert_int_equal(cgroup_birthplace(&cg), host->births ? cg.v2_fd : -1);
	if (cg.v2_fd >= 0)
		assert_int_equal(mkdirat(cg.v2_fd, "keeps", 0755), 0);
	assert_int_equal(cgroup_kill(&cg), 0);
	assert_int_equal(cgroup_birthplace(&cg), -1);
	assert_int_equal(cgroup_adopt(host, "x", &adopted), 0);
	struct cgroup *const both[] = {&cg, &adopted};
	for (size_t i = 0; i < TRP_ARRAY_SIZE(both); i++) {
		box_init(&b, "grep -c " PREFIX " /proc/self/cgroup; echo lives");
		b.spec.cgroup = both[i];
		box_run(&b);
		assert_false(b.failed);
		assert_string_equal(b.text, "0\nlives\n");
	}
	if (cg.v2_fd >= 0)
		assert_int_equal(unlinkat(cg.v2_fd, "keeps", AT_REMOVEDIR), 0);
	assert_int_equal(cgroup_destroy(host, &adopted), 0);
	/* a new one of that name is another one */
	assert_int_equal(cgroup_create(host, "x", &none, &adopted, err, sizeof(err)), 0);
	assert_int_equal(cgroup_birthplace(&adopted), host->births ? adopted.v2_fd : -1);
	assert_int_equal(cgroup_destroy(host, &adopted), 0);
	for (int i = 0; i < CGROUP_V1_MAX; i++)
		trp_close(&cg.v1_fd[i]);
	trp_close(&cg.v2_fd);
	cgroup_host_free(host);
}

static char *make(const char *name, mode_t mode)
{
	char *path = trp_asprintf("%s/%s", work, name);

	assert_int_equal(trp_mkdir_p(path, 0755), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void put(const char *dir, const char *name, const char *text)
{
	cleanup_free char *path = trp_asprintf("%s/%s", dir, name);

	assert_int_equal(trp_write_atomic(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static void make_files(void)
{
	char *etc, *shell, *link;
	size_t len;

	dir_ro = make("ro", 0755);
	put(dir_ro, "file", "readable\n");
	dir_rw = make("rw", 0755);
	assert_int_equal(chown(dir_rw, 1000, 1001), 0);
	link = trp_asprintf("%s/to-etc", dir_rw);
	assert_int_equal(symlink("/etc", link), 0);
	dir_open = make("open", 0777);
	/* in a mount namespace of the test's own: it goes with the test */
	dir_shared = make("shared", 0755);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", dir_shared, "tmpfs", 0, "size=64k"), 0);
	assert_int_equal(mount(NULL, dir_shared, NULL, MS_SHARED, NULL), 0);
	image = make("image", 0755);
	etc = make("image/etc", 0755);
	free(make("image/usr", 0755));
	free(make("image/var/lib", 0755));
	free(make("image/home", 0755)); /* not part of an operating system */
	put(etc, "ld.so.conf", "original\n");
	put(etc, "mine", "");
	free(link);
	link = trp_asprintf("%s/mine", etc);
	assert_int_equal(chown(link, 1000, 1000), 0);
	free(link);
	link = trp_asprintf("%s/bin", image);
	assert_int_equal(symlink("usr/bin", link), 0);
	free(link);
	link = trp_asprintf("%s/sbin", image);
	assert_int_equal(symlink("usr/sbin", link), 0);
	free(link);
	free(etc);
	free(make("hidden", 0700));
	hidden_shell = trp_asprintf("%s/hidden/shell", work);
	assert_int_equal(trp_read_file(AT_FDCWD, "/usr/bin/dash", 1 << 24, &shell, &len), 0);
	assert_int_equal(trp_write_atomic(AT_FDCWD, hidden_shell, shell, len, 0755), 0);
	free(shell);
}

static int setup(void **state)
{
	(void)state;
	if (seccomp_compile((const char *const[]){"@default"}, 1, &filter) < 0)
		return -1;
	umask(022);
	if (!mkdtemp(work))
		return -1;
	if (geteuid() == 0)
		make_files();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	seccomp_filter_free(&filter);
	free(dir_ro);
	free(dir_rw);
	free(dir_open);
	if (dir_shared)
		umount2(dir_shared, MNT_DETACH);
	free(dir_shared);
	free(image);
	free(hidden_shell);
	return trp_remove_tree(AT_FDCWD, work);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors_collide), /* first: it wants low numbers */
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_root_inside_has_nothing),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_root_is_bare_and_read_only),
		cmocka_unit_test(test_mount_flags),
		cmocka_unit_test(test_proc_is_masked),
		cmocka_unit_test(test_forbidden_calls),
		cmocka_unit_test(test_no_user_namespaces_behind_the_filter),
		cmocka_unit_test(test_exec_from),
		cmocka_unit_test(test_seen_from_the_host),
		cmocka_unit_test(test_binds),
		cmocka_unit_test(test_data_and_dirs),
		cmocka_unit_test(test_image_root),
		cmocka_unit_test(test_links_lead_nowhere),
		cmocka_unit_test(test_failures_name_the_place),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_landlock),
		cmocka_unit_test(test_host_network),
		cmocka_unit_test(test_exec_fd_is_not_visible),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bad_specs_are_refused),
		cmocka_unit_test(test_nothing_is_left_behind),
		cmocka_unit_test(test_prepared),
		cmocka_unit_test(test_prepared_in_vain),
		cmocka_unit_test(test_forker),
		cmocka_unit_test(test_forker_in_a_start),
		cmocka_unit_test(test_large_order_for_a_stopped_forker),
		cmocka_unit_test(test_forker_that_speaks_first),
		cmocka_unit_test(test_forker_holds_nothing),
		cmocka_unit_test(test_forker_forgets),
		cmocka_unit_test(test_mdwe_is_its_own),
		cmocka_unit_test(test_large_order),
		cmocka_unit_test(test_prepared_for_a_group),
		cmocka_unit_test(test_cgroup_limits_hold),
		cmocka_unit_test(test_cgroup_kill_and_leftovers),
		cmocka_unit_test(test_cgroup_that_stands_still),
		cmocka_unit_test(test_cgroup_that_was_killed),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
