/* SPDX-License-Identifier: ISC */
/* cgroup_io.c: limits of a group on disks (Linux Documentation/admin-guide/cgroup-v2.rst, "IO"; cgroup-v1/blkio-controller.rst;
 * block/bfq-iosched.rst). Runs in the daemon. */
#include "sandbox/cgroup_host.h"

#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define TEXT_MAX       65536
#define BFQ_WEIGHT_MAX 1000
#define UP_MAX         16 /* groups between ours and the top one */

/* Where each goes: in v1 a file of its own, in v2 a word of io.max. */
static const struct {
	const char *v1, *v2;
} rates[] = {
	[CGROUP_IO_READ] = {"blkio.throttle.read_bps_device", "rbps"},
	[CGROUP_IO_WRITE] = {"blkio.throttle.write_bps_device", "wbps"},
	[CGROUP_IO_READ_OPS] = {"blkio.throttle.read_iops_device", "riops"},
	[CGROUP_IO_WRITE_OPS] = {"blkio.throttle.write_iops_device", "wiops"},
};
_Static_assert(TRP_ARRAY_SIZE(rates) == CGROUP_IO_WEIGHT, "the weight is the last");

bool cgroup_io_wanted(const struct cgroup_io *io)
{
	for (int i = 0; i < CGROUP_IO_LIMITS; i++)
		if (io->limit[i])
			return true;
	return false;
}

static bool in_v2(const struct cgroup_host *h)
{
	return h->v2_has[CGROUP_IO];
}

static int group_fd(const struct cgroup_host *h, const struct cgroup *cg)
{
	return in_v2(h) ? cg->v2_fd : cg->v1_fd[CGROUP_IO];
}

static int put(int dir, const char *file, const char *text, char *err, size_t err_size)
{
	int r = trp_write_file(dir, file, text);

	if (r == -ENOENT) {
		snprintf(err, err_size, "this kernel cannot limit it (its control groups have no %s)", file);
		return -ENOTSUP;
	}
	if (r < 0)
		snprintf(err, err_size, "cannot set %s of its control group to %s: %s", file, text, strerror(-r));
	return r;
}

/* ---- rates ---- */

static int format_v2(const struct cgroup_io *io, dev_t dev, char *out, size_t size)
{
	int n = snprintf(out, size, "%u:%u", major(dev), minor(dev));

	for (size_t i = 0; i < TRP_ARRAY_SIZE(rates); i++)
		n += io->limit[i] ? snprintf(out + n, size - (size_t)n, " %s=%" PRIu64, rates[i].v2, io->limit[i])
				  : snprintf(out + n, size - (size_t)n, " %s=max", rates[i].v2);
	return n;
}

/* The first limit that is asked for, of those that one file has together. */
static enum cgroup_io_limit first_rate(const struct cgroup_io *io)
{
	size_t i = 0;

	while (i < TRP_ARRAY_SIZE(rates) && io->limit[i] == 0)
		i++;
	return (enum cgroup_io_limit)i;
}

static int set_v2(int dir, const struct cgroup_io *io, dev_t dev, enum cgroup_io_limit *ret_failed, char *err, size_t err_size)
{
	char text[160];
	int r;

	format_v2(io, dev, text, sizeof(text));
	r = put(dir, "io.max", text, err, err_size);
	if (r < 0)
		*ret_failed = first_rate(io);
	return r;
}

static int set_v1(int dir, const struct cgroup_io *io, dev_t dev, enum cgroup_io_limit *ret_failed, char *err, size_t err_size)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(rates); i++) {
		char text[64];
		int r;
		if (io->limit[i] == 0)
			continue;
		snprintf(text, sizeof(text), "%u:%u %" PRIu64, major(dev), minor(dev), io->limit[i]);
		r = put(dir, rates[i].v1, text, err, err_size);
		if (r < 0) {
			*ret_failed = (enum cgroup_io_limit)i;
			return r;
		}
	}
	return 0;
}

/* ---- the weight ---- */

/* 1 to 10000 around 100, on bfq's scale of 1 to 1000 around 100 */
static uint64_t bfq_weight(uint64_t weight)
{
	return weight <= CGROUP_WEIGHT ? weight
				       : CGROUP_WEIGHT + (weight - CGROUP_WEIGHT) * (BFQ_WEIGHT_MAX - CGROUP_WEIGHT) /
								 (CGROUP_WEIGHT_MAX - CGROUP_WEIGHT);
}

static bool has_bfq(int device)
{
	cleanup_free char *text = NULL;

	return trp_read_file(device, "queue/scheduler", 4096, &text, NULL) == 0 && strstr(text, "[bfq]");
}

/* device: its directory in /sys. What is made of others (LVM, RAID) has no scheduler, they have. */
static bool schedules(int device, int depth)
{
	cleanup_close int fd = openat(device, "slaves", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool all = true, any = false;

	if (dir)
		fd = -1;
	while (dir && all && (entry = readdir(dir))) {
		cleanup_close int slave = -1;
		if (entry->d_name[0] == '.')
			continue;
		any = true;
		slave = openat(dirfd(dir), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (slave >= 0 && faccessat(slave, "partition", F_OK, 0) == 0) {
			int disk = openat(slave, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
			trp_close(&slave);
			slave = disk;
		}
		all = slave >= 0 && depth > 0 && schedules(slave, depth - 1);
	}
	if (dir)
		closedir(dir);
	return any ? all : has_bfq(device);
}

/* Is the cost model on for it? Only the top group says. */
static bool has_cost(const struct cgroup_host *h, dev_t dev)
{
	char path[UP_MAX * 3 + 16] = "", line[48];

	snprintf(line, sizeof(line), "%u:%u enable=1", major(dev), minor(dev));
	for (int up = 0; in_v2(h) && up < UP_MAX; up++) {
		cleanup_free char *text = NULL;
		char file[sizeof(path) + 16];
		const char *at;
		strcat(path, "../");
		snprintf(file, sizeof(file), "%sio.cost.qos", path);
		if (trp_read_file(h->v2_fd, file, TEXT_MAX, &text, NULL) < 0)
			continue;
		at = strstr(text, line);
		return at && (at == text || at[-1] == '\n');
	}
	return false;
}

static bool weighs(const struct cgroup_host *h, dev_t dev)
{
	cleanup_close int device = -1;
	char path[64];

	/* the disk behind a loop device is in the list too */
	if (major(dev) == LOOP_MAJOR || has_cost(h, dev))
		return true;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	device = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return device >= 0 && schedules(device, 8);
}

/* A weight file without a scheduler that reads it would be a limit in name only. */
static int set_weight(const struct cgroup_host *h, int dir, const struct cgroup_io *io, char *err, size_t err_size)
{
	uint64_t weight = io->limit[CGROUP_IO_WEIGHT];
	char text[32];
	int r;

	for (size_t i = 0; i < io->n_devices; i++)
		if (!weighs(h, io->devices[i])) {
			snprintf(err, err_size, "the disk %u:%u knows no weights: its I/O scheduler is not bfq%s", major(io->devices[i]),
				minor(io->devices[i]), in_v2(h) ? ", and io.cost.qos is not on for it" : "");
			return -ENOTSUP;
		}
	snprintf(text, sizeof(text), "%" PRIu64, weight);
	r = in_v2(h) ? trp_write_file(dir, "io.weight", text) : -ENOENT;
	if (r < 0 && r != -ENOENT)
		return put(dir, "io.weight", text, err, err_size);
	snprintf(text, sizeof(text), "%" PRIu64, bfq_weight(weight));
	/* with the cost model alone there is no file of bfq's */
	if (r == 0 && faccessat(dir, "io.bfq.weight", F_OK, 0) < 0)
		return 0;
	return put(dir, in_v2(h) ? "io.bfq.weight" : "blkio.bfq.weight", text, err, err_size);
}

/* ---- all of it ---- */

int cgroup_io_set(const struct cgroup_host *h, const struct cgroup *cg, const struct cgroup_io *io, enum cgroup_io_limit *ret_failed,
	char *err, size_t err_size)
{
	enum cgroup_io_limit first = first_rate(io);
	int r = 0, dir = group_fd(h, cg);

	if (!cgroup_io_wanted(io))
		return 0;
	if (dir < 0 || io->n_devices == 0) {
		*ret_failed = first;
		snprintf(err, err_size, dir < 0 ? "this host has no io or blkio controller for control groups" : "nothing that it has is on a disk");
		return -ENOTSUP;
	}
	for (size_t i = 0; i < io->n_devices && first != CGROUP_IO_WEIGHT && r == 0; i++)
		r = in_v2(h) ? set_v2(dir, io, io->devices[i], ret_failed, err, err_size)
			     : set_v1(dir, io, io->devices[i], ret_failed, err, err_size);
	if (r < 0 || io->limit[CGROUP_IO_WEIGHT] == 0)
		return r;
	r = set_weight(h, dir, io, err, err_size);
	if (r < 0)
		*ret_failed = CGROUP_IO_WEIGHT;
	return r;
}

/* Has one line of file this beginning, and behind it this word? word NULL: is it all of the line? */
static bool has_line(int dir, const char *file, const char *start, const char *word)
{
	cleanup_free char *text = NULL;
	char *save = NULL;

	if (trp_read_file(dir, file, TEXT_MAX, &text, NULL) < 0)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t len = strlen(start);
		const char *at = line + len;
		if (strncmp(line, start, len) != 0)
			continue;
		if (!word)
			return *at == '\0';
		at = strstr(at, word);
		if (at && (at[strlen(word)] == ' ' || at[strlen(word)] == '\0'))
			return true;
	}
	return false;
}

static bool rate_in_force(const struct cgroup_host *h, int dir, size_t limit, uint64_t value, dev_t dev)
{
	char start[64], word[48];

	snprintf(word, sizeof(word), " %s=%" PRIu64, rates[limit].v2, value);
	if (in_v2(h)) {
		snprintf(start, sizeof(start), "%u:%u", major(dev), minor(dev));
		return has_line(dir, "io.max", start, word);
	}
	snprintf(start, sizeof(start), "%u:%u %" PRIu64, major(dev), minor(dev), value);
	return has_line(dir, rates[limit].v1, start, NULL);
}

/* "default 50" or "50"; others behind it are of single disks. */
static bool file_weighs(int dir, const char *file, uint64_t weight)
{
	cleanup_free char *text = NULL;
	const char *at;

	if (trp_read_file(dir, file, TEXT_MAX, &text, NULL) < 0)
		return false;
	at = strncmp(text, "default ", 8) == 0 ? text + 8 : text;
	return strtoull(at, NULL, 10) == weight;
}

/* In each of the files that set_weight() writes, as far as this host has them. */
static bool weight_in_force(const struct cgroup_host *h, int dir, uint64_t weight)
{
	const char *bfq = in_v2(h) ? "io.bfq.weight" : "blkio.bfq.weight";
	const bool has_weight = in_v2(h) && faccessat(dir, "io.weight", F_OK, 0) == 0, has_own = faccessat(dir, bfq, F_OK, 0) == 0;

	return (has_weight || has_own) && (!has_weight || file_weighs(dir, "io.weight", weight)) &&
		(!has_own || file_weighs(dir, bfq, bfq_weight(weight)));
}

bool cgroup_io_in_force(const struct cgroup_host *h, const struct cgroup *cg, const struct cgroup_io *io, char *differs, size_t size)
{
	int dir = group_fd(h, cg);

	for (size_t d = 0; d < io->n_devices; d++)
		for (size_t i = 0; i < TRP_ARRAY_SIZE(rates); i++) {
			if (io->limit[i] == 0 || rate_in_force(h, dir, i, io->limit[i], io->devices[d]))
				continue;
			snprintf(differs, size, "%s of its control group is not %" PRIu64 " for the disk %u:%u", in_v2(h) ? "io.max" : rates[i].v1,
				io->limit[i], major(io->devices[d]), minor(io->devices[d]));
			return false;
		}
	if (io->limit[CGROUP_IO_WEIGHT] && !weight_in_force(h, dir, io->limit[CGROUP_IO_WEIGHT])) {
		snprintf(differs, size, "the I/O weight of its control group is not %" PRIu64, io->limit[CGROUP_IO_WEIGHT]);
		return false;
	}
	return true;
}

/* The sum of the numbers behind each word in text. The file says nothing of a disk that the group has
 * not used. */
static uint64_t sum_of(const char *text, const char *word)
{
	uint64_t sum = 0;

	for (const char *p = text; (p = strstr(p, word));) {
		p += strlen(word);
		sum += strtoull(p, NULL, 10);
	}
	return sum;
}

void cgroup_io_usage(const struct cgroup *cg, uint64_t *ret_read, uint64_t *ret_written)
{
	cleanup_free char *text = NULL;

	*ret_read = *ret_written = UINT64_MAX;
	if (cg->v2_fd >= 0 && trp_read_file(cg->v2_fd, "io.stat", 65536, &text, NULL) == 0) {
		*ret_read = sum_of(text, "rbytes=");
		*ret_written = sum_of(text, "wbytes=");
	} else if (cg->v1_fd[CGROUP_IO] >= 0 &&
		   trp_read_file(cg->v1_fd[CGROUP_IO], "blkio.throttle.io_service_bytes", 65536, &text, NULL) == 0) {
		*ret_read = sum_of(text, " Read ");
		*ret_written = sum_of(text, " Write ");
	}
}
