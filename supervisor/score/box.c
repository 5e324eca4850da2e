/* SPDX-License-Identifier: ISC */
/* box.c: the sandbox as such: namespaces, ids, capabilities, root, devices. Most of it no profile can weaken; it is judged all the
 * same, from the plan, so that a step that is lost is seen. */
#include "supervisor/ids.h"
#include "supervisor/score/tables.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

static const struct plan_step *find(const struct score_view *v, enum plan_op op, const char *path)
{
	for (size_t i = 0; i < v->plan.n_steps; i++)
		if (v->plan.steps[i].op == op && (!path || strcmp(v->plan.steps[i].path, path) == 0))
			return &v->plan.steps[i];
	return NULL;
}

/* A control that is a step, or several: all must be there. */
static void judge_steps(const struct score_view *v, struct score_row *row, const enum plan_op *ops, size_t n, const char *has)
{
	for (size_t i = 0; i < n; i++)
		if (!find(v, ops[i], NULL)) {
			score_set(row, 100, "the plan lacks a step of it");
			row->least = SCORE_FLOOR_HOST;
			return;
		}
	score_set(row, 0, "%s", has);
}

#define STEPS(row, has, ...)                                                                                                               \
	judge_steps(v, row, (const enum plan_op[]){__VA_ARGS__}, TRP_ARRAY_SIZE(((const enum plan_op[]){__VA_ARGS__})), has)

static void lacks_ns(const struct score_process *p, struct score_row *row, enum score_ns ns)
{
	if (!(p->own_ns & (1u << ns)))
		score_broken(row, "process %d is in the daemon's %s namespace", p->pid, score_ns_names[ns]);
}

static void judge_userns(const struct score_view *v, struct score_row *row)
{
	if (v->spec->uid_base == 0 || v->spec->uid_count < IDS_RANGE) {
		score_set(row, 100, "ids of the host, or too few of its own");
		row->least = SCORE_FLOOR_HOST;
		return;
	}
	score_set(row, 0, "%u ids that nobody else has", v->spec->uid_count);
}

static void verify_userns(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	lacks_ns(p, row, NS_USER);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(p->ids); i++)
		if (p->ids[i] < v->spec->uid_base || p->ids[i] - v->spec->uid_base >= v->spec->uid_count)
			score_broken(row, "process %d has the host's id %u, which is not of its range", p->pid, p->ids[i]);
}

static void judge_user(const struct score_view *v, struct score_row *row)
{
	if (v->spec->uid == 0)
		score_set(row, 50, "root inside, which owns what its packages installed");
	else
		score_set(row, 0, "user %u inside", v->spec->uid);
}

static void judge_caps(const struct score_view *v, struct score_row *row)
{
	STEPS(row, "none, in no set; the bounding set is empty", PLAN_BOUNDING, PLAN_DROP_CAPS);
}

/* trp-notify, beside the sandbox, has one: adapter-process says so. */
static void verify_caps(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	static const char *const sets[] = {"inheritable", "permitted", "effective", "bounding", "ambient"};

	(void)v;
	if (p->role == SCORE_HELPER)
		return;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(sets); i++)
		if (p->caps[i])
			score_broken(row, "process %d has capabilities %016llx in its %s set", p->pid, (unsigned long long)p->caps[i],
				sets[i]);
}

static void judge_nnp(const struct score_view *v, struct score_row *row)
{
	STEPS(row, "set", PLAN_NO_NEW_PRIVS);
}

static void verify_nnp(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	(void)v;
	if (!p->no_new_privs)
		score_broken(row, "process %d may gain privileges by execve(2)", p->pid);
}

/* clone3(2) of every sandbox makes them; the steps are what they are good for. */
static void judge_namespaces(const struct score_view *v, struct score_row *row)
{
	STEPS(row, "mount, pid, ipc, uts of its own", PLAN_PRIVATE, PLAN_PIVOT, PLAN_HOSTNAME);
}

static void verify_namespaces(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	static const enum score_ns own[] = {NS_MNT, NS_PID, NS_IPC, NS_UTS};

	if (p->role == SCORE_HELPER) {
		lacks_ns(p, row, NS_MNT); /* it has no other of its own: it is no part of the sandbox */
		return;
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(own); i++)
		lacks_ns(p, row, own[i]);
	if (find(v, PLAN_CGROUPNS, NULL) && p->role == SCORE_UPSTREAM)
		lacks_ns(p, row, NS_CGROUP);
}

static void judge_network(const struct score_view *v, struct score_row *row)
{
	if (!v->spec->host_network) {
		score_set(row, 0, "of its own, with nothing but lo");
		return;
	}
	score_set(row, 60, "trp-relay is in the host's, for TCP to %zu port%s (Landlock, Linux 6.7)", v->spec->n_connect_ports,
		v->spec->n_connect_ports == 1 ? "" : "s");
}

static void verify_network(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	if (!v->spec->host_network)
		lacks_ns(p, row, NS_NET);
}

static void judge_landlock(const struct score_view *v, struct score_row *row)
{
	if (!find(v, PLAN_LANDLOCK, NULL)) {
		score_set(row, 100, "the plan lacks it");
		row->least = SCORE_FLOOR_BAD;
	} else if (v->spec->landlock_optional) {
		score_set(row, 50, "where the host has it: the profile allows it to be missing");
	} else {
		score_set(row, 0, "%zu rules; no start without it", v->plan.n_rules);
	}
}

static void judge_sealed(const struct score_view *v, struct score_row *row)
{
	if (!find(v, PLAN_SEAL, "/") || !find(v, PLAN_SEAL, "/dev")) {
		score_set(row, 100, "writable");
		row->least = SCORE_FLOOR_BAD;
		return;
	}
	for (size_t i = 0; i < v->plan.n_sources; i++)
		if (v->plan.sources[i].from_root && !(v->plan.sources[i].attr & MOUNT_ATTR_RDONLY)) {
			score_set(row, 100, "%s of its root is writable", v->plan.sources[i].path);
			return;
		}
	score_set(row, 0, "read-only");
}

static void verify_sealed(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	(void)v;
	if (p->mounts_known && p->writable[0])
		score_broken(row, "%s is writable for process %d, and not in the plan", p->writable, p->pid);
}

static void judge_root(const struct score_view *v, struct score_row *row)
{
	const struct profile *p = v->profile;

	if (p->adapter == ADAPTER_RELAY || p->root == ROOT_NONE)
		score_set(row, 0, "empty");
	else if (p->root == ROOT_PACKAGES)
		score_set(row, 0, "%zu packages of its own, with what they depend on", p->packages.n);
	else if (p->root == ROOT_DIRECTORY)
		score_set(row, 10, "the directory %s", p->root_directory);
	else
		score_set(row, 50, "the host's programs and libraries, read-only");
}

static void judge_proc(const struct score_view *v, struct score_row *row)
{
	const struct plan_step *proc = find(v, PLAN_PROC, "/proc");
	size_t masks = 0;

	if (proc && proc->text) {
		score_set(row, 0, "of its own processes alone (proc = pid), no /sys");
		return;
	}
	for (size_t i = 0; i < v->plan.n_steps; i++)
		masks += v->plan.steps[i].op == PLAN_MASK;
	if (!proc || !find(v, PLAN_READONLY, "/proc/sys") || masks == 0) {
		score_set(row, 100, "of the host, or not masked");
		row->least = SCORE_FLOOR_BAD;
		return;
	}
	score_set(row, 0, "of its own processes; %zu files hidden, /proc/sys read-only, no /sys", masks);
}

static void verify_proc(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	const struct plan_step *proc = find(v, PLAN_PROC, "/proc");

	if (p->mounts_known && !strstr(p->proc_options, "hidepid="))
		score_broken(row, "process %d sees a /proc without hidepid", p->pid);
	else if (p->mounts_known && proc && proc->text && !strstr(p->proc_options, proc->text))
		score_broken(row, "process %d sees a /proc without %s", p->pid, proc->text);
}

static void judge_devices(const struct score_view *v, struct score_row *row)
{
	size_t nodes = 0;

	for (size_t i = 0; i < v->plan.n_steps; i++) {
		const struct plan_step *s = &v->plan.steps[i];
		if (s->op != PLAN_TREE || s->source < 0)
			continue;
		if (s->stage == SANDBOX_STAGE_DEV) {
			nodes++;
		} else if (!(v->plan.sources[s->source].attr & MOUNT_ATTR_NODEV)) {
			score_set(row, 100, "%s may have devices", s->path);
			row->least = SCORE_FLOOR_GRAVE;
			return;
		}
	}
	score_set(row, 0, "%zu: null, zero, full, random, urandom, tty", nodes);
}

static void verify_devices(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	(void)v;
	if (p->mounts_known && p->loose[0])
		score_broken(row, "%s lacks nosuid or nodev for process %d", p->loose, p->pid);
}

/* A passed socket belongs to the host's network; what keeps it harmless is doc/security.md's first subject. */
static void judge_passed(const struct score_view *v, struct score_row *row)
{
	const struct profile *p = v->profile;

	if (v->site->adapter == ADAPTER_LOOPBACK)
		score_set(row, 0, "none: trp-relay copies");
	else if (v->site->adapter == ADAPTER_RELAY)
		score_set(row, 0, "trp-relay has them, and no program of the service");
	else if (!profile_is_routed(p))
		score_set(row, 0, "none: no route leads to it");
	else
		score_set(row, 20, "clients' sockets of the host's network, each held to its listener's port");
}

static void judge_adapter(const struct score_view *v, struct score_row *row)
{
	switch (v->site->adapter) {
	case ADAPTER_NOTIFY:
		score_set(row, 40, "trp-notify beside it: CAP_SYS_PTRACE over its processes alone");
		break;
	case ADAPTER_LOOPBACK:
		score_set(row, 10, "trp-relay beside it, with its clients' sockets");
		break;
	case ADAPTER_RELAY:
		score_set(row, 0, "trp-relay is all there is");
		break;
	default:
		score_set(row, 0, "none");
	}
}

static void verify_adapter(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	const uint64_t ptrace_only = 1ull << 19; /* CAP_SYS_PTRACE, capability.h */

	(void)v;
	if (p->role == SCORE_HELPER && (p->caps[2] & ~ptrace_only))
		score_broken(row, "process %d, which watches it, has capabilities %016llx", p->pid, (unsigned long long)p->caps[2]);
}

static void judge_group(const struct score_view *v, struct score_row *row)
{
	if (strv_has(&v->profile->allow_missing, "cgroup"))
		score_set(row, 50, "where the host has them: the profile allows them to be missing");
	else
		score_set(row, 0, "one of its own; no start without it");
}

static void verify_in_group(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	if (v->spec->cgroup && !p->in_group)
		score_broken(row, "process %d is not in the service's control group", p->pid);
}

static void verify_group(const struct score_view *v, const struct score_group *g, struct score_row *row)
{
	(void)v;
	if (g->differs[0])
		score_broken(row, "%s", g->differs);
}

const struct score_control score_box_controls[] = {
	{"user-namespace", "Its ids mean nothing on the host", 20, NULL, NULL, NULL, judge_userns, verify_userns, NULL},
	{"capabilities", "Capabilities", 20, NULL, NULL, NULL, judge_caps, verify_caps, NULL},
	{"no-new-privileges", "No privilege by executing a program", 10, NULL, NULL, NULL, judge_nnp, verify_nnp, NULL},
	{"namespaces", "Namespaces of its own", 10, NULL, NULL, NULL, judge_namespaces, verify_namespaces, NULL},
	{"network", "Network", 15, "relay", "target", "unix: sockets, where the target has one; or a service of this host without adapter = relay",
		judge_network, verify_network, NULL},
	{"landlock", "Landlock, behind the mounts", 8, "sandbox", "allow-missing", "take landlock out", judge_landlock, NULL, NULL},
	{"control-group", "Control group", 6, "sandbox", "allow-missing", "take cgroup out", judge_group, verify_in_group, verify_group},
	{"root-read-only", "Its system cannot be changed", 8, NULL, NULL, NULL, judge_sealed, verify_sealed, NULL},
	{"root", "What it sees as its system", 4, "sandbox", "root", "packages, or a directory", judge_root, NULL, NULL},
	{"proc", "What /proc and /sys tell", 6, NULL, NULL, NULL, judge_proc, verify_proc, NULL},
	{"devices", "Devices", 6, NULL, NULL, NULL, judge_devices, verify_devices, NULL},
	{"user", "User inside", 3, "service", "user", "a user other than root", judge_user, NULL, NULL},
	{"passed-sockets", "Sockets of the host's network", 6, "service", "adapter", "loopback, if a copy of all bytes is affordable", judge_passed,
		NULL, NULL},
	{"adapter-process", "A process of ours beside it", 3, "service", "adapter", "preload, if the program is linked dynamically; native",
		judge_adapter, verify_adapter, NULL},
};
const size_t score_n_box_controls = TRP_ARRAY_SIZE(score_box_controls);
