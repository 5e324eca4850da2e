/* SPDX-License-Identifier: ISC */
/* describe.h: a service, and the daemon, as JSON for the control protocol. */
#pragma once

#include "supervisor/service.h"

json_t *describe_service(const struct service *s);
json_t *describe_daemon(const struct daemon *d, const struct router_stats *stats); /* stats NULL: null */
