/* SPDX-License-Identifier: ISC */
/* config.h: trpsup.conf, in the same language and by the same table mechanism as profiles. */
#pragma once

#include "supervisor/profile/profile.h"

/* [listener NAME] */
struct config_listener {
	char *name;
	uint16_t port;      /* port = 8080 */
	uint32_t protocols; /* protocols = http tls; bit (1 << enum trp_protocol) */
	uint64_t deadline_ms; /* deadline = 10s: from accept to a complete opening */
	struct profile_where where;
};

struct config {
	char *file;
	/* [daemon] */
	char *run_dir;   /* default /run/trpsup */
	char *state_dir; /* default /var/lib/trpsup */
	char *log_dir;   /* default /var/log/trpsup */
	char *cgroup;    /* default trpsup */
	struct strv profile_dirs; /* default /etc/trpsup/services, then the shipped one */
	uint64_t uid_base; /* first id of the pool; default 1879048192 (0x70000000), outside of what login, subuid and systemd use */
	uint64_t uid_ranges; /* number of ranges of 65536; default 2048 */
	struct strv start; /* services started with the daemon */

	struct config_listener *listeners; /* default: none in the file = http 80, https 443 */
	size_t n_listeners;
};

/* path NULL: /etc/trpsup/trpsup.conf, and the defaults if that does not exist. */
int config_load(const char *path, struct config **ret, struct profile_errors *errors);
void config_free(struct config *c);
/* What profile_load() needs of it: directories, helper programs, ${public.*} (of each protocol the first listener). Borrows from c. */
void config_profile_paths(const struct config *c, struct profile_paths *ret);
/* Do the listeners that p names exist, and is there one for each protocol that it serves? 0 or -EINVAL with errors. */
int config_check_profile(const struct config *c, const struct profile *p, struct profile_errors *errors);
/* The directory of the shipped profiles and of the helper programs: beside the running program in a build
 * tree, else the installed ones. Static strings. */
const char *config_shipped_profiles(void);
const char *config_libexec(void);
