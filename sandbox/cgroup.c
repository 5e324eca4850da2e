/* SPDX-License-Identifier: ISC */
/* cgroup.c: one service's group: limits, members, use, end. Runs in the daemon. */
#include "sandbox/cgroup_host.h"

#include "base/io.h"
#include "base/parse.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DIR_FLAGS   (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define PROCS_MAX   (4 * 1024 * 1024)
#define KILL_ROUNDS 100

/* One limit: which value goes into which file. Files are written in the order of the rows. */
enum limit_value {
	VALUE_LIMIT, /* the number */
	VALUE_NO_LIMIT,
	VALUE_NO_SWAP,   /* 0, where memory is limited */
	VALUE_CPU_QUOTA, /* microseconds for each period */
	VALUE_CPU_PERIOD,
	VALUE_CPU_MAX, /* both */
	VALUE_WEIGHT,
	VALUE_SHARES, /* the same on v1's scale, whose default is 1024 */
	VALUE_ALL_OR_NONE,
};

static const struct limit_file {
	enum cgroup_controller controller;
	bool v2;
	const char *file;
	enum limit_value value;
	const char *no_limit;
	bool optional; /* the kernel may be built or booted without it */
} limit_files[] = {
	{CGROUP_PIDS, true, "pids.max", VALUE_LIMIT, "max", false},
	{CGROUP_PIDS, false, "pids.max", VALUE_LIMIT, "max", false},
	{CGROUP_MEMORY, true, "memory.max", VALUE_LIMIT, "max", false},
	{CGROUP_MEMORY, true, "memory.swap.max", VALUE_NO_SWAP, "max", true},
	{CGROUP_MEMORY, true, "memory.oom.group", VALUE_ALL_OR_NONE, "0", true},
	/* never below the limit without swap, not even for a moment */
	{CGROUP_MEMORY, false, "memory.memsw.limit_in_bytes", VALUE_NO_LIMIT, "-1", true},
	{CGROUP_MEMORY, false, "memory.limit_in_bytes", VALUE_LIMIT, "-1", false},
	{CGROUP_MEMORY, false, "memory.memsw.limit_in_bytes", VALUE_LIMIT, "-1", true},
	/* buffers of its sockets: v2 counts them as memory, v1 beside it, and only where there is a limit */
	{CGROUP_MEMORY, false, "memory.kmem.tcp.limit_in_bytes", VALUE_LIMIT, "-1", true},
	{CGROUP_CPU, true, "cpu.max", VALUE_CPU_MAX, "max", false},
	{CGROUP_CPU, false, "cpu.cfs_period_us", VALUE_CPU_PERIOD, "100000", false},
	{CGROUP_CPU, false, "cpu.cfs_quota_us", VALUE_CPU_QUOTA, "-1", false},
	{CGROUP_CPU, true, "cpu.weight", VALUE_WEIGHT, "100", false},
	{CGROUP_CPU, false, "cpu.shares", VALUE_SHARES, "1024", false},
};

static uint64_t limit_of(const struct cgroup_limits *l, enum cgroup_controller c)
{
	switch (c) {
	case CGROUP_PIDS:
		return l->pids;
	case CGROUP_MEMORY:
		return l->memory;
	case CGROUP_CPU:
		return l->cpu_permille;
	default:
		return CGROUP_UNLIMITED;
	}
}

static bool format_weight(const struct limit_file *f, const struct cgroup_limits *l, char out[64])
{
	unsigned long weight = l->cpu_weight ? l->cpu_weight : CGROUP_WEIGHT;

	if (f->value != VALUE_WEIGHT && f->value != VALUE_SHARES)
		return false;
	snprintf(out, 64, "%lu", f->value == VALUE_WEIGHT ? weight : weight * 1024 / CGROUP_WEIGHT);
	return true;
}

static void format_value(const struct limit_file *f, const struct cgroup_limits *l, char out[64])
{
	uint64_t limit = limit_of(l, f->controller);
	/* the kernel takes no quota below 1 ms: a small share needs a long period */
	unsigned long long period = limit < 10 ? 1000000 : 100000;
	unsigned long long quota = limit * (period / 1000);

	if (format_weight(f, l, out))
		return;
	if (f->value == VALUE_ALL_OR_NONE) {
		snprintf(out, 64, "%d", l->oom_group);
		return;
	}
	if (limit == CGROUP_UNLIMITED || f->value == VALUE_NO_LIMIT) {
		snprintf(out, 64, "%s", f->no_limit);
		return;
	}
	switch (f->value) {
	case VALUE_LIMIT:
		snprintf(out, 64, "%llu", (unsigned long long)limit);
		break;
	case VALUE_NO_SWAP:
		snprintf(out, 64, "0");
		break;
	case VALUE_CPU_QUOTA:
		snprintf(out, 64, "%llu", quota);
		break;
	case VALUE_CPU_PERIOD:
		snprintf(out, 64, "%llu", period);
		break;
	case VALUE_CPU_MAX:
		snprintf(out, 64, "%llu %llu", quota, period);
		break;
	case VALUE_ALL_OR_NONE:
	case VALUE_NO_LIMIT:
	case VALUE_WEIGHT:
	case VALUE_SHARES:
		break;
	}
}

/* What is unlimited is written too: the group may be a leftover that could not be removed yet. */
int cgroup_set_limits(const struct cgroup_host *h, const struct cgroup *cg,
	const struct cgroup_limits *l, char *err, size_t err_size)
{
	for (int c = 0; c < CGROUP_CONTROLLERS; c++)
		if (limit_of(l, c) != CGROUP_UNLIMITED && cg->v1_fd[c] < 0 && !h->v2_has[c]) {
			snprintf(err, err_size, "this host has no %s controller for control groups",
				cgroup_controller_name(c));
			return -ENOTSUP;
		}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(limit_files); i++) {
		const struct limit_file *f = &limit_files[i];
		bool here = f->v2 ? h->v2_has[f->controller] : cg->v1_fd[f->controller] >= 0;
		char text[64];
		if (!here)
			continue;
		format_value(f, l, text);
		int r = trp_write_file(f->v2 ? cg->v2_fd : cg->v1_fd[f->controller], f->file, text);
		if (r == 0 || (r == -ENOENT && f->optional))
			continue;
		snprintf(err, err_size, "cannot set %s of the control group %s to %s: %s", f->file,
			cg->name, text, strerror(-r));
		return r;
	}
	return 0;
}

/* A group that is left from before goes first, unless it stays: its old limits would stand where none is wanted now. */
static int make_group(int parent, const char *name, bool stays)
{
	if (!stays && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != EBUSY)
		return -errno;
	if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	int fd = openat(parent, name, DIR_FLAGS);
	return fd < 0 ? -errno : fd;
}

void cgroup_close(struct cgroup *cg)
{
	trp_close(&cg->v2_fd);
	for (int c = 0; c < CGROUP_V1_MAX; c++)
		trp_close(&cg->v1_fd[c]);
}

static int open_if_there(int parent, const char *name, int *ret)
{
	*ret = parent < 0 ? -1 : openat(parent, name, DIR_FLAGS);
	return parent < 0 || *ret >= 0 || errno == ENOENT ? 0 : -errno;
}

/* Opens what exists of it, so that it can be killed. 0; or -errno with nothing open: one that cannot be opened (want of descriptors) may well be there. */
static int open_leftover(const struct cgroup_host *h, const char *name, struct cgroup *cg)
{
	struct cgroup found = {CGROUP_NONE};
	int r = open_if_there(h->v2_fd, name, &found.v2_fd);

	for (int c = 0; c < CGROUP_V1_MAX && r == 0; c++)
		r = open_if_there(h->v1_fd[c], name, &found.v1_fd[c]);
	if (r < 0)
		cgroup_close(&found);
	else
		*cg = found;
	return r;
}

/* Killed processes leave a moment later: without this the new limits would meet the old use. 1: there was a group, 0: none; or -errno. */
static int clear_leftover(const struct cgroup_host *h, const char *name)
{
	struct cgroup old;
	bool any;
	int r = open_leftover(h, name, &old);

	if (r < 0)
		return r;
	any = old.v2_fd >= 0;
	for (int c = 0; c < CGROUP_V1_MAX; c++)
		any |= old.v1_fd[c] >= 0;
	for (int i = 0; i < KILL_ROUNDS && !cgroup_is_empty(&old); i++) {
		cgroup_kill(&old);
		trp_sleep_ms(1);
	}
	cgroup_close(&old);
	return any;
}

/* May a file of the kernel's be called so, which lies in the same directory? */
static bool is_kernels(const char *name)
{
	static const char *const files[] = {"tasks", "notify_on_release", "release_agent"};
	static const char *const before_dot[] = {"cgroup", "cpu", "cpuacct", "cpuset", "io", "blkio", "memory", "pids", "hugetlb", "rdma", "misc",
		"dmem", "irq", "devices", "freezer", "net_cls", "net_prio", "perf_event", "debug"};
	const size_t len = strcspn(name, ".");

	for (size_t i = 0; i < TRP_ARRAY_SIZE(files); i++)
		if (strcmp(name, files[i]) == 0)
			return true;
	for (size_t i = 0; name[len] && i < TRP_ARRAY_SIZE(before_dot); i++)
		if (strlen(before_dot[i]) == len && strncmp(name, before_dot[i], len) == 0)
			return true;
	return false;
}

/* False: that is no name for a group. */
static bool take_name(struct cgroup *cg, const char *name)
{
	int n = snprintf(cg->name, sizeof(cg->name), "%s%s", is_kernels(name) ? "@of-" : "", name);

	return name[0] && name[0] != '.' && !strchr(name, '/') && n > 0 && (size_t)n < sizeof(cg->name);
}

int cgroup_adopt(struct cgroup_host *h, const char *name, struct cgroup *ret)
{
	struct cgroup named, cg;
	bool whole = take_name(&named, name);
	int r = whole ? open_leftover(h, named.name, &cg) : -ENOENT;

	if (r < 0)
		return r;
	whole = h->v2_fd < 0 || cg.v2_fd >= 0;
	for (int c = 0; c < CGROUP_V1_MAX; c++)
		whole &= h->v1_fd[c] < 0 || cg.v1_fd[c] >= 0 || c == CGROUP_IO; /* made for few */
	if (!whole) {
		cgroup_close(&cg);
		return -ENOENT;
	}
	memcpy(cg.name, named.name, sizeof(cg.name));
	cg.births = h->births;
	*ret = cg;
	return 0;
}

int cgroup_clear(struct cgroup_host *h, const char *name)
{
	struct cgroup old = {CGROUP_NONE};
	int r = take_name(&old, name) ? clear_leftover(h, old.name) : 0;

	if (r <= 0)
		return r;
	r = cgroup_destroy(h, &old);
	return r < 0 ? r : 1;
}

int cgroup_create(struct cgroup_host *h, const char *name, const struct cgroup_limits *limits,
	struct cgroup *ret, char *err, size_t err_size)
{
	struct cgroup cg = {CGROUP_NONE, .births = h->births};
	int r;

	if (!take_name(&cg, name)) {
		snprintf(err, err_size, "'%s' is no name for a control group", name);
		return -EINVAL;
	}
	name = cg.name;
	r = clear_leftover(h, name);
	if (r >= 0 && h->v2_fd >= 0)
		r = cg.v2_fd = make_group(h->v2_fd, name, limits->stays);
	for (int c = 0; c < CGROUP_V1_MAX && r >= 0; c++)
		if (h->v1_fd[c] >= 0 && (c != CGROUP_IO || cgroup_io_wanted(&limits->io))) /* each group costs at every start */
			r = cg.v1_fd[c] = make_group(h->v1_fd[c], name, limits->stays);
	if (r < 0)
		snprintf(err, err_size, "cannot make the control group %s: %s", name, strerror(-r));
	else
		r = cgroup_set_limits(h, &cg, limits, err, err_size);
	if (r < 0) {
		if (cgroup_destroy(h, &cg) < 0)
			cgroup_close(&cg);
		return r;
	}
	*ret = cg;
	return 0;
}

int cgroup_attach_v2(const struct cgroup *cg, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return cg->v2_fd >= 0 ? trp_write_file(cg->v2_fd, "cgroup.procs", text) : 0;
}

int cgroup_attach(const struct cgroup *cg, pid_t pid)
{
	char text[16];
	int r = cgroup_attach_v2(cg, pid);

	snprintf(text, sizeof(text), "%d", pid);
	for (int c = 0; c < CGROUP_V1_MAX && r == 0; c++)
		if (cg->v1_fd[c] >= 0)
			r = trp_write_file(cg->v1_fd[c], "cgroup.procs", text);
	return r;
}

int cgroup_open_doors(const struct cgroup *cg, int ret[CGROUP_V1_MAX])
{
	int doors[CGROUP_V1_MAX] = CGROUP_DOORS_CLOSED;

	for (int c = 0; c < CGROUP_V1_MAX; c++) {
		if (cg->v1_fd[c] < 0)
			continue;
		doors[c] = openat(cg->v1_fd[c], "tasks", O_WRONLY | O_CLOEXEC);
		if (doors[c] < 0) {
			int r = -errno;
			cgroup_close_doors(doors);
			return r;
		}
	}
	memcpy(ret, doors, sizeof(doors));
	return 0;
}

void cgroup_close_doors(int doors[CGROUP_V1_MAX])
{
	for (int c = 0; c < CGROUP_V1_MAX; c++)
		trp_close(&doors[c]);
}

int cgroup_enter(const int doors[CGROUP_V1_MAX])
{
	for (int c = 0; c < CGROUP_V1_MAX; c++) {
		if (doors[c] < 0)
			continue;
		if (write(doors[c], "0", 1) < 0)
			return -errno;
		close(doors[c]);
	}
	return 0;
}

/* Signals all that dir lists. The number of processes or -errno. */
static int kill_listed(int dir)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	int n = 0, r = trp_read_file(dir, "cgroup.procs", PROCS_MAX, &text, NULL);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint64_t pid;
		if (trp_parse_u64(line, &pid) == 0 && pid > 1 && pid <= INT32_MAX) {
			kill((pid_t)pid, SIGKILL);
			n++;
		}
	}
	return n;
}

static int kill_all_listed(int dir)
{
	int n = 0;

	for (int i = 0; i < KILL_ROUNDS; i++) {
		n = kill_listed(dir);
		if (n <= 0)
			return n;
		trp_sleep_ms(1);
	}
	return n > 0 ? -EAGAIN : n;
}

/* Everything in the v1 groups was cloned into the v2 group as well: cgroup.kill reaches it at once.
 */
int cgroup_kill(const struct cgroup *cg)
{
	int r = -ENOENT;

	if (cg->v2_fd >= 0) {
		cgroup_no_births(cg); /* first: whoever is killed in between leaves the mark to the next daemon */
		r = trp_write_file(cg->v2_fd, "cgroup.kill", "1");
		if (r == -ENOENT) /* before Linux 5.14 */
			r = kill_all_listed(cg->v2_fd);
		return r;
	}
	for (int c = 0; c < CGROUP_V1_MAX; c++)
		if (cg->v1_fd[c] >= 0)
			return kill_all_listed(cg->v1_fd[c]);
	return r;
}

static bool nobody_in(int dir)
{
	cleanup_close int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV; /* removed meanwhile; else nobody knows */
	return read(fd, &byte, 1) <= 0;
}

/* cgroup.procs leaves out what is dying but still keeps the group from being removed. */
static bool unpopulated(int dir)
{
	cleanup_free char *text = NULL;

	return trp_read_file(dir, "cgroup.events", 4096, &text, NULL) == 0
		       ? strstr(text, "populated 0") != NULL
		       : nobody_in(dir);
}

int cgroup_freeze(const struct cgroup *cg, bool freeze)
{
	int r = cg->v2_fd < 0 ? -EOPNOTSUPP : trp_write_file(cg->v2_fd, "cgroup.freeze", freeze ? "1" : "0");

	return r == -ENOENT ? -EOPNOTSUPP : r;
}

bool cgroup_can_freeze(const struct cgroup *cg)
{
	return cg->v2_fd >= 0 && faccessat(cg->v2_fd, "cgroup.freeze", W_OK, 0) == 0;
}

bool cgroup_is_frozen(const struct cgroup *cg)
{
	cleanup_free char *text = NULL;

	return cg->v2_fd >= 0 && trp_read_file(cg->v2_fd, "cgroup.events", 4096, &text, NULL) == 0 && strstr(text, "frozen 1");
}

bool cgroup_is_empty(const struct cgroup *cg)
{
	if (cg->v2_fd >= 0 && !unpopulated(cg->v2_fd))
		return false;
	for (int c = 0; c < CGROUP_V1_MAX; c++)
		if (cg->v1_fd[c] >= 0 && !nobody_in(cg->v1_fd[c]))
			return false;
	return true;
}

static int remove_group(int parent, const char *name)
{
	return parent < 0 || unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0
											  : -errno;
}

int cgroup_destroy(struct cgroup_host *h, struct cgroup *cg)
{
	int r = remove_group(h->v2_fd, cg->name);

	for (int c = 0; c < CGROUP_V1_MAX && r == 0; c++)
		r = remove_group(h->v1_fd[c], cg->name);
	if (r == 0)
		cgroup_close(cg);
	return r;
}

int cgroup_remove(struct cgroup_host *h, struct cgroup *cg, unsigned ms)
{
	const uint64_t until = trp_now_ms() + ms;
	int r;

	while ((r = cgroup_destroy(h, cg)) < 0 && trp_now_ms() < until)
		trp_sleep_ms(10);
	return r;
}

uint64_t cgroup_number_of_fd(int fd, const char *key)
{
	char text[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *p;
	uint64_t v;

	if (n < 0)
		return UINT64_MAX;
	text[n] = '\0';
	p = key ? strstr(text, key) : text;
	if (!p)
		return UINT64_MAX;
	p += key ? strlen(key) : 0;
	text[(p - text) + (long)strcspn(p, "\n")] = '\0';
	return trp_parse_u64(p, &v) == 0 ? v : UINT64_MAX;
}

uint64_t cgroup_number(int dir, const char *file, const char *key)
{
	cleanup_close int fd = dir < 0 ? -1 : openat(dir, file, O_RDONLY | O_CLOEXEC);

	return cgroup_number_of_fd(fd, key);
}

/* Does a file say what was written to it? Numbers are compared, as the kernel rounds sizes down to whole pages. */
static bool says(const struct limit_file *f, const char *have, const char *want)
{
	uint64_t a, b, page = (uint64_t)sysconf(_SC_PAGESIZE);
	cleanup_free char *word = strndup(have, strcspn(have, "\n"));

	if (!word)
		return true; /* no memory to say otherwise */
	if (f->controller == CGROUP_MEMORY && f->value != VALUE_ALL_OR_NONE && trp_parse_u64(word, &a) == 0 && trp_parse_u64(want, &b) == 0)
		return a / page == b / page;
	return strcmp(word, want) == 0;
}

bool cgroup_in_force(const struct cgroup_host *h, const struct cgroup *cg, const struct cgroup_limits *l, char *differs, size_t size)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(limit_files); i++) {
		const struct limit_file *f = &limit_files[i];
		int dir = f->v2 ? (h->v2_has[f->controller] ? cg->v2_fd : -1) : cg->v1_fd[f->controller];
		cleanup_free char *have = NULL;
		char want[64];
		int r;

		/* what shows "no limit" is of several forms, and nothing hangs on it */
		if (dir < 0 || f->value == VALUE_NO_LIMIT || limit_of(l, f->controller) == CGROUP_UNLIMITED)
			continue;
		format_value(f, l, want);
		r = trp_read_file(dir, f->file, 4096, &have, NULL);
		if (r == -ENOENT && f->optional)
			continue;
		if (r == 0 && says(f, have, want))
			continue;
		snprintf(differs, size, "%s of its control group is %.*s, not %s", f->file, r < 0 ? 10 : (int)strcspn(have, "\n"),
			r < 0 ? "unreadable" : have, want);
		return false;
	}
	return true;
}

/* A controller is in one of the trees only: where the host has it as v1, the other is not asked in vain. */
static uint64_t number_of(const struct cgroup *cg, enum cgroup_controller controller, const char *v1, const char *v2)
{
	return cg->v1_fd[controller] >= 0 ? cgroup_number(cg->v1_fd[controller], v1, NULL) : cgroup_number(cg->v2_fd, v2, NULL);
}

void cgroup_usage(const struct cgroup *cg, uint64_t *memory, uint64_t *pids, uint64_t *cpu_us)
{
	uint64_t ns;

	*memory = number_of(cg, CGROUP_MEMORY, "memory.usage_in_bytes", "memory.current");
	*pids = number_of(cg, CGROUP_PIDS, "pids.current", "pids.current");
	/* v2 counts the time of every group, with or without the controller */
	*cpu_us = cgroup_number(cg->v2_fd, "cpu.stat", "usage_usec ");
	if (*cpu_us == UINT64_MAX) {
		ns = cgroup_number(cg->v1_fd[CGROUP_CPU], "cpuacct.usage", NULL);
		*cpu_us = ns == UINT64_MAX ? UINT64_MAX : ns / 1000;
	}
}

uint64_t cgroup_memory_peak(const struct cgroup *cg)
{
	return number_of(cg, CGROUP_MEMORY, "memory.max_usage_in_bytes", "memory.peak");
}
