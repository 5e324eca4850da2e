/* SPDX-License-Identifier: ISC */
/* io.h: files, as the supervisor needs them. All return 0 (or a count) or -errno. */
#pragma once

#include "util.h"
#include <sys/types.h>

/* Writes all of it, going on after EINTR and short writes; waits for room also where fd is non-blocking. */
int trp_write_all(int fd, const void *buf, size_t len);

/* Reads a whole file of at most max bytes into fresh memory (caller frees), NUL-terminated, ret_len
 * without the NUL. -EFBIG when it is longer. dir_fd: as openat(2). */
int trp_read_file(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len);

/* The same of what is open already, from where it is to its end. */
int trp_read_fd(int fd, size_t max, char **ret, size_t *ret_len);

/* Writes text to an existing file of /proc, /sys or cgroupfs in one write(2). */
int trp_write_file(int dir_fd, const char *path, const char *text);

/* Replaces path by a file with this content: temporary file beside it (.NAME.new), fsync, rename, fsync of the
 * directory. A reader sees the old or the new whole. */
int trp_write_atomic(int dir_fd, const char *path, const void *buf, size_t len, mode_t mode);
/* The same without the fsync, which can take as long as a disk likes: for what need not outlive the machine's next crash. */
int trp_write_whole(int dir_fd, const char *path, const void *buf, size_t len, mode_t mode);

/* mkdir -p; existing directories are left as they are. */
int trp_mkdir_p(const char *path, mode_t mode);

/* rm -rf below dir_fd, never following a symbolic link or crossing into another file system.
 * A path that does not exist is success. */
int trp_remove_tree(int dir_fd, const char *path);

/* asprintf that returns NULL on failure only. */
char *trp_asprintf(const char *fmt, ...) TRP_PRINTF(1, 2);

/* First of all in a program: of the descriptors 0, 1 and 2 those that are closed lead nowhere, so that no file or socket that it opens gets
 * their number. Reading and writing them fails as before. 0 or -errno. */
int trp_occupy_standard(void);
int trp_set_nonblock(int fd, bool on);
bool trp_same_file(int a, int b); /* or socket */
bool trp_has_size(int fd, uint64_t size);
bool trp_is_removed(int fd); /* the names that it had lead to another file or directory by now, or to none */
uint64_t trp_now_ns(void); /* CLOCK_MONOTONIC */
uint64_t trp_now_ms(void);
/* The same in seconds. For whatever is counted from a moment on: the time of day (ev_now(3), ev_time(3)) may be set. */
static inline double trp_now_seconds(void)
{
	return (double)trp_now_ns() / 1e9;
}
void trp_sleep_ms(unsigned ms); /* a signal ends it early */
/* Does the error (positive or negative) say that we or the host are short of descriptors or memory? It may be over soon, and tells nothing of
 * what was asked for. */
bool trp_is_shortage(int error);
