/* SPDX-License-Identifier: ISC */
/* ids.h: a range of 65536 uids and gids for each service, allocated once and kept in STATE_DIR/uids.json: files of a
 * service that was stopped a year ago must not become another one's. A range is never given out twice. */
#pragma once

#include "base/util.h"

#define IDS_RANGE 65536u

struct ids;

/* base, ranges: the pool, from trpsup.conf. -EBADMSG: the file is damaged (never overwritten then), text in err. */
int ids_open(const char *state_dir, uint64_t base, uint64_t ranges, struct ids **ret, char *err, size_t err_size);
void ids_close(struct ids *ids);
/* First id of the service's range; allocated and written to disk if it is new. -ENOSPC: the pool is used up. */
int ids_get(struct ids *ids, const char *service, uint32_t *ret_base);
/* Every name that has a range. */
void ids_each(const struct ids *ids, void (*each)(void *data, const char *service), void *data);
