/* SPDX-License-Identifier: ISC */
/* proc.c: what /proc tells of the host and lets set. */
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct outcome read_file(const char *path)
{
	char text[16];
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? absent("no such file") : refused(errno);
	n = read(fd, text, sizeof(text));
	if (n == 0)
		return refused_silently(); /* an empty file lies over it */
	return n < 0 && errno == EAGAIN ? succeeded("opened %s", path) : judge(n, "read it");
}

#define FILE_OF_PROC(name, path) \
	static struct outcome name(int sock) \
	{ \
		(void)sock; \
		return read_file("/proc/" path); \
	}
FILE_OF_PROC(kallsyms, "kallsyms")
FILE_OF_PROC(interrupts, "interrupts")
FILE_OF_PROC(key_users, "key-users")
FILE_OF_PROC(timer_list, "timer_list")
FILE_OF_PROC(kmsg, "kmsg")
FILE_OF_PROC(kpagecount, "kpagecount")
FILE_OF_PROC(kcore, "kcore")
FILE_OF_PROC(vmallocinfo, "vmallocinfo")

/* How much memory the host has, and uses. */
static struct outcome of_host(int sock)
{
	char text[64];
	int fd = open("/proc/meminfo", O_RDONLY);

	(void)sock;
	return fd < 0 ? refused(errno) : judge(read(fd, text, sizeof(text)), "read it");
}

/* Writes what is there already. The kernel asks for its root's id here, not for a capability. */
static struct outcome rewrite(const char *path)
{
	char text[256];
	ssize_t n;
	int fd;

	if (setuid(0) < 0)
		errno = 0;
	fd = open(path, O_RDWR);
	if (fd < 0)
		return errno == ENOENT ? absent("no such file") : refused(errno);
	n = read(fd, text, sizeof(text));
	return n < 0 || lseek(fd, 0, SEEK_SET) < 0 || write(fd, text, (size_t)n) < 0 ? refused(errno) : succeeded("wrote %s", path);
}

#define SYSCTL(name, path) \
	static struct outcome name(int sock) \
	{ \
		(void)sock; \
		return rewrite("/proc/sys/" path); \
	}
SYSCTL(core_pattern, "kernel/core_pattern")
SYSCTL(panic, "kernel/panic")
SYSCTL(max_map, "vm/max_map_count")
SYSCTL(forward, "net/ipv4/ip_forward")

static struct outcome sysrq(int sock)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY);

	(void)sock;
	if (fd < 0)
		return errno == ENOENT ? absent("no such file") : refused(errno);
	return judge(write(fd, "h", 1), "had the kernel print its help");
}

static int of_sentinel(const char *what)
{
	char path[600];

	snprintf(path, sizeof(path), "/proc/%ld/%s", job_number("sentinel"), what);
	return open(path, O_RDONLY);
}

static struct outcome host_process(int sock)
{
	char text[64];
	int fd = of_sentinel("comm");

	(void)sock;
	if (!job("sentinel"))
		return absent("no sentinel");
	return judge(fd < 0 ? fd : read(fd, text, sizeof(text)), "sees processes of the host");
}

static struct outcome host_environ(int sock)
{
	char text[64];
	int fd = of_sentinel("environ");

	(void)sock;
	if (!job("sentinel"))
		return absent("no sentinel");
	return judge(fd < 0 ? fd : read(fd, text, sizeof(text)), "read the environment of a process of the host");
}

static struct outcome host_root(int sock)
{
	char path[512];

	(void)sock;
	if (!job("sentinel") || !job("canary"))
		return absent("no sentinel");
	snprintf(path, sizeof(path), "root%s", job("canary"));
	return judge_canary(of_sentinel(path));
}

/* Where on the host it is: a group's path that is not the root of its own view. */
static struct outcome cgroup_path(int sock)
{
	char line[512];
	FILE *f = fopen("/proc/self/cgroup", "re");

	(void)sock;
	if (!f)
		return refused(errno);
	while (fgets(line, sizeof(line), f)) {
		const char *path = strchr(strchr(line, ':') + 1, ':') + 1;
		if (strncmp(path, "/\n", 2) != 0 && strncmp(path, "/..", 3) != 0)
			return succeeded("its group is %s", path);
	}
	return refused_silently();
}


#define C "proc"
#define ROOT_ONLY "proc-masks capabilities userns"
#define SYSCTLS "proc-read-only capabilities userns"
static const struct attack attacks[] = {
	{"proc-host-process", C, host_process, "pidns", "ENOENT", 0},
	{"proc-host-environ", C, host_environ, "pidns userns landlock", "ENOENT", 0},
	{"proc-host-root", C, host_root, "pidns userns landlock", "ENOENT", 0},
	{"proc-host", C, of_host, "proc-subset", "ENOENT", 0},
	{"proc-kallsyms", C, kallsyms, "proc-masks", "silently", 0},
	{"proc-interrupts", C, interrupts, "proc-masks", "silently", 0},
	{"proc-key-users", C, key_users, "proc-masks", "silently", 0},
	{"proc-timer-list", C, timer_list, ROOT_ONLY, "silently", 0},
	{"proc-kmsg", C, kmsg, ROOT_ONLY, "silently", 0},
	{"proc-kpagecount", C, kpagecount, ROOT_ONLY, "silently", 0},
	{"proc-vmallocinfo", C, vmallocinfo, ROOT_ONLY, "silently", 0},
	{"proc-kcore", C, kcore, ROOT_ONLY, "silently", 0},
	{"proc-sysrq", C, sysrq, ROOT_ONLY, "EACCES", 0},
	{"core-pattern", C, core_pattern, SYSCTLS, "EACCES", 0},
	{"sysctl-panic", C, panic, SYSCTLS, "EACCES", 0},
	{"sysctl-max-map-count", C, max_map, SYSCTLS, "EACCES", 0},
	{"sysctl-net", C, forward, "proc-read-only capabilities", "EACCES", 0},
	{"cgroup-path", C, cgroup_path, "cgroupns", "silently", 0},
};
const struct table proc_attacks = TABLE(attacks);
