/* SPDX-License-Identifier: ISC */
/* relay.c: a service without a program of its own. Its program is trp-relay, alone in an empty root, so
 * whatever a profile says about a program or its root has no effect and is refused. */
#include "load.h"
#include "base/io.h"

#include <string.h>

static const struct {
	const char *section, *key;
} meaningless[] = {
	{"service", "command"}, {"service", "setup"}, {"service", "pre-stop"}, {"service", "user"}, {"service", "group"},
	{"service", "working-directory"}, {"service", "reload-signal"}, {"service", "pid-file"},
	{"service", "environment-file"},
	{"sandbox", "root"},
	{"sandbox", "packages"}, {"sandbox", "suite"}, {"sandbox", "host-files"},
	{"sandbox", "bind"}, {"sandbox", "secret"}, {"sandbox", "credential"}, {"sandbox", "credential-command"}, {"sandbox", "publish"}, {"sandbox", "use"},
	{"sandbox", "state"}, {"sandbox", "state-at"}, {"sandbox", "syscalls"},
	{"sandbox", "architectures"}, {"sandbox", "exec-from"}, {"sandbox", "proc"}, {"sandbox", "memory-deny-write-execute"}, {"sandbox", "user-namespaces"},
	{"sandbox", "tmp-size"}, {"limits", "file-size"}, {"limits", "state-size"},
};

static void complain(const struct profile_loading *l, const char *section, const char *key,
	const char *text)
{
	struct profile_where w = profile_where(l->p, section, key);

	profile_error(l->errors, w.file, w.line, key, "%s", text);
}

/* A client's socket is passed to a unix socket's owner as it is: nothing is copied, so nothing can be put in front. */
static void check_targets(const struct profile_loading *l)
{
	const struct profile *p = l->p;
	size_t n_unix = 0;

	for (size_t i = 0; i < p->targets.n; i++)
		n_unix += strncmp(p->targets.v[i], "unix:", 5) == 0;
	if (n_unix > 0 && n_unix < p->targets.n)
		complain(l, "relay", "target", "some are unix: and some are not, expected one kind");
	if (n_unix > 0 && p->proxy_protocol)
		complain(l, "relay", "proxy-protocol",
			"has no effect on unix: targets, which are given the client's own socket");
}

void check_relay(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	if (p->targets.n == 0 && profile_where(p, "relay", "target").line == 0)
		complain(l, "service", "adapter",
			"'relay' needs target = ADDRESS:PORT in [relay]");
	else if (p->targets.n == 0 && l->errors->n == 0)
		complain(l, "relay", "target", "was reset and not given again");
	if (!profile_is_routed(p) && l->errors->n == 0)
		complain(l, "service", "adapter", "'relay' needs http or tls in [route]");
	check_targets(l);
	if (p->ready == READY_NOTIFY)
		complain(l, "service", "ready", "'notify' contradicts adapter = relay");
	if (p->ready == READY_FD)
		complain(l, "service", "ready", "'fd:N' contradicts adapter = relay");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(meaningless); i++)
		if (profile_where(p, meaningless[i].section, meaningless[i].key).line)
			complain(l, meaningless[i].section, meaningless[i].key,
				"has no effect with adapter = relay: it has no program of its own");
	for (size_t i = 0; i < p->env.n; i++)
		profile_error(l->errors, p->env.v[i].where.file, p->env.v[i].where.line, p->env.v[i].name,
			"has no effect with adapter = relay: it has no program of its own");
}

static const char *const of_targets[] = {"target", "balance", "health-interval", "health-failures"};
static const char *const of_both[] = {"proxy-protocol", "connect-timeout", "idle-timeout"};

void check_no_relay(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(of_targets); i++)
		if (profile_where(p, "relay", of_targets[i]).line && (i > 0 || p->targets.n > 0))
			complain(l, "relay", of_targets[i], "needs adapter = relay in [service]");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(of_both); i++)
		if (profile_where(p, "relay", of_both[i]).line)
			complain(l, "relay", of_both[i], "needs adapter = relay or loopback in [service]");
}

void check_loopback(const struct profile_loading *l)
{
	const struct profile *p = l->p;

	if (!profile_is_routed(p) && l->errors->n == 0)
		complain(l, "service", "adapter", "'loopback' needs http or tls in [route]");
	for (size_t i = 0; i < TRP_ARRAY_SIZE(of_targets); i++)
		if (profile_where(p, "relay", of_targets[i]).line)
			complain(l, "relay", of_targets[i],
				"has no effect with adapter = loopback: the clients go to the service's own program");
}

int relay_complete(const struct profile_loading *l)
{
	struct profile *p = l->p;
	cleanup_free char *program = NULL;
	int r;

	p->root = ROOT_NONE;
	p->state = false;
	program = trp_asprintf("%s/trp-relay", l->paths->libexec ? l->paths->libexec : "");
	r = program ? strv_push(&p->command, program) : -ENOMEM;
	/* it loads a tighter filter itself, and tries it */
	return r < 0 ? r : strv_push(&p->syscalls, "seccomp");
}
