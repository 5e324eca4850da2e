/* SPDX-License-Identifier: ISC */
/* record.h: what the next daemon must know of a service, in RUN_DIR/records/NAME.json: written whole each time that it changes.
 * With the descriptors that the keeper has it is enough to take a service over. */
#pragma once

#include "supervisor/service.h"
#include <jansson.h>

#define RECORD_TEXTS_SUFFIX ".profile" /* of their files there */

/* Makes the directory. 0 or -errno. */
int record_open(struct daemon *d);
/* The directory and all that is in it, at the orderly end. */
void record_close(struct daemon *d);
/* A record that cannot be written costs nothing but that the service is started anew by the next daemon; said once. */
void record_save(struct service *s);
void record_remove(struct service *s);
void record_remove_of(struct daemon *d, const char *service);
/* The name of this boot of the machine. 0 or -errno: it cannot be read now. */
int record_boot(const char **ret);

/* Calls each() for every record; json NULL: it is none that this version understands, or of another boot of the machine. clean: what is
 * no record is removed. */
void record_each(struct daemon *d, bool clean, void (*each)(void *data, const char *service, const json_t *json), void *data);
/* Puts all into s but its channels and what the profile says. -EBADMSG: a field is of another type, or one is missing without which
 * nothing can be taken over. */
int record_restore(const json_t *json, struct service *s);
/* What its files say, beside the record: they may be changed while the service runs. Takes p->sources, now or with a later record_save(). */
void record_keep_sources(struct daemon *d, struct profile *p);
/* Those of s and of the instance beside it for which there was no room then. */
void record_keep_missed(struct service *s);
/* 0 or -errno, then with what was read so far; -EBADMSG: it is not what was kept. */
int record_read_texts(struct daemon *d, const char *service, const char *hash, struct profile_sources *ret);
void record_drop_texts(const struct daemon *d, const char *service, const char *hash);
/* Is it the text of a profile that s (NULL: there is none) or the instance beside it has now, though no record may say so yet? */
bool record_needs_text(const struct service *s, const char *hash);
/* s has a profile of this text no more: it goes, unless s or the instance beside it needs it elsewhere. */
void record_let_go(const struct service *s, const char *hash);
/* At its end: its record and all texts of its profiles. */
void record_forget(struct service *s);
/* A profile that was kept, by its hash (NULL: none). -ENOENT: it was not, or it was damaged; -EINVAL with errors. */
int record_profile_of(struct daemon *d, const char *service, const char *hash, struct profile **ret, struct profile_errors *errors);
/* Puts s->live_keys and s->live_text. 0 or -ENOMEM. */
int record_live_keys(const json_t *json, struct service *s);
/* The profile that was in force, as reloads had changed it, and the one that waited for its next start (NULL: none, or it cannot be read any
 * more; ret_pending may be NULL). -ENOENT: nothing was kept; -EINVAL with errors. */
int record_profile(struct daemon *d, const char *service, struct profile **ret, struct profile **ret_pending, struct profile_errors *errors);
