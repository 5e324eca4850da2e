/* SPDX-License-Identifier: ISC */
/* keys.c: what a profile may say. doc/profile.md and doc/trpsup-profile.5 are checked against this
 * table. */
#include "keys.h"
#include "base/util.h"
#include "values.h"
#include "sandbox/cgroup.h"
#include "sandbox/keptmsg.h"

#include <string.h>

#define FIELD(f)     .offset = offsetof(struct profile, f), .size = sizeof(((struct profile *)0)->f)
#define LIVE(f)      FIELD(f), .live = true
#define RANGE(a, b)  .min = (a), .max = (b)
#define UNLIMITED(a) .min = (a), .max = CGROUP_UNLIMITED
#define KIB          1024ull
#define PROCESSES_MAX 4194304  /* there cannot be more (PID_MAX_LIMIT) */
#define CPU_MAX      10000000 /* permille; the kernel takes some more */
#define SECOND       1000ull
#define DAY          (24 * 3600 * SECOND)

/* lang.c: the first section is the one that may include */
const struct lang_section profile_sections[] = {
	{.name = "service"},
	{.name = "route"},
	{.name = "health"},
	{.name = "relay"},
	{.name = "sandbox"},
	{.name = "limits"},
	{.name = "timer"},
	{.name = "group"},
	{.name = "environment", .free_names = value_env},
};
const size_t profile_n_sections = TRP_ARRAY_SIZE(profile_sections);

/* in the order of the enums of profile.h */
const char *const profile_ready_words[] = {"auto", "started", "listen", "notify", "exit", "fd", "check", NULL};
const char *const profile_reload_words[] = {"signal", "notify", NULL};
const char *const profile_over_rate_words[] = {"wait", "drop", NULL};
const char *const profile_restart_words[] = {"on-failure", "always", "no", NULL};
static const char *const start_words[] = {"now", "on-demand", NULL};
static const char *const unhealthy_words[] = {"restart", "keep", NULL};
static const char *const overlap_words[] = {"yes", "always", "no", NULL};
const char *const profile_adapter_words[] = {"auto", "preload", "notify", "native", "relay", "none", "loopback", NULL};
/* as router/relay/options.c takes them */
const char *const profile_balance_words[] = {"least-connections", "round-robin", "source", NULL};
const char *const profile_proxy_words[] = {"no", "v1", "v2", NULL};
static const char *const proc_words[] = {"all", "pid", NULL};
/* as enum profile_oom */
static const char *const oom_words[] = {"stop", "continue", "kill", NULL};
/* as enum sandbox_scheduling */
static const char *const scheduling_words[] = {"normal", "prompt", "batch", NULL};
static const char *const root_words[] = {"host", "packages", "none", NULL};
static const char *const log_to_words[] = {"file", "syslog", "journal", NULL};
static const char *const architecture_words[] = {"native", "x86", NULL};
static const char *const exec_words[] = {"state", "tmp", "run", "shm", "memfd", NULL};
static const char *const missing_words[] = {"landlock", "cgroup", "cgroup-bpf", "io", NULL};

const struct lang_key profile_keys[] = {
	{"service", "description", LANG_SCALAR, value_text, LIVE(description), .expects = "text",
		.unset = "none", .example = "The blog of the chess club",
		.help = "One line that status shows."},
	{"service", "command", LANG_LINE, value_command, FIELD(command),
		.expects = "a command line with an absolute path first", .unset = "required",
		.example = "/usr/sbin/nginx -g \"daemon off;\"",
		.help = "The upstream: the program that is run, in the foreground. No shell reads "
			"it."},
	{"service", "setup", LANG_LINES, value_commands, FIELD(setup),
		.expects = "a command line with an absolute path first", .unset = "none",
		.example = "/bin/mkdir -p ${state}/cache",
		.help = "A command that is run before it in the same sandbox, each time; one that "
			"fails fails the start. Clients are not for it, whatever it listens on."},
	{"service", "pre-stop", LANG_LINES, value_commands, FIELD(pre_stop),
		.expects = "a command line with an absolute path first", .unset = "none",
		.example = "/usr/bin/mysqladmin flush-logs",
		.help = "A command that is run in the same sandbox before it gets its stop signal, for at most stop-timeout; one that fails changes "
			"nothing."},
	{"service", "user", LANG_SCALAR, value_user, FIELD(user),
		.expects = "a user's name or a number from 0 to 65535", .fallback = "1000",
		.example = "www-data",
		.help = "Who it runs as inside the sandbox; never a user of the host."},
	{"service", "group", LANG_SCALAR, value_user, FIELD(group),
		.expects = "a group's name or a number from 0 to 65535", .unset = "the user's",
		.example = "www-data", .help = "Its group inside the sandbox."},
	{"service", "requires", LANG_LIST, value_services, FIELD(requires),
		.expects = "names of services", .unset = "none", .example = "mariadb cache@blog",
		.help = "Services that must be ready before it starts."},
	{"service", "after", LANG_LIST, value_services, FIELD(after),
		.expects = "names of services", .unset = "none", .example = "metrics",
		.help = "Services that start first if they are to start at all."},
	{"service", "before", LANG_LIST, value_services, FIELD(before),
		.expects = "names of services", .unset = "none", .example = "web",
		.help = "Services that start after it, as if they named it in after."},
	{"service", "wants", LANG_LIST, value_services, FIELD(wants),
		.expects = "names of services", .unset = "none", .example = "metrics",
		.help = "Services that are started with it; it does not wait for them and runs without them."},
	{"service", "conflicts", LANG_LIST, value_services, FIELD(conflicts),
		.expects = "names of services", .unset = "none", .example = "maintenance",
		.help = "Services that do not run at the same time: the start of one stops the other first."},
	{"service", "ready", LANG_SCALAR, value_ready, FIELD(ready), .words = profile_ready_words,
		.expects = "one of auto, started, listen, notify, check, exit, or fd:N with N from 3 to 1023", .fallback = "auto",
		.example = "notify",
		.help = "When it counts as ready: executed, listening on all its ports, "
			"sd_notify(3), its check passed, exited with 0, or a newline on its descriptor N."},
	{"service", "adapter", LANG_SCALAR, value_choice, FIELD(adapter),
		.words = profile_adapter_words, .expects = "one of auto, preload, notify, native, relay, none, loopback",
		.fallback = "auto", .example = "native",
		.help = "How the upstream receives its clients; status says what auto chose and "
			"why."},
	{"service", "restart", LANG_SCALAR, value_choice, LIVE(restart),
		.words = profile_restart_words, .expects = "one of on-failure, always, no",
		.fallback = "on-failure", .example = "always",
		.help = "Whether it is started again after it ended by itself."},
	{"service", "start", LANG_SCALAR, value_choice, FIELD(start), .words = start_words,
		.expects = "now or on-demand", .fallback = "now", .example = "on-demand",
		.help = "What 'trpsup start' does: on-demand only makes its routes known, and its first client starts it."},
	{"service", "idle-freeze", LANG_SCALAR, value_duration, LIVE(idle_freeze_ms), RANGE(0, 30 * DAY),
		.expects = "a time such as 5m, up to 30d, or 0", .fallback = "0", .example = "5m",
		.help = "Without connections and without work for so long its processes stand still, its timers too, until a client comes; 0 = never."},
	{"service", "idle-stop", LANG_SCALAR, value_duration, LIVE(idle_stop_ms), RANGE(0, 30 * DAY),
		.expects = "a time such as 10m, up to 30d, or 0", .fallback = "10m", .example = "1h",
		.help = "With start = on-demand: without connections and without work for so long it is stopped; 0 = never."},
	{"service", "overlap", LANG_SCALAR, value_choice, LIVE(overlap), .words = overlap_words,
		.expects = "one of yes, always, no", .fallback = "yes", .example = "no",
		.help = "Whether two instances may use its state for a while: 'trpsup restart --overlap' then starts the new one beside the "
			"other. always: every restart does so."},
	{"service", "drain", LANG_SCALAR, value_duration, LIVE(drain_ms), RANGE(0, DAY),
		.expects = "a time such as 60s, up to 1d", .fallback = "60s", .example = "10m",
		.help = "How long one that was replaced by overlap may finish with its clients before it is stopped."},
	{"service", "start-timeout", LANG_SCALAR, value_duration, LIVE(start_timeout_ms),
		RANGE(10, DAY), .expects = "a time such as 90s, from 10ms to 1d", .fallback = "90s",
		.example = "5m", .help = "Not ready after this long: the start has failed."},
	{"service", "stop-timeout", LANG_SCALAR, value_duration, LIVE(stop_timeout_ms),
		RANGE(10, DAY), .expects = "a time such as 20s, from 10ms to 1d", .fallback = "20s",
		.example = "1m", .help = "Not ended this long after its stop signal: killed."},
	{"service", "restart-delay", LANG_SCALAR, value_duration, LIVE(restart_delay_ms),
		RANGE(0, DAY), .expects = "a time such as 100ms, up to 1d", .fallback = "100ms",
		.example = "1s",
		.help = "Pause before the first restart; it doubles with each failure."},
	{"service", "restart-delay-max", LANG_SCALAR, value_duration, LIVE(restart_delay_max_ms),
		RANGE(0, DAY), .expects = "a time such as 30s, up to 1d", .fallback = "30s",
		.example = "5m", .help = "The longest pause between restarts."},
	{"service", "start-limit-burst", LANG_SCALAR, value_number, LIVE(start_limit_burst),
		RANGE(0, 10000), .expects = "a number from 0 to 10000", .fallback = "8",
		.example = "3",
		.help = "Failed starts within start-limit-interval until it stays down; 0 = it is "
			"tried for ever."},
	{"service", "start-limit-interval", LANG_SCALAR, value_duration, LIVE(start_limit_ms),
		RANGE(10, DAY), .expects = "a time such as 120s, from 10ms to 1d",
		.fallback = "120s", .example = "10m",
		.help = "The time in which failed starts are counted."},
	{"service", "stop-signal", LANG_SCALAR, value_signal, LIVE(stop_signal),
		.expects = "a signal such as TERM, SIGTERM or 15", .fallback = "TERM",
		.example = "QUIT", .help = "Asks it to end."},
	{"service", "reload-signal", LANG_SCALAR, value_signal, LIVE(reload_signal),
		.expects = "a signal such as HUP, SIGHUP or 1", .fallback = "HUP",
		.example = "USR2", .help = "Asks it to read its own configuration again."},
	{"service", "reload", LANG_SCALAR, value_choice, LIVE(reload),
		.words = profile_reload_words, .expects = "one of signal, notify", .fallback = "signal",
		.example = "notify",
		.help = "When a reload is over: its signal was sent, or it has said RELOADING=1 and then READY=1 by sd_notify(3)."},
	{"service", "reload-timeout", LANG_SCALAR, value_duration, LIVE(reload_timeout_ms),
		RANGE(10, DAY), .expects = "a time such as 90s, from 10ms to 1d", .fallback = "90s",
		.example = "10s", .help = "Not reloaded after this long: the reload has failed; the service goes on."},
	{"service", "timeout-extension", LANG_SCALAR, value_duration, LIVE(timeout_extension_ms),
		RANGE(0, DAY), .expects = "a time such as 5m, up to 1d, or 0", .fallback = "5m",
		.example = "1h", .help = "How much later than its time-outs it may make them itself, by EXTEND_TIMEOUT_USEC of sd_notify(3)."},
	{"service", "watchdog", LANG_SCALAR, value_duration, FIELD(watchdog_ms),
		RANGE(0, DAY), .expects = "a time such as 30s, up to 1d, or 0", .fallback = "0",
		.example = "30s", .help = "Within this time it must say WATCHDOG=1 by sd_notify(3), again and again, once it is ready; else it "
			"gets SIGABRT and has failed. 0 = it need not."},
	{"service", "keep-descriptors", LANG_SCALAR, value_number, FIELD(keep_descriptors), RANGE(0, KEPT_MAX),
		.expects = "a number from 0 to 128", .fallback = "0", .example = "16",
		.help = "So many descriptors it may have kept for its next run, by FDSTORE=1 of sd_notify(3): sockets, pipes, memory files. 0 = none."},
	{"service", "working-directory", LANG_SCALAR, value_path, FIELD(working_directory),
		.expects = "an absolute path", .unset = "/", .example = "/srv/www",
		.help = "The current directory of the upstream and of setup."},
	{"service", "environment-file", LANG_LIST, value_env_file, FIELD(env_files),
		.expects = "absolute paths, with - in front if the file may be missing", .unset = "none",
		.example = "/etc/default/web -/etc/default/web.local",
		.help = "Files with NAME=VALUE lines, read at each start; they go before [environment]."},
	{"service", "log-to", LANG_LIST, value_listed, LIVE(log_to), .words = log_to_words,
		.expects = "file, syslog or journal", .fallback = "file", .example = "file syslog",
		.help = "Where its log goes; without file there is none for 'trpsup logs'."},
	{"service", "log-size", LANG_SCALAR, value_size, LIVE(log_size),
		RANGE(4 * KIB, KIB *KIB *KIB *KIB), .expects = "a size such as 4M, from 4K to 1T",
		.fallback = "4M", .example = "64M", .help = "A log file of this size is rotated."},
	{"service", "log-files", LANG_SCALAR, value_number, LIVE(log_files), RANGE(0, 99),
		.expects = "a number from 0 to 99", .fallback = "3", .example = "10",
		.help = "Rotated log files that are kept."},
	{"service", "log-age", LANG_SCALAR, value_duration, LIVE(log_age_ms), RANGE(0, 3660 * DAY),
		.expects = "a time such as 1d, up to 3660d, or 0", .fallback = "0", .example = "7d",
		.help = "A log file whose first line is so old is rotated, too. 0 = no matter how old."},
	{"service", "log-keep", LANG_SCALAR, value_duration, LIVE(log_keep_ms), RANGE(0, 3660 * DAY),
		.expects = "a time such as 30d, up to 3660d, or 0", .fallback = "0", .example = "30d",
		.help = "A rotated log file is removed so long after it was rotated. 0 = log-files and log-total alone decide."},
	{"service", "log-total", LANG_SCALAR, value_size, LIVE(log_total), UNLIMITED(64 * KIB),
		.expects = "a size such as 64M, at least 64K, or unlimited", .fallback = "unlimited", .example = "64M",
		.help = "When all log files of it together are larger, the oldest are removed, before there are log-files of them."},
	{"service", "log-compress", LANG_SCALAR, value_bool, LIVE(log_compress),
		.words = value_bool_words, .expects = "yes or no", .fallback = "yes", .example = "no",
		.help = "Rotated log files are compressed (gzip)."},
	{"service", "log-rate", LANG_SCALAR, value_size, LIVE(log_rate), UNLIMITED(4 * KIB),
		.expects = "a size such as 4M, at least 4K, or unlimited", .fallback = "4M", .example = "256K",
		.help = "So much is taken from it for its log in a second; it waits with what goes beyond."},
	{"service", "log-burst", LANG_SCALAR, value_size, LIVE(log_burst), RANGE(4 * KIB, KIB *KIB *KIB *KIB),
		.expects = "a size such as 16M, from 4K to 1T", .fallback = "16M", .example = "1M",
		.help = "So much of it may come at once before log-rate holds."},
	{"service", "log-over-rate", LANG_SCALAR, value_choice, LIVE(log_over_rate),
		.words = profile_over_rate_words, .expects = "one of wait, drop", .fallback = "wait", .example = "drop",
		.help = "What becomes of that which is beyond log-rate: the service waits, or lines are dropped, counted and the number logged."},
	{"service", "pid-file", LANG_SCALAR, value_path, FIELD(pid_file),
		.expects = "an absolute path", .unset = "the command is the main process",
		.example = "/run/nginx.pid",
		.help = "For a server that goes into the background or replaces itself: the main "
			"process is the one whose id this file has."},

	{"route", "host", LANG_LIST, value_host, LIVE(hosts),
		.expects = "a host name such as www.example.org or *.example.org", .unset = "none",
		.example = "example.org *.example.org",
		.help = "Names whose clients it gets. An exact name comes before a wildcard, a "
			"longer wildcard before a shorter."},
	{"route", "http", LANG_SCALAR, value_port, FIELD(port[TRP_PROTO_HTTP1]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "8080",
		.help = "The port on which the upstream listens for HTTP."},
	{"route", "tls", LANG_SCALAR, value_port, FIELD(port[TRP_PROTO_TLS]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "8443",
		.help = "The port on which the upstream listens for TLS; it keeps its own keys and "
			"certificates."},
	{"route", "h2c", LANG_SCALAR, value_port, FIELD(port[TRP_PROTO_H2C]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "8080",
		.help = "The port on which the upstream listens for HTTP/2 without TLS (prior knowledge); it may be that of http."},
	{"route", "minecraft", LANG_SCALAR, value_port, FIELD(port[TRP_PROTO_MINECRAFT]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "25565",
		.help = "The port on which the upstream listens for Minecraft (Java edition): by the address that the player typed."},
	{"route", "xmpp", LANG_SCALAR, value_port, FIELD(port[TRP_PROTO_XMPP]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "5222",
		.help = "The port on which the upstream listens for XMPP clients: by the domain in the stream's header."},
	{"route", "xmpp-server", LANG_SCALAR, value_port, FIELD(port[TRP_PROTO_XMPP_SERVER]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "5269",
		.help = "The port on which the upstream listens for other XMPP servers."},
	{"route", "ssh", LANG_SCALAR, value_port, FIELD(port[TRP_PROTO_SSH]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "2222",
		.help = "The port on which the upstream listens for SSH, which names no host: it gets all such clients of "
			"its listeners, and, where there is no raw, those that wait for the server to speak first."},
	{"route", "postgres", LANG_SCALAR, value_port, FIELD(port[TRP_PROTO_POSTGRES]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "5432",
		.help = "The port on which the upstream listens for PostgreSQL clients that do not begin with TLS; they "
			"name no host either."},
	{"route", "raw", LANG_SCALAR, value_port, FIELD(port[TRP_PROTO_NONE]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "25",
		.help = "The port on which the upstream gets everything else: openings that are not known, and clients "
			"that wait for the server to speak first."},
	{"route", "default", LANG_SCALAR, value_bool, LIVE(default_route), .words = value_bool_words, .expects = "yes or no",
		.fallback = "no", .example = "yes",
		.help = "It also gets what no other service's name matches."},
	{"route", "plain-http", LANG_SCALAR, value_bool, LIVE(plain_http), .words = value_bool_words, .expects = "yes or no",
		.fallback = "no", .example = "yes",
		.help = "Its names stay reachable by HTTP where a listener has redirect-https."},
	{"route", "share", LANG_SCALAR, value_bool, FIELD(share), .words = value_bool_words, .expects = "yes or no",
		.fallback = "no", .example = "yes",
		.help = "Instances of this profile may run under the same names; clients are spread "
			"over those that are ready."},
	{"route", "listener", LANG_LIST, value_names, LIVE(listeners),
		.expects = "names of listeners in trpsup.conf",
		.unset = "all that carry the protocol", .example = "intranet",
		.help = "Only clients of these listeners."},
	{"route", "rate", LANG_SCALAR, value_rate, LIVE(route_interval_ns),
		.expects = "a number for each time such as 200/s, 30/m or 100/h, or unlimited",
		.fallback = "unlimited", .example = "500/s",
		.help = "New connections that it gets; those beyond are told to come later (503)."},
	{"route", "burst", LANG_SCALAR, value_number, LIVE(route_burst), RANGE(1, 1000000),
		.expects = "a number from 1 to 1000000", .unset = "what rate gives in a second, at least 10",
		.example = "2000", .help = "So many of them may come at once before rate holds."},
	{"route", "max-connections", LANG_SCALAR, value_number, LIVE(max_connections), RANGE(1, 60000),
		.expects = "a number from 1 to 60000", .unset = "no limit", .example = "500",
		.help = "Connections that it has open, those that wait among them; clients beyond are told to come later (503). "
			"Needs access-log in trpsup.conf."},
	{"route", "queue", LANG_SCALAR, value_number, LIVE(queue), RANGE(1, 65536),
		.expects = "a number from 1 to 65536",
		.unset = "for each port and family a 24th of RLIMIT_NOFILE, from 256 to 4096", .example = "64",
		.help = "Clients that may wait until it accepts them, also while it restarts; those beyond are told to come later (503)."},
	{"route", "hold", LANG_SCALAR, value_duration, LIVE(hold_ms), RANGE(0, DAY),
		.expects = "a time such as 30s, up to 1d, or 0", .fallback = "30s", .example = "2m",
		.help = "How long a client may wait while it starts, restarts, or lacks what it requires; who has waited longer is told to "
			"come later (503)."},

	{"health", "check", LANG_LINE, value_check, FIELD(check_kind),
		.expects = "http:/PATH, tcp, tcp:PORT, tls, or command and a command line", .unset = "none",
		.example = "http:/health",
		.help = "What is tried again and again: a client through its own channel (a request by HTTP, a connection, the beginning of TLS), or a "
			"command inside its sandbox."},
	{"health", "interval", LANG_SCALAR, value_duration, LIVE(check_interval_ms), RANGE(100, DAY),
		.expects = "a time such as 10s, from 100ms to 1d", .fallback = "10s", .example = "2s",
		.help = "The pause between the end of a check and the next one."},
	{"health", "timeout", LANG_SCALAR, value_duration, LIVE(check_timeout_ms), RANGE(10, 600 * SECOND),
		.expects = "a time such as 5s, from 10ms to 10m", .fallback = "5s", .example = "500ms",
		.help = "A check without an answer by then has failed; a command is killed."},
	{"health", "failures", LANG_SCALAR, value_number, LIVE(check_failures), RANGE(1, 100),
		.expects = "a number from 1 to 100", .fallback = "3", .example = "5",
		.help = "Checks that fail in a row until it is unhealthy."},
	{"health", "successes", LANG_SCALAR, value_number, LIVE(check_successes), RANGE(1, 100),
		.expects = "a number from 1 to 100", .fallback = "1", .example = "2",
		.help = "Checks that pass in a row until it is healthy; with ready = check until it is ready."},
	{"health", "start-period", LANG_SCALAR, value_duration, LIVE(check_start_ms), RANGE(0, DAY),
		.expects = "a time such as 30s, up to 1d, or 0", .fallback = "0", .example = "1m",
		.help = "For so long after it became ready, failures before its first success do not count."},
	{"health", "status", LANG_SCALAR, value_status, LIVE(check_status),
		.expects = "a status from 100 to 599, or two such as 200-399", .fallback = "200-399", .example = "200-204",
		.help = "The answers to http:/PATH that pass."},
	{"health", "send-host", LANG_SCALAR, value_plain_host, LIVE(check_host),
		.expects = "a host name such as www.example.org", .unset = "the first host of [route] that is no wildcard, else localhost",
		.example = "www.example.org", .help = "The name that a check by HTTP or TLS asks for."},
	{"health", "unhealthy", LANG_SCALAR, value_choice, LIVE(check_unhealthy), .words = unhealthy_words,
		.expects = "restart or keep", .fallback = "restart", .example = "keep",
		.help = "What becomes of one that is unhealthy: it has failed, and restart says what follows; or it runs on. Either way other instances "
			"with share get its clients."},

	{"relay", "target", LANG_LIST, value_target, FIELD(targets),
		.expects = "ADDRESS:PORT, ADDRESS for the port of the route, or unix:/path",
		.unset = "none",
		.example = "192.0.2.7:8080 [2001:db8::7]:8080",
		.help = "Where the clients are connected to, with adapter = relay; no names, which "
			"would have to be looked up. Several share the load."},
	{"relay", "balance", LANG_SCALAR, value_choice, FIELD(balance),
		.words = profile_balance_words,
		.expects = "one of least-connections, round-robin, source",
		.fallback = "least-connections", .example = "source",
		.help = "Which target gets a client: the one with the fewest, each in turn, or by "
			"the client's address always the same."},
	{"relay", "proxy-protocol", LANG_SCALAR, value_choice, FIELD(proxy_protocol),
		.words = profile_proxy_words, .expects = "no, v1 or v2", .fallback = "no",
		.example = "v2",
		.help = "Tells the target the client's address in a header of the PROXY protocol, "
			"which it must be set up to expect."},
	{"relay", "connect-timeout", LANG_SCALAR, value_duration, FIELD(connect_timeout_ms),
		RANGE(10, 600 * SECOND), .expects = "a time such as 5s, from 10ms to 10m",
		.fallback = "5s", .example = "1s",
		.help = "A target that has not answered by then is passed over for the next one."},
	{"relay", "idle-timeout", LANG_SCALAR, value_duration, FIELD(idle_timeout_ms),
		RANGE(0, DAY), .expects = "a time such as 1h, up to 1d, or 0", .fallback = "1h",
		.example = "10m",
		.help = "A connection on which nothing moves for so long is closed; 0 = never."},
	{"relay", "health-interval", LANG_SCALAR, value_duration, FIELD(health_interval_ms),
		RANGE(0, DAY), .expects = "a time such as 10s, up to 1d, or 0", .fallback = "10s",
		.example = "2s",
		.help = "How often each target is connected to, to see whether it answers; 0 = "
			"only clients tell."},
	{"relay", "health-failures", LANG_SCALAR, value_number, FIELD(health_failures),
		RANGE(1, 100), .expects = "a number from 1 to 100", .fallback = "3",
		.example = "1",
		.help = "Connections that fail in a row until a target is taken out."},

	{"sandbox", "root", LANG_SCALAR, value_root, FIELD(root), .words = root_words,
		.expects = "host, packages, none or an absolute path", .fallback = "host",
		.example = "packages",
		.help = "What it sees as its system, read-only: the host's, packages of its own, a "
			"directory, or nothing."},
	{"sandbox", "packages", LANG_LIST, value_packages, FIELD(packages),
		.expects = "names of Debian packages", .unset = "required by root = packages",
		.example = "nginx-light php-fpm",
		.help = "What is installed into its own system, with all that it depends on."},
	{"sandbox", "suite", LANG_SCALAR, value_word, FIELD(suite),
		.expects = "a Debian release such as bookworm", .unset = "the host's",
		.example = "bookworm", .help = "The release that root = packages is made of."},
	{"sandbox", "host-files", LANG_LIST, value_host_files, FIELD(host_files),
		.expects = "paths below /etc", .unset = "none",
		.example = "/etc/nginx /etc/mime.types",
		.help = "With root = host: what it sees of the host's /etc."},
	{"sandbox", "bind", LANG_LINES, value_bind, FIELD(binds),
		.expects = "SOURCE TARGET [rw] [exec] [noexec] [optional]", .unset = "none",
		.example = "/srv/www /srv/www noexec",
		.help = "Shows a file or directory of the host inside: read-only, or with rw not executable unless exec too."},
	{"sandbox", "secret", LANG_LIST, value_secret, FIELD(secrets),
		.expects = "NAME, or SERVICE/NAME of another service", .unset = "none",
		.example = "admin-password mariadb/root",
		.help = "A generated secret, as the file /trp/secrets/NAME; of another service "
			"only if that is in requires."},
	{"sandbox", "credential", LANG_LIST, value_credential, FIELD(credentials),
		.expects = "NAME:/absolute/path", .unset = "none", .example = "tls-key:/etc/ssl/private/web.key",
		.help = "A file of the host that root alone can write, as the file $CREDENTIALS_DIRECTORY/NAME, which only the service can read; "
			"read at each start."},
	{"sandbox", "credential-command", LANG_LINES, value_credential_command, FIELD(credentials),
		.expects = "NAME:, a program of the host with its absolute path, and its arguments", .unset = "none",
		.example = "db-password:/usr/local/sbin/vault-read db/web",
		.help = "The same, with what the program prints. It is run as root, outside of the sandbox, at each start."},
	{"sandbox", "publish", LANG_SCALAR, value_bool, FIELD(publish), .words = value_bool_words, .expects = "yes or no",
		.fallback = "no", .example = "yes",
		.help = "It has /trp/publish, a directory for its unix sockets, which others may "
			"be shown."},
	{"sandbox", "use", LANG_LIST, value_services, FIELD(use),
		.expects = "names of services in requires", .unset = "none", .example = "mariadb",
		.help = "Services whose /trp/publish it sees as /trp/use/SERVICE."},
	{"sandbox", "state", LANG_SCALAR, value_bool, FIELD(state), .words = value_bool_words, .expects = "yes or no",
		.fallback = "yes", .example = "no",
		.help = "It has /trp/state, a directory that is kept over restarts and upgrades."},
	{"sandbox", "state-at", LANG_LIST, value_state_at, FIELD(state_at),
		.expects = "SUBDIR:/absolute/path", .unset = "none",
		.example = "lib:/var/lib/mysql",
		.help = "Shows a subdirectory of /trp/state at another path too."},
	{"sandbox", "syscalls", LANG_LIST, value_syscalls, FIELD(syscalls),
		.expects = "@default, a group such as @file-system, a system call, or one of these "
			   "with - in front",
		.fallback = "@default", .example = "@default @debug",
		.help = "System calls that it may make; all others give ENOSYS."},
	{"sandbox", "architectures", LANG_LIST, value_listed, FIELD(architectures), .words = architecture_words,
		.expects = "native or x86 (x32 is always refused)", .fallback = "native", .example = "native x86",
		.help = "Whose system calls it may make: x86 are those of i386 programs, on an x86-64 machine. Others end it (SIGSYS)."},
	{"sandbox", "exec-from", LANG_LIST, value_listed, FIELD(exec_from), .words = exec_words,
		.expects = "state, tmp, run, shm or memfd", .unset = "none", .example = "state tmp",
		.help = "Of what it can write to, from where programs and libraries may be run: all of it is noexec else."},
	{"sandbox", "proc", LANG_SCALAR, value_choice, FIELD(proc), .words = proc_words,
		.expects = "all or pid", .fallback = "all", .example = "pid",
		.help = "What /proc has: pid is its own processes alone, without what it tells of the host (processors, memory, load, kernel)."},
	{"sandbox", "memory-deny-write-execute", LANG_SCALAR, value_bool, FIELD(memory_deny_write_execute),
		.words = value_bool_words, .expects = "yes or no", .fallback = "no", .example = "yes",
		.help = "Memory that can be or was written is never executed. Not for programs that make code (JIT): Java, node."},
	{"sandbox", "user-namespaces", LANG_SCALAR, value_bool, FIELD(user_namespaces), .words = value_bool_words, .expects = "yes or no",
		.fallback = "no", .example = "yes",
		.help = "It may make user namespaces and others in them, as browsers do for their own sandboxes."},
	{"sandbox", "allow-missing", LANG_LIST, value_listed, FIELD(allow_missing),
		.words = missing_words, .expects = "landlock, cgroup, cgroup-bpf or io", .unset = "none",
		.example = "landlock",
		.help = "Controls that the host may lack; without this the service is not started "
			"there."},
	{"sandbox", "tmp-size", LANG_SCALAR, value_size, FIELD(tmp_size),
		RANGE(4 * KIB, KIB *KIB *KIB *KIB), .expects = "a size such as 64M, from 4K to 1T",
		.fallback = "64M", .example = "1G",
		.help = "Room in /tmp, in /run and in /dev/shm, each."},

	{"limits", "processes", LANG_SCALAR, value_number, LIVE(limit_processes), UNLIMITED(1), .most = PROCESSES_MAX,
		.expects = "a number such as 512, up to 4194304, or unlimited", .fallback = "512", .example = "64",
		.help = "Processes and threads."},
	{"limits", "memory", LANG_SCALAR, value_size, LIVE(limit_memory), UNLIMITED(KIB *KIB),
		.expects = "a size such as 1G, at least 1M, or unlimited", .fallback = "1G",
		.example = "256M",
		.help = "Memory of all its processes, with what they keep in /tmp."},
	{"limits", "oom", LANG_SCALAR, value_choice, LIVE(limit_oom), .words = oom_words,
		.expects = "stop, continue or kill", .fallback = "stop", .example = "continue",
		.help = "When the kernel has killed a process of it for want of memory, stop: the rest gets its stop signal, and the service has failed. "
			"continue: it is left to itself, for one that starts its workers anew. kill: the rest is killed at once."},
	{"limits", "cpu", LANG_SCALAR, value_percent, LIVE(limit_cpu_permille), UNLIMITED(10), .most = CPU_MAX,
		.expects = "a percentage such as 50% or 200%, from 1% to 1000000%, or unlimited",
		.fallback = "unlimited", .example = "150%",
		.help = "Processor time; 100% is one processor."},
	{"limits", "cpu-weight", LANG_SCALAR, value_number, LIVE(limit_cpu_weight), RANGE(1, CGROUP_WEIGHT_MAX),
		.expects = "a number from 1 to 10000", .fallback = "100", .example = "20",
		.help = "Its share of the processors against other services', where they are short."},
	{"limits", "scheduling", LANG_SCALAR, value_choice, FIELD(limit_scheduling), .words = scheduling_words,
		.expects = "normal, prompt or batch", .fallback = "prompt", .example = "batch",
		.help = "When it has to do again, prompt: it goes before others that compute, by a slice of 0.1 ms (from Linux 6.12; before, as normal). normal: "
			"by the kernel's slice. batch: it lets them go on (SCHED_BATCH), for a service nobody waits for. Its share is the same."},
	{"limits", "io-read", LANG_SCALAR, value_size, FIELD(limit_io[CGROUP_IO_READ]), UNLIMITED(64 * KIB),
		.expects = "a size such as 50M, at least 64K, or unlimited", .fallback = "unlimited", .example = "50M",
		.help = "Bytes that it may read in a second, from each disk that holds its root, its state or what bind shows."},
	{"limits", "io-write", LANG_SCALAR, value_size, FIELD(limit_io[CGROUP_IO_WRITE]), UNLIMITED(64 * KIB),
		.expects = "a size such as 20M, at least 64K, or unlimited", .fallback = "unlimited", .example = "20M",
		.help = "The same, for bytes that it writes."},
	{"limits", "io-read-ops", LANG_SCALAR, value_number, FIELD(limit_io[CGROUP_IO_READ_OPS]), UNLIMITED(10),
		.expects = "a number such as 1000, at least 10, or unlimited", .fallback = "unlimited", .example = "1000",
		.help = "Reading requests in a second, to each of these disks."},
	{"limits", "io-write-ops", LANG_SCALAR, value_number, FIELD(limit_io[CGROUP_IO_WRITE_OPS]), UNLIMITED(10),
		.expects = "a number such as 500, at least 10, or unlimited", .fallback = "unlimited", .example = "500",
		.help = "The same, for writing."},
	{"limits", "io-weight", LANG_SCALAR, value_number, FIELD(limit_io[CGROUP_IO_WEIGHT]), RANGE(1, CGROUP_WEIGHT_MAX),
		.expects = "a number from 1 to 10000", .unset = "100, where the disk's scheduler knows weights", .example = "20",
		.help = "Its share of these disks' time against other services', where it is short."},
	{"limits", "locked-memory", LANG_SCALAR, value_size, FIELD(limit_locked), UNLIMITED(0),
		.expects = "a size such as 64M, or unlimited", .fallback = "8M", .example = "64M",
		.help = "Memory that each of its processes may keep from being swapped out."},
	{"limits", "open-files", LANG_SCALAR, value_number, FIELD(limit_open_files),
		RANGE(16, 1048576), .expects = "a number from 16 to 1048576", .fallback = "8192",
		.example = "65536", .help = "Open files of each process, clients among them."},
	{"limits", "file-size", LANG_SCALAR, value_size, FIELD(limit_file_size), UNLIMITED(0),
		.expects = "a size such as 1G, or unlimited", .fallback = "unlimited",
		.example = "2G", .help = "The largest file that it can write."},
	{"limits", "state-size", LANG_SCALAR, value_size, FIELD(limit_state_size), UNLIMITED(8 * KIB *KIB),
		.expects = "a size such as 2G, at least 8M, or unlimited", .fallback = "unlimited", .example = "2G",
		.help = "Its state directory is a disk of that size, which can grow but not shrink."},

	{"timer", "calendar", LANG_LINES, value_calendar, LIVE(calendars),
		.expects = "a time such as daily, Mon..Fri 02:00, *-*-1 04:00:00 or *:0/15", .unset = "none",
		.example = "Mon..Fri 02:00",
		.help = "When it is run, as systemd's OnCalendar has it; several add up."},
	{"timer", "interval", LANG_SCALAR, value_duration, LIVE(timer_interval_ms), RANGE(SECOND, 3660 * DAY),
		.expects = "a time such as 15m, from 1s to 3660d", .unset = "none", .example = "15m",
		.help = "It is run so often, from start to start."},
	{"timer", "delay-after-boot", LANG_SCALAR, value_duration, LIVE(timer_boot_ms), RANGE(SECOND, 3660 * DAY),
		.expects = "a time such as 5m, from 1s to 3660d", .unset = "none", .example = "5m",
		.help = "It is run so long after the boot of the machine, once for each boot."},
	{"timer", "random-delay", LANG_SCALAR, value_duration, LIVE(timer_random_ms), RANGE(0, 30 * DAY),
		.expects = "a time such as 30m, up to 30d", .fallback = "0", .example = "30m",
		.help = "Each time it is run later by some part of this, so that not all of many do it at once."},
	{"timer", "persistent", LANG_SCALAR, value_bool, LIVE(timer_persistent), .words = value_bool_words, .expects = "yes or no",
		.fallback = "no", .example = "yes",
		.help = "A run that was missed while trpsup or the machine was down is caught up."},

	{"group", "members", LANG_LIST, value_services, FIELD(members),
		.expects = "names of services or groups", .unset = "it is no group", .example = "wordpress@blog mariadb",
		.help = "What start, stop, restart, reload and status of this name are about; it has no program of its own."},
};
const size_t profile_n_keys = TRP_ARRAY_SIZE(profile_keys);

_Static_assert(
	TRP_ARRAY_SIZE(profile_keys) <= LANG_KEYS_MAX, "lang.c collects the names of a table");

struct profile_where profile_where(const struct profile *p, const char *section, const char *key)
{
	struct profile_where none = {p->file, 0};

	for (size_t i = 0; i < profile_n_keys; i++)
		if (strcmp(profile_keys[i].section, section) == 0 &&
			strcmp(profile_keys[i].name, key) == 0)
			return p->where[i].file ? p->where[i] : none;
	return none;
}
