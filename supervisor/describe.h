/* SPDX-License-Identifier: ISC */
/* describe.h: a service, and the daemon, as JSON for the control protocol. */
#pragma once

#include "supervisor/service.h"

/* null for UINT64_MAX, which is how what is not known is told. */
json_t *describe_number(uint64_t v);
json_t *describe_service(struct service *s);
/* What a row of a table of all needs: a thousand of them are asked for at a time. */
json_t *describe_brief(const struct service *s);
json_t *describe_daemon(const struct daemon *d, const struct router_stats *stats); /* stats NULL: null */
/* Their pids: of those that serve, of those that were replaced and have not finished. */
json_t *describe_routers(const struct daemon *d);
