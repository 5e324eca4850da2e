/* SPDX-License-Identifier: ISC */
/* box.h: a service's sandbox as a plain description, from its profile: what is seen inside, as whom, with which limits.
 *
 * Needs no privilege and starts nothing: the daemon makes sandboxes from it (supervisor/launch.c), score.h judges it, and
 * `trpsup score` has it without a daemon. */
#pragma once

#include "sandbox/sandbox.h"
#include "supervisor/profile/profile.h"

#define BOX_OOM_SCORE 200 /* oom_score_adj: services go before the daemon and the router */

/* What it depends on besides the profile. All is borrowed for the life of the box. */
struct box_site {
	const struct profile *profile;
	const char *service;             /* its name */
	const char *run_name;            /* of its directory below run_dir/services; NULL: as its name */
	const char *state_dir, *run_dir; /* of trpsup.conf */
	const char *root;                /* directory of root = packages and root = /DIR; else NULL */
	unsigned adapter;                /* enum profile_adapter, never auto */
	uint32_t uid_base;
	uid_t uid; /* inside */
	gid_t gid;
	const struct seccomp_filter *seccomp;
	const struct cgroup *cgroup; /* NULL: none */
	/* The value of a secret for a file of its own: SECRET_LEN bytes and a NUL. 0, or -errno with a message written. NULL: the
	 * files are empty, as nobody is to read them. */
	int (*secret)(void *data, const struct profile_secret *secret, char *value);
	void *data;
	int credentials; /* a mount with their files (credentials.h), borrowed; -1: nobody is to read them */
	const struct env_set *env; /* of environment files (envfile.h); NULL: none. Only until box_make() returns */
};

struct box;

/* For the service itself; with adapter = relay for the trp-relay that takes its place. The spec lacks what is opened for a start: exec_fd
 * and fds. 0, -ENOMEM, -E2BIG (too much in the profile), or what secret() returned. */
int box_make(const struct box_site *site, struct box **ret);
/* For the trp-relay beside it, with adapter = loopback. It also lacks network_of. */
int box_make_loopback(const struct box_site *site, struct box **ret);
/* Borrowed from the box, and so is all that it points to. */
const struct sandbox_spec *box_spec(const struct box *box);
void box_free(struct box *box);

/* What its control group holds it to. */
struct cgroup_limits box_limits(const struct profile *p);
/* Bytes, for RLIMIT_MEMLOCK. Unless the profile says it, never more than this process may have: no child can raise that. */
uint64_t box_locked_memory(const struct profile *p);

/* What seccomp_compile() makes the service's filter of: words as of syscalls =, and what p's other keys say of it. 0 or -ENOMEM. */
int box_filter_words(const struct profile *p, const struct strv *syscalls, struct strv *ret);

/* Directories on the host, in fresh memory; NULL: no memory. */
char *box_state_dir(const char *state_dir, const char *service);
char *box_run_dir(const char *run_dir, const char *service);
char *box_publish_dir(const char *run_dir, const char *service);
