/* SPDX-License-Identifier: ISC */
/* sandbox.h: start one program in namespaces of its own from a plain description.
 *
 * Knows nothing of profiles, services or routes. sandbox_spawn() runs in the daemon:
 *
 *   daemon                                   forker (forker.h), child
 *   sandbox_prepare(), when there is time:
 *   makes the forker; tmpfs, /dev, network
 *   sandbox_spawn():
 *   plan_make() (pure), clones the host's
 *   trees as detached mounts,
 *   gives the order ---------------------->  clone3, the daemon's child: in user, mount, pid, net, ipc, uts
 *   writes uid_map and gid_map, raises       namespaces and its v2 group: the plan's first steps (root,
 *   limits, maps the mounts' ids             /proc, /dev, /tmp), then waits
 *   the word ----------------------------->  the other steps; the first error is reported (stage,
 *   returns                                  errno, detail) on the status pipe: _exit
 *                                            last: landlock, rlimits, seccomp, execveat
 *   status pipe: EOF = the program runs
 *
 * Where nothing was prepared that fits, sandbox_spawn() does that, too. Nothing in here waits for the child: the caller watches status_fd
 * and pidfd in its event loop. */
#pragma once

#include "base/util.h"
#include "sandbox/cgroup.h"
#include "sandbox/seccomp.h"
#include "sandbox/stage.h"

#include <sys/resource.h>
#include <sys/types.h>

enum sandbox_mount_kind {
	SANDBOX_BIND,    /* source on the host (file or directory) at target */
	SANDBOX_TMPFS,   /* fresh tmpfs with size, mode, uid, gid */
	SANDBOX_DATA,    /* a read-only file with these bytes, mode, uid, gid (lives in the root's tmpfs) */
	SANDBOX_DIR,     /* an empty directory with mode, uid, gid */
	SANDBOX_SYMLINK, /* target -> source */
	SANDBOX_MOUNTED, /* a mount that is attached nowhere (fsmount(2)), with its own attributes, at target; noexec; not optional */
};

/* One thing to be seen inside. Parents of target are made where they do not exist and lie on a tmpfs of
 * the sandbox. Symbolic links in target are never followed out of the new root (openat2,
 * RESOLVE_IN_ROOT). Bind and tmpfs mounts are nosuid and nodev always. */
struct sandbox_mount {
	enum sandbox_mount_kind kind;
	const char *source; /* BIND: host path; SYMLINK: its text */
	const char *target; /* absolute path inside */
	bool writable;      /* BIND: else read-only, recursively */
	bool noexec;
	bool idmap;         /* BIND: ids 0..count-1 on disk are the ids inside (mount_setattr(2)) */
	bool optional;      /* BIND: skipped if source does not exist; anything else is an error */
	mode_t mode;        /* TMPFS, DATA, DIR */
	uid_t uid, gid;     /* TMPFS, DATA, DIR: ids inside */
	uint64_t size;      /* TMPFS: bytes */
	int tree;           /* MOUNTED: borrowed; -1: none is made, the plan is only looked at */
	const void *data;   /* DATA */
	size_t data_len;
};

/* Places that can be written to, from which the program may execute. (memfd_create(2) is the filter's affair.) */
enum { SANDBOX_EXEC_TMP = 1 << 0, SANDBOX_EXEC_RUN = 1 << 1, SANDBOX_EXEC_SHM = 1 << 2 };

/* An open descriptor of the daemon that the program inherits under a number. */
#define SANDBOX_FD_TERMINAL (-2) /* from, in sandbox_enter() only: the terminal that is made */
struct sandbox_fd {
	int from;
	int to;
};

struct sandbox_rlimit {
	int resource; /* RLIMIT_... */
	rlim_t limit; /* soft and hard */
};

/* RLIMIT_CORE for no core dump at all. With 0 the kernel still starts the handler that a core_pattern with "|" names, as root on the
 * host, and gives it the memory of the program: core(5). With 1 it does not (fs/coredump.c). */
#define SANDBOX_NO_CORE 1

struct sandbox;

/* How it competes for processors with others of its weight. Its processes may choose otherwise for themselves. */
enum sandbox_scheduling {
	SANDBOX_NORMAL,
	SANDBOX_PROMPT, /* woken, it goes before who computes: the kernel's shortest slice (Linux 6.12; before that as normal) */
	SANDBOX_BATCH,  /* woken, it lets who has the processor go on (SCHED_BATCH) */
};

struct sandbox_spec {
	const char *name;     /* for messages */
	const char *hostname; /* inside */

	uint32_t uid_base; /* first host id of the range; inside 0..uid_count-1 */
	uint32_t uid_count;
	uid_t uid, gid; /* that the program runs as, inside */

	/* The root is a small tmpfs, read-only at the end. The directories and links of root's top level that
	 * are part of an operating system (usr bin sbin lib* etc var opt srv) are shown read-only in it
	 * (idmapped if root_idmap: an image whose owners are 0..65535). NULL: nothing but mounts[].
	 * Always there: /dev (null zero full random urandom tty, shm, pts-less), /proc (hidepid=invisible,
	 * masked), /tmp and /run (tmpfs, own), no /sys. */
	const char *root;
	bool root_idmap;
	uint64_t tmp_size; /* bytes for /tmp, /run and /dev/shm each */
	bool user_namespaces; /* it may make more, if the filter lets it */
	bool proc_pid; /* /proc has the processes and nothing else (subset=pid) */
	bool memory_deny_write_execute; /* by PR_SET_MDWE, where the kernel has it: sandbox_has_mdwe() */
	unsigned exec_from; /* SANDBOX_EXEC_...: the others of these are noexec */
	const struct sandbox_mount *mounts;
	size_t n_mounts;

	const char *const *argv; /* of the program, NULL-terminated */
	const char *const *envp;
	int exec_fd;             /* O_RDONLY|O_CLOEXEC descriptor of the (static) program; execveat(AT_EMPTY_PATH) */
	const char *cwd;         /* inside; NULL: / */
	const struct sandbox_fd *fds; /* all others are closed; to must ascend from 0; at most 64 */
	size_t n_fds;

	const struct sandbox_rlimit *rlimits;
	size_t n_rlimits;
	int oom_score_adj;
	enum sandbox_scheduling scheduling;
	/* No network namespace of its own: for a program of ours that must connect to other machines (trp-relay). It
	 * may bind nowhere and connect by TCP to these ports only, where Landlock knows of ports (ABI 4, Linux 6.7). */
	bool host_network;
	const uint16_t *connect_ports; /* host byte order */
	size_t n_connect_ports;
	uint16_t first_unprivileged_port; /* net.ipv4.ip_unprivileged_port_start inside; 0 lets it bind port 80 */
	/* Every address is its own in its network namespace, so that somebody who is let in there can connect from a client's
	 * address (adapter = loopback); and a closed connection's addresses are free at once. */
	bool own_all_addresses;
	bool may_be_prepared; /* by sandbox_prepare() */
	/* In the network namespace of that one, which runs, over which it gets no right; NULL: in one of its own. It may connect to
	 * connect_ports only, as with host_network, but bind anywhere. */
	const struct sandbox *network_of;

	const struct cgroup *cgroup;          /* made by cgroup_create(); NULL: stays in the daemon's */
	const struct seccomp_filter *seccomp; /* compiled in the daemon; NULL is refused (-EINVAL) */
	bool landlock_optional;               /* else a kernel without Landlock refuses the start (stage landlock) */
};

struct sandbox {
	pid_t pid;     /* on the host */
	int pidfd;     /* readable when it ended; waitid(P_PIDFD) by the caller */
	int status_fd; /* read end, non-blocking: EOF = program runs; else one struct sandbox_failure */
	uid_t owner;   /* of its user namespace, on the host; no other sandbox that runs may have the same */
};

/* Who owns its user namespace. */
uid_t sandbox_owner(uint32_t uid_base, uint32_t uid_count);

/* A socket in that sandbox's network namespace, or -errno. Runs in the daemon, which must have one thread only. */
int sandbox_socket(const struct sandbox *box, int family, int type, int protocol);

/* What the child writes on the status pipe before it exits. */
struct sandbox_failure {
	uint32_t stage; /* enum sandbox_stage */
	int32_t error;  /* errno */
	char detail[120]; /* the path or the like, NUL-terminated; from the plan, never from the tenant */
};

/* Starts it. On success the caller owns the three fields of ret. On an error of the daemon's part (before
 * the child was let go) nothing is left behind and *ret_failure says where: returns -errno. */
int sandbox_spawn(const struct sandbox_spec *spec, struct sandbox *ret, struct sandbox_failure *ret_failure);

/* Makes ahead what the next start would wait for: the process that makes others (forker.h), which has the daemon's memory as it is at the first call;
 * and, after the first start, what of a sandbox is the same for all, like that of the last one. To be called when there is time (some ms). Runs in the
 * daemon, which must have one thread only. 0, or -errno: the next start makes its own, and says what is wrong. */
int sandbox_prepare(void);
/* Ends that process, too. */
void sandbox_unprepare(void);

/* Else (before Linux 6.3) SECCOMP_WORD_NO_WRITE_EXECUTE is to be in the filter. */
bool sandbox_has_mdwe(void);

/* One clear sentence for a failure, with what to do about it where that is known (EPERM: which sysctl,
 * ENOSPC: which limit, ENOENT: which path). Always NUL-terminated. */
void sandbox_failure_text(const struct sandbox_failure *f, char *out, size_t size);
