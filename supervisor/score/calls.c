/* SPDX-License-Identifier: ISC */
/* calls.c: what the kernel offers it: system calls, asked of the filter that is loaded. */
#include "supervisor/score/tables.h"

#include <linux/audit.h>
#include <sched.h>
#include <signal.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define CALLS_MAX 600 /* above every number of a call, in all architectures that we run on */
#define X32_BIT   0x40000000u

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Calls that nothing of a usual server needs: judged by a row of their own, and not counted among all others. */
static const struct notable {
	const char *control; /* of score_call_controls */
	const char *const *names;
	unsigned exposure; /* if the filter always allows one of them */
	unsigned least;
} notables[] = {
	{"calls-mount", NAMES("mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsmount", "fsconfig", "fspick",
				"mount_setattr", "open_by_handle_at"),
		100, SCORE_FLOOR_BAD},
	{"calls-kernel", NAMES("bpf", "perf_event_open", "userfaultfd", "kexec_load", "kexec_file_load", "init_module", "finit_module",
				 "delete_module", "create_module", "fanotify_init", "lookup_dcookie", "quotactl", "quotactl_fd"),
		100, SCORE_FLOOR_BAD},
	{"new-namespaces", NAMES("unshare", "setns", "clone3"), 100, SCORE_FLOOR_BAD}, /* and clone(2), by its flags */
	{"calls-io-uring", NAMES("io_uring_setup", "io_uring_enter", "io_uring_register"), 100, 0},
	{"calls-debug", NAMES("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise"), 100, 0},
	{"calls-keyring", NAMES("add_key", "request_key", "keyctl"), 100, 0},
	{"calls-self-filter", NAMES("seccomp"), 100, 0},
	{"calls-clock", NAMES("settimeofday", "clock_settime", "clock_settime64", "adjtimex", "clock_adjtime", "stime"), 100, 0},
	{"calls-host", NAMES("reboot", "swapon", "swapoff", "acct", "syslog", "sethostname", "setdomainname", "vhangup", "iopl", "ioperm", "nfsservctl"),
		100, 0},
	{"calls-obsolete", NAMES("modify_ldt", "uselib", "ustat", "sysfs", "_sysctl", "vm86", "vm86old", "get_kernel_syms", "query_module",
				   "remap_file_pages", "getpmsg", "putpmsg", "afs_syscall", "tuxcall", "security", "vserver", "epoll_ctl_old",
				   "epoll_wait_old", "bdflush", "idle"),
		100, 0},
};

static unsigned ask(const struct score_view *v, const struct seccomp_question *q)
{
	int r = seccomp_look(v->filter, q);

	return r < 0 ? SECCOMP_MAY_ALLOW | SECCOMP_MAY_REFUSE : (unsigned)r;
}

/* By either table, where there are two. */
unsigned score_call(const struct score_view *v, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);
	unsigned may = nr < 0 ? 0 : ask(v, &(struct seccomp_question){.arch = seccomp_native_arch(), .nr = (uint32_t)nr}), other;
	struct seccomp_question q;

	if (!seccomp_ask_x86(name, &q))
		return may;
	other = ask(v, &q);
	return other & SECCOMP_MAY_ALLOW ? may | other : may;
}

/* With one argument known. */
static unsigned ask_with(const struct score_view *v, const char *name, unsigned arg, uint64_t value)
{
	struct seccomp_question q = {.arch = seccomp_native_arch()};
	int nr = seccomp_syscall_resolve_name(name);

	if (nr < 0)
		return 0;
	q.nr = (uint32_t)nr;
	q.known[arg] = true;
	q.args[arg] = value;
	return ask(v, &q);
}

static bool is_notable(const char *name)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(notables); i++)
		for (const char *const *n = notables[i].names; *n; n++)
			if (strcmp(*n, name) == 0)
				return true;
	return false;
}

/* Those of this machine that are not judged by a row of their own. */
void score_count_calls(const struct score_view *v, struct score_calls *ret)
{
	*ret = (struct score_calls){0};
	for (int nr = 0; nr < CALLS_MAX; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		unsigned may = name && !is_notable(name) ? score_call(v, name) : 0;

		free(name);
		if (!may)
			continue;
		ret->known++;
		ret->always += may == SECCOMP_MAY_ALLOW;
		ret->some += may == (SECCOMP_MAY_ALLOW | SECCOMP_MAY_REFUSE);
	}
}

json_t *score_notable_calls(const struct score_view *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < TRP_ARRAY_SIZE(notables); i++)
		for (const char *const *n = notables[i].names; *n; n++)
			if (score_call(v, *n) & SECCOMP_MAY_ALLOW)
				json_array_append_new(list, json_string(*n));
	return list;
}

static void judge_filter(const struct score_view *v, struct score_row *row)
{
	/* a number that no kernel has yet */
	unsigned may = ask(v, &(struct seccomp_question){.arch = seccomp_native_arch(), .nr = CALLS_MAX + 400});

	if (may == SECCOMP_MAY_REFUSE) {
		score_set(row, 0, "%u instructions; what it does not name is refused", v->filter->len);
		return;
	}
	score_set(row, 100, "calls that it does not name are allowed");
	row->least = SCORE_FLOOR_GRAVE;
}

static void verify_filter(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	(void)v;
	if (p->seccomp != 2)
		score_broken(row, "process %d runs without a filter", p->pid);
}

static void judge_count(const struct score_view *v, struct score_row *row)
{
	struct score_calls c;

	score_count_calls(v, &c);
	score_set(row, c.known ? (c.always * 100 + c.some * 50) / c.known : 0, "%u of %u always, %u more with some arguments", c.always, c.known,
		c.some);
}

static void judge_notable(const struct score_view *v, struct score_row *row)
{
	size_t at = 0;

	score_set(row, 0, "none");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(notables); i++) {
		const struct notable *n = &notables[i];
		if (strcmp(n->control, row->control->name) != 0)
			continue;
		for (const char *const *name = n->names; *name; name++) {
			unsigned may = score_call(v, *name), exposure = may == SECCOMP_MAY_ALLOW ? n->exposure : n->exposure / 2;
			if (!(may & SECCOMP_MAY_ALLOW))
				continue;
			if (exposure > row->exposure)
				row->exposure = exposure;
			if (may == SECCOMP_MAY_ALLOW)
				row->least = n->least;
			if (at == 0)
				row->has[0] = '\0';
			int len = at < sizeof(row->has) ? snprintf(row->has + at, sizeof(row->has) - at, "%s%s", at ? " " : "", *name) : 0;
			at += (size_t)len;
		}
	}
}

/* io_uring has no eye of the filter on what it does: with sockets of the host's network that were passed, that is one more way to them. */
static void judge_io_uring(const struct score_view *v, struct score_row *row)
{
	judge_notable(v, row);
	if (row->exposure > 0 && v->site->adapter != ADAPTER_LOOPBACK && profile_is_routed(v->profile))
		row->least = SCORE_FLOOR_BAD;
}

static void judge_new_namespaces(const struct score_view *v, struct score_row *row)
{
	static const struct {
		const char *name;
		uint64_t flag;
	} kinds[] = {{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET}, {"ipc", CLONE_NEWIPC},
		{"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}, {"time", 0x80}};
	const char *first = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(kinds); i++) {
		/* clone(2) takes CLONE_NEWTIME's bit for a signal number */
		unsigned may = ask_with(v, "unshare", 0, kinds[i].flag) | ask_with(v, "setns", 1, kinds[i].flag);
		if (strcmp(kinds[i].name, "time") != 0)
			may |= ask_with(v, "clone", 0, kinds[i].flag | SIGCHLD);
		if (!(may & SECCOMP_MAY_ALLOW))
			continue;
		n++;
		first = first ? first : kinds[i].name;
	}
	if (score_call(v, "clone3") & SECCOMP_MAY_ALLOW) {
		score_set(row, 100, "any, by clone3(2), whose flags no filter sees");
		row->least = SCORE_FLOOR_BAD;
	} else if (n > 0) {
		score_set(row, 30 + n * 70 / (unsigned)TRP_ARRAY_SIZE(kinds), "%s%s", first, n > 1 ? " and others" : "");
		row->least = SCORE_FLOOR_BAD;
	} else {
		score_set(row, 0, "none");
	}
}

/* Other tables of system calls of the same machine: their numbers mean other calls. */
static void judge_architectures(const struct score_view *v, struct score_row *row)
{
	static const struct {
		const char *name;
		uint32_t arch, bit;
	} others[] = {
#ifdef __x86_64__
		{"i386", AUDIT_ARCH_I386, 0},
		{"x32", AUDIT_ARCH_X86_64, X32_BIT},
#elif defined(__aarch64__)
		{"arm", AUDIT_ARCH_ARM, 0},
#endif
		{"", 0, 0},
	};

	if (score_call(v, "socketcall") & SECCOMP_MAY_ALLOW) {
		score_set(row, 100, "i386 too, with socketcall(2), whose arguments no filter sees");
		return;
	}
	score_set(row, 0, "its own alone");
	for (size_t i = 0; others[i].name[0]; i++)
		for (uint32_t nr = 0; nr < CALLS_MAX; nr++) {
			struct seccomp_question q = {.arch = others[i].arch, .nr = nr | others[i].bit};
			if (!(ask(v, &q) & SECCOMP_MAY_ALLOW))
				continue;
			score_set(row, 70, "%s too", others[i].name);
			break;
		}
}

static void judge_families(const struct score_view *v, struct score_row *row)
{
	static const unsigned expected[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
	unsigned n = 0, first = 0;

	for (unsigned family = 0; family < 64; family++) {
		bool usual = false;
		for (size_t i = 0; i < TRP_ARRAY_SIZE(expected); i++)
			usual |= family == expected[i];
		if (usual || !(ask_with(v, "socket", 0, family) & SECCOMP_MAY_ALLOW))
			continue;
		first = n++ ? first : family;
	}
	if (n == 0)
		score_set(row, 0, "%s", ask_with(v, "socket", 0, AF_INET) & SECCOMP_MAY_ALLOW ? "unix, inet, inet6, netlink route" : "unix");
	else
		score_set(row, n > 3 ? 100 : 60, "%u more, the first is number %u", n, first);
}

/* What would reach a terminal that others use, the host's interfaces or the socket's device. */
static void judge_requests(const struct score_view *v, struct score_row *row)
{
	static const struct {
		const char *name;
		unsigned long request;
	} requests[] = {{"TIOCSTI", 0x5412}, {"TIOCLINUX", 0x541c}, {"TIOCSETD", 0x5423}, {"SIOCGIFCONF", 0x8912}, {"SIOCGIFADDR", 0x8915},
		{"SIOCGSKNS", 0x894c}, {"SIOCGIFNAME", 0x8910}, {"SIOCETHTOOL", 0x8946}, {"FS_IOC_SETFLAGS", 0x40086602}};
	struct seccomp_question device = {.arch = seccomp_native_arch(), .known = {false, true, true}, .args = {0, SOL_SOCKET, SO_BINDTODEVICE}};
	int nr = seccomp_syscall_resolve_name("setsockopt");

	for (size_t i = 0; i < TRP_ARRAY_SIZE(requests); i++)
		if (ask_with(v, "ioctl", 1, requests[i].request) & SECCOMP_MAY_ALLOW) {
			score_set(row, 100, "ioctl %s", requests[i].name);
			row->least = SCORE_FLOOR_BAD;
			return;
		}
	device.nr = (uint32_t)nr;
	if (nr >= 0 && (ask(v, &device) & SECCOMP_MAY_ALLOW))
		score_set(row, 60, "setsockopt SO_BINDTODEVICE");
	else
		score_set(row, 0, "none that reaches beyond it");
}

static void judge_wx_memory(const struct score_view *v, struct score_row *row)
{
	bool denied = false;

	for (size_t i = 0; i < v->plan.n_steps && !denied; i++)
		denied = v->plan.steps[i].op == PLAN_MDWE;
	if (!denied && ask_with(v, "mprotect", 2, PROT_READ | PROT_EXEC) & SECCOMP_MAY_ALLOW)
		score_set(row, 50, "memory can be written, then executed");
	else
		score_set(row, 0, "memory that was written cannot be executed");
}

#define CALL_ROW(name, title, weight, judge) {name, title, weight, "sandbox", "syscalls", "take it out", judge, NULL, NULL}

const struct score_control score_call_controls[] = {
	{"system-call-filter", "What is not allowed is refused", 15, NULL, NULL, NULL, judge_filter, verify_filter, NULL},
	{"system-calls", "System calls in all", 8, "sandbox", "syscalls", "take groups out that it does not use: -@ipc -@sync -@landlock ...",
		judge_count, NULL, NULL},
	CALL_ROW("calls-mount", "Calls that change what is mounted", 6, judge_notable),
	CALL_ROW("calls-kernel", "Calls that program the kernel", 6, judge_notable),
	CALL_ROW("calls-io-uring", "io_uring, which no filter sees into", 6, judge_io_uring),
	CALL_ROW("calls-debug", "Calls that look into other processes", 5, judge_notable),
	CALL_ROW("calls-keyring", "The kernel's key store", 4, judge_notable),
	CALL_ROW("calls-self-filter", "Filters of its own", 2, judge_notable),
	CALL_ROW("calls-clock", "Calls that set clocks", 3, judge_notable),
	CALL_ROW("calls-host", "Calls that concern the whole host", 4, judge_notable),
	CALL_ROW("calls-obsolete", "Calls that nobody needs any more", 3, judge_notable),
	CALL_ROW("new-namespaces", "Namespaces that it may make or enter", 10, judge_new_namespaces),
	{"architectures", "Tables of system calls", 5, "sandbox", "architectures", "native", judge_architectures, NULL, NULL},
	{"socket-families", "Kinds of sockets that it may make", 5, NULL, NULL, NULL, judge_families, NULL, NULL},
	{"requests", "ioctl requests and socket options", 5, NULL, NULL, NULL, judge_requests, NULL, NULL},
	{"write-execute-memory", "Memory that is both written and executed", 3, "sandbox", "memory-deny-write-execute", "yes, unless it makes code (JIT)", judge_wx_memory, NULL, NULL},
};
const size_t score_n_call_controls = TRP_ARRAY_SIZE(score_call_controls);
