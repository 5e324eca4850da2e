/* SPDX-License-Identifier: ISC */
/* config_keys.c: what trpsup.conf may say. doc/profile.md and doc/trpsup.conf.5 are checked against
 * this table. */
#include "config.h"
#include "keys.h"
#include "values.h"
#include "config_values.h"

#define FIELD(f)    .offset = offsetof(struct config, f)
#define LISTENER(f) .offset = offsetof(struct config_listener, f)

static const char *const access_log_words[] = {"text", "json", "live", "no", NULL};
static const char *const router_scheduling_words[] = {"auto", "normal", "batch", NULL};

const struct lang_section config_sections[] = {
	{.name = "daemon"},
	{.name = "listener", .named = true},
	{.name = "clients"},
};
const size_t config_n_sections = TRP_ARRAY_SIZE(config_sections);

const struct lang_key config_keys[] = {
	{"daemon", "run-dir", LANG_SCALAR, value_path, FIELD(run_dir),
		.expects = "an absolute path", .fallback = "/run/trpsup",
		.example = "/run/user/1000/trpsup",
		.help = "The control socket and what lives until the next boot."},
	{"daemon", "state-dir", LANG_SCALAR, value_path, FIELD(state_dir),
		.expects = "an absolute path", .fallback = "/var/lib/trpsup",
		.example = "/srv/trpsup",
		.help = "What is kept: the services' state, secrets, package roots, uid ranges."},
	{"daemon", "log-dir", LANG_SCALAR, value_path, FIELD(log_dir),
		.expects = "an absolute path", .fallback = "/var/log/trpsup",
		.example = "/srv/log/trpsup", .help = "One log for each service."},
	{"daemon", "syslog-socket", LANG_SCALAR, value_path, FIELD(syslog_socket),
		.expects = "an absolute path", .fallback = "/dev/log", .example = "/run/rsyslog/extra",
		.help = "Where syslogd listens, for services with log-to = syslog."},
	{"daemon", "journal-socket", LANG_SCALAR, value_path, FIELD(journal_socket),
		.expects = "an absolute path", .fallback = "/run/systemd/journal/socket", .example = "/run/systemd/journal.web/socket",
		.help = "Where journald listens, for services with log-to = journal."},
	{"daemon", "log-total", LANG_SCALAR, value_size, FIELD(log_total), .min = 1 << 20, .max = UINT64_MAX,
		.expects = "a size such as 4G, at least 1M, or unlimited", .fallback = "unlimited", .example = "4G",
		.help = "When the log files of all services together are larger, the oldest rotated file of the service that has the most "
			"goes, until they are not."},
	{"daemon", "cgroup", LANG_SCALAR, value_word, FIELD(cgroup),
		.expects = "a name of a-z 0-9 . _ -", .fallback = "trpsup",
		.example = "trpsup-test",
		.help = "The control group that holds those of the services, below the daemon's "
			"own."},
	{"daemon", "cpu-weight", LANG_SCALAR, value_number, FIELD(cpu_weight), .min = 1, .max = CGROUP_WEIGHT_MAX,
		.expects = "a number from 1 to 10000", .fallback = "1000", .example = "100",
		.help = "The processors' share of that group, so of all services and routers together, against everything else in the group above it, where "
			"they are short; 100 is what others have."},
	{"daemon", "profile-dirs", LANG_LIST, value_paths, FIELD(profile_dirs),
		.expects = "absolute paths",
		.unset = "/etc/trpsup/services, then the shipped profiles",
		.example = "/etc/trpsup/services /srv/profiles",
		.help = "Where profiles are looked for; the first that has one wins."},
	{"daemon", "uid-base", LANG_SCALAR, value_uid_base, FIELD(uid_base), .min = 65536,
		.max = 4294836224, .expects = "a multiple of 65536 from 65536 to 4294836224",
		.fallback = "1879048192", .example = "1000013824",
		.help = "The first user id of the pool from which services get their ranges; "
			"nobody else may use them."},
	{"daemon", "uid-ranges", LANG_SCALAR, value_number, FIELD(uid_ranges), .min = 1,
		.max = 65535, .expects = "a number from 1 to 65535", .fallback = "2048",
		.example = "256",
		.help = "Ranges of 65536 user ids in the pool: services that there can be."},
	{"daemon", "access-log", LANG_SCALAR, value_choice, FIELD(access_log), .words = access_log_words,
		.expects = "text, json, live or no", .fallback = "text", .example = "json",
		.help = "One line for each connection in log-dir/access.log; live: no lines, but connections can be seen and ended; "
			"no: not observed at all."},
	{"daemon", "access-log-size", LANG_SCALAR, value_size, FIELD(access_log_size), .min = 65536,
		.max = 1ull << 40, .expects = "a size such as 64M, at least 64K", .fallback = "64M", .example = "256M",
		.help = "The access log is rotated when it is so long."},
	{"daemon", "access-log-files", LANG_SCALAR, value_number, FIELD(access_log_files), .max = 1000,
		.expects = "a number up to 1000", .fallback = "5", .example = "30",
		.help = "Rotated files that are kept."},
	{"daemon", "start", LANG_LIST, value_services, FIELD(start), .expects = "names of services",
		.unset = "none", .example = "hello wordpress@blog",
		.help = "Services that are started with the daemon."},
	{"daemon", "workers", LANG_SCALAR, value_number, FIELD(workers), .min = 1, .max = 64,
		.expects = "a number from 1 to 64", .fallback = "1", .example = "4",
		.help = "Routers that share the listeners. One hands on some 50,000 clients per second and processor; "
			"more are for hosts where one is busy all the time."},
	{"daemon", "router-scheduling", LANG_SCALAR, value_choice, FIELD(router_scheduling), .words = router_scheduling_words,
		.expects = "auto, normal or batch", .fallback = "auto", .example = "batch",
		.help = "batch: a router that is woken lets who has the processor go on (SCHED_BATCH), and finds more clients when it comes "
			"to its turn: less processor time for each, but on a busy host they wait longer. auto: so while more than some "
			"6,000 clients come in a second."},

	{"listener", "port", LANG_SCALAR, value_port, LISTENER(port),
		.expects = "a port from 1 to 65535", .unset = "required", .example = "8080",
		.help = "The TCP port; without address, family and device on all addresses of the host, IPv4 and IPv6."},
	{"listener", "address", LANG_SCALAR, value_listener_address,
		.expects = "an IPv4 or IPv6 address of this host", .unset = "all", .example = "192.0.2.1",
		.help = "The one address on which it listens."},
	{"listener", "family", LANG_SCALAR, value_listener_family, LISTENER(family),
		.words = config_family_words, .expects = "both, ipv4 or ipv6", .unset = "both", .example = "ipv6",
		.help = "Only clients of this family are accepted."},
	{"listener", "device", LANG_SCALAR, value_listener_device, LISTENER(device),
		.expects = "a network interface", .unset = "all", .example = "eth1",
		.help = "Only what comes in by this interface is accepted; of a VRF, name the VRF's own."},
	{"listener", "protocols", LANG_LIST, value_protocols, LISTENER(protocols),
		.words = trp_protocol_words, .expects = "http, tls, h2c, minecraft, xmpp, xmpp-server, ssh, postgres or raw", .unset = "required",
		.example = "http tls",
		.help = "What clients may speak there; the first bytes tell which. raw is what none of them knows, and who is silent."},
	{"listener", "default", LANG_SCALAR, value_listener_default, LISTENER(default_service),
		.expects = "the name of a service", .unset = "nobody", .example = "welcome",
		.help = "The service that gets what no name matches there, by each protocol that it serves."},
	{"listener", "fd-name", LANG_SCALAR, value_listener_fd, LISTENER(fd_name),
		.expects = "a FileDescriptorName= of systemd, or a descriptor number from 3 on", .unset = "none", .example = "web",
		.help = "A socket that the daemon is started with (LISTEN_FDS) instead of one of its own."},
	{"listener", "allow-missing", LANG_LIST, value_listed, LISTENER(allow_missing),
		.words = config_missing_words, .expects = "cgroup-bpf", .unset = "none", .example = "cgroup-bpf",
		.help = "Controls that it may lack. A socket made elsewhere is in no group of the daemon's, in which connect and bind are refused."},
	{"listener", "redirect-https", LANG_SCALAR, value_listener_redirect, LISTENER(redirect_https),
		.words = value_bool_words, .expects = "yes or no", .unset = "no", .example = "yes",
		.help = "Who asks for a name that has TLS is told to go there (308); but for ACME, and for profiles with plain-http."},
	{"listener", "deadline", LANG_SCALAR, value_duration, LISTENER(deadline_ms), .min = 100,
		.max = 600000, .expects = "a time such as 10s, from 100ms to 10m",
		.fallback = "10s", .example = "3s",
		.help = "From the accepted connection to its complete opening; then it is closed."},
	{"listener", "proxy-protocol", LANG_LIST, value_listener_trusted,
		.expects = "addresses or ranges of them such as 10.0.0.0/8 or 2001:db8::/32", .unset = "nobody",
		.example = "192.0.2.10 2001:db8:1::/64",
		.help = "Load balancers in front of this listener: they must say who their client is (PROXY protocol, version 1 or 2), "
			"and are believed. From all others the header is not taken."},

	{"clients", "rate", LANG_SCALAR, value_rate, FIELD(client_interval_ns),
		.expects = "a number for each time such as 200/s, 30/m or 100/h, or unlimited",
		.fallback = "unlimited", .example = "200/s",
		.help = "New connections of one address (IPv6: of one /64). Who comes faster is closed before anything is read."},
	{"clients", "burst", LANG_SCALAR, value_number, FIELD(client_burst), .min = 1,
		.max = 1000000, .expects = "a number from 1 to 1000000",
		.unset = "what rate gives in a second, at least 10", .example = "1000",
		.help = "So many of them may come at once before rate holds."},
	{"clients", "waiting", LANG_SCALAR, value_percent, FIELD(client_waiting_permille), .min = 1,
		.max = 1000, .expects = "a percentage such as 10%, from 0.1% to 100%",
		.fallback = "10%", .example = "2.5%",
		.help = "Of the router's places for clients that have not sent their opening yet, what one address "
			"(IPv6: one /64) may take; then its oldest gives way."},
};
const size_t config_n_keys = TRP_ARRAY_SIZE(config_keys);

_Static_assert(
	TRP_ARRAY_SIZE(config_keys) <= LANG_KEYS_MAX, "lang.c collects the names of a table");
