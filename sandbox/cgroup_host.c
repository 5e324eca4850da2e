/* SPDX-License-Identifier: ISC */
/* cgroup_host.c: finds the host's hierarchies once and makes the group below which all services
 * live (cgroups(7); Linux Documentation/admin-guide/cgroup-v2.rst). Runs in the daemon. */
#include "sandbox/cgroup_host.h"

#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX  (1024 * 1024)
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

static const char *const controller_names[] = {
	[CGROUP_PIDS] = "pids", [CGROUP_MEMORY] = "memory", [CGROUP_CPU] = "cpu", [CGROUP_IO] = "io"};
_Static_assert(TRP_ARRAY_SIZE(controller_names) == CGROUP_CONTROLLERS, "a name for each");

static const char *v1_name(enum cgroup_controller c)
{
	return c == CGROUP_IO ? "blkio" : controller_names[c];
}

const char *cgroup_controller_name(enum cgroup_controller c)
{
	return controller_names[c];
}

/* Is word one of the comma-separated words of list? */
static bool has_word(const char *list, const char *word, char separator)
{
	size_t len = strlen(word);

	for (const char *p = list; p; p = strchr(p, separator), p = p ? p + 1 : NULL)
		if (strncmp(p, word, len) == 0 &&
			(p[len] == separator || p[len] == '\0' || p[len] == '\n'))
			return true;
	return false;
}

/* Our own group in the hierarchy of controller ("" = v2), from "N:controllers:/path" lines. Points
 * into text. */
static bool own_group(char *text, const char *controller, char ret[PATH_MAX])
{
	char *save = NULL;
	cleanup_free char *copy = strdup(text);

	for (char *line = copy ? strtok_r(copy, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(line, ':');
		char *path = list ? strchr(list + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		list++;
		bool match = controller[0] ? has_word(list, controller, ',') : !list[0];
		if (match && strlen(path) < PATH_MAX) {
			strcpy(ret, path);
			return true;
		}
	}
	return false;
}

struct mounted {
	char root[PATH_MAX]; /* which group of the hierarchy the mount shows */
	char point[PATH_MAX];
};

/* proc_pid_mountinfo(5): id parent dev root point options [optional...] - type source superoptions
 */
static bool parse_mount(const char *line, const char *controller, struct mounted *ret)
{
	const char *rest = strstr(line, " - ");
	char type[32], super[512];

	if (!rest || sscanf(rest, " - %31s %*s %511s", type, super) != 2)
		return false;
	if (strcmp(type, controller[0] ? "cgroup" : "cgroup2") != 0 ||
		(controller[0] && !has_word(super, controller, ',')))
		return false;
	return sscanf(line, "%*s %*s %*s %4095s %4095s", ret->root, ret->point) == 2;
}

static bool find_mount(const char *mountinfo, const char *controller, struct mounted *ret)
{
	for (const char *p = mountinfo; *p;) {
		size_t len = strcspn(p, "\n");
		cleanup_free char *line = strndup(p, len);
		if (line && parse_mount(line, controller, ret))
			return true;
		p += len + (p[len] == '\n');
	}
	return false;
}

/* Where group is to be seen below the mount. A group outside of what the mount shows: the mount's
 * top. */
static void group_dir(const struct mounted *m, const char *group, char ret[2 * PATH_MAX])
{
	size_t len = strcmp(m->root, "/") == 0 ? 0 : strlen(m->root);

	if (strncmp(group, m->root, len) != 0 || (group[len] != '/' && group[len] != '\0'))
		group = "", len = 0;
	snprintf(ret, 2 * PATH_MAX, "%s%s", m->point, group + len);
}

static int make_base(int parent, const char *base)
{
	int fd;

	if (mkdirat(parent, base, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, base, DIR_FLAGS);
	return fd < 0 ? -errno : fd;
}

/* In a hierarchy that does not have the one that was asked for: our own. */
static void choose_dir(const struct cgroup_host *h, const struct mounted *m, const char *own, char ret[2 * PATH_MAX])
{
	struct stat st;

	if (h->within) {
		group_dir(m, h->within, ret);
		if (stat(ret, &st) == 0)
			return;
	}
	group_dir(m, own, ret);
}

static int open_v1(struct cgroup_host *h, enum cgroup_controller c, const char *mountinfo,
	char *own, char *err, size_t err_size)
{
	char group[PATH_MAX], dir[2 * PATH_MAX];
	struct mounted m;

	if (!find_mount(mountinfo, v1_name(c), &m) || !own_group(own, v1_name(c), group))
		return 0;
	choose_dir(h, &m, group, dir);
	h->v1_parent_fd[c] = open(dir, DIR_FLAGS);
	h->v1_fd[c] = h->v1_parent_fd[c] < 0 ? -errno : make_base(h->v1_parent_fd[c], h->base);
	if (h->v1_fd[c] >= 0)
		return 0;
	int r = h->v1_fd[c];
	h->v1_fd[c] = -1;
	snprintf(err, err_size, "cannot make the control group %s/%s: %s", dir, h->base,
		strerror(-r));
	return r;
}

/* Does the group at dir offer the controller to those below it? */
static bool offers(int dir, enum cgroup_controller c, const char *file)
{
	cleanup_free char *text = NULL;

	return trp_read_file(dir, file, FILE_MAX, &text, NULL) == 0 &&
	       has_word(text, controller_names[c], ' ');
}

static int enable(int dir, const bool want[CGROUP_CONTROLLERS])
{
	for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
		char text[16];
		if (!want[c] || offers(dir, c, "cgroup.subtree_control"))
			continue;
		snprintf(text, sizeof(text), "+%s", controller_names[c]);
		int r = trp_write_file(dir, "cgroup.subtree_control", text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whoever is in a group that was made for us alone. */
static int move_all(int from, int to)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	int r = trp_read_file(from, "cgroup.procs", FILE_MAX, &text, NULL);

	for (char *pid = r == 0 ? strtok_r(text, "\n", &save) : NULL; pid && r == 0; pid = strtok_r(NULL, "\n", &save)) {
		r = trp_write_file(to, "cgroup.procs", pid);
		if (r == -ESRCH)
			r = 0;
	}
	return r;
}

/* A v2 group with controllers for those below it may hold no process itself: the daemon steps into
 * a leaf. */
static int step_aside(int parent, const struct cgroup_host *h)
{
	char leaf[80];
	cleanup_close int fd = -1;

	snprintf(leaf, sizeof(leaf), "%s.daemon", h->base);
	fd = make_base(parent, leaf);
	if (fd < 0)
		return fd;
	return h->within ? move_all(parent, fd) : trp_write_file(fd, "cgroup.procs", "0");
}

/* The group in dir and the controllers that it can have. -EBUSY: other processes are in dir. */
static int try_v2(struct cgroup_host *h, const char *dir, bool is_top)
{
	bool want[CGROUP_CONTROLLERS], any = false;
	cleanup_close int parent = open(dir, DIR_FLAGS), fd = -1;
	int r = 0;

	if (parent < 0)
		return -errno;
	for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
		want[c] = h->v1_fd[c] < 0 && offers(parent, c, "cgroup.controllers");
		any |= want[c];
	}
	if (any && !is_top)
		r = step_aside(parent, h);
	if (any && r == 0)
		r = enable(parent, want);
	if (r < 0)
		return r;
	fd = make_base(parent, h->base);
	if (fd < 0)
		return fd;
	r = enable(fd, want);
	if (r < 0)
		return r;
	memcpy(h->v2_has, want, sizeof(want));
	h->v2_parent_fd = trp_steal_fd(&parent);
	h->v2_fd = trp_steal_fd(&fd);
	return 0;
}

/* Was this daemon started from the leaf that an earlier one had made for itself? Then the group
 * above is ours. */
static void leave_leaf(char *group, const char *base)
{
	char leaf[80];
	size_t len = strlen(group);
	int n = snprintf(leaf, sizeof(leaf), "/%s.daemon", base);

	if (len >= (size_t)n && strcmp(group + len - (size_t)n, leaf) == 0)
		group[len - (size_t)n] = '\0';
}

/* Some controller that the host could give is not given to dir. Limits on disks are wanted by few: not for those. */
static bool lacks_some(const char *top, const char *dir)
{
	cleanup_close int top_fd = open(top, DIR_FLAGS), fd = open(dir, DIR_FLAGS);

	for (int c = 0; c < CGROUP_CONTROLLERS; c++)
		if (c != CGROUP_IO && offers(top_fd, c, "cgroup.controllers") && !offers(fd, c, "cgroup.controllers"))
			return true;
	return false;
}

static int open_v2(
	struct cgroup_host *h, const char *mountinfo, char *own, char *err, size_t err_size)
{
	char group[PATH_MAX], dir[2 * PATH_MAX];
	struct mounted m;
	int r;

	if (!find_mount(mountinfo, "", &m) || !own_group(own, "", group))
		return 0;
	leave_leaf(group, h->base);
	choose_dir(h, &m, group, dir);
	/* Our own group cannot do it: it was not delegated, or others are in it (a login shell's).
	 * Then at the top, where any group may have processes. */
	r = lacks_some(m.point, dir) ? -EBUSY : try_v2(h, dir, strcmp(dir, m.point) == 0);
	if (r == -EBUSY)
		r = try_v2(h, strcpy(dir, m.point), true);
	if (r < 0)
		snprintf(err, err_size,
			"cannot make the control group %s/%s with its controllers: %s%s", dir,
			h->base, strerror(-r),
			r == -EBUSY
				? "; start trpsupd in a group of its own (systemd: Delegate=yes)"
				: "");
	return r;
}

bool cgroup_is_shortage(int error)
{
	return trp_is_shortage(error) || error == -ENOSPC || error == -EAGAIN;
}

static struct cgroup_host *new_host(const char *base, const char *within)
{
	struct cgroup_host *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->v2_fd = h->v2_parent_fd = -1;
	for (int c = 0; c < CGROUP_CONTROLLERS; c++)
		h->v1_fd[c] = h->v1_parent_fd[c] = -1;
	snprintf(h->base, sizeof(h->base), "%s", base);
	h->within = within;
	return h;
}

static bool has_any(const struct cgroup_host *h)
{
	for (int c = 0; c < CGROUP_CONTROLLERS; c++)
		if (c != CGROUP_IO && (h->v1_fd[c] >= 0 || h->v2_has[c]))
			return true;
	return false;
}

int cgroup_host_open(const char *base, const char *within, struct cgroup_host **ret, char *err, size_t err_size)
{
	cleanup_free char *mountinfo = NULL, *own = NULL;
	struct cgroup_host *h;
	int r;

	if (!base[0] || strchr(base, '/') || base[0] == '.' || strlen(base) >= sizeof(h->base)) {
		snprintf(err, err_size, "'%s' is no name for a control group", base);
		return -EINVAL;
	}
	r = trp_read_file(AT_FDCWD, "/proc/self/mountinfo", FILE_MAX, &mountinfo, NULL);
	if (r == 0)
		r = trp_read_file(AT_FDCWD, "/proc/self/cgroup", FILE_MAX, &own, NULL);
	if (r < 0) {
		snprintf(err, err_size,
			"cannot read /proc/self/mountinfo and /proc/self/cgroup: %s", strerror(-r));
		return r;
	}
	h = new_host(base, within);
	if (!h) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	for (int c = 0; c < CGROUP_CONTROLLERS && r == 0; c++)
		r = open_v1(h, c, mountinfo, own, err, err_size);
	if (r == 0)
		r = open_v2(h, mountinfo, own, err, err_size);
	if (r == 0 && !has_any(h)) {
		snprintf(err, err_size,
			"no control group hierarchy here has a pids, memory or cpu controller");
		r = -ENOTSUP;
	}
	if (r < 0) {
		cgroup_host_free(h);
		return r;
	}
	h->births = cgroup_births_work(h->v2_fd);
	*ret = h;
	return 0;
}

static void drop(int parent, int fd, const char *base)
{
	if (fd >= 0) {
		close(fd);
		unlinkat(parent, base, AT_REMOVEDIR); /* stays while services live in it */
	}
	if (parent >= 0)
		close(parent);
}

void cgroup_host_free(struct cgroup_host *h)
{
	if (!h)
		return;
	drop(h->v2_parent_fd, h->v2_fd, h->base);
	for (int c = 0; c < CGROUP_CONTROLLERS; c++)
		drop(h->v1_parent_fd[c], h->v1_fd[c], h->base);
	free(h);
}

/* Has the daemon stepped aside into a group of its own? */
static int open_leaf(const struct cgroup_host *h)
{
	char leaf[80];

	snprintf(leaf, sizeof(leaf), "%s.daemon", h->base);
	return openat(h->v2_parent_fd, leaf, DIR_FLAGS);
}

int cgroup_host_set_weight(const struct cgroup_host *h, unsigned weight)
{
	cleanup_close int leaf = -1;
	char text[32];
	int r;

	if (!h->v2_has[CGROUP_CPU] && h->v1_fd[CGROUP_CPU] < 0)
		return 0;
	if (!h->v2_has[CGROUP_CPU]) {
		snprintf(text, sizeof(text), "%lu", (unsigned long)weight * 1024 / CGROUP_WEIGHT);
		return trp_write_file(h->v1_fd[CGROUP_CPU], "cpu.shares", text);
	}
	snprintf(text, sizeof(text), "%u", weight);
	leaf = open_leaf(h);
	r = leaf < 0 ? 0 : trp_write_file(leaf, "cpu.weight", text);
	return r < 0 ? r : trp_write_file(h->v2_fd, "cpu.weight", text);
}

int cgroup_host_v2_fd(const struct cgroup_host *h)
{
	return h->v2_fd;
}
