/* SPDX-License-Identifier: ISC */
#include "learn.h"
#include "sandbox/seccomp_cover.h"
#include "show.h"

#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define LINE 96 /* of a list of words */

enum count { TIMES, REFUSED, MISSED, DENIED };

static json_int_t count_of(const json_t *counts, enum count which)
{
	return json_integer_value(json_array_get(counts, which));
}

static json_int_t peak_of(const json_t *facts, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(facts, "peaks"), name));
}

/* Did it ask for a socket that is no unix one, and get it? A filter always allows the others. */
static bool uses_network(const json_t *facts)
{
	const char *form;
	json_t *counts;
	unsigned family;

	json_object_foreach(json_object_get(facts, "forms"), form, counts)
		if (sscanf(form, "socket:%u:", &family) == 1 && family != AF_UNIX && count_of(counts, TIMES) > count_of(counts, REFUSED))
			return true;
	return false;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The calls that the filter let through, sorted; borrowed from facts. */
static const char **used_calls(const json_t *facts, size_t *ret_n)
{
	const json_t *calls = json_object_get(facts, "calls");
	const char **list = calloc(json_object_size(calls) + 1, sizeof(*list)), *name;
	json_t *counts;
	size_t n = 0;

	if (!list)
		abort();
	json_object_foreach((json_t *)calls, name, counts)
		if (count_of(counts, TIMES) > count_of(counts, REFUSED) && (strcmp(name, "socket") != 0 || uses_network(facts)))
			list[n++] = name;
	qsort(list, n, sizeof(*list), compare_words);
	*ret_n = n;
	return list;
}

struct strv learn_words(const json_t *facts, bool exact)
{
	size_t n, n_words;
	cleanup_free const char **calls = used_calls(facts, &n);
	cleanup_free const char **words = calloc(n + 1, sizeof(*words));
	struct strv ret = {0};

	if (!words)
		abort();
	n_words = seccomp_cover(calls, n, exact, words);
	for (size_t i = 0; i < n_words; i++)
		if (strv_push(&ret, words[i]) < 0)
			abort();
	return ret;
}

/* Words behind a head, on as many lines as they need; go_on stands in front of the second and further lines. */
static void print_list(const char *head, const char *const *words, size_t n, const char *go_on)
{
	size_t column = strlen(head);

	if (n == 0)
		return;
	fputs(head, stdout);
	for (size_t i = 0; i < n; i++) {
		if (column + 1 + strlen(words[i]) > LINE) {
			printf("\n%s", go_on);
			column = strlen(go_on);
		}
		putchar(' ');
		show_text(stdout, words[i]);
		column += 1 + strlen(words[i]);
	}
	putchar('\n');
}

/* Groups of which the profile's words allow something, and that nothing was used of. What every filter allows is not counted. */
static void print_unused_groups(const json_t *facts, const struct profile *p)
{
	const char *unused[64];
	size_t n_groups, n = 0;
	const struct seccomp_group *g = seccomp_groups(&n_groups);

	for (size_t i = 0; i < n_groups && n < TRP_ARRAY_SIZE(unused); i++) {
		bool used = false, allowed = false;
		for (const char *const *s = g[i].syscalls; *s; s++) {
			const json_t *counts = json_object_get(json_object_get(facts, "calls"), *s);
			if (seccomp_is_always(*s) || (strcmp(*s, "socket") == 0 && !uses_network(facts)))
				continue;
			used = used || count_of(counts, TIMES) > count_of(counts, REFUSED);
			allowed = allowed || seccomp_words_allow((const char *const *)p->syscalls.v, p->syscalls.n, *s);
		}
		if (allowed && !used)
			unused[n++] = g[i].name;
	}
	print_list("# allowed now and not used:", unused, n, "#  ");
}

/* Calls that it made and that its profile, as it is, refuses. */
static void print_lacking(const json_t *facts, const struct profile *p)
{
	size_t n, n_lacking = 0;
	cleanup_free const char **calls = used_calls(facts, &n);

	for (size_t i = 0; i < n; i++)
		if (!seccomp_words_allow((const char *const *)p->syscalls.v, p->syscalls.n, calls[i]))
			calls[n_lacking++] = calls[i];
	print_list("# used, and refused by the profile as it is:", calls, n_lacking, "#  ");
}

static const char *name_of(unsigned value, const char *const *names, size_t n)
{
	return value < n ? names[value] : NULL;
}

/* A socket's form as people know it. */
static void print_socket(unsigned family, unsigned type, unsigned protocol)
{
	static const char *const families[] = {[AF_UNIX] = "unix", [AF_INET] = "inet", [AF_INET6] = "inet6",
		[AF_NETLINK] = "netlink", [AF_PACKET] = "packet"};
	static const char *const types[] = {[SOCK_STREAM] = "stream", [SOCK_DGRAM] = "dgram", [SOCK_RAW] = "raw",
		[SOCK_SEQPACKET] = "seqpacket"};
	const char *f = name_of(family, families, TRP_ARRAY_SIZE(families)), *t = name_of(type, types, TRP_ARRAY_SIZE(types));

	if (f)
		fputs(f, stdout);
	else
		printf("family %u", family);
	if (t)
		printf(" %s", t);
	else
		printf(" type %u", type);
	if (protocol)
		printf(" protocol %u", protocol);
}

static void print_sockets(const json_t *facts)
{
	unsigned family, type, protocol;
	bool first = true;
	const char *form;
	json_t *counts;

	json_object_foreach((json_t *)json_object_get(facts, "forms"), form, counts) {
		if (sscanf(form, "socket:%u:%u:%u", &family, &type, &protocol) != 3 || count_of(counts, TIMES) == count_of(counts, REFUSED))
			continue;
		fputs(first ? "# sockets: " : ", ", stdout);
		print_socket(family, type, protocol);
		first = false;
	}
	if (!first)
		putchar('\n');
}

/* One that the filter refused: by its name, or by the arguments that were refused. */
static void print_refused(const char *name, json_int_t times, const char *why)
{
	const struct seccomp_group *group = seccomp_group_of(name);

	printf("# refused, and never allowed to learn: ");
	show_text(stdout, name);
	printf(" (%lld times%s%s%s)\n", (long long)times, group ? ", of " : "", group ? group->name : "", why);
}

static void print_all_refused(const json_t *facts)
{
	const json_t *forms = json_object_get(facts, "forms"), *calls = json_object_get(facts, "calls");
	const char *name;
	json_t *counts;

	json_object_foreach((json_t *)calls, name, counts) {
		bool partly = count_of(counts, TIMES) > count_of(counts, REFUSED);
		if (count_of(counts, REFUSED) > 0)
			print_refused(name, count_of(counts, REFUSED), partly ? ", with some arguments" : "");
	}
	json_object_foreach((json_t *)forms, name, counts)
		if (count_of(counts, REFUSED) > 0) {
			unsigned a, b, c;
			const char *colon = strchr(name, ':');
			if (colon && sscanf(colon, ":%u:%u:%u", &a, &b, &c) == 3)
				printf("#   %.*s with %#x %#x %#x: %lld times\n", (int)(colon - name), name, a, b, c,
					(long long)count_of(counts, REFUSED));
		}
}

/* What the kernel asks for where it answers EPERM. None is ever given; which of them a program tried tells what it lacks. */
static const struct {
	const char *call, *capability;
} privileged[] = {{"chown", "CAP_CHOWN"}, {"fchown", "CAP_CHOWN"}, {"lchown", "CAP_CHOWN"}, {"fchownat", "CAP_CHOWN"},
	{"chmod", "CAP_FOWNER"}, {"fchmod", "CAP_FOWNER"}, {"fchmodat", "CAP_FOWNER"}, {"setuid", "CAP_SETUID"},
	{"setreuid", "CAP_SETUID"}, {"setresuid", "CAP_SETUID"}, {"setgid", "CAP_SETGID"}, {"setregid", "CAP_SETGID"},
	{"setresgid", "CAP_SETGID"}, {"setgroups", "CAP_SETGID"}, {"mknod", "CAP_MKNOD"}, {"mknodat", "CAP_MKNOD"},
	{"setpriority", "CAP_SYS_NICE"}, {"sched_setscheduler", "CAP_SYS_NICE"}, {"sched_setattr", "CAP_SYS_NICE"},
	{"ioprio_set", "CAP_SYS_NICE"}, {"mbind", "CAP_SYS_NICE"}, {"setrlimit", "CAP_SYS_RESOURCE"},
	{"prlimit64", "CAP_SYS_RESOURCE"}, {"mlock", "CAP_IPC_LOCK"}, {"mlockall", "CAP_IPC_LOCK"}, {"kill", "CAP_KILL"},
	{"bind", "CAP_NET_BIND_SERVICE"}, {"chroot", "CAP_SYS_CHROOT"}, {"mount", "CAP_SYS_ADMIN"},
	{"umount2", "CAP_SYS_ADMIN"}, {"unshare", "CAP_SYS_ADMIN"}, {"setns", "CAP_SYS_ADMIN"}, {"sethostname", "CAP_SYS_ADMIN"},
	{"settimeofday", "CAP_SYS_TIME"}, {"clock_settime", "CAP_SYS_TIME"}, {"clock_adjtime", "CAP_SYS_TIME"},
	{"ptrace", "CAP_SYS_PTRACE"}, {"bpf", "CAP_BPF"}, {"perf_event_open", "CAP_PERFMON"}};

static void print_capabilities(const json_t *facts)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(privileged); i++) {
		const json_t *counts = json_object_get(json_object_get(facts, "calls"), privileged[i].call);
		json_int_t times = count_of(counts, DENIED) + count_of(counts, REFUSED);
		if (times > 0)
			printf("# asked for, never given: %s (%s, %lld times)\n", privileged[i].capability, privileged[i].call,
				(long long)times);
	}
}

/* Half as much again, as a multiple of step and at least that. */
static json_int_t with_room(json_int_t peak, json_int_t step)
{
	json_int_t v = peak + peak / 2;

	return v < step ? step : (v + step - 1) / step * step;
}

static const struct {
	const char *key, *peak, *text;
	json_int_t step;
} limits[] = {
	{"processes", "tasks", "processes and threads", 8},
	{"memory", "memory", "bytes, cached files among them", 16 << 20},
	{"open-files", "files", "descriptors in one process", 64},
};

static void print_limits(const json_t *facts)
{
	puts("\n[limits]");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(limits); i++) {
		json_int_t peak = peak_of(facts, limits[i].peak), v = with_room(peak, limits[i].step);
		if (peak == 0)
			continue;
		if (limits[i].step >= 1 << 20)
			printf("%s = %lldM", limits[i].key, (long long)(v >> 20));
		else
			printf("%s = %lld", limits[i].key, (long long)v);
		printf(" ; at most %lld %s were seen\n", (long long)peak, limits[i].text);
	}
}

json_t *learn_suggestion(const json_t *facts, bool exact)
{
	json_t *o = json_object(), *list = json_array();
	struct strv words = learn_words(facts, exact);

	for (size_t i = 0; i < words.n; i++)
		json_array_append_new(list, json_string(words.v[i]));
	strv_free(&words);
	json_object_set_new(o, "syscalls", list);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(limits); i++)
		if (peak_of(facts, limits[i].peak) > 0)
			json_object_set_new(
				o, limits[i].key, json_integer(with_room(peak_of(facts, limits[i].peak), limits[i].step)));
	return o;
}

void learn_print(const json_t *reply, const struct profile *profile, bool exact)
{
	const json_t *facts = json_object_get(reply, "learnt");
	cleanup_free char *name = show_escape(json_string_value(json_object_get(reply, "service")));
	cleanup_free char *span = show_span(json_number_value(json_object_get(facts, "seconds")));
	json_int_t runs = json_integer_value(json_object_get(facts, "runs"));
	struct strv words = learn_words(facts, exact);

	printf("# %s: learnt from %lld run%s, %s in all. Names of files and calls are its own word: read before you use them.\n", name,
		(long long)runs, runs == 1 ? "" : "s", span);
	if (json_is_true(json_object_get(facts, "cut")))
		puts("# NOT ALL: more was used than is kept, or a run was cut off");
	puts("[sandbox]");
	print_list("syscalls =", (const char *const *)words.v, words.n, "   ");
	strv_free(&words);
	if (profile) {
		print_lacking(facts, profile);
		print_unused_groups(facts, profile);
	}
	print_all_refused(facts);
	print_sockets(facts);
	print_capabilities(facts);
	learn_print_paths(facts, profile);
	print_limits(facts);
}

size_t learn_missed(const json_t *checked)
{
	const char *name;
	json_t *counts;
	size_t n = 0;

	json_object_foreach((json_t *)json_object_get(checked, "calls"), name, counts)
		n += count_of(counts, MISSED) > 0;
	return n;
}

size_t learn_print_missed(const json_t *reply)
{
	const json_t *checked = json_object_get(reply, "checked");
	cleanup_free char *service = show_escape(json_string_value(json_object_get(reply, "service")));
	size_t n = learn_missed(checked);
	const char *name;
	json_t *counts;

	json_object_foreach((json_t *)json_object_get(checked, "calls"), name, counts)
		if (count_of(counts, MISSED) > 0) {
			show_text(stdout, name);
			printf(": refused %lld times, though learning allows it\n", (long long)count_of(counts, MISSED));
		}
	if (!checked)
		printf("%s: no check was made\n", service);
	else if (n == 0)
		printf("%s: nothing was refused%s\n", service, json_is_true(json_object_get(checked, "cut")) ? ", as far as was seen" : "");
	return checked ? n : 1;
}
