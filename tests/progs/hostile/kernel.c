/* SPDX-License-Identifier: ISC */
/* kernel.c: the machine itself, and parts of the kernel that a server has no use for. */
#include "hostile.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <signal.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/personality.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define ATTACK(name) static struct outcome name(int sock __attribute__((unused)))

ATTACK(userfaultfd)
{
	return judge(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */), "can hold page faults");
}

ATTACK(io_uring)
{
	struct io_uring_params p = {0};

	return judge(syscall(SYS_io_uring_setup, 4, &p), "has a ring");
}

ATTACK(perf)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK,
		.exclude_kernel = 1, .exclude_hv = 1};

	return judge(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0), "has a counter");
}

ATTACK(bpf_map)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

	return judge(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)), "has a BPF map");
}

ATTACK(bpf_program)
{
	struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uintptr_t)insns, .insn_cnt = 2, .license = (uintptr_t) ""};

	return judge(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)), "has a program in the kernel");
}

/* The key is in the session's keyring of whoever started the supervisor. */
ATTACK(read_key)
{
	const char *name = job("key");
	char text[64] = "";
	long id;

	if (!name)
		return absent("no key");
	id = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", name, 0);
	return judge(id < 0 ? id : syscall(SYS_keyctl, KEYCTL_READ, id, text, sizeof(text)), "read the supervisor's key");
}

ATTACK(add_key)
{
	return judge(syscall(SYS_add_key, "user", "hostile", "x", 1, KEY_SPEC_PROCESS_KEYRING), "stores keys in the kernel");
}

/* ENOKEY: the kernel has asked its helper program, as root. */
ATTACK(request_key)
{
	long r = syscall(SYS_request_key, "user", "hostile-no-such", NULL, KEY_SPEC_PROCESS_KEYRING);

	return r >= 0 || errno == ENOKEY ? succeeded("searches keyrings") : refused(errno);
}

ATTACK(modify_ldt)
{
	char entry[64];

	return judge(syscall(SYS_modify_ldt, 0, entry, sizeof(entry)), "has segment descriptors");
}

ATTACK(io_ports)
{
	return judge(ioperm(0x80, 1, 1), "has an I/O port");
}

ATTACK(io_level)
{
	return judge(iopl(3), "has all I/O ports");
}

ATTACK(no_randomization)
{
	return judge(personality(ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC), "its memory is where it was before, and executable");
}

/* A page of an area that is one, on the host's file system. */
ATTACK(swap)
{
	const char *path = job("swap");
	int r;

	if (!path)
		return absent("no swap file");
	r = swapon(path, 0);
	if (r == 0)
		swapoff(path);
	return judge(r, "had the host swap to its file");
}

/* Sets what is set: who presses which keys. */
ATTACK(reboot_keys)
{
	char text[16] = "";
	int fd = open("/proc/sys/kernel/ctrl-alt-del", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return absent("no ctrl-alt-del");
	return judge(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, text[0] == '1' ? LINUX_REBOOT_CMD_CAD_ON : LINUX_REBOOT_CMD_CAD_OFF,
			     NULL),
		"can reboot the host");
}

ATTACK(set_hostname)
{
	return judge(sethostname("hostile", 7), "has a name that it chose");
}

ATTACK(accounting)
{
	return judge(acct(NULL), "switched the host's accounting off");
}

/* Adds nothing to it. */
ATTACK(set_time)
{
	struct timezone tz;
	struct timeval now;

	gettimeofday(&now, &tz);
	return judge(syscall(SYS_settimeofday, NULL, &tz), "set the host's time");
}

ATTACK(kernel_log)
{
	char text[16];

	return judge(syscall(SYS_syslog, 3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text)), "read the kernel's log");
}

ATTACK(hang_up)
{
	return judge(syscall(SYS_vhangup), "hung up a terminal");
}

ATTACK(watch_files)
{
	return judge(syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, O_RDONLY), "watches files");
}

ATTACK(secret_memory)
{
	return judge(syscall(SYS_memfd_secret, 0), "has memory that nobody can look into");
}

ATTACK(load_module)
{
	return judge(syscall(SYS_init_module, "", 0, ""), "loaded a module");
}

ATTACK(load_kernel)
{
	return judge(syscall(SYS_kexec_load, 0, 0, NULL, 0), "loaded a kernel");
}

ATTACK(quota)
{
	return judge(syscall(SYS_quotactl, 0x800003 << 8, NULL, 0, NULL), "set quotas");
}

ATTACK(x32)
{
	return judge(syscall(0x40000000L | SYS_getpid), "makes x32 calls");
}

#if defined(__x86_64__)
static void no_i386(int sig)
{
	(void)sig;
	_exit(77);
}
#endif

ATTACK(i386)
{
#if defined(__x86_64__)
	long r = 20; /* getpid */
	signal(SIGSEGV, no_i386); /* a machine that has no such calls at all */
	__asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
	errno = (int)-r;
	return judge(r < 0 ? -1 : 0, "makes i386 calls");
#else
	return absent("another machine");
#endif
}

#define K "kernel"
#define HOST "seccomp capabilities userns"
/* A function that was written to memory, as whoever has found an overflow would: it only returns. */
static const unsigned char returns[] = {0xc3}; /* x86-64: ret */

static struct outcome execute(void *page)
{
	void (*written)(void);

	memcpy(&written, &page, sizeof(written));
	written();
	return succeeded("executed what it had written");
}

static struct outcome write_execute(int sock)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)sock;
	if (page == MAP_FAILED)
		return refused(errno);
	memcpy(page, returns, sizeof(returns));
	if (mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0)
		return refused(errno);
	return execute(page);
}

/* The same where no page is ever both: of a file in memory, of System V's that is there twice, and by the file that is the process's memory. */
static struct outcome write_execute_memfd(int sock)
{
	int fd = memfd_create("hostile", 0x8 /* MFD_NOEXEC_SEAL: no other can be made */);
	void *page;

	(void)sock;
	if (fd < 0 || write(fd, returns, sizeof(returns)) < 0)
		return refused(errno);
	page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	return page == MAP_FAILED ? refused(errno) : execute(page);
}

static struct outcome write_execute_shm(int sock)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0700);
	void *page = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	(void)sock;
	if (page == (void *)-1)
		return refused(errno);
	memcpy(page, returns, sizeof(returns));
	page = shmat(id, NULL, SHM_RDONLY | SHM_EXEC);
	return page == (void *)-1 ? refused(errno) : execute(page);
}

static void harmless(void)
{
	errno = ENOEXEC;
}

static void (*volatile written_to)(void) = harmless; /* what it does the compiler cannot know */

static struct outcome write_execute_mem(int sock)
{
	int fd = open("/proc/self/mem", O_RDWR);

	(void)sock;
	if (fd < 0 || pwrite(fd, returns, sizeof(returns), (off_t)(uintptr_t)written_to) < 0)
		return refused(errno);
	errno = 0;
	written_to();
	return errno == 0 ? succeeded("executed what it had written") : refused(errno);
}

static const struct attack attacks[] = {
	{"userfaultfd", K, userfaultfd, "seccomp", "ENOSYS", 0},
	{"io-uring", K, io_uring, "seccomp", "ENOSYS", 0},
	{"perf", K, perf, "seccomp", "ENOSYS", 0},
	{"bpf-map", K, bpf_map, HOST, "ENOSYS", 0},
	{"bpf-program", K, bpf_program, HOST, "ENOSYS", 0},
	{"key-of-daemon", K, read_key, "seccomp keyring", "ENOSYS", 0},
	{"add-key", K, add_key, "seccomp", "ENOSYS", 0},
	{"request-key", K, request_key, "seccomp", "ENOSYS", 0},
	{"modify-ldt", K, modify_ldt, "seccomp", "ENOSYS", 0},
	{"ioperm", K, io_ports, HOST, "ENOSYS", 0},
	{"iopl", K, io_level, HOST, "ENOSYS", 0},
	{"personality", K, no_randomization, "seccomp", "ENOSYS", 0},
	{"swapon", K, swap, HOST, "ENOSYS", 0},
	{"reboot", K, reboot_keys, "pidns " HOST, "ENOSYS", 0},
	{"sethostname", K, set_hostname, "seccomp capabilities", "ENOSYS", 0},
	{"acct", K, accounting, HOST, "ENOSYS", 0},
	{"settimeofday", K, set_time, HOST, "ENOSYS", 0},
	{"syslog", K, kernel_log, HOST, "ENOSYS", 0},
	{"vhangup", K, hang_up, HOST, "ENOSYS", 0},
	{"fanotify", K, watch_files, "seccomp", "ENOSYS", 0},
	{"memfd-secret", K, secret_memory, "seccomp", "ENOSYS", 0},
	{"write-execute", K, write_execute, "mdwe", "EACCES", 0},
	{"write-execute-memfd", K, write_execute_memfd, "seccomp", "ENOSYS", 0},
	{"write-execute-shm", K, write_execute_shm, "seccomp", "EPERM", 0},
	{"write-execute-mem", K, write_execute_mem, "landlock", "EACCES", 0},
	{"init-module", K, load_module, HOST, "ENOSYS", 0},
	{"kexec", K, load_kernel, HOST, "ENOSYS", 0},
	{"quotactl", K, quota, HOST, "ENOSYS", 0},
	{"x32", K, x32, "seccomp", "SIGSYS", 0},
	{"i386", K, i386, "seccomp", "SIGSYS", 0},
};
const struct table kernel_attacks = TABLE(attacks);
