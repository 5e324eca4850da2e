/* SPDX-License-Identifier: ISC */
/* sandbox.h: start one program in namespaces of its own from a plain description.
 *
 * Knows nothing of profiles, services or routes. sandbox_spawn() runs in the daemon:
 *
 *   daemon                                   child (clone3: user, mount, pid, net, ipc, uts namespaces)
 *   plan_make() (pure), clones the host's
 *   trees as detached mounts (inherited)
 *   clone3 ------------------------------->  waits on the sync socket
 *   writes uid_map and gid_map, puts the
 *   child into its cgroups, raises limits,
 *   maps the mounts' ids, gives the word -->  runs the plan's steps in order; the first error is
 *   returns                                  reported (stage, step, errno) on the status pipe: _exit
 *                                            last steps: landlock, rlimits, seccomp, execveat
 *   status pipe: EOF = the program runs
 *
 * Nothing in here waits for the child: the caller watches status_fd and pidfd in its event loop. */
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
	const void *data;   /* DATA */
	size_t data_len;
};

/* An open descriptor of the daemon that the program inherits under a number. */
struct sandbox_fd {
	int from;
	int to;
};

struct sandbox_rlimit {
	int resource; /* RLIMIT_... */
	rlim_t limit; /* soft and hard */
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
	/* No network namespace of its own: for a program of ours that must connect to other machines (trp-relay). It
	 * may bind nowhere and connect by TCP to these ports only, where Landlock knows of ports (ABI 4, Linux 6.7). */
	bool host_network;
	const uint16_t *connect_ports; /* host byte order */
	size_t n_connect_ports;
	uint16_t first_unprivileged_port; /* net.ipv4.ip_unprivileged_port_start inside; 0 lets it bind port 80 */

	const struct cgroup *cgroup;          /* made by cgroup_create(); NULL: stays in the daemon's */
	const struct seccomp_filter *seccomp; /* compiled in the daemon; NULL is refused (-EINVAL) */
	bool landlock_optional;               /* else a kernel without Landlock refuses the start (stage landlock) */
};

struct sandbox {
	pid_t pid;     /* on the host */
	int pidfd;     /* readable when it ended; waitid(P_PIDFD) by the caller */
	int status_fd; /* read end, non-blocking: EOF = program runs; else one struct sandbox_failure */
};

/* What the child writes on the status pipe before it exits. */
struct sandbox_failure {
	uint32_t stage; /* enum sandbox_stage */
	int32_t error;  /* errno */
	char detail[120]; /* the path or the like, NUL-terminated; from the plan, never from the tenant */
};

/* Starts it. On success the caller owns the three fields of ret. On an error of the daemon's part (before
 * the child was let go) nothing is left behind and *ret_failure says where: returns -errno. */
int sandbox_spawn(const struct sandbox_spec *spec, struct sandbox *ret, struct sandbox_failure *ret_failure);

/* One clear sentence for a failure, with what to do about it where that is known (EPERM: which sysctl,
 * ENOSPC: which limit, ENOENT: which path). Always NUL-terminated. */
void sandbox_failure_text(const struct sandbox_failure *f, char *out, size_t size);
