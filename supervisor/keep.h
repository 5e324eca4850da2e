/* SPDX-License-Identifier: ISC */
/* keep.h: the daemon's side of trp-keeper: what is put there is still open when the daemon is killed, and the next one takes it
 * from there. If the keeper is killed, another is started and filled anew. */
#pragma once

#include "supervisor/keepmsg.h"
#include <stdbool.h>
#include <sys/types.h>

struct daemon;
struct keep;

/* Finds the keeper of an earlier daemon and fetches what it has, or starts one. 0, or -errno (which was logged). If
 * cgroup_is_shortage() of that, there may be one, which has lost nothing. Else nothing is kept, and all the functions below do nothing. */
int keep_open(struct daemon *d, struct keep **ret);
/* Is it the control group of the keeper? */
bool keep_is_own_group(const char *name);
/* Was there one of an earlier daemon? */
bool keep_found(const struct keep *k);
/* Would what is put there outlive the daemon? */
bool keep_works(const struct keep *k);
pid_t keep_pid(const struct keep *k); /* 0: none, or not known */
/* Ends the keeper, which lets go all that it has. */
void keep_close(struct keep *k);

/* fd: borrowed; it stays open until it is dropped, or put under the same key again. -1: nothing is kept there any more. */
void keep_put(struct keep *k, const char *owner, const char *what, uint32_t number, int fd);
/* Before it is closed. Nothing happens if there is none. */
void keep_drop(struct keep *k, const char *owner, const char *what, uint32_t number);
void keep_drop_all(struct keep *k, const char *owner);
/* Those of a kind that are not wanted any more. */
void keep_drop_unwanted(struct keep *k, const char *what, bool (*wanted)(const void *data, const char *owner, uint32_t number), const void *data);

/* What an earlier daemon left there: each once, the caller's to close from now on, and still kept. -1: there is none. */
int keep_take(struct keep *k, const char *owner, const char *what, uint32_t number);
/* The same with any number, and of anybody if owner is NULL. */
int keep_take_any(struct keep *k, const char *owner, const char *what, uint32_t *ret_number);
bool keep_has(struct keep *k, const char *owner, const char *what, uint32_t number);
/* Closes what nobody took, and drops it. before, if it is not NULL, sees each while it is still open, but for what is kept under another name with the same
 * number, too. */
void keep_let_go_rest(struct keep *k, void (*before)(const char *what, int fd));
