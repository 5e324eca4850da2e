/* SPDX-License-Identifier: ISC */
/* stage.c: what went wrong, in words. Pure. */
#include "sandbox/plan.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *text;
} stages[] = {
	[SANDBOX_STAGE_NONE] = {"prepare", "prepare the sandbox"},
	[SANDBOX_STAGE_CLONE] = {"clone", "make the namespaces"},
	[SANDBOX_STAGE_USERNS] = {"userns", "map the service's ids into its user namespace"},
	[SANDBOX_STAGE_CGROUP] = {"cgroup", "put the service into its control group"},
	[SANDBOX_STAGE_SYNC] = {"sync", "talk to the new process"},
	[SANDBOX_STAGE_NETNS] = {"netns", "set up the network namespace"},
	[SANDBOX_STAGE_HOSTNAME] = {"hostname", "set the host name"},
	[SANDBOX_STAGE_ROOT] = {"root", "build the root directory"},
	[SANDBOX_STAGE_MOUNT] = {"mount", "mount"},
	[SANDBOX_STAGE_PROC] = {"proc", "mount /proc"},
	[SANDBOX_STAGE_DEV] = {"dev", "set up /dev"},
	[SANDBOX_STAGE_PIVOT] = {"pivot", "leave the host's root directory"},
	[SANDBOX_STAGE_FDS] = {"fds", "hand the open descriptors over"},
	[SANDBOX_STAGE_RLIMIT] = {"rlimit", "set the resource limit"},
	[SANDBOX_STAGE_IDS] = {"ids", "change to the service's user and group"},
	[SANDBOX_STAGE_CAPS] = {"caps", "drop the capabilities"},
	[SANDBOX_STAGE_SESSION] = {"session", "start a session in the directory"},
	[SANDBOX_STAGE_LANDLOCK] = {"landlock", "restrict file access with Landlock"},
	[SANDBOX_STAGE_SECCOMP] = {"seccomp", "load the system call filter"},
	[SANDBOX_STAGE_EXEC] = {"exec", "execute"},
	[SANDBOX_STAGE_ADDRESSES] = {"addresses", "make all addresses local to the network namespace"},
	[SANDBOX_STAGE_SYSCTL] = {"sysctl", "set"},
	[SANDBOX_STAGE_MDWE] = {"mdwe", "deny memory that is both written and executed"},
	[SANDBOX_STAGE_ENTER] = {"enter", "enter the running sandbox"},
	[SANDBOX_STAGE_TERMINAL] = {"terminal", "make a terminal in the sandbox"},
};
_Static_assert(TRP_ARRAY_SIZE(stages) == SANDBOX_STAGE_COUNT, "a sentence for each stage");

/* What to do about it. Rows are tried in order; stage NONE fits any stage, error 0 any error. */
static const struct {
	enum sandbox_stage stage;
	int error;
	const char *advice;
} advices[] = {
	{SANDBOX_STAGE_CLONE, EPERM,
		"trpsupd must be root and not in a chroot; a kernel that forbids user namespaces "
		"says so in "
		"sysctl kernel.unprivileged_userns_clone (want 1), "
		"kernel.apparmor_restrict_unprivileged_userns (want 0, or the AppArmor profile "
		"trpsupd loaded)"},
	{SANDBOX_STAGE_CLONE, ENOSPC,
		"a limit on namespaces is reached: raise sysctl user.max_user_namespaces, "
		"user.max_net_namespaces, "
		"user.max_mnt_namespaces, user.max_pid_namespaces"},
	{SANDBOX_STAGE_CLONE, EUSERS, "user namespaces are nested more than 32 deep"},
	{SANDBOX_STAGE_CLONE, EAGAIN,
		"the number of processes is limited: see pids.max of the control group and "
		"RLIMIT_NPROC"},
	{SANDBOX_STAGE_CLONE, EINVAL,
		"this kernel lacks a namespace: CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, "
		"CONFIG_IPC_NS and "
		"CONFIG_UTS_NS are needed"},
	{SANDBOX_STAGE_CLONE, ECHILD, "trp-forker, which does that, was killed or stopped, and so was another one"},
	{SANDBOX_STAGE_CLONE, ENOSYS, "Linux 5.7 or newer is needed (clone3)"},
	{SANDBOX_STAGE_CLONE, EBUSY,
		"the control group has controllers enabled for groups below it"},
	{SANDBOX_STAGE_CLONE, EOPNOTSUPP,
		"the control group is in an invalid state: see its cgroup.type"},
	{SANDBOX_STAGE_USERNS, EPERM,
		"trpsupd needs CAP_SETUID and CAP_SETGID, and the range must be mapped in its own "
		"user namespace"},
	{SANDBOX_STAGE_USERNS, EINVAL,
		"the range must lie within 1 to 4294967294 and not be empty"},
	{SANDBOX_STAGE_CGROUP, EBUSY,
		"the control group has controllers enabled for groups below it"},
	{SANDBOX_STAGE_CGROUP, ENOENT, "somebody removed the control group"},
	{SANDBOX_STAGE_CGROUP, EAGAIN, "it stands still: somebody has written 1 to cgroup.freeze of it, or of a group above it"},
	{SANDBOX_STAGE_SYSCTL, EACCES,
		"/proc/sys is read-only here: trpsupd itself runs in a container that masks it"},
	{SANDBOX_STAGE_SYSCTL, EROFS,
		"/proc/sys is read-only here: trpsupd itself runs in a container that masks it"},
	{SANDBOX_STAGE_NETNS, EACCES,
		"/proc/sys is read-only here: trpsupd itself runs in a container that masks it"},
	{SANDBOX_STAGE_NETNS, EROFS,
		"/proc/sys is read-only here: trpsupd itself runs in a container that masks it"},
	{SANDBOX_STAGE_NETNS, ENOENT, "is /proc mounted, and does the kernel have IPv4?"},
	{SANDBOX_STAGE_HOSTNAME, EINVAL, "at most 64 bytes"},
	{SANDBOX_STAGE_ADDRESSES, EAFNOSUPPORT, "adapter = loopback needs IPv4 and IPv6 in the kernel (is ipv6.disable set at boot?)"},
	{SANDBOX_STAGE_ADDRESSES, EOPNOTSUPP, "adapter = loopback needs IPv4 and IPv6 in the kernel (is ipv6.disable set at boot?)"},
	{SANDBOX_STAGE_ADDRESSES, EACCES,
		"/proc/sys is read-only here: trpsupd itself runs in a container that masks it"},
	{SANDBOX_STAGE_ADDRESSES, EROFS,
		"/proc/sys is read-only here: trpsupd itself runs in a container that masks it"},
	{SANDBOX_STAGE_MOUNT, ENOENT,
		"it does not exist; make it, or mark the mount as optional. A target in a "
		"read-only directory "
		"must exist there already"},
	{SANDBOX_STAGE_MOUNT, EROFS, "a target in a read-only directory must exist there already"},
	{SANDBOX_STAGE_MOUNT, ELOOP,
		"its path leads through a symbolic link that others than root can change, or the "
		"mount is writable: "
		"give the path without links"},
	{SANDBOX_STAGE_MOUNT, EINVAL,
		"the target must be an absolute path without \"..\"; and the file system of an "
		"idmapped mount must "
		"support that (ext4, xfs, btrfs, tmpfs from Linux 6.3; not NFS), with every mount "
		"below it"},
	{SANDBOX_STAGE_MOUNT, ENOTDIR,
		"source and target must both be directories, or both be files"},
	{SANDBOX_STAGE_MOUNT, EEXIST, "something else is there already"},
	{SANDBOX_STAGE_MOUNT, ENOSPC,
		"the sandbox's tmpfs is full, or sysctl fs.mount-max is reached"},
	{SANDBOX_STAGE_MOUNT, EPERM, "trpsupd needs CAP_SYS_ADMIN"},
	{SANDBOX_STAGE_ROOT, ENOENT, "the root directory does not exist"},
	{SANDBOX_STAGE_ROOT, EINVAL, "the size of the private directories must not be 0"},
	{SANDBOX_STAGE_PROC, EPERM,
		"the kernel allows it only where the host's own /proc is not masked: trpsupd "
		"itself runs in a container "
		"that hides parts of it"},
	{SANDBOX_STAGE_PROC, EINVAL, "Linux 5.8 or newer is needed (hidepid=invisible)"},
	{SANDBOX_STAGE_PIVOT, EINVAL,
		"the host runs from an initramfs; its root must be a mounted file system"},
	{SANDBOX_STAGE_FDS, EMFILE, "too many open files: raise RLIMIT_NOFILE of trpsupd"},
	{SANDBOX_STAGE_RLIMIT, EPERM,
		"it is above trpsupd's own hard limit and trpsupd lacks CAP_SYS_RESOURCE: raise "
		"its limit or lower the "
		"service's"},
	{SANDBOX_STAGE_RLIMIT, EACCES, "a score below trpsupd's own needs CAP_SYS_RESOURCE"},
	{SANDBOX_STAGE_IDS, EINVAL, "user and group must lie within the service's range of ids"},
	{SANDBOX_STAGE_SESSION, ENOENT, "the working directory does not exist in the sandbox"},
	{SANDBOX_STAGE_SESSION, EACCES, "the service's user may not enter the working directory"},
	{SANDBOX_STAGE_SESSION, EDQUOT,
		"the user's keys are used up: raise sysctl kernel.keys.maxkeys"},
	{SANDBOX_STAGE_LANDLOCK, ENOSYS,
		"this kernel has no Landlock (Linux 5.13, CONFIG_SECURITY_LANDLOCK); allow-missing "
		"= landlock in the "
		"profile starts it without"},
	{SANDBOX_STAGE_LANDLOCK, EOPNOTSUPP,
		"Landlock is off at boot: add it to the kernel's lsm= parameter; allow-missing = "
		"landlock in the profile "
		"starts the service without"},
	{SANDBOX_STAGE_LANDLOCK, EPERM,
		"a seccomp filter around trpsupd refuses it, as a container's does: let it allow the three landlock calls; "
		"allow-missing = landlock in the profile starts the service without"},
	{SANDBOX_STAGE_SECCOMP, EINVAL,
		"the filter is missing, or this kernel lacks CONFIG_SECCOMP_FILTER"},
	{SANDBOX_STAGE_ENTER, ESRCH, "it has just ended"},
	{SANDBOX_STAGE_ENTER, ECHILD, "trp-forker, which does that, was killed or stopped, and so was another one"},
	{SANDBOX_STAGE_TERMINAL, ENODEV, "this kernel lacks CONFIG_UNIX98_PTYS"},
	{SANDBOX_STAGE_TERMINAL, ENOSPC, "sysctl kernel.pty.max is reached"},
	{SANDBOX_STAGE_EXEC, EACCES,
		"the file must be executable for everybody and not lie on a file system mounted "
		"noexec"},
	{SANDBOX_STAGE_EXEC, EPERM,
		"there is no Landlock here, and without it what lies where the service can write is not executed from outside"},
	{SANDBOX_STAGE_EXEC, ENOENT,
		"its dynamic loader is not in the sandbox: link it statically"},
	{SANDBOX_STAGE_EXEC, ENOEXEC, "it is not a program for this machine"},
	{SANDBOX_STAGE_EXEC, EAGAIN, "the limit on processes (RLIMIT_NPROC) is reached"},
	{SANDBOX_STAGE_EXEC, E2BIG, "arguments and environment are too long"},
	{SANDBOX_STAGE_NONE, EMFILE, "too many open files: raise RLIMIT_NOFILE of trpsupd"},
	{SANDBOX_STAGE_NONE, ENFILE, "too many open files on the host: raise sysctl fs.file-max"},
	{SANDBOX_STAGE_NONE, ENOMEM, "no memory: see the limits of the service and of trpsupd"},
};

const char *sandbox_stage_name(enum sandbox_stage stage)
{
	return (unsigned)stage < SANDBOX_STAGE_COUNT ? stages[stage].name : "unknown";
}

void sandbox_failure_set(
	struct sandbox_failure *f, enum sandbox_stage stage, int error, const char *detail)
{
	size_t len = detail ? strlen(detail) : 0;
	size_t keep = len < sizeof(f->detail) ? len : sizeof(f->detail) - 1;

	*f = (struct sandbox_failure){.stage = stage, .error = error};
	if (keep == 0)
		return;
	memcpy(f->detail, detail + len - keep, keep);
	if (keep < len)
		memcpy(f->detail, "...", 3);
}

static const char *advice_for(enum sandbox_stage stage, int error)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(advices); i++)
		if (advices[i].error == error &&
			(advices[i].stage == stage || advices[i].stage == SANDBOX_STAGE_NONE))
			return advices[i].advice;
	return NULL;
}

void sandbox_failure_text(const struct sandbox_failure *f, char *out, size_t size)
{
	/* it came through a pipe from a process that was to become a tenant's: nothing in it is
	 * trusted */
	enum sandbox_stage stage = f->stage < SANDBOX_STAGE_COUNT ? f->stage : SANDBOX_STAGE_NONE;
	int detail_len = (int)strnlen(f->detail, sizeof(f->detail));
	const char *advice = advice_for(stage, f->error);
	bool is_path = f->detail[0] == '/' || strncmp(f->detail, "...", 3) == 0;

	snprintf(out, size, "cannot %s%s%.*s%s: %s%s%s", stages[stage].text,
		detail_len == 0 ? ""
		: is_path       ? " "
				: " (",
		detail_len, f->detail, detail_len == 0 || is_path ? "" : ")", strerror(f->error),
		advice ? "; " : "", advice ? advice : "");
}
