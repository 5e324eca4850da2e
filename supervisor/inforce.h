/* SPDX-License-Identifier: ISC */
/* inforce.h: trpsup.Score: a service's profile judged (score/score.h), and compared with what its processes have. Runs in the daemon. */
#pragma once

#include <jansson.h>

struct service;

/* Parameters of the reply, or NULL with a sentence in err. */
json_t *inforce_score(struct service *s, char *err, size_t err_size);
