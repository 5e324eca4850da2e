/* SPDX-License-Identifier: ISC */
/* privilege.c: trpsupd is root because it makes namespaces, mounts and listeners; it is not there to load modules, set clocks or
 * reach hardware. etc/trpsup.service has the same list, for what systemd does before. */
#include "supervisor/privilege.h"
#include "base/log.h"
#include "base/util.h"
#include "sandbox/sandbox.h"
#include "sandbox/weaken.h"

#include <errno.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static const struct {
	cap_value_t cap;
	const char *what_for;
} kept[] = {
	{CAP_SYS_ADMIN, "mounts, namespaces, BPF programs on control groups"},
	{CAP_NET_ADMIN, "filters on listeners, addresses in a service's network, buffers, ending connections"},
	{CAP_NET_BIND_SERVICE, "ports below 1024"},
	{CAP_SETUID, "id ranges of user namespaces"},
	{CAP_SETGID, "the same, and no groups"},
	{CAP_SETPCAP, "emptying bounding sets"},
	{CAP_SETFCAP, "id ranges that have the host's 0; files of images"},
	{CAP_CHOWN, "state directories and pipes of services"},
	{CAP_DAC_OVERRIDE, "state of all services"},
	{CAP_DAC_READ_SEARCH, "the same"},
	{CAP_FOWNER, "the same"},
	{CAP_FSETID, "files of images"},
	{CAP_KILL, "processes of all services"},
	{CAP_SYS_PTRACE, "namespaces of services; trp-notify"},
	{CAP_SYS_CHROOT, "building images, and entering a mount namespace"},
	{CAP_SYS_RESOURCE, "limits above its own, who goes first when memory is used up"},
	{CAP_SYS_NICE, "router-scheduling"},
	{CAP_MKNOD, "devices of images while they are built"},
	{CAP_AUDIT_WRITE, "su(1) in packages' scripts while images are built"},
};

static bool keeps(cap_value_t cap)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(kept); i++)
		if (kept[i].cap == cap)
			return true;
	return false;
}

static int drop_bounding(void)
{
	for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); cap++)
		if (!keeps(cap) && cap_get_bound(cap) == 1 && cap_drop_bound(cap) < 0)
			return -errno;
	return 0;
}

/* Of what it has, only what is kept. */
static int drop_sets(void)
{
	cap_t now = cap_get_proc();
	int r = now && cap_reset_ambient() == 0 ? 0 : -errno;

	for (cap_value_t cap = 0; r == 0 && CAP_IS_SUPPORTED(cap); cap++)
		for (int set = CAP_EFFECTIVE; r == 0 && set <= CAP_INHERITABLE; set++)
			if (!keeps(cap) || set == CAP_INHERITABLE)
				r = cap_set_flag(now, (cap_flag_t)set, 1, &cap, CAP_CLEAR) < 0 ? -errno : 0;
	if (r == 0 && cap_set_proc(now) < 0)
		r = -errno;
	cap_free(now);
	return r;
}

/* No trust in return codes: each needs one that is gone, and would change nothing if it worked. */
static const char *try_forbidden(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (syscall(SYS_clock_settime, CLOCK_REALTIME, &now) == 0 || errno != EPERM)
		return "it can set the clock";
	if (syscall(SYS_delete_module, "", 0) == 0 || (errno != EPERM && errno != ENOSYS))
		return "it can take kernel modules out";
	if (syscall(SYS_reboot, 0, 0, 0, 0) == 0 || errno != EPERM) /* who may is told that these numbers are wrong */
		return "it can reboot";
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return "it can gain privileges by execve(2)";
	return NULL;
}

/* sudo(8) sets it to 0, and what is started in a container may have no way back: one sentence, not a failure of each process. */
static void want_core_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_max >= SANDBOX_NO_CORE)
		return;
	limit.rlim_max = SANDBOX_NO_CORE;
	if (setrlimit(RLIMIT_CORE, &limit) < 0)
		log_fatal("the hard RLIMIT_CORE is 0, with which the kernel would give the memory of services to the host's core handler, and it "
			  "cannot be raised to 1 (%m): start from a root shell without sudo, with \"Defaults rlimit_core=default\" in sudoers, or with CAP_SYS_RESOURCE");
}

void privilege_drop(void)
{
	const char *works;
	int r;

	want_core_limit();
	if (weakened(CONTROL_DAEMON_PRIVILEGE))
		return;
	r = drop_bounding();
	if (r == 0)
		r = drop_sets();
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r < 0)
		log_fatal("capabilities cannot be dropped: %s", strerror(-r));
	works = try_forbidden();
	if (works)
		log_fatal("capabilities were dropped, and still %s", works);
}
