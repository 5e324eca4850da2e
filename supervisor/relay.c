/* SPDX-License-Identifier: ISC */
/* relay.c: trp-relay in place of trp-init and an upstream: an empty root, no capability, but the host's network, because it
 * must connect out. It speaks trp-init's protocol. Runs in the daemon. */
#include "supervisor/relay.h"
#include "base/endpoint.h"
#include "base/io.h"
#include "supervisor/profile/keys.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS   6
#define ARGS_MAX  (1 + OPTIONS + PROFILE_TARGETS_MAX + 1)
#define PORTS_MAX (PROFILE_TARGETS_MAX + ROUTE_KINDS)
#define USER      1 /* inside; there is no other */

static const char *word(const char *const *words, unsigned i)
{
	return words[i];
}

/* Strings are owned by texts[]; false: no memory. */
static bool make_arguments(const struct profile *p, char *texts[OPTIONS], const char *argv[ARGS_MAX])
{
	size_t n = 0;

	texts[0] = trp_asprintf("--balance=%s", word(profile_balance_words, p->balance));
	texts[1] = trp_asprintf("--proxy-protocol=%s", word(profile_proxy_words, p->proxy_protocol));
	texts[2] = trp_asprintf("--connect-timeout=%llu", (unsigned long long)p->connect_timeout_ms);
	texts[3] = trp_asprintf("--idle-timeout=%llu", (unsigned long long)p->idle_timeout_ms);
	texts[4] = trp_asprintf("--health-interval=%llu", (unsigned long long)p->health_interval_ms);
	texts[5] = trp_asprintf("--health-failures=%llu", (unsigned long long)p->health_failures);
	argv[n++] = "trp-relay";
	for (size_t i = 0; i < OPTIONS; i++) {
		if (!texts[i])
			return false;
		argv[n++] = texts[i];
	}
	for (size_t i = 0; i < p->targets.n; i++)
		argv[n++] = p->targets.v[i];
	argv[n] = NULL;
	return true;
}

/* The directories of unix targets, where they are on the host: the directory and not the socket, because its owner makes it anew when it
 * starts. Paths are owned by sources[]. Returns their number or -ENOMEM. */
static int make_mounts(const struct profile *p, char *sources[PROFILE_TARGETS_MAX],
	struct sandbox_mount mounts[PROFILE_TARGETS_MAX])
{
	int n = 0;

	for (size_t i = 0; i < p->targets.n; i++) {
		const char *path = strchr(p->targets.v[i], '/');
		bool there = false;
		if (!path)
			continue;
		sources[n] = strndup(path, (size_t)(strrchr(path, '/') - path));
		if (!sources[n])
			return -ENOMEM;
		for (int j = 0; j < n; j++)
			there |= strcmp(sources[j], sources[n]) == 0;
		if (there) {
			free(sources[n]);
			sources[n] = NULL;
			continue;
		}
		mounts[n] = (struct sandbox_mount){
			.kind = SANDBOX_BIND, .source = sources[n], .target = sources[n], .noexec = true};
		n++;
	}
	return n;
}

/* What it may connect to: the targets' ports, and the routes' where a target has none of its own. */
static size_t collect_ports(const struct profile *p, uint16_t ports[PORTS_MAX])
{
	bool routes = false;
	size_t n = 0;

	for (size_t i = 0; i < p->targets.n; i++) {
		struct sockaddr_storage sa;
		if (trp_parse_endpoint(p->targets.v[i], &sa) < 0 || sa.ss_family == AF_UNIX)
			continue;
		if (trp_endpoint_port(&sa))
			ports[n++] = trp_endpoint_port(&sa);
		else
			routes = true;
	}
	for (int kind = 0; routes && kind < ROUTE_KINDS; kind++)
		if (p->port[kind])
			ports[n++] = p->port[kind];
	return n;
}

static int spawn(struct service *s, const char *const *argv, const struct sandbox_mount *mounts, size_t n_mounts,
	const int out_err[2], int control)
{
	static const char *const envp[] = {NULL};
	const struct profile *p = s->profile;
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	cleanup_close int program = daemon_open_program("trp-relay");
	const struct sandbox_fd fds[] = {{null, 0}, {out_err[0], 1}, {out_err[1], 2}, {control, TRP_INIT_CONTROL_FD}};
	const struct sandbox_rlimit limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, p->limit_open_files}};
	uint16_t ports[PORTS_MAX];

	if (null < 0)
		return -errno;
	if (program < 0) {
		snprintf(s->message, sizeof(s->message), "cannot open %s/trp-relay", config_libexec());
		return program;
	}
	const struct sandbox_spec spec = {.name = s->name,
		.hostname = p->id,
		.uid_base = s->uid_base,
		.uid_count = IDS_RANGE,
		.uid = USER,
		.gid = USER,
		.tmp_size = 65536,
		.argv = argv,
		.envp = envp,
		.exec_fd = program,
		.fds = fds,
		.n_fds = TRP_ARRAY_SIZE(fds),
		.rlimits = limits,
		.n_rlimits = TRP_ARRAY_SIZE(limits),
		.oom_score_adj = 200,
		.mounts = mounts,
		.n_mounts = n_mounts,
		.host_network = n_mounts == 0, /* unix sockets are found by their path, in any network namespace */
		.connect_ports = ports,
		.n_connect_ports = collect_ports(p, ports),
		.cgroup = s->has_cgroup ? &s->cgroup : NULL,
		.seccomp = &s->seccomp,
		.landlock_optional = strv_has(&p->allow_missing, "landlock")};
	return sandbox_spawn(&spec, &s->run.box, &s->run.failure);
}

int relay_spawn(struct service *s, const int out_err[2], int control)
{
	const char *argv[ARGS_MAX];
	struct sandbox_mount mounts[PROFILE_TARGETS_MAX];
	char *texts[OPTIONS] = {NULL}, *sources[PROFILE_TARGETS_MAX] = {NULL};
	int r = make_mounts(s->profile, sources, mounts);

	if (r >= 0)
		r = make_arguments(s->profile, texts, argv) ? spawn(s, argv, mounts, (size_t)r, out_err, control) : -ENOMEM;
	for (size_t i = 0; i < PROFILE_TARGETS_MAX; i++)
		free(sources[i]);
	for (size_t i = 0; i < OPTIONS; i++)
		free(texts[i]);
	return r;
}
