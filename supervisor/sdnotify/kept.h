/* SPDX-License-Identifier: ISC */
/* kept.h: the descriptors that a service has trp-sdnotify keep. Only such as hold nothing of a file system: a file, a directory or a device would keep
 * mounts of a sandbox that has ended. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Before anything is locked down: what memory files and pipes look like here. 0 or -errno. */
int kept_init(void);
/* A socket, a pipe, a memory file, or something without a file (eventfd(2) and the like)? */
bool kept_kind(int fd);
/* name "": "stored". Takes fd over in any case. False: refused, because there are enough, or by its kind; one that is there is not taken twice. */
bool kept_add(int fd, const char *name);
void kept_remove(const char *name);
/* No more than so many from now on: the last are let go. */
void kept_limit(uint32_t max);
uint32_t kept_count(void);
/* All of them to the init of a run. Never blocks: if that does not take them, it has none. */
void kept_give(int sock);
