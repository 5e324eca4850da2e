/* SPDX-License-Identifier: ISC */
/* adopt.h: a daemon that starts where another was killed takes over what that one had started: by the records of the services
 * (record.h) and the descriptors in the keeper (keep.h). Nothing is believed that is not so: what does not fit together is ended, and
 * started anew if it was to run. */
#pragma once

#include <jansson.h>

struct daemon;
struct service;

/* After the keeper and the records were opened: may this daemon have as many descriptors as all that they tell of needs? A service whose descriptors find no
 * room would be ended. -EMFILE, which was logged. */
int adopt_check_room(struct daemon *d);
/* After the routers were opened, before anything is started. */
void adopt_all(struct daemon *d);
/* The channels that are in a record of s. 0; -ENOENT: an end of one is missing. */
int adopt_channels(struct service *s, const json_t *json);
