/* SPDX-License-Identifier: ISC */
/* keys.c: what a profile may say. doc/profile.md and doc/trpsup-profile.5 are checked against this
 * table. */
#include "keys.h"
#include "base/util.h"
#include "values.h"
#include "sandbox/cgroup.h"

#include <string.h>

#define FIELD(f)     .offset = offsetof(struct profile, f)
#define RANGE(a, b)  .min = (a), .max = (b)
#define UNLIMITED(a) .min = (a), .max = CGROUP_UNLIMITED
#define KIB          1024ull
#define SECOND       1000ull
#define DAY          (24 * 3600 * SECOND)

/* lang.c: the first section is the one that may include */
const struct lang_section profile_sections[] = {
	{.name = "service"},
	{.name = "route"},
	{.name = "relay"},
	{.name = "sandbox"},
	{.name = "limits"},
	{.name = "environment", .free_names = value_env},
};
const size_t profile_n_sections = TRP_ARRAY_SIZE(profile_sections);

/* in the order of the enums of profile.h */
const char *const profile_ready_words[] = {"auto", "started", "listen", "notify", "exit", NULL};
const char *const profile_restart_words[] = {"on-failure", "always", "no", NULL};
const char *const profile_adapter_words[] = {"auto", "preload", "notify", "native", "relay", "none", NULL};
/* as router/relay/options.c takes them */
const char *const profile_balance_words[] = {"least-connections", "round-robin", "source", NULL};
const char *const profile_proxy_words[] = {"no", "v1", "v2", NULL};
static const char *const root_words[] = {"host", "packages", "none", NULL};
static const char *const missing_words[] = {"landlock", "cgroup", NULL};

const struct lang_key profile_keys[] = {
	{"service", "description", LANG_SCALAR, value_text, FIELD(description), .expects = "text",
		.unset = "none", .example = "The blog of the chess club",
		.help = "One line that status shows."},
	{"service", "command", LANG_LINE, value_command, FIELD(command),
		.expects = "a command line with an absolute path first", .unset = "required",
		.example = "/usr/sbin/nginx -g \"daemon off;\"",
		.help = "The upstream: the program that is run, in the foreground. No shell reads "
			"it."},
	{"service", "setup", LANG_LINES, value_setup, FIELD(setup),
		.expects = "a command line with an absolute path first", .unset = "none",
		.example = "/bin/mkdir -p ${state}/cache",
		.help = "A command that is run before it in the same sandbox, each time; one that "
			"fails fails the start."},
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
	{"service", "ready", LANG_SCALAR, value_choice, FIELD(ready), .words = profile_ready_words,
		.expects = "one of auto, started, listen, notify, exit", .fallback = "auto",
		.example = "notify",
		.help = "When it counts as ready: executed, listening on all its ports, "
			"sd_notify(3), or exited with 0."},
	{"service", "adapter", LANG_SCALAR, value_choice, FIELD(adapter),
		.words = profile_adapter_words, .expects = "one of auto, preload, notify, native, relay, none",
		.fallback = "auto", .example = "native",
		.help = "How the upstream receives its clients; status says what auto chose and "
			"why."},
	{"service", "restart", LANG_SCALAR, value_choice, FIELD(restart),
		.words = profile_restart_words, .expects = "one of on-failure, always, no",
		.fallback = "on-failure", .example = "always",
		.help = "Whether it is started again after it ended by itself."},
	{"service", "start-timeout", LANG_SCALAR, value_duration, FIELD(start_timeout_ms),
		RANGE(10, DAY), .expects = "a time such as 90s, from 10ms to 1d", .fallback = "90s",
		.example = "5m", .help = "Not ready after this long: the start has failed."},
	{"service", "stop-timeout", LANG_SCALAR, value_duration, FIELD(stop_timeout_ms),
		RANGE(10, DAY), .expects = "a time such as 20s, from 10ms to 1d", .fallback = "20s",
		.example = "1m", .help = "Not ended this long after its stop signal: killed."},
	{"service", "restart-delay", LANG_SCALAR, value_duration, FIELD(restart_delay_ms),
		RANGE(0, DAY), .expects = "a time such as 100ms, up to 1d", .fallback = "100ms",
		.example = "1s",
		.help = "Pause before the first restart; it doubles with each failure."},
	{"service", "restart-delay-max", LANG_SCALAR, value_duration, FIELD(restart_delay_max_ms),
		RANGE(0, DAY), .expects = "a time such as 30s, up to 1d", .fallback = "30s",
		.example = "5m", .help = "The longest pause between restarts."},
	{"service", "start-limit-burst", LANG_SCALAR, value_number, FIELD(start_limit_burst),
		RANGE(0, 10000), .expects = "a number from 0 to 10000", .fallback = "8",
		.example = "3",
		.help = "Failed starts within start-limit-interval until it stays down; 0 = it is "
			"tried for ever."},
	{"service", "start-limit-interval", LANG_SCALAR, value_duration, FIELD(start_limit_ms),
		RANGE(10, DAY), .expects = "a time such as 120s, from 10ms to 1d",
		.fallback = "120s", .example = "10m",
		.help = "The time in which failed starts are counted."},
	{"service", "stop-signal", LANG_SCALAR, value_signal, FIELD(stop_signal),
		.expects = "a signal such as TERM, SIGTERM or 15", .fallback = "TERM",
		.example = "QUIT", .help = "Asks it to end."},
	{"service", "reload-signal", LANG_SCALAR, value_signal, FIELD(reload_signal),
		.expects = "a signal such as HUP, SIGHUP or 1", .fallback = "HUP",
		.example = "USR2", .help = "Asks it to read its own configuration again."},
	{"service", "working-directory", LANG_SCALAR, value_path, FIELD(working_directory),
		.expects = "an absolute path", .unset = "/", .example = "/srv/www",
		.help = "The current directory of the upstream and of setup."},
	{"service", "log-size", LANG_SCALAR, value_size, FIELD(log_size),
		RANGE(4 * KIB, KIB *KIB *KIB *KIB), .expects = "a size such as 4M, from 4K to 1T",
		.fallback = "4M", .example = "64M", .help = "A log file of this size is rotated."},
	{"service", "log-files", LANG_SCALAR, value_number, FIELD(log_files), RANGE(0, 99),
		.expects = "a number from 0 to 99", .fallback = "3", .example = "10",
		.help = "Rotated log files that are kept."},

	{"route", "host", LANG_LIST, value_host, FIELD(hosts),
		.expects = "a host name such as www.example.org or *.example.org", .unset = "none",
		.example = "example.org *.example.org",
		.help = "Names whose clients it gets. An exact name comes before a wildcard, a "
			"longer wildcard before a shorter."},
	{"route", "http", LANG_SCALAR, value_port, FIELD(port[ROUTE_HTTP]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "8080",
		.help = "The port on which the upstream listens for HTTP."},
	{"route", "tls", LANG_SCALAR, value_port, FIELD(port[ROUTE_TLS]),
		.expects = "a port from 1 to 65535", .unset = "not served", .example = "8443",
		.help = "The port on which the upstream listens for TLS; it keeps its own keys and "
			"certificates."},
	{"route", "default", LANG_SCALAR, value_bool, FIELD(default_route), .expects = "yes or no",
		.fallback = "no", .example = "yes",
		.help = "It also gets what no other service's name matches."},
	{"route", "share", LANG_SCALAR, value_bool, FIELD(share), .expects = "yes or no",
		.fallback = "no", .example = "yes",
		.help = "Instances of this profile may run under the same names; clients are spread "
			"over those that are ready."},
	{"route", "listener", LANG_LIST, value_names, FIELD(listeners),
		.expects = "names of listeners in trpsup.conf",
		.unset = "all that carry the protocol", .example = "intranet",
		.help = "Only clients of these listeners."},

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
		.expects = "SOURCE TARGET [rw] [noexec] [optional]", .unset = "none",
		.example = "/srv/www /srv/www noexec",
		.help = "Shows a file or directory of the host inside, read-only unless rw."},
	{"sandbox", "secret", LANG_LIST, value_secret, FIELD(secrets),
		.expects = "NAME, or SERVICE/NAME of another service", .unset = "none",
		.example = "admin-password mariadb/root",
		.help = "A generated secret, as the file /trp/secrets/NAME; of another service "
			"only if that is in requires."},
	{"sandbox", "publish", LANG_SCALAR, value_bool, FIELD(publish), .expects = "yes or no",
		.fallback = "no", .example = "yes",
		.help = "It has /trp/publish, a directory for its unix sockets, which others may "
			"be shown."},
	{"sandbox", "use", LANG_LIST, value_services, FIELD(use),
		.expects = "names of services in requires", .unset = "none", .example = "mariadb",
		.help = "Services whose /trp/publish it sees as /trp/use/SERVICE."},
	{"sandbox", "state", LANG_SCALAR, value_bool, FIELD(state), .expects = "yes or no",
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
	{"sandbox", "allow-missing", LANG_LIST, value_listed, FIELD(allow_missing),
		.words = missing_words, .expects = "landlock or cgroup", .unset = "none",
		.example = "landlock",
		.help = "Controls that the host may lack; without this the service is not started "
			"there."},
	{"sandbox", "tmp-size", LANG_SCALAR, value_size, FIELD(tmp_size),
		RANGE(4 * KIB, KIB *KIB *KIB *KIB), .expects = "a size such as 64M, from 4K to 1T",
		.fallback = "64M", .example = "1G",
		.help = "Room in /tmp, in /run and in /dev/shm, each."},

	{"limits", "processes", LANG_SCALAR, value_number, FIELD(limit_processes), UNLIMITED(1),
		.expects = "a number such as 512, or unlimited", .fallback = "512", .example = "64",
		.help = "Processes and threads."},
	{"limits", "memory", LANG_SCALAR, value_size, FIELD(limit_memory), UNLIMITED(KIB *KIB),
		.expects = "a size such as 1G, at least 1M, or unlimited", .fallback = "1G",
		.example = "256M",
		.help = "Memory of all its processes, with what they keep in /tmp."},
	{"limits", "cpu", LANG_SCALAR, value_percent, FIELD(limit_cpu_permille), UNLIMITED(10),
		.expects = "a percentage such as 50% or 200%, at least 1%, or unlimited",
		.fallback = "unlimited", .example = "150%",
		.help = "Processor time; 100% is one processor."},
	{"limits", "open-files", LANG_SCALAR, value_number, FIELD(limit_open_files),
		RANGE(16, 1048576), .expects = "a number from 16 to 1048576", .fallback = "8192",
		.example = "65536", .help = "Open files of each process, clients among them."},
	{"limits", "file-size", LANG_SCALAR, value_size, FIELD(limit_file_size), UNLIMITED(0),
		.expects = "a size such as 1G, or unlimited", .fallback = "unlimited",
		.example = "2G", .help = "The largest file that it can write."},
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
