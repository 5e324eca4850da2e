/* SPDX-License-Identifier: ISC */
#include "supervisor/containment.h"

#include <string.h>

#define PART "cgroup-bpf"

/* Do clients of that listener come to the service, as sockets? */
static bool passes(const struct service *s, size_t listener)
{
	for (int k = 0; k < TRP_PROTO_COUNT; k++)
		if (s->profile->port[k] && route_name_on(s->d, listener, s->profile, (enum trp_protocol)k, 0))
			return true;
	return false;
}

int containment_check(struct service *s)
{
	const struct daemon *d = s->d;

	if (s->adapter == ADAPTER_NONE || s->adapter == ADAPTER_RELAY || s->adapter == ADAPTER_LOOPBACK ||
		strv_has(&s->profile->allow_missing, PART))
		return 0;
	for (size_t i = 0; i < d->n_listeners; i++) {
		const struct config_listener *c = &d->config->listeners[i];
		if (d->listeners[i].cgroup_fd >= 0 || strv_has(&c->allow_missing, PART) || !passes(s, i))
			continue;
		snprintf(s->message, sizeof(s->message),
			"%s: listener %s has no control group whose programs refuse connect and bind to passed sockets (this needs cgroup v2 and "
			"CONFIG_CGROUP_BPF); to rely on its filter alone: allow-missing = " PART " in [sandbox]; or adapter = loopback",
			s->profile->file, c->name);
		return -ENOTSUP;
	}
	return 0;
}
