/* SPDX-License-Identifier: ISC */
/* spec.h: what of a spec is refused before anything is made of it. Pure. */
#pragma once

#include "sandbox/sandbox.h"

/* entry: for one more process in a sandbox that runs. 0, or -EINVAL with the offending thing in ret_failure (stage and detail). */
int spec_check(const struct sandbox_spec *spec, bool entry, struct sandbox_failure *ret_failure);
