/* SPDX-License-Identifier: ISC */
/* record.h: what the next daemon must know of a service, in RUN_DIR/records/NAME.json: written whole each time that it changes.
 * With the descriptors that the keeper has it is enough to take a service over. */
#pragma once

#include "supervisor/service.h"
#include <jansson.h>

/* Makes the directory. 0 or -errno. */
int record_open(struct daemon *d);
/* The directory and all that is in it, at the orderly end. */
void record_close(struct daemon *d);
/* A record that cannot be written costs nothing but that the service is started anew by the next daemon; said once. */
void record_save(struct service *s);
void record_remove(struct service *s);

/* Calls each() for every record; json NULL: it is none that this version understands, or of another boot of the machine. clean: what is
 * no record is removed. */
void record_each(struct daemon *d, bool clean, void (*each)(void *data, const char *service, const json_t *json), void *data);
/* Puts all into s but its channels and what the profile says. -EBADMSG: a field is of another type, or one is missing without which
 * nothing can be taken over. */
int record_restore(const json_t *json, struct service *s);
/* What its files say, beside the record: they may be changed while the service runs. Takes p->sources. */
void record_keep_sources(struct daemon *d, struct profile *p);
void record_drop_sources(struct daemon *d, const struct profile *p); /* which may be NULL */
/* The profile that was in force. -ENOENT: nothing was kept; -EINVAL with errors. */
int record_profile(struct daemon *d, const char *service, struct profile **ret, struct profile_errors *errors);
