/* SPDX-License-Identifier: ISC */
/* profile.h: what a service profile says, after lookup, drop-ins, includes, variables and checks.
 *
 * The language is a table (keys.c): one row for each key, with its section, parser, offset into struct profile, flags
 * and one line of help. doc/profile.md and the manual page are checked against the table by a unit test.
 * A profile is applied whole or not at all: profile_load() returns it complete or reports every error that it found. */
#pragma once

#include "base/calendar.h"
#include "base/protocol.h"
#include "base/util.h"
#include "sandbox/cgroup.h"
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

enum profile_proc { PROC_ALL, PROC_PID };
enum profile_ready {
	READY_AUTO,   /* listen if the profile has a [route], else started */
	READY_STARTED, /* the upstream was executed */
	READY_LISTEN, /* it listens on every port that the routes name */
	READY_NOTIFY, /* sd_notify(3) READY=1 */
	READY_EXIT,   /* a one-shot: it exited 0 */
	READY_FD,     /* a newline on descriptor ready_fd */
	READY_CHECK,  /* its check passed */
};
enum profile_check { CHECK_NONE, CHECK_HTTP, CHECK_TCP, CHECK_TLS, CHECK_COMMAND };
enum profile_unhealthy { UNHEALTHY_RESTART, UNHEALTHY_KEEP };
enum profile_reload { RELOAD_SIGNAL, RELOAD_NOTIFY };
enum profile_over_rate { PROFILE_LOG_WAIT, PROFILE_LOG_DROP };
enum profile_restart { RESTART_ON_FAILURE, RESTART_ALWAYS, RESTART_NO };
enum profile_start { START_NOW, START_ON_DEMAND };
enum profile_oom { OOM_STOP, OOM_CONTINUE, OOM_KILL };
enum profile_overlap { OVERLAP_YES, OVERLAP_ALWAYS, OVERLAP_NO };
enum profile_adapter { ADAPTER_AUTO, ADAPTER_PRELOAD, ADAPTER_NOTIFY, ADAPTER_NATIVE, ADAPTER_RELAY, ADAPTER_NONE, ADAPTER_LOOPBACK };
enum profile_root { ROOT_HOST, ROOT_PACKAGES, ROOT_DIRECTORY, ROOT_NONE };

/* bind = SOURCE TARGET [rw] [exec] [noexec] [optional] */
struct profile_bind {
	char *source, *target;
	bool writable, exec, noexec, optional; /* noexec is the default with rw; exec: it was asked for */
	struct profile_where where;
};

/* secret = NAME (own, generated at first start) or SERVICE/NAME (another service's, which must be in requires).
 * A file /trp/secrets/NAME of 0400, 43 characters of base64url (256 bits) without newline. */
struct profile_secret {
	char *service; /* NULL: own */
	char *name;
	struct profile_where where;
};

/* credential = NAME:PATH or credential-command = NAME:PROGRAM [ARG]...: a file NAME that only the service can read. */
struct profile_credential {
	char *name;
	char *path;          /* NULL: */
	struct strv command; /* what prints it */
	struct profile_where where;
};
#define PROFILE_CREDENTIALS_MAX 32

struct profile_env {
	char *name, *value;
	struct profile_where where;
};
/* Each name once. */
struct env_set {
	struct profile_env *v;
	size_t n;
};

/* environment-file = PATH, or -PATH: it may be missing. What it says is read when the service is started (envfile.h). */
struct profile_env_file {
	char *path;
	bool optional;
	struct profile_where where;
};

/* Its number of the descriptor on which it says that it is ready: not those of standard input, output and error. */
#define PROFILE_READY_FD_MIN 3
#define PROFILE_READY_FD_MAX 1023

#define PROFILE_CHECK_PATH_MAX 512 /* bytes of the path of a check by HTTP */

#define PROFILE_SHARE_MAX 32 /* instances with the same names that run: what the router takes (ROUTER_GROUP_MAX) */

#define PROFILE_TARGETS_MAX 64 /* as many as trp-relay takes */

/* The files of a profile as they were read, in that order. */
struct profile_source {
	char *path, *text; /* NUL-terminated, len without it */
	size_t len;
	bool own; /* found by its name, not included by another */
};
struct profile_sources {
	struct profile_source *v;
	size_t n;
};

/* Each a program with its arguments, like command. */
struct profile_commands {
	struct strv *v;
	struct profile_where *where; /* of each */
	size_t n;
};
/* What a description of a sandbox has room for (supervisor/box/spec.h), and some more of its own. */
#define PROFILE_MOUNTS_MAX 128 /* bind, host-files, secret, state-at and use together */
#define PROFILE_VARS_MAX   512 /* [environment]; files may have as many again (envfile.h) */
#define PROFILE_WORDS_MAX  1024 /* of command, setup and pre-stop together */

#define PROFILE_STEPS_MAX 63 /* of both kinds together: what trp-init takes beside the command */

/* calendar = ..., each as it was written, too. */
struct profile_calendars {
	struct profile_calendar {
		struct calendar when;
		char *text;
	} *v;
	size_t n;
};

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
	struct profile_commands setup;    /* run before it in the same sandbox */
	struct profile_commands pre_stop; /* ... and before its stop signal */
	char *user;          /* inside: a name of the root's /etc/passwd or a number. Default "1000" */
	char *group;         /* default: the user's, or the same number */
	struct strv requires, wants, after, before, conflicts;
	unsigned ready;   /* enum profile_ready */
	unsigned ready_fd; /* with READY_FD: from PROFILE_READY_FD_MIN to _MAX */
	unsigned adapter; /* enum profile_adapter */
	unsigned restart; /* enum profile_restart */
	unsigned reload;  /* enum profile_reload */
	uint64_t start_timeout_ms, stop_timeout_ms, reload_timeout_ms; /* default 90 s, 20 s, 90 s */
	unsigned start;    /* enum profile_start */
	uint64_t idle_freeze_ms; /* unused for so long its processes stand still until a client comes; 0: never */
	uint64_t idle_stop_ms; /* on demand: unused for so long it is stopped; default 10 min, 0: never */
	unsigned overlap;  /* enum profile_overlap */
	uint64_t drain_ms; /* how long one that was replaced may finish with its clients; default 60 s */
	uint64_t timeout_extension_ms; /* how much later it may make them itself; default 5 min */
	uint64_t keep_descriptors; /* that it may have kept for its next run; default 0 */
	uint64_t watchdog_ms; /* a sign of life must come within this; 0: none need come */
	uint64_t restart_delay_ms, restart_delay_max_ms; /* default 100 ms, 30 s; doubles each time */
	uint64_t start_limit_burst, start_limit_ms; /* default 8 failed starts in 120 s, then failed for good; 0 = never */
	int stop_signal, reload_signal; /* default TERM, HUP */
	char *working_directory;
	struct profile_env_file *env_files; /* in their order: of two values for a name the later one counts */
	size_t n_env_files;
	struct strv log_to; /* "file" "syslog" "journal"; default "file" */
	uint64_t log_size; /* bytes of one log file before it is rotated; default 4M */
	uint64_t log_files; /* rotated files kept; default 3 */
	uint64_t log_age_ms;  /* ... or when its first line is so old; 0: no matter how old */
	uint64_t log_keep_ms; /* rotated files are kept so long; 0: no matter how long */
	uint64_t log_total;   /* bytes of all files; UINT64_MAX: no other bound */
	bool log_compress;    /* rotated files; default yes */
	unsigned log_over_rate; /* enum profile_over_rate */
	uint64_t log_rate, log_burst; /* bytes taken in a second, and at once; default 4M, 16M */
	char *pid_file; /* the main process is the one whose id it names; NULL: the command itself */

	/* [route] */
	struct strv hosts; /* canonical names, wildcards as "*.example.org" */
	bool share; /* instances of this profile may have the same names; clients are spread over them */
	bool default_route; /* also gets what no other name matches */
	bool plain_http; /* its names are not sent to https where a listener does that */
	uint16_t port[TRP_PROTO_COUNT]; /* upstream port for that protocol, 0: not served */
	struct strv listeners; /* names of listeners in trpsup.conf; empty: all that carry the protocol */
	uint64_t route_interval_ns; /* rate: the time for one client; 0: no limit */
	uint64_t route_burst;       /* 0: not set */
	uint64_t max_connections;   /* 0: no limit */
	uint64_t queue;             /* clients that may wait to be accepted; 0: not set */
	uint64_t hold_ms;           /* how long one may wait while it is not up; 0: not at all */
	struct profile_where hosts_where; /* the first of them */
	struct profile_where *host_where; /* of each in hosts */

	/* [health] */
	unsigned check_kind;       /* enum profile_check */
	char *check_path;          /* CHECK_HTTP */
	uint16_t check_port;       /* CHECK_HTTP, _TCP, _TLS: of the route */
	struct strv check_command; /* CHECK_COMMAND */
	char *check_host;          /* NULL: profile_check_host() */
	struct profile_range { uint16_t from, to; } check_status; /* of HTTP that passes; default 200 to 399 */
	uint64_t check_interval_ms, check_timeout_ms; /* default 10 s, 5 s */
	uint64_t check_failures, check_successes;     /* default 3, 1 */
	uint64_t check_start_ms;   /* failures before its first success do not count so long; default 0 */
	unsigned check_unhealthy;  /* enum profile_unhealthy */

	/* [relay]: adapter = relay; some for adapter = loopback too */
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
	struct profile_credential *credentials; /* of both keys */
	size_t n_credentials;
	bool publish; /* a directory /trp/publish (tmpfs, 1 MiB) that services with use = SERVICE see at /trp/use/SERVICE */
	struct strv use; /* services in requires whose published directory is shown */
	bool state; /* ${state} = /trp/state exists, kept over restarts; default yes */
	struct strv state_at; /* further paths inside at which the state directory's subdirectory is shown:
				 "SUBDIR:/absolute/path", e.g. "lib:/var/lib/mysql" */
	struct strv syscalls; /* seccomp words; default "@default" */
	const char *syscalls_file; /* which of its files gave the words */
	size_t syscalls_from;      /* ... from this one on */
	struct strv architectures; /* tables of system calls: "native" "x86"; default native alone */
	struct strv exec_from; /* writable places that are not noexec: "state" "tmp" "run" "shm" "memfd" */
	bool user_namespaces; /* it may make namespaces of its own; default no */
	unsigned proc; /* enum profile_proc; default all */
	bool memory_deny_write_execute; /* no memory that is or was writable becomes executable; default no */
	struct strv allow_missing; /* controls that the host may lack: "landlock" "cgroup" "cgroup-bpf" */
	uint64_t tmp_size; /* default 64M */

	/* [limits] */
	uint64_t limit_processes, limit_memory, limit_cpu_permille; /* default 512, 1G, unlimited */
	uint64_t limit_state_size; /* default unlimited */
	uint64_t limit_cpu_weight; /* default 100 */
	unsigned limit_oom; /* enum profile_oom; default stop */
	unsigned limit_scheduling; /* enum sandbox_scheduling; default prompt */
	uint64_t limit_io[CGROUP_IO_LIMITS]; /* default unlimited; the weight 0: not asked for */
	uint64_t limit_locked; /* default 8M */
	uint64_t limit_open_files, limit_file_size; /* default 8192, unlimited */

	/* [timer]: when it is run; it runs once and ends */
	struct profile_calendars calendars;
	uint64_t timer_interval_ms, timer_boot_ms; /* from start to start; after the machine's boot. 0: not so */
	uint64_t timer_random_ms;                  /* so much later at most; default 0 */
	bool timer_persistent;                     /* what was missed while nobody was there is caught up */

	/* [group]: it stands for these, and has nothing else */
	struct strv members;

	/* [environment] */
	struct env_set env;

	/* Where each scalar was set, for late messages: indexed by the row number in the key table. */
	struct profile_where *where;
	char **texts; /* ... and its value as written, expanded; NULL: none. Items of lists are on lines of their own */
	char text_hash[17]; /* of their text as it was when they were read */
	struct profile_sources sources; /* their text, until who keeps it has taken it */
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

/* What a file would contain that is being changed: it is there, and this is read instead of it. */
struct profile_stand_in {
	const char *path; /* as lookup makes it of its directory */
	const char *text;
	size_t len;
};

/* Directories of profiles, the first that has NAME.ini (or NAME@INSTANCE.ini) wins; NAME.ini.d/ drop-ins are read from all of
 * them, in the order of their file names. public_port[protocol]: value of ${public.http} and ${public.tls}, 0 if no listener. */
struct profile_paths {
	const char *const *dirs;
	size_t n_dirs;
	uint16_t public_port[TRP_PROTO_COUNT];
	const char *libexec; /* ${libexec}: directory of trp-hello and friends */
	const struct profile_stand_in *stand_in; /* NULL: none */
};

/* Loads and checks one service's profile. 0 and a profile, or -EINVAL with at least one error, or -ENOENT (no such profile;
 * one error that names the directories and the nearest existing name). Never touches anything running. */
int profile_load(const struct profile_paths *paths, const char *service, struct profile **ret, struct profile_errors *errors);
void profile_free(struct profile *p);

/* The same profile again, from what its files said, whatever they say now. What contradicts itself, and a program that is not there, were
 * refused then, or are not refused now: something may run by it. */
int profile_load_again(const struct profile_paths *paths, const char *service, const struct profile_sources *texts, struct profile **ret,
	struct profile_errors *errors);
int profile_sources_add(struct profile_sources *t, const char *path, const char *text, size_t len, bool own);
void profile_sources_free(struct profile_sources *t);
void profile_sources_hash(const struct profile_sources *t, char ret[17]);

/* What can only be seen across profiles: two owners of one (listener, protocol, name), requires, wants and members that
 * do not exist, cycles (all of each is named). 0 or -EINVAL with errors that name both files. */
int profile_check_set(struct profile *const *set, size_t n, struct profile_errors *errors);

/* What differs between two of one service, as "key" or "key in [section]" where that could be another's: ret_live what can be put in force
 * while it runs (profile_take_live()), ret_restart the rest. 0 or -ENOMEM. */
int profile_diff(const struct profile *a, const struct profile *b, struct strv *ret_live, struct strv *ret_restart);
/* Exchanges these keys (of profile_diff()'s ret_live). from is then what p was, in that; it is good for nothing else. -ENOMEM: nothing was done. */
int profile_take_live(struct profile *p, struct profile *from, const struct strv *keys);
/* Is key of section put in force while the service runs? */
bool profile_key_is_live(const char *section, const char *key);

/* Names of all profiles in the directories (templates too), sorted. */
int profile_list(const struct profile_paths *paths, struct strv *ret);
/* The one of names that who wrote word may have meant, also as a file or unit of that name (web.ini, web.service); NULL: none. */
const char *profile_nearest(const char *word, const char *const *names, size_t n);

/* The name that a check asks for: send-host, else the first of its names that is no wildcard, else "localhost". */
const char *profile_check_host(const struct profile *p);
/* Is it run by time? */
bool profile_is_timed(const struct profile *p);
/* Has it a port for any protocol? */
bool profile_is_routed(const struct profile *p);
/* The i-th name whose clients it gets by this protocol ("": those that no name matches), NULL behind the last. A
 * protocol without names has "" alone: its clients of a listener have one owner. */
const char *profile_route_name(const struct profile *p, enum trp_protocol protocol, size_t i);

void strv_free(struct strv *s);
int strv_push(struct strv *s, const char *word);
int strv_push_format(struct strv *s, const char *fmt, ...) TRP_PRINTF(2, 3);
bool strv_has(const struct strv *s, const char *word);
