/* SPDX-License-Identifier: ISC */
/* landlock.c: a second fence behind the mounts (landlock(7)). Runs IN THE CHILD, after pivot_root,
 * without capabilities. What a kernel's ABI does not know is left out of the request; a kernel
 * without any Landlock refuses the start unless the spec allows it. Network rights are handled for
 * a program in the host's network or in another sandbox's only: others have a network namespace of their own, and
 * passed sockets are fenced where their listener was made. */
#include "sandbox/child.h"
#include "sandbox/openat2.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The headers that we build with may be older than the kernel that we run on. */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,

	FS_ABI_1 = (1 << 13) - 1,
	/* rights that make sense for a file: the kernel refuses the others in a rule on one */
	FS_OF_FILE = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
	FS_OF_WRITER = FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR |
		FS_MAKE_REG | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE,
};
enum { SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 };
enum { NET_BIND_TCP = 1 << 0, NET_CONNECT_TCP = 1 << 1 };
enum { CREATE_RULESET_VERSION = 1 << 0, RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;             /* ABI 6 */
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

struct net_port_attr {
	uint64_t allowed_access;
	uint64_t port; /* host byte order */
};

static const uint64_t rights[] = {
	[PLAN_ACCESS_READ] = FS_READ_FILE | FS_READ_DIR,
	[PLAN_ACCESS_EXECUTE] = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR,
	[PLAN_ACCESS_DEVICES] =
		FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
	/* oom_score_adj, comm and the like; /proc/sys is read-only, ownership does the rest */
	[PLAN_ACCESS_PROC] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE,
	/* no device nodes */
	[PLAN_ACCESS_WRITE] = FS_OF_WRITER,
	[PLAN_ACCESS_WRITE_EXECUTE] = FS_OF_WRITER | FS_EXECUTE,
};

static uint64_t known_fs_rights(long abi)
{
	uint64_t known = FS_ABI_1;

	if (abi >= 2)
		known |= FS_REFER;
	if (abi >= 3)
		known |= FS_TRUNCATE;
	if (abi >= 5)
		known |= FS_IOCTL_DEV;
	return known;
}

static int allow(int ruleset, int fd, uint64_t access)
{
	struct path_beneath_attr attr = {.allowed_access = access, .parent_fd = fd};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= FS_OF_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0) < 0)
		return -errno;
	return 0;
}

/* At a start the place of a rule is as we have just made it. In a sandbox that runs its program may have put a link or a directory of
 * its own there, where it may write; but a mount it cannot make. -ENOENT: that is no place of a rule (any more). */
static int open_place(const struct child *c, const char *path)
{
	cleanup_close int fd = -1;
	struct statx st;

	if (!c->entry) {
		fd = open(path, O_PATH | O_CLOEXEC);
		return fd < 0 ? -errno : trp_steal_fd(&fd);
	}
	fd = trp_openat2(AT_FDCWD, path, O_PATH, RESOLVE_NO_MAGICLINKS);
	if (fd < 0)
		return fd;
	if (statx(fd, "", AT_EMPTY_PATH, 0, &st) < 0)
		return -errno;
	return st.stx_attributes & STATX_ATTR_MOUNT_ROOT ? trp_steal_fd(&fd) : -ENOENT;
}

static int allow_all(struct child *c, int ruleset, uint64_t known)
{
	for (size_t i = 0; i < c->plan->n_rules; i++) {
		const struct plan_rule *rule = &c->plan->rules[i];
		if (rule->source >= 0 && c->trees && c->trees[rule->source] < 0)
			continue;
		cleanup_close int fd = open_place(c, rule->path);
		int r = fd < 0 ? fd : allow(ruleset, fd, rights[rule->access] & known);
		if (c->entry && fd < 0) /* one right less */
			continue;
		if (r < 0) {
			snprintf(c->detail, sizeof(c->detail), "%s", rule->path);
			return r;
		}
	}
	if (c->exec_fd < 0)
		return 0;
	/* the program may lie outside of what can be seen */
	return allow(ruleset, c->exec_fd, (FS_EXECUTE | FS_READ_FILE) & known);
}

static int allow_ports(struct child *c, int ruleset)
{
	for (size_t i = 0; i < c->spec->n_connect_ports; i++) {
		struct net_port_attr attr = {
			.allowed_access = NET_CONNECT_TCP, .port = c->spec->connect_ports[i]};
		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attr, 0) < 0) {
			int r = -errno;
			snprintf(c->detail, sizeof(c->detail), "port %u", c->spec->connect_ports[i]);
			return r;
		}
	}
	return 0;
}

/* EPERM is no answer of the kernel to that question, but of a filter around the daemon, as a container's. */
static bool is_missing(int error)
{
	return error == ENOSYS || error == EOPNOTSUPP || error == EPERM;
}

int child_landlock(struct child *c, const struct plan_step *s)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	struct ruleset_attr attr = {0};
	cleanup_close int ruleset = -1;
	int r;

	(void)s;
	if (abi < 0 && is_missing(errno) && c->spec->landlock_optional) {
		c->no_landlock = true;
		return 0;
	}
	if (abi < 1)
		return abi < 0 ? -errno : -ENOSYS;
	attr.handled_access_fs = known_fs_rights(abi);
	if (abi >= 4 && c->spec->host_network)
		attr.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 4 && c->spec->network_of) /* there it binds clients' addresses: any port */
		attr.handled_access_net = NET_CONNECT_TCP;
	if (abi >= 6)
		attr.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	/* an older kernel takes the longer struct as long as what it does not know is 0 */
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -errno;
	r = allow_all(c, ruleset, attr.handled_access_fs);
	if (r == 0 && attr.handled_access_net)
		r = allow_ports(c, ruleset);
	if (r < 0)
		return r;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;
}
