/* SPDX-License-Identifier: ISC */
/* config_keys.c: what trpsup.conf may say. doc/profile.md and doc/trpsup.conf.5 are checked against
 * this table. */
#include "config.h"
#include "keys.h"
#include "values.h"
#include "config_values.h"

#define FIELD(f)    .offset = offsetof(struct config, f)
#define LISTENER(f) .offset = offsetof(struct config_listener, f)

const struct lang_section config_sections[] = {
	{.name = "daemon"},
	{.name = "listener", .named = true},
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
	{"daemon", "cgroup", LANG_SCALAR, value_word, FIELD(cgroup),
		.expects = "a name of a-z 0-9 . _ -", .fallback = "trpsup",
		.example = "trpsup-test",
		.help = "The control group that holds those of the services, below the daemon's "
			"own."},
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
	{"daemon", "start", LANG_LIST, value_services, FIELD(start), .expects = "names of services",
		.unset = "none", .example = "hello wordpress@blog",
		.help = "Services that are started with the daemon."},

	{"listener", "port", LANG_SCALAR, value_port, LISTENER(port),
		.expects = "a port from 1 to 65535", .unset = "required", .example = "8080",
		.help = "The TCP port on all addresses of the host, IPv4 and IPv6."},
	{"listener", "protocols", LANG_LIST, value_protocols, LISTENER(protocols),
		.words = config_protocol_words, .expects = "http, tls or both", .unset = "required",
		.example = "http tls",
		.help = "What clients may speak there; the first bytes tell which."},
	{"listener", "deadline", LANG_SCALAR, value_duration, LISTENER(deadline_ms), .min = 100,
		.max = 600000, .expects = "a time such as 10s, from 100ms to 10m",
		.fallback = "10s", .example = "3s",
		.help = "From the accepted connection to its complete opening; then it is closed."},
};
const size_t config_n_keys = TRP_ARRAY_SIZE(config_keys);

_Static_assert(
	TRP_ARRAY_SIZE(config_keys) <= LANG_KEYS_MAX, "lang.c collects the names of a table");
