/* SPDX-License-Identifier: ISC */
/* adapter.h: how a service receives its connections: what its profile says, or what its program can do. */
#pragma once

struct service;

/* Sets adapter and adapter_why of s; its root must be there. 0; or -EINVAL with message set: no adapter can serve it. */
int adapter_choose(struct service *s);
const char *adapter_name(unsigned adapter); /* enum profile_adapter */
