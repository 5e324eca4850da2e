/* SPDX-License-Identifier: ISC */
/* plan_text.c: a plan in words, for people. Pure. */
#include "sandbox/plan.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

static const char *const op_names[] = {
	[PLAN_WAIT] = "wait",
	[PLAN_GROUPS] = "control-groups",
	[PLAN_CGROUPNS] = "cgroup-namespace",
	[PLAN_NS_ROOT] = "become-root-inside",
	[PLAN_LOOPBACK] = "loopback-up",
	[PLAN_PORT_START] = "unprivileged-ports",
	[PLAN_HOSTNAME] = "hostname",
	[PLAN_PRIVATE] = "mounts-private",
	[PLAN_ROOT] = "new-root",
	[PLAN_TREE] = "attach",
	[PLAN_SYMLINK] = "symlink",
	[PLAN_TMPFS] = "tmpfs",
	[PLAN_DATA] = "data-file",
	[PLAN_DIR] = "directory",
	[PLAN_PROC] = "proc",
	[PLAN_MASK] = "mask",
	[PLAN_READONLY] = "read-only",
	[PLAN_SEAL] = "seal",
	[PLAN_PIVOT] = "pivot-root",
	[PLAN_FDS] = "descriptors",
	[PLAN_RLIMIT] = "limit",
	[PLAN_BOUNDING] = "bounding-set",
	[PLAN_IDS] = "ids",
	[PLAN_DROP_CAPS] = "drop-capabilities",
	[PLAN_NO_NEW_PRIVS] = "no-new-privs",
	[PLAN_SESSION] = "session",
	[PLAN_LANDLOCK] = "landlock",
	[PLAN_SECCOMP] = "seccomp",
	[PLAN_EXEC] = "exec",
	[PLAN_ALL_ADDRESSES] = "all-addresses",
	[PLAN_SYSCTL] = "sysctl",
	[PLAN_MDWE] = "memory-deny-write-execute",
	[PLAN_ENTER] = "enter",
	[PLAN_TERMINAL] = "terminal",
	[PLAN_INSIDE] = "say-that-inside",
	[PLAN_CONTROLLING] = "controlling-terminal",
	[PLAN_SIGNALS] = "signals",
};
_Static_assert(TRP_ARRAY_SIZE(op_names) == PLAN_OP_COUNT, "a name for each step");

static const struct {
	int resource;
	const char *name;
} rlimit_names[] = {
	{RLIMIT_AS, "RLIMIT_AS"},
	{RLIMIT_CORE, "RLIMIT_CORE"},
	{RLIMIT_CPU, "RLIMIT_CPU"},
	{RLIMIT_DATA, "RLIMIT_DATA"},
	{RLIMIT_FSIZE, "RLIMIT_FSIZE"},
	{RLIMIT_LOCKS, "RLIMIT_LOCKS"},
	{RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
	{RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"},
	{RLIMIT_NICE, "RLIMIT_NICE"},
	{RLIMIT_NOFILE, "RLIMIT_NOFILE"},
	{RLIMIT_NPROC, "RLIMIT_NPROC"},
	{RLIMIT_RSS, "RLIMIT_RSS"},
	{RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
	{RLIMIT_RTTIME, "RLIMIT_RTTIME"},
	{RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
	{RLIMIT_STACK, "RLIMIT_STACK"},
};

const char *plan_rlimit_name(int resource)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(rlimit_names); i++)
		if (rlimit_names[i].resource == resource)
			return rlimit_names[i].name;
	return "resource limit";
}

static int source_text(const struct plan *plan, const struct plan_step *s, char *out, size_t size)
{
	const struct plan_source *src = &plan->sources[s->source];

	return snprintf(out, size, " <- %s%s%s%s%s%s", src->from_root ? "ROOT" : "", src->path,
		src->attr & MOUNT_ATTR_RDONLY ? " read-only" : " writable",
		src->attr & MOUNT_ATTR_NOEXEC ? " noexec" : "", src->idmap ? " idmapped" : "",
		src->optional ? " optional" : "");
}

static int detail_text(const struct plan *plan, const struct plan_step *s, char *out, size_t size)
{
	switch (s->op) {
	case PLAN_TREE:
		return source_text(plan, s, out, size);
	case PLAN_PROC:
		return s->text ? snprintf(out, size, " %s", s->text) : 0;
	case PLAN_SYMLINK:
		return snprintf(out, size, " -> %s", s->text);
	case PLAN_TMPFS:
		return snprintf(out, size, " %llu bytes, mode %04o, owner %u:%u%s",
			(unsigned long long)s->number, s->mode, s->uid, s->gid,
			s->noexec ? ", noexec" : "");
	case PLAN_DATA:
		return snprintf(out, size, " %zu bytes, mode %04o, owner %u:%u", s->data_len,
			s->mode, s->uid, s->gid);
	case PLAN_DIR:
		return snprintf(out, size, " mode %04o, owner %u:%u", s->mode, s->uid, s->gid);
	case PLAN_ROOT:
		return snprintf(out, size, " %llu bytes", (unsigned long long)s->number);
	case PLAN_RLIMIT:
		if (s->number == RLIM_INFINITY)
			return snprintf(out, size, " %s unlimited", s->text);
		return snprintf(out, size, " %s %llu", s->text, (unsigned long long)s->number);
	case PLAN_SYSCTL:
		return snprintf(out, size, " = %llu", (unsigned long long)s->number);
	case PLAN_PORT_START:
		return snprintf(out, size, " from %llu", (unsigned long long)s->number);
	case PLAN_HOSTNAME:
	case PLAN_EXEC:
		return snprintf(out, size, " %s", s->text);
	default:
		return 0;
	}
}

int plan_step_text(const struct plan *plan, size_t i, char *out, size_t size)
{
	const struct plan_step *s = &plan->steps[i];
	char detail[512] = "";

	detail_text(plan, s, detail, sizeof(detail));
	return snprintf(out, size, "%-9s %s%s%s%s", sandbox_stage_name(s->stage), op_names[s->op],
		s->path ? " " : "", s->path ? s->path : "", detail);
}
