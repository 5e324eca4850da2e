/* SPDX-License-Identifier: ISC */
/* process.c: other processes: the host's (a sentinel that runs with the service's own id, of which only namespaces keep it apart) and
 * the sandbox's init. */
#include "hostile.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* The sentinel's pid is one of the host's. */
#define SENTINEL(name) \
	static struct outcome name##_at(pid_t pid); \
	static struct outcome name(int sock) \
	{ \
		(void)sock; \
		return job("sentinel") ? name##_at((pid_t)job_number("sentinel")) : absent("no sentinel"); \
	} \
	static struct outcome name##_at(pid_t pid)

SENTINEL(send_signal)
{
	return judge(kill(pid, SIGWINCH), "sent a process of the host a signal");
}

SENTINEL(pidfd_signal)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return judge(fd < 0 ? fd : syscall(SYS_pidfd_send_signal, fd, SIGWINCH, NULL, 0), "sent a process of the host a signal");
}

SENTINEL(queue_signal)
{
	siginfo_t info = {.si_signo = SIGWINCH, .si_code = SI_QUEUE};

	return judge(syscall(SYS_rt_sigqueueinfo, pid, SIGWINCH, &info), "sent a process of the host a signal");
}

SENTINEL(limit)
{
	struct rlimit l;

	if (syscall(SYS_prlimit64, pid, RLIMIT_CPU, NULL, &l) < 0)
		return refused(errno);
	return judge(syscall(SYS_prlimit64, pid, RLIMIT_CPU, &l, NULL), "set limits of a process of the host");
}

SENTINEL(affinity)
{
	unsigned long cpus[16] = {1};

	return judge(syscall(SYS_sched_setaffinity, pid, sizeof(cpus), cpus), "moved a process of the host to one processor");
}

SENTINEL(nice_value)
{
	return judge(setpriority(PRIO_PROCESS, (id_t)pid, 5), "slowed a process of the host down");
}

SENTINEL(scheduler)
{
	struct sched_param none = {0};

	return judge(sched_setscheduler(pid, SCHED_BATCH, &none), "changed the scheduling of a process of the host");
}

SENTINEL(io_priority)
{
	return judge(syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, pid, 3 << 13), "slowed down input and output of the host");
}

static struct outcome attach_to(pid_t pid, const char *what)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return refused(errno);
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	waitpid(pid, &status, __WALL);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return succeeded("%s", what);
}

SENTINEL(trace)
{
	return attach_to(pid, "controls a process of the host");
}

/* Where its stack begins, which the kernel tells those only who may look at it. */
static unsigned long stack_of(pid_t pid)
{
	char path[64], text[1024] = "";
	unsigned long start = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strrchr(text, ')'))
		sscanf(strrchr(text, ')') + 2, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
					       "%*s %*s %*s %*s %*s %lu", &start);
	close(fd);
	return start;
}

static struct outcome read_memory(pid_t pid, const char *what)
{
	unsigned long word, stack = stack_of(pid);
	struct iovec here = {&word, sizeof(word)}, there = {(void *)stack, sizeof(word)};

	return judge(syscall(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0), what);
}

SENTINEL(vm_read)
{
	return read_memory(pid, "read memory of a process of the host");
}

SENTINEL(vm_write)
{
	unsigned long word, stack = stack_of(pid);
	struct iovec here = {&word, sizeof(word)}, there = {(void *)stack, sizeof(word)};

	if (syscall(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0) < 0)
		return refused(errno);
	return judge(syscall(SYS_process_vm_writev, pid, &here, 1, &there, 1, 0), "wrote memory of a process of the host");
}

static struct outcome take_descriptor(pid_t pid, int number, const char *what)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return judge(fd < 0 ? fd : syscall(SYS_pidfd_getfd, fd, number, 0), what);
}

SENTINEL(getfd)
{
	return take_descriptor(pid, 0, "took a descriptor of a process of the host");
}

SENTINEL(compare)
{
	return judge(syscall(SYS_kcmp, getpid(), pid, KCMP_VM, 0, 0), "compared itself with a process of the host");
}

static struct outcome enter(pid_t pid, const char *which, int type)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, which);
	fd = open(path, O_RDONLY);
	return judge(fd < 0 ? fd : setns(fd, type), "entered a namespace of the host");
}

SENTINEL(setns_net)
{
	return enter(pid, "net", CLONE_NEWNET);
}

SENTINEL(setns_pidfd)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return judge(fd < 0 ? fd : setns(fd, CLONE_NEWUTS), "entered a namespace of the host");
}

/* The sandbox's init, 0 where the attacker is that itself. */
static pid_t init(void)
{
	return getppid() == 1 ? 0 : (pid_t)job_number("init");
}

#define INIT(name, ...) \
	static struct outcome name(int sock) \
	{ \
		char path[64]; \
		(void)sock, (void)path; \
		if (init() <= 0) \
			return absent("no init"); \
		__VA_ARGS__ \
	}
#define PROC(what) (snprintf(path, sizeof(path), "/proc/%d/" what, init()), path)

INIT(init_memory, return judge(open(PROC("mem"), O_RDWR), "has init's memory");)
INIT(init_environ, {
	char text[16];
	int fd = open(PROC("environ"), O_RDONLY);
	return judge(fd < 0 ? fd : read(fd, text, sizeof(text)), "read init's environment");
})
INIT(init_descriptors, return judge(open(PROC("fd/4"), O_PATH) < 0 ? open(PROC("fd/0"), O_PATH) : 0, "opened a descriptor of init's");)
INIT(init_trace, return attach_to(init(), "controls init");)
INIT(init_vm_read, return read_memory(init(), "read init's memory");)
INIT(init_getfd, return take_descriptor(init(), 3, "took init's control socket");)

static struct outcome limit_raised(int resource)
{
	struct rlimit l, more;

	if (getrlimit((unsigned)resource, &l) < 0)
		return refused(errno);
	more = (struct rlimit){l.rlim_max == RLIM_INFINITY ? RLIM_INFINITY : l.rlim_max + 1, l.rlim_max == RLIM_INFINITY ? RLIM_INFINITY : l.rlim_max + 1};
	return judge(setrlimit((unsigned)resource, &more), "raised its limit");
}

static struct outcome core_limit(int sock)
{
	(void)sock;
	return limit_raised(RLIMIT_CORE);
}

/* At 1 the kernel starts no program of the host for a core, at 0 it does. */
static struct outcome core_handler(int sock)
{
	const struct rlimit none = {0, 0};
	struct rlimit l;

	(void)sock;
	if (getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_max != 1)
		return absent("its limit is another");
	return judge(setrlimit(RLIMIT_CORE, &none), "has its core given to the host's handler");
}

static struct outcome host_shm(int sock)
{
	int id = shmget((key_t)job_number("shm"), 0, 0);
	const char *text;

	(void)sock;
	if (!job("shm"))
		return absent("no shared memory");
	if (id < 0)
		return refused(errno);
	text = shmat(id, NULL, SHM_RDONLY);
	return judge((long)text == -1 ? -1 : 0, "has the host's shared memory");
}

static struct outcome host_queue(int sock)
{
	const char *name = job("mq");

	(void)sock;
	return name ? judge(mq_open(name, O_RDONLY), "has the host's message queue") : absent("no message queue");
}

static struct outcome host_name(int sock)
{
	struct utsname u;

	(void)sock;
	uname(&u);
	if (!job("hostname"))
		return absent("no host name");
	return strcmp(u.nodename, job("hostname")) == 0 ? succeeded("sees the host's name") : refused_silently();
}

#define S "process"
#define SAME "pidns userns landlock"
static const struct attack attacks[] = {
	{"signal", S, send_signal, "pidns landlock", "ESRCH", 0},
	{"signal-pidfd", S, pidfd_signal, "pidns landlock", "ESRCH", 0},
	{"signal-queue", S, queue_signal, "pidns landlock", "ESRCH", 0},
	{"prlimit", S, limit, "pidns", "ESRCH", 0},
	{"affinity", S, affinity, "pidns", "ESRCH", 0},
	{"nice", S, nice_value, "pidns", "ESRCH", 0},
	{"scheduler", S, scheduler, "pidns", "ESRCH", 0},
	{"io-priority", S, io_priority, "pidns", "ESRCH", 0},
	{"ptrace", S, trace, "seccomp " SAME, "ENOSYS", 0},
	{"vm-read", S, vm_read, "seccomp " SAME, "ENOSYS", 0},
	{"vm-write", S, vm_write, "seccomp " SAME, "ENOSYS", 0},
	{"pidfd-getfd", S, getfd, "seccomp " SAME, "ESRCH", 0},
	{"kcmp", S, compare, "seccomp " SAME, "ENOSYS", 0},
	{"setns-net", S, setns_net, "seccomp capabilities " SAME, "ENOENT", 0},
	{"setns-pidfd", S, setns_pidfd, "seccomp capabilities " SAME, "ESRCH", 0},
	{"init-memory", S, init_memory, "init-dumpable", "ENOENT", 0},
	{"init-environ", S, init_environ, "init-dumpable", "ENOENT", 0},
	{"init-descriptors", S, init_descriptors, "init-dumpable", "ENOENT", 0},
	{"init-ptrace", S, init_trace, "seccomp init-dumpable", "ENOSYS", 0},
	{"init-vm-read", S, init_vm_read, "seccomp init-dumpable", "ENOSYS", 0},
	{"init-pidfd-getfd", S, init_getfd, "seccomp init-dumpable", "ENOSYS", 0},
	{"core-limit", S, core_limit, "seccomp rlimits", "EPERM", 0},
	{"core-handler", S, core_handler, "seccomp", "EPERM", 0},
	{"host-shm", S, host_shm, "ipcns", "ENOENT", 0},
	{"host-queue", S, host_queue, "ipcns landlock", "ENOENT", 0},
	{"host-name", S, host_name, "utsns", "silently", 0},
};
const struct table process_attacks = TABLE(attacks);
