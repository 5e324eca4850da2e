/* SPDX-License-Identifier: ISC */
/* plan.h: what a sandbox's child will do, as data: an ordered list of steps, made from a spec before anything runs.
 *
 * Making it is pure (no system call but memory), so it can be printed and tested without privileges. The
 * plan borrows every string of the spec: it lives no longer than that. */
#pragma once

#include "sandbox/sandbox.h"

#define PLAN_FDS_MAX    64         /* inherited descriptors */
/* 0500, root's: the files that data mounts and masks show */
#define PLAN_HIDDEN_NAME ".trpsup"
#define PLAN_HIDDEN_DIR  "/" PLAN_HIDDEN_NAME
#define PLAN_EMPTY_FILE  PLAN_HIDDEN_NAME "/file"
#define PLAN_EMPTY_DIR   PLAN_HIDDEN_NAME "/dir"

enum plan_op {
	PLAN_WAIT,         /* for the daemon's word: the ids are mapped, the limits are raised */
	PLAN_GROUPS,       /* into the v1 control groups; in v2's it was born */
	PLAN_CGROUPNS,     /* our group is the root that we see */
	PLAN_NS_ROOT,      /* become id 0 of the user namespace: owner of what is made next */
	PLAN_LOOPBACK,     /* lo up */
	PLAN_PORT_START,   /* number: net.ipv4.ip_unprivileged_port_start */
	PLAN_HOSTNAME,     /* text */
	PLAN_PRIVATE,      /* no mount propagates in or out */
	PLAN_ROOT,         /* the new root: tmpfs of number bytes, source, over the old "/" */
	PLAN_TREE,         /* attach source's detached mount at path */
	PLAN_SYMLINK,      /* path -> text */
	PLAN_TMPFS,        /* at path: number bytes, mode, uid, gid, noexec; source's or a new one */
	PLAN_DATA,         /* file at path: data, mode, uid, gid */
	PLAN_DIR,          /* directory at path: mode, uid, gid */
	PLAN_PROC,         /* fresh procfs at path; needs the old root's, see facts in mounts.c */
	PLAN_MASK,         /* an empty file or directory over path, if it exists */
	PLAN_READONLY,     /* path over itself, read-only, if it exists */
	PLAN_SEAL,         /* the mount at path becomes read-only */
	PLAN_PIVOT,        /* and the old root is gone */
	PLAN_FDS,          /* inherited descriptors to their numbers, all others closed */
	PLAN_RLIMIT,       /* resource, number */
	PLAN_BOUNDING,     /* securebits locked, bounding set empty */
	PLAN_IDS,          /* no groups, gid, uid */
	PLAN_DROP_CAPS,    /* all sets empty, looked at afterwards */
	PLAN_NO_NEW_PRIVS,
	PLAN_SESSION,      /* setsid, own keyring, umask, cwd (path) */
	PLAN_LANDLOCK,     /* rules[] */
	PLAN_SECCOMP,
	PLAN_EXEC,
	PLAN_ALL_ADDRESSES, /* every address is lo's; no TIME_WAIT */
	PLAN_MDWE,         /* no memory that can be or was written is executed */
	PLAN_SYSCTL,       /* path: number; of a namespace of the sandbox's own. */
	/* of one more process in a sandbox that runs (enter.h) */
	PLAN_ENTER,        /* all namespaces of the sandbox */
	PLAN_TERMINAL,     /* a pseudo-terminal of a devpts of its own */
	PLAN_INSIDE,       /* tells the daemon */
	PLAN_CONTROLLING,  /* descriptor 0 becomes the controlling terminal */
	PLAN_SIGNALS,      /* all as the kernel does by default */
	PLAN_OP_COUNT
};

struct plan_step {
	enum plan_op op;
	enum sandbox_stage stage; /* that a failure is reported as */
	const char *path;         /* inside; NULL where the step has none */
	const char *text;
	int source;               /* index in sources, or -1 */
	int resource;             /* RLIMIT_... */
	uint64_t number;
	mode_t mode;
	uid_t uid, gid;
	bool noexec;
	const void *data;
	size_t data_len;
};

/* What lies in a tmpfs from the beginning. */
struct plan_entry {
	const char *name; /* the directory that holds it comes before */
	mode_t mode;      /* with its type: S_IFDIR, S_IFREG, S_IFLNK */
	const char *link; /* text */
	bool seen;        /* not covered by another mount: its owner matters */
};

/* A mount that the daemon makes: cloned from the host's tree before the child exists, or a new tmpfs as step says. */
struct plan_source {
	const char *path;  /* on the host; from_root: name in spec->root; tmpfs, made: in the sandbox */
	bool tmpfs;
	bool made;         /* it is there already: */
	int tree;          /* borrowed */
	size_t step;       /* tmpfs */
	const struct plan_entry *entries;
	size_t n_entries;
	enum sandbox_stage stage;
	bool from_root;
	uint64_t attr;     /* MOUNT_ATTR_... to set, recursively */
	bool idmap;        /* needs the child's user namespace */
	bool optional;
	bool follow;       /* symbolic links that only root can have made are followed */
};

/* What Landlock lets the program do below path, besides reading (which "/" allows). */
enum plan_access {
	PLAN_ACCESS_READ,
	PLAN_ACCESS_EXECUTE,
	PLAN_ACCESS_DEVICES,
	PLAN_ACCESS_PROC,
	PLAN_ACCESS_WRITE,
	PLAN_ACCESS_WRITE_EXECUTE
};

struct plan_rule {
	const char *path;
	enum plan_access access;
	int source; /* no rule if this source was left out; -1: always */
};

/* What the steps up to PLAN_WAIT depend on. Of most sandboxes it is the same. */
struct plan_base {
	uint64_t root_size, tmp_size;
	unsigned exec_from;
	bool user_namespaces, proc_pid;
	bool own_network, own_all_addresses;
	uint16_t first_unprivileged_port;
};

struct plan {
	struct plan_step *steps;
	size_t n_steps;
	struct plan_source *sources;
	size_t n_sources;
	struct plan_rule *rules;
	size_t n_rules;
	size_t n_tmpfs; /* most tmpfs that there are, the root included */
	size_t n_base;  /* sources of the steps before PLAN_WAIT: they come first */
	size_t size_steps, size_sources, size_rules;
};

/* One entry of spec->root's top level, as sandbox_root_scan() found it. */
struct plan_root_entry {
	const char *name; /* static */
	char link[128];   /* text of the link; "": a directory */
};
#define PLAN_ROOT_MAX 12

/* Looks at which directories and links of an operating system root has. Returns their number or -errno. */
int plan_root_scan(int root_fd, struct plan_root_entry ret[PLAN_ROOT_MAX]);

/* 0, -ENOMEM, or -EINVAL with the offending thing in ret_failure (stage and detail). */
int plan_make(const struct sandbox_spec *spec, const struct plan_root_entry *entries, size_t n_entries,
	struct plan *ret, struct sandbox_failure *ret_failure);
/* The same for one more process in a sandbox that was made from spec: all that binds a process there, in the same order, and nothing
 * that makes the sandbox. spec's exec_fd is -1: argv[0] is looked for inside. Descriptors that are SANDBOX_FD_TERMINAL are its terminal. */
int plan_make_entry(const struct sandbox_spec *spec, const struct plan_root_entry *entries, size_t n_entries, bool terminal,
	struct plan *ret, struct sandbox_failure *ret_failure);
/* "RLIMIT_NOFILE" */
const char *plan_rlimit_name(int resource);
/* 1: what the step changes is the process that runs it; 0: the sandbox around; -1: a new step of which nobody has said it, a defect (and done
 * by an entry, too). */
int plan_binds_process(enum plan_op op);
/* Only the steps up to PLAN_WAIT, which are the first ones of each plan whose spec has the same base. 0 or -ENOMEM. */
int plan_make_base(const struct plan_base *base, struct plan *ret);
void plan_base_of(const struct sandbox_spec *spec, struct plan_base *ret);
bool plan_base_equal(const struct plan_base *a, const struct plan_base *b);
void plan_free(struct plan *plan);

/* One line for step i: "mount      /usr  tree of /usr (read-only)". Returns as snprintf(3). */
int plan_step_text(const struct plan *plan, size_t i, char *out, size_t size);

/* Fills f; detail NULL is "". A cut detail keeps its end: that is the part of a path that tells. */
void sandbox_failure_set(struct sandbox_failure *f, enum sandbox_stage stage, int error, const char *detail);
