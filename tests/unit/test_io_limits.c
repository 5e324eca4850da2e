/* SPDX-License-Identifier: ISC */
/* Limits on disks: what is written for them in v1 and v2, what is refused, and which disks a path lies on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "sandbox/cgroup_host.h"
#include "supervisor/blockdev.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

/* A group as files of an ordinary directory. */
struct fake {
	char path[32];
	int dir;
	struct cgroup_host host;
	struct cgroup group;
	char err[300];
	enum cgroup_io_limit failed;
};

static void fake_make(struct fake *f, bool v2)
{
	*f = (struct fake){.path = "/tmp/io-limits-XXXXXX", .host = {CGROUP_NONE},
		.group = {.name = "unit", CGROUP_NONE}, .failed = CGROUP_IO_LIMITS};
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dir >= 0);
	f->host.v2_has[CGROUP_IO] = v2;
	if (v2)
		f->host.v2_fd = f->group.v2_fd = f->dir;
	else
		f->host.v1_fd[CGROUP_IO] = f->group.v1_fd[CGROUP_IO] = f->dir;
}

static void fake_end(struct fake *f)
{
	close(f->dir);
	assert_int_equal(trp_remove_tree(AT_FDCWD, f->path), 0);
}

static void put(const struct fake *f, const char *file, const char *text)
{
	int fd = openat(f->dir, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(trp_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void says(const struct fake *f, const char *file, const char *text)
{
	cleanup_free char *have = NULL;

	assert_int_equal(trp_read_file(f->dir, file, 4096, &have, NULL), 0);
	assert_string_equal(have, text);
}

static int set(struct fake *f, const struct cgroup_io *io)
{
	return cgroup_io_set(&f->host, &f->group, io, &f->failed, f->err, sizeof(f->err));
}

static const char *const v1_files[] = {"blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device", "blkio.throttle.read_iops_device",
	"blkio.throttle.write_iops_device"};

/* 9:77 is no device of this host's. */
static const struct cgroup_io rates = {.limit = {65536, 0, 0, 500, 0}, .devices = {9 << 8 | 77}, .n_devices = 1};

static void test_rates_v2(void **state)
{
	struct cgroup_io all = {.limit = {1, 2, 3, 4, 0}, .devices = {makedev(9, 77)}, .n_devices = 1};
	char differs[200] = "";
	struct fake f;

	(void)state;
	assert_true(rates.devices[0] == makedev(9, 77));
	fake_make(&f, true);
	put(&f, "io.max", "");
	assert_int_equal(set(&f, &all), 0);
	says(&f, "io.max", "9:77 rbps=1 wbps=2 riops=3 wiops=4");
	put(&f, "io.max", "");
	assert_int_equal(set(&f, &rates), 0);
	says(&f, "io.max", "9:77 rbps=65536 wbps=max riops=max wiops=500");
	assert_true(cgroup_io_in_force(&f.host, &f.group, &rates, differs, sizeof(differs)));
	/* another disk of several, another number, a number that only begins so */
	put(&f, "io.max", "8:0 rbps=65536 wbps=max riops=max wiops=500\n9:77 rbps=65536 wbps=max riops=max wiops=5000\n");
	assert_false(cgroup_io_in_force(&f.host, &f.group, &rates, differs, sizeof(differs)));
	assert_string_equal(differs, "io.max of its control group is not 500 for the disk 9:77");
	fake_end(&f);
}

static void test_rates_v1(void **state)
{
	char differs[200] = "";
	struct fake f;

	(void)state;
	fake_make(&f, false);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(v1_files); i++)
		put(&f, v1_files[i], "");
	assert_int_equal(set(&f, &rates), 0);
	says(&f, v1_files[0], "9:77 65536");
	says(&f, v1_files[1], "");
	says(&f, v1_files[2], "");
	says(&f, v1_files[3], "9:77 500");
	assert_true(cgroup_io_in_force(&f.host, &f.group, &rates, differs, sizeof(differs)));
	put(&f, v1_files[3], "9:77 5000\n");
	assert_false(cgroup_io_in_force(&f.host, &f.group, &rates, differs, sizeof(differs)));
	assert_string_equal(differs, "blkio.throttle.write_iops_device of its control group is not 500 for the disk 9:77");
	fake_end(&f);
}

static void test_refused(void **state)
{
	struct cgroup_io weight = {.limit = {[CGROUP_IO_WEIGHT] = 20}, .devices = {makedev(9, 77)}, .n_devices = 1}, nowhere = rates, none = {0};
	struct fake f;

	(void)state;
	fake_make(&f, false);
	/* a kernel without throttling: its first file is not there, or another one */
	assert_int_equal(set(&f, &rates), -ENOTSUP);
	assert_int_equal(f.failed, CGROUP_IO_READ);
	assert_string_equal(f.err, "this kernel cannot limit it (its control groups have no blkio.throttle.read_bps_device)");
	put(&f, v1_files[0], "");
	assert_int_equal(set(&f, &rates), -ENOTSUP);
	assert_int_equal(f.failed, CGROUP_IO_WRITE_OPS);
	/* nothing reads weights */
	put(&f, "blkio.bfq.weight", "100\n");
	assert_int_equal(set(&f, &weight), -ENOTSUP);
	assert_int_equal(f.failed, CGROUP_IO_WEIGHT);
	assert_string_equal(f.err, "the disk 9:77 knows no weights: its I/O scheduler is not bfq");
	says(&f, "blkio.bfq.weight", "100\n");
	nowhere.n_devices = 0;
	assert_int_equal(set(&f, &nowhere), -ENOTSUP);
	f.group.v1_fd[CGROUP_IO] = -1;
	assert_int_equal(set(&f, &rates), -ENOTSUP);
	assert_string_equal(f.err, "this host has no io or blkio controller for control groups");
	assert_int_equal(set(&f, &none), 0);
	fake_end(&f);
}

/* As it was written, and as the kernel shows it with this in front; and not when somebody has changed it. */
static void holds_weight(const struct fake *f, const struct cgroup_io *io, const char *file, const char *front)
{
	cleanup_free char *have = NULL;
	char text[64], differs[200] = "";

	assert_true(cgroup_io_in_force(&f->host, &f->group, io, differs, sizeof(differs)));
	assert_int_equal(trp_read_file(f->dir, file, 4096, &have, NULL), 0);
	snprintf(text, sizeof(text), "%s%s\n", front, have);
	put(f, file, text);
	assert_true(cgroup_io_in_force(&f->host, &f->group, io, differs, sizeof(differs)));
	snprintf(text, sizeof(text), "%s7\n8:0 %s\n", front, have);
	put(f, file, text);
	assert_false(cgroup_io_in_force(&f->host, &f->group, io, differs, sizeof(differs)));
	assert_non_null(strstr(differs, "the I/O weight of its control group is not"));
}

/* A loop device leaves it to the disk behind it; the scale is bfq's. */
static void test_weight(void **state)
{
	static const struct {
		uint64_t weight;
		const char *text;
	} scale[] = {{1, "1"}, {100, "100"}, {5050, "550"}, {10000, "1000"}};
	struct fake f;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(scale); i++) {
		struct cgroup_io io = {.limit = {[CGROUP_IO_WEIGHT] = scale[i].weight}, .devices = {makedev(7, 0)}, .n_devices = 1};
		fake_make(&f, false);
		put(&f, "blkio.bfq.weight", "");
		assert_int_equal(set(&f, &io), 0);
		says(&f, "blkio.bfq.weight", scale[i].text);
		holds_weight(&f, &io, "blkio.bfq.weight", "");
		fake_end(&f);
		fake_make(&f, true);
		put(&f, "io.bfq.weight", "");
		assert_int_equal(set(&f, &io), 0);
		says(&f, "io.bfq.weight", scale[i].text);
		holds_weight(&f, &io, "io.bfq.weight", "default ");
		fake_end(&f);
	}
}

/* The cost model's state is in the top group's file. */
static void test_cost_model(void **state)
{
	struct cgroup_io io = {.limit = {[CGROUP_IO_WEIGHT] = 5050}, .devices = {makedev(9, 77)}, .n_devices = 1};
	struct fake f;

	(void)state;
	fake_make(&f, true);
	assert_int_equal(mkdirat(f.dir, "trpsup", 0700), 0);
	f.host.v2_fd = f.group.v2_fd = openat(f.dir, "trpsup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(&f, "trpsup/io.weight", "");
	put(&f, "io.cost.qos", "19:77 enable=1 ctrl=auto\n9:77 enable=0 ctrl=auto\n");
	assert_int_equal(set(&f, &io), -ENOTSUP);
	assert_non_null(strstr(f.err, "io.cost.qos is not on for it"));
	put(&f, "io.cost.qos", "8:0 enable=0 ctrl=auto\n9:77 enable=1 ctrl=auto\n");
	assert_int_equal(set(&f, &io), 0);
	says(&f, "trpsup/io.weight", "5050");
	close(f.host.v2_fd);
	fake_end(&f);
}

/* As /sys/dev/block is made: links to directories, that of a partition lies in its disk's. */
static void test_partitions(void **state)
{
	struct fake f;
	dev_t whole = 0;

	(void)state;
	fake_make(&f, false);
	assert_int_equal(mkdirat(f.dir, "sda", 0700), 0);
	assert_int_equal(mkdirat(f.dir, "sda/sda2", 0700), 0);
	put(&f, "sda/dev", "8:0\n");
	put(&f, "sda/sda2/dev", "8:2\n");
	put(&f, "sda/sda2/partition", "2\n");
	assert_int_equal(symlinkat("sda", f.dir, "8:0"), 0);
	assert_int_equal(symlinkat("sda/sda2", f.dir, "8:2"), 0);
	assert_int_equal(blockdev_whole(f.dir, makedev(8, 2), &whole), 0);
	assert_true(whole == makedev(8, 0));
	whole = 0;
	assert_int_equal(blockdev_whole(f.dir, makedev(8, 0), &whole), 0);
	assert_true(whole == makedev(8, 0));
	whole = 1;
	assert_int_equal(blockdev_whole(f.dir, makedev(0, 44), &whole), -ENODEV);
	assert_true(whole == 1);
	fake_end(&f);
}

static void test_memory(void **state)
{
	struct blockdevs devs = {0};

	(void)state;
	assert_int_equal(blockdev_find("/proc", &devs), 0);
	assert_int_equal(blockdev_find("/sys", &devs), 0);
	assert_int_equal(blockdev_find("/nonexistent", &devs), -ENOENT);
	assert_int_equal(devs.n, 0);
}

/* An overlay's layers have the disks. */
static void overlay_is_found(const char *top)
{
	struct blockdevs plain = {0}, layered = {0}, closed = {0};
	char options[300], path[100];
	static const char *const dirs[] = {"a", "b", "up", "work", "at", "c:d"};

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(77);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", top, dirs[i]);
		if (mkdir(path, 0700) < 0)
			_exit(1);
	}
	snprintf(path, sizeof(path), "%s/at", top);
	snprintf(options, sizeof(options), "lowerdir=%s/a:%s/b,upperdir=%s/up,workdir=%s/work", top, top, top, top);
	if (mount("overlay", path, "overlay", 0, options) < 0)
		_exit(77);
	if (blockdev_find(top, &plain) != 1 || blockdev_find(path, &layered) != 1 || layered.n != plain.n || layered.v[0] != plain.v[0])
		_exit(2);
	umount2(path, MNT_DETACH);
	/* a name that would be taken apart wrongly */
	snprintf(options, sizeof(options), "lowerdir=%s/c\\:d:%s/b", top, top);
	if (mount("overlay", path, "overlay", 0, options) < 0 || blockdev_find(path, &closed) != -ENODEV)
		_exit(3);
	_exit(0);
}

static void test_overlay(void **state)
{
	struct statfs fs;
	struct fake f;
	int status;
	pid_t pid;

	(void)state;
	fake_make(&f, false);
	assert_int_equal(statfs(f.path, &fs), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		overlay_is_found(f.path);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fake_end(&f);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) == 77 || fs.f_type == TMPFS_MAGIC)) {
		print_message("overlays cannot be mounted here, or /tmp is on no disk\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_v2),
		cmocka_unit_test(test_rates_v1),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_cost_model),
		cmocka_unit_test(test_partitions),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_overlay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
