/* SPDX-License-Identifier: ISC */
/* relay.c: the two sandboxes of trp-relay: an empty root, no capability, nothing but its sockets.
 *
 * adapter = relay: in place of trp-init and an upstream, in the host's network, because it must connect out. It speaks trp-init's
 * protocol. adapter = loopback: beside the service's sandbox, in that one's network. */
#include "base/endpoint.h"
#include "supervisor/box/spec.h"
#include "supervisor/profile/keys.h"

#include <string.h>

#define USER          1     /* inside; there is no other */
#define LOOPBACK_USER 65531 /* inside the service's range; Debian gives it to nobody. trp-notify has the one above */
#define FILES_KEPT    1024  /* of the relay itself: pipes and the like (router/relay/loop.c) */
#define FILES_MAX     1048576

static void add_argument(struct box *b, const char *text)
{
	b->argv[b->n_argv++] = text;
}

static void add_number(struct box *b, const char *option, uint64_t value)
{
	add_argument(b, box_keep(b, trp_asprintf("--%s=%llu", option, (unsigned long long)value)));
}

/* What both take. */
static void add_arguments(struct box *b)
{
	const struct profile *p = b->site.profile;

	add_argument(b, box_keep(b, trp_asprintf("--proxy-protocol=%s", profile_proxy_words[p->proxy_protocol])));
	add_number(b, "connect-timeout", p->connect_timeout_ms);
	add_number(b, "idle-timeout", p->idle_timeout_ms);
}

/* The directories of unix targets, where they are on the host: the directory and not the socket, because its owner makes it anew when it
 * starts. */
static void add_directories(struct box *b)
{
	const struct profile *p = b->site.profile;

	for (size_t i = 0; i < p->targets.n; i++) {
		const char *path = strchr(p->targets.v[i], '/');
		bool there = false;
		if (!path)
			continue;
		const char *dir = box_keep(b, strndup(path, (size_t)(strrchr(path, '/') - path)));
		for (size_t j = 0; j < b->n_mounts; j++)
			there |= strcmp(b->mounts[j].source, dir) == 0;
		if (!there)
			box_add(b, (struct sandbox_mount){.kind = SANDBOX_BIND, .source = dir, .target = dir, .noexec = true});
	}
}

/* Appended to n others; returns how many there are then. */
static size_t route_ports(const struct profile *p, uint16_t *ports, size_t n)
{
	for (int k = 0; k < TRP_PROTO_COUNT; k++)
		if (p->port[k])
			ports[n++] = p->port[k];
	return n;
}

/* What it may connect to: the targets' ports, and the routes' where a target has none of its own. */
static size_t target_ports(const struct profile *p, uint16_t *ports)
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
	return routes ? route_ports(p, ports, n) : n;
}

static void fill_spec(struct box *b, uid_t user, uint64_t files)
{
	const struct box_site *site = &b->site;

	b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_CORE, SANDBOX_NO_CORE};
	b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_NOFILE, files};
	b->rlimits[b->n_rlimits++] = (struct sandbox_rlimit){RLIMIT_MEMLOCK, box_locked_memory(site->profile)};
	b->spec = (struct sandbox_spec){.name = site->service,
		.hostname = site->profile->id,
		.uid_base = site->uid_base,
		.uid_count = IDS_RANGE,
		.uid = user,
		.gid = user,
		.tmp_size = 65536,
		.mounts = b->mounts,
		.n_mounts = b->n_mounts,
		.argv = b->argv,
		.envp = b->envp,
		.exec_fd = -1,
		.rlimits = b->rlimits,
		.n_rlimits = b->n_rlimits,
		.oom_score_adj = BOX_OOM_SCORE,
		.scheduling = (enum sandbox_scheduling)site->profile->limit_scheduling,
		.connect_ports = b->ports,
		.cgroup = site->cgroup,
		.seccomp = site->seccomp,
		.landlock_optional = strv_has(&site->profile->allow_missing, "landlock")};
}

int box_fill_relay(struct box *b)
{
	const struct profile *p = b->site.profile;

	add_argument(b, "trp-relay");
	add_argument(b, box_keep(b, trp_asprintf("--balance=%s", profile_balance_words[p->balance])));
	add_arguments(b);
	add_number(b, "health-interval", p->health_interval_ms);
	add_number(b, "health-failures", p->health_failures);
	for (size_t i = 0; i < p->targets.n; i++)
		add_argument(b, p->targets.v[i]);
	add_directories(b);
	fill_spec(b, USER, p->limit_open_files);
	b->spec.host_network = b->n_mounts == 0; /* unix sockets are found by their path, in any network namespace */
	b->spec.n_connect_ports = target_ports(p, b->ports);
	return 0;
}

/* It may connect to the upstream's ports and has two descriptors for each client. */
int box_fill_loopback(struct box *b)
{
	const struct profile *p = b->site.profile;
	uint64_t files = p->limit_open_files * 2 + FILES_KEPT;

	add_argument(b, "trp-relay");
	add_argument(b, "--loopback");
	add_arguments(b);
	fill_spec(b, LOOPBACK_USER, files < FILES_MAX ? files : FILES_MAX);
	b->spec.n_connect_ports = route_ports(p, b->ports, 0);
	return 0;
}
