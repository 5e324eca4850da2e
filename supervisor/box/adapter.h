/* SPDX-License-Identifier: ISC */
/* adapter.h: how a service receives its connections: what its profile says, or what its program can do. */
#pragma once

#include "supervisor/profile/profile.h"

struct adapter_choice {
	unsigned adapter; /* enum profile_adapter, never auto */
	char why[200];
	char refusal[400];
};

/* root: directory that the program is looked for in; NULL: there is none yet, or none at all. 0; or -EINVAL with refusal set: no adapter
 * can serve it. */
int adapter_choose(const struct profile *p, const char *root, struct adapter_choice *ret);
const char *adapter_name(unsigned adapter); /* enum profile_adapter */
