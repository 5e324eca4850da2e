/* SPDX-License-Identifier: ISC */
/* weaken.c: the controls that are left out (sandbox/weaken.h), by their names in the variable TRP_WEAKEN. Linked into the programs of
 * build/weak alone, which the attack suite runs. */
#include "sandbox/weaken.h"
#include "base/util.h"
#include "sandbox/child.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define VARIABLE "TRP_WEAKEN"

static const char *const names[] = {
	[CONTROL_SECCOMP] = "seccomp",
	[CONTROL_LANDLOCK] = "landlock",
	[CONTROL_CAPABILITIES] = "capabilities",
	[CONTROL_NO_NEW_PRIVS] = "no-new-privs",
	[CONTROL_USERNS] = "userns",
	[CONTROL_PIDNS] = "pidns",
	[CONTROL_NETNS] = "netns",
	[CONTROL_IPCNS] = "ipcns",
	[CONTROL_UTSNS] = "utsns",
	[CONTROL_CGROUPNS] = "cgroupns",
	[CONTROL_READ_ONLY] = "read-only",
	[CONTROL_NOSUID] = "nosuid",
	[CONTROL_NODEV] = "nodev",
	[CONTROL_NOEXEC] = "noexec",
	[CONTROL_MAX_USERNS] = "max-userns",
	[CONTROL_PROC_MASKS] = "proc-masks",
	[CONTROL_PROC_READ_ONLY] = "proc-read-only",
	[CONTROL_PROC_SUBSET] = "proc-subset",
	[CONTROL_MDWE] = "mdwe",
	[CONTROL_KEYRING] = "keyring",
	[CONTROL_SESSION] = "session",
	[CONTROL_DESCRIPTORS] = "descriptors",
	[CONTROL_RLIMITS] = "rlimits",
	[CONTROL_INIT_DUMPABLE] = "init-dumpable",
	[CONTROL_SOURCE_LINKS] = "source-links",
	[CONTROL_STATE_LINKS] = "state-links",
	[CONTROL_FILTER] = "filter",
	[CONTROL_FILTER_LOCK] = "filter-lock",
	[CONTROL_LISTENER_GROUP] = "listener-group",
	[CONTROL_LISTENER_RETIRE] = "listener-retire",
	[CONTROL_NO_REUSEPORT] = "no-reuseport",
	[CONTROL_CHANNEL_ONE_WAY] = "channel-one-way",
	[CONTROL_PASSRIGHTS] = "passrights",
	[CONTROL_DAEMON_PRIVILEGE] = "daemon-privilege",
};
_Static_assert(TRP_ARRAY_SIZE(names) == CONTROL_COUNT, "a name for each control");

static const char *const *more;

/* Is name one of the words of the variable in envp? */
static bool names_it(const char *const *envp, const char *name)
{
	size_t len = strlen(name);

	for (; envp && *envp; envp++) {
		if (strncmp(*envp, VARIABLE "=", sizeof(VARIABLE)) != 0)
			continue;
		for (const char *p = *envp + sizeof(VARIABLE); *p;) {
			size_t n = strcspn(p, " ");
			if (n == len && memcmp(p, name, n) == 0)
				return true;
			p += n + (p[n] == ' ');
		}
	}
	return false;
}

/* A word that is none: the test would prove nothing. */
static void check_words(const char *const *envp)
{
	for (; envp && *envp; envp++) {
		if (strncmp(*envp, VARIABLE "=", sizeof(VARIABLE)) != 0)
			continue;
		for (const char *p = *envp + sizeof(VARIABLE); *p;) {
			size_t n = strcspn(p, " "), i = 0;
			while (i < CONTROL_COUNT && (strlen(names[i]) != n || memcmp(p, names[i], n) != 0))
				i++;
			if (i == CONTROL_COUNT) {
				fprintf(stderr, "weaken: no control is called %.*s\n", (int)n, p);
				abort();
			}
			p += n + (p[n] == ' ');
		}
	}
}

bool weakened(enum weak_control c)
{
	return names_it((const char *const *)environ, names[c]) || names_it(more, names[c]);
}

bool weaken_any(void)
{
	for (const char *const *p = more; p && *p; p++)
		if (strncmp(*p, VARIABLE "=", sizeof(VARIABLE)) == 0)
			return true;
	return false;
}

void weaken_by(const char *const *envp)
{
	check_words((const char *const *)environ);
	check_words(envp);
	more = envp;
}

uint64_t weaken_namespaces(void)
{
	return (weakened(CONTROL_USERNS) ? CLONE_NEWUSER : 0) | (weakened(CONTROL_PIDNS) ? CLONE_NEWPID : 0) |
	       (weakened(CONTROL_NETNS) ? CLONE_NEWNET : 0) | (weakened(CONTROL_IPCNS) ? CLONE_NEWIPC : 0) |
	       (weakened(CONTROL_UTSNS) ? CLONE_NEWUTS : 0);
}

uint64_t weaken_mount(void)
{
	return (weakened(CONTROL_READ_ONLY) ? MOUNT_ATTR_RDONLY : 0) | (weakened(CONTROL_NOSUID) ? MOUNT_ATTR_NOSUID : 0) |
	       (weakened(CONTROL_NODEV) ? MOUNT_ATTR_NODEV : 0) | (weakened(CONTROL_NOEXEC) ? MOUNT_ATTR_NOEXEC : 0);
}

/* All capabilities that it has, over the change of ids and over execve(2). */
static int keep_capabilities(const struct plan_step *s)
{
	cap_t caps;
	int r;

	if (s->op == PLAN_BOUNDING)
		return prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 ? -errno : 0;
	caps = cap_get_proc();
	for (cap_value_t cap = 0; caps && CAP_IS_SUPPORTED(cap); cap++) {
		cap_flag_value_t has = CAP_CLEAR;
		if (cap_get_flag(caps, cap, CAP_PERMITTED, &has) == 0)
			cap_set_flag(caps, CAP_INHERITABLE, 1, &cap, has);
	}
	r = caps && cap_set_proc(caps) == 0 ? 0 : -errno;
	for (cap_value_t cap = 0; r == 0 && CAP_IS_SUPPORTED(cap); cap++)
		if (cap_set_ambient(cap, CAP_SET) < 0 && errno != EPERM) /* EPERM: it does not have that one */
			r = -errno;
	cap_free(caps);
	return r;
}

/* The host's, because one of its own would show its own pid namespace. */
static int proc_of_host(struct child *c, const struct plan_step *s)
{
	cleanup_close int tree = open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	cleanup_close int target = target_open(c, s->path, TARGET_DIR);

	if (tree < 0)
		return -errno;
	if (target < 0)
		return target;
	return move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ? -errno : 0;
}

/* The service's own ids of its range, as the host sees them. */
static int ids_of_host(struct child *c)
{
	uid_t uid = c->spec->uid_base + c->spec->uid;
	gid_t gid = c->spec->uid_base + c->spec->gid;

	return syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0 ||
			       syscall(SYS_setresuid, uid, uid, uid) < 0
		       ? -errno
		       : 0;
}

bool weaken_step(struct child *c, const struct plan_step *s, int *ret)
{
	static const int left_out[PLAN_OP_COUNT] = {
		[PLAN_SECCOMP] = 1 + CONTROL_SECCOMP,
		[PLAN_LANDLOCK] = 1 + CONTROL_LANDLOCK,
		[PLAN_NO_NEW_PRIVS] = 1 + CONTROL_NO_NEW_PRIVS,
		[PLAN_CGROUPNS] = 1 + CONTROL_CGROUPNS,
		[PLAN_LOOPBACK] = 1 + CONTROL_NETNS,
		[PLAN_PORT_START] = 1 + CONTROL_NETNS,
		[PLAN_HOSTNAME] = 1 + CONTROL_UTSNS,
		[PLAN_MASK] = 1 + CONTROL_PROC_MASKS,
		[PLAN_READONLY] = 1 + CONTROL_PROC_READ_ONLY,
		[PLAN_SEAL] = 1 + CONTROL_READ_ONLY,
		[PLAN_RLIMIT] = 1 + CONTROL_RLIMITS,
		[PLAN_MDWE] = 1 + CONTROL_MDWE,
		[PLAN_SYSCTL] = 1 + CONTROL_MAX_USERNS,
	};

	*ret = 0;
	if (left_out[s->op] && weakened((enum weak_control)(left_out[s->op] - 1)))
		return true;
	if (s->op == PLAN_SYSCTL && weakened(CONTROL_USERNS)) /* it would be the host's */
		return true;
	if ((s->op == PLAN_SECCOMP || s->op == PLAN_LANDLOCK) && weakened(CONTROL_NO_NEW_PRIVS))
		return true;
	if ((s->op == PLAN_BOUNDING || s->op == PLAN_DROP_CAPS) && weakened(CONTROL_CAPABILITIES))
		*ret = keep_capabilities(s);
	else if (s->op == PLAN_PROC && weakened(CONTROL_PIDNS))
		*ret = proc_of_host(c, s);
	else if (s->op == PLAN_IDS && weakened(CONTROL_USERNS))
		*ret = ids_of_host(c);
	else
		return false;
	return true;
}
