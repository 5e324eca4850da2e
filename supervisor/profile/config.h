/* SPDX-License-Identifier: ISC */
/* config.h: trpsup.conf, in the same language and by the same table mechanism as profiles. */
#pragma once

#include "base/cidr.h"
#include "supervisor/profile/profile.h"
#include <netinet/in.h>

#define CONFIG_LISTENERS_MAX 256 /* the router has twice as many slots */

enum config_family { FAMILY_BOTH, FAMILY_IPV4, FAMILY_IPV6 };

#define CONFIG_TRUSTED_MAX 4096 /* ranges of one listener */

/* [listener NAME] */
struct config_listener {
	char *name;
	uint16_t port;      /* port = 8080 */
	uint32_t protocols; /* protocols = http tls; bit (1 << enum trp_protocol) */
	uint64_t deadline_ms; /* deadline = 10s: from accept to a complete opening */
	struct profile_where where;
	bool has_address;   /* address = 192.0.2.1 */
	struct in6_addr ip; /* IPv4 as v4-mapped; only with has_address */
	unsigned family;    /* enum config_family; with an address, that of the address */
	char *device;       /* device = eth1, or NULL */
	unsigned address_line, family_line; /* 0: not given */
	struct trp_cidr *trusted; /* proxy-protocol = 10.0.0.0/8: load balancers that say who their clients are */
	size_t n_trusted;
	char *default_service; /* default = SERVICE: gets what no name matches there; NULL: nobody */
	bool redirect_https;   /* redirect-https = yes: who asks for a name that has TLS is sent there */
	unsigned default_line, redirect_line;
	char *fd_name; /* fd-name = web: a socket that the daemon was started with, or NULL */
	struct strv allow_missing; /* controls that it may lack: "cgroup-bpf" */
	unsigned fd_line;
};

enum config_access_log { ACCESS_LOG_TEXT, ACCESS_LOG_JSON, ACCESS_LOG_LIVE, ACCESS_LOG_NO };
enum config_router_scheduling { ROUTER_SCHEDULING_AUTO, ROUTER_SCHEDULING_NORMAL, ROUTER_SCHEDULING_BATCH };

struct config {
	char *file;
	/* [daemon] */
	char *run_dir;   /* default /run/trpsup */
	char *syslog_socket, *journal_socket;
	char *state_dir; /* default /var/lib/trpsup */
	char *log_dir;   /* default /var/log/trpsup */
	char *cgroup;    /* default trpsup */
	uint64_t cpu_weight; /* of that group; default 1000 */
	struct strv profile_dirs; /* default /etc/trpsup/services, then the shipped one */
	uint64_t uid_base; /* first id of the pool; default 1879048192 (0x70000000), outside of what login, subuid and systemd use */
	uint64_t uid_ranges; /* number of ranges of 65536; default 2048 */
	struct strv start; /* services started with the daemon */
	unsigned start_line;
	unsigned access_log; /* enum config_access_log */
	bool not_observed; /* whatever access_log says: the daemon was started without, and has no observer (reload.c) */
	uint64_t access_log_size, access_log_files;
	uint64_t log_total; /* bytes of all services' log files; UINT64_MAX: no bound but those of each */
	uint64_t workers;  /* routers; default 1 */
	unsigned router_scheduling; /* enum config_router_scheduling */

	/* [clients]: of each prefix of addresses */
	uint64_t client_interval_ns;      /* rate: the time for one new connection; 0: no limit */
	uint64_t client_burst;            /* 0: not set */
	uint64_t client_waiting_permille; /* waiting: of the places in the router */

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
/* config_listener.c: "port 80", "192.0.2.1 port 80 on eth1": for messages. */
#define CONFIG_LISTENER_TEXT 128
void config_listener_text(const struct config_listener *l, char out[CONFIG_LISTENER_TEXT]);
/* Would the kernel refuse to have both? */
bool config_listeners_overlap(const struct config_listener *a, const struct config_listener *b);
/* Has this listener p as its default? Instances with share = yes have it together. */
bool config_gives_default(const struct config_listener *l, const struct profile *p);
/* The listener to whose port listeners[i] sends clients for TLS, or n_listeners: it does not. */
size_t config_redirect_target(const struct config *c, size_t i);
/* Do the services exist that are somebody's default? 0 or -EINVAL with errors. */
int config_check_defaults(const struct config *c, const struct profile_paths *paths, struct profile_errors *errors);
/* ... and those that are started with the daemon? It starts without them, too. */
int config_check_start(const struct config *c, const struct profile_paths *paths, struct profile_errors *errors);
/* The directory of the shipped profiles and of the helper programs: beside the running program in a build
 * tree, else those that were installed with it, else those of the PREFIX that it was built with. Static strings. */
const char *config_shipped_profiles(void);
const char *config_libexec(void);
