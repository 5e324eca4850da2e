/* SPDX-License-Identifier: ISC */
/* containment.h: may a service be passed sockets on this host? */
#pragma once

#include "supervisor/service.h"

/* After the adapter was chosen. 0, or -ENOTSUP with s->message: a part of what keeps a service from using passed sockets for
 * anything else is missing, and neither its profile nor the listener allows that. */
int containment_check(struct service *s);
