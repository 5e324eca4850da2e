/* SPDX-License-Identifier: ISC */
/* profile.h: what a service profile says, after lookup, drop-ins, includes, variables and checks.
 *
 * The language is a table (keys.c): one row for each key, with its section, parser, offset into struct profile, flags
 * and one line of help. doc/profile.md and the manual page are checked against the table by a unit test.
 * A profile is applied whole or not at all: profile_load() returns it complete or reports every error that it found. */
#pragma once

#include "base/util.h"
#include <sys/types.h>

/* A list of words or lines; NULL-terminated so that it can be used as an argv. */
struct strv {
	char **v;
	size_t n;
};

/* Where a value was written, for messages that come later (at start). file is owned by the profile. */
struct profile_where {
	const char *file;
	unsigned line;
};

enum profile_ready {
	READY_AUTO,   /* listen if the profile has a [route], else started */
	READY_STARTED, /* the upstream was executed */
	READY_LISTEN, /* it listens on every port that the routes name */
	READY_NOTIFY, /* sd_notify(3) READY=1 */
	READY_EXIT,   /* a one-shot: it exited 0 */
};
enum profile_restart { RESTART_ON_FAILURE, RESTART_ALWAYS, RESTART_NO };
enum profile_adapter { ADAPTER_AUTO, ADAPTER_PRELOAD, ADAPTER_NOTIFY, ADAPTER_NATIVE, ADAPTER_RELAY, ADAPTER_NONE };
enum profile_root { ROOT_HOST, ROOT_PACKAGES, ROOT_DIRECTORY, ROOT_NONE };

/* bind = SOURCE TARGET [rw] [noexec] [optional] */
struct profile_bind {
	char *source, *target;
	bool writable, noexec, optional;
	struct profile_where where;
};

/* secret = NAME (own, generated at first start) or SERVICE/NAME (another service's, which must be in requires).
 * A file /trp/secrets/NAME of 0400, 43 characters of base64url (256 bits) without newline. */
struct profile_secret {
	char *service; /* NULL: own */
	char *name;
	struct profile_where where;
};

enum profile_route_kind { ROUTE_HTTP, ROUTE_TLS, ROUTE_KINDS };

struct profile_env {
	char *name, *value;
	struct profile_where where;
};

#define PROFILE_TARGETS_MAX 64 /* as many as trp-relay takes */

struct profile {
	char *service;  /* full name: "wordpress", "wordpress@blog" */
	char *name;     /* without the instance */
	char *instance; /* "" if there is none */
	char *id;       /* service with "@" replaced by "-" */
	char *file;     /* the profile's main file */
	char *files_dir; /* directory NAME/ beside the main file, shown at /trp/profile, or NULL */

	/* [service] */
	char *description;
	struct strv command; /* the upstream, absolute path first. Empty is an error */
	struct strv *setup;  /* each a command, run before it in the same sandbox */
	size_t n_setup;
	struct profile_where *setup_where; /* of each in setup */
	char *user;          /* inside: a name of the root's /etc/passwd or a number. Default "1000" */
	char *group;         /* default: the user's, or the same number */
	struct strv requires, after;
	unsigned ready;   /* enum profile_ready */
	unsigned adapter; /* enum profile_adapter */
	unsigned restart; /* enum profile_restart */
	uint64_t start_timeout_ms, stop_timeout_ms; /* default 90 s, 20 s */
	uint64_t restart_delay_ms, restart_delay_max_ms; /* default 100 ms, 30 s; doubles each time */
	uint64_t start_limit_burst, start_limit_ms; /* default 8 failed starts in 120 s, then failed for good; 0 = never */
	int stop_signal, reload_signal; /* default TERM, HUP */
	char *working_directory;
	uint64_t log_size; /* bytes of one log file before it is rotated; default 4M */
	uint64_t log_files; /* rotated files kept; default 3 */

	/* [route] */
	struct strv hosts; /* canonical names, wildcards as "*.example.org" */
	bool share; /* instances of this profile may have the same names; clients are spread over them */
	bool default_route; /* also gets what no other name matches */
	uint16_t port[ROUTE_KINDS]; /* upstream port for that protocol, 0: not served */
	struct strv listeners; /* names of listeners in trpsup.conf; empty: all that carry the protocol */
	struct profile_where hosts_where; /* the first of them */
	struct profile_where *host_where; /* of each in hosts */

	/* [relay]: adapter = relay */
	struct strv targets; /* "ADDRESS:PORT" or "ADDRESS" (the route's port), as trp_parse_endpoint() reads them */
	unsigned balance;        /* index in profile_balance_words */
	unsigned proxy_protocol; /* in profile_proxy_words */
	uint64_t connect_timeout_ms, idle_timeout_ms;    /* default 5 s, 1 h; idle 0 = for ever */
	uint64_t health_interval_ms, health_failures; /* default 10 s, 3; interval 0 = no checks */

	/* [sandbox] */
	unsigned root; /* enum profile_root */
	char *root_directory; /* root = /DIR */
	struct strv packages; /* sorted, unique */
	char *suite; /* default: the host's */
	struct strv host_files; /* root = host: files and directories of the host's /etc that are shown too */
	struct profile_bind *binds;
	size_t n_binds;
	struct profile_secret *secrets;
	size_t n_secrets;
	bool publish; /* a directory /trp/publish (tmpfs, 1 MiB) that services with use = SERVICE see at /trp/use/SERVICE */
	struct strv use; /* services in requires whose published directory is shown */
	bool state; /* ${state} = /trp/state exists, kept over restarts; default yes */
	struct strv state_at; /* further paths inside at which the state directory's subdirectory is shown:
				 "SUBDIR:/absolute/path", e.g. "lib:/var/lib/mysql" */
	struct strv syscalls; /* seccomp words; default "@default" */
	struct strv allow_missing; /* controls that the host may lack: "landlock" "cgroup" */
	uint64_t tmp_size; /* default 64M */

	/* [limits] */
	uint64_t limit_processes, limit_memory, limit_cpu_permille; /* default 512, 1G, unlimited */
	uint64_t limit_open_files, limit_file_size; /* default 8192, unlimited */

	/* [environment] */
	struct profile_env *env;
	size_t n_env;

	/* Where each scalar was set, for late messages: indexed by the row number in the key table. */
	struct profile_where *where;
	char **files; /* every file read, for reload and messages; NULL-terminated */
};

/* Errors are collected, one line each, ready to print: "FILE:LINE: KEY: what is wrong, what was expected[, did you
 * mean 'X'?]". */
struct profile_errors {
	char **v;
	size_t n;
};
void profile_error(struct profile_errors *e, const char *file, unsigned line, const char *key, const char *fmt, ...)
	TRP_PRINTF(5, 6);
void profile_errors_free(struct profile_errors *e);

/* Directories of profiles, the first that has NAME.ini (or NAME@INSTANCE.ini) wins; NAME.ini.d/ drop-ins are read from all of
 * them, in the order of their file names. public_port[kind]: value of ${public.http} and ${public.tls}, 0 if no listener. */
struct profile_paths {
	const char *const *dirs;
	size_t n_dirs;
	uint16_t public_port[ROUTE_KINDS];
	const char *libexec; /* ${libexec}: directory of trp-hello and friends */
};

/* Loads and checks one service's profile. 0 and a profile, or -EINVAL with at least one error, or -ENOENT (no such profile;
 * one error that names the directories and the nearest existing name). Never touches anything running. */
int profile_load(const struct profile_paths *paths, const char *service, struct profile **ret, struct profile_errors *errors);
void profile_free(struct profile *p);

/* What can only be seen across profiles: two owners of one (listener, protocol, name), requires of something that
 * does not exist, cycles. 0 or -EINVAL with errors that name both files. */
int profile_check_set(struct profile *const *set, size_t n, struct profile_errors *errors);

/* Names of all profiles in the directories (templates too), sorted. */
int profile_list(const struct profile_paths *paths, struct strv *ret);

void strv_free(struct strv *s);
int strv_push(struct strv *s, const char *word);
bool strv_has(const struct strv *s, const char *word);
