/* SPDX-License-Identifier: ISC */
/* statedisk.h: a bound on what a service keeps. With state-size its state directory is a file system of its own, ext4 in the sparse file
 * STATE_DIR/disks/NAME.img, mounted at the state directory through a loop device. Bytes and inodes end with it (ENOSPC). It grows when
 * state-size does, at the next start; it never shrinks; and a service that has one keeps it also without state-size. The tenant
 * sees files, never the image: the kernel is the only one that ever wrote what it mounts. */
#pragma once

#include "base/util.h"
#include <ev.h>
#include <sys/types.h>

/* An image that is being made or grown by a child. The caller's memory; zero at first. */
struct statedisk {
	/* error 0: done; else -errno and a sentence. Not called from statedisk_make(). */
	void (*done)(struct statedisk *d, int error, const char *text);
	struct ev_loop *loop;
	pid_t pid; /* 0: none is */
	bool again; /* statedisk_make() was called meanwhile, perhaps for another size */
	int pidfd;
	ev_io ended;
	char *image, *part;
};

/* The caller frees both. */
char *statedisk_image(const char *state_dir, const char *service);

/* Sees to it that the image has that size (UINT64_MAX: whatever it has, and none is made), and that what grew it for a daemon that was killed has
 * ended, or is done over. dir: where it is to be mounted, by now empty
 * if there is no image. 1: all is well; 0: being made, done() will be called; -errno with a sentence in err. */
int statedisk_make(struct statedisk *d, struct ev_loop *loop, const char *image, const char *dir, uint64_t size, char *err, size_t err_size);
/* Ends the child, if there is one, and waits for its end. One that is just growing the file system is let finish, for a minute at most. */
void statedisk_cancel(struct statedisk *d);

/* Mounts the image, if there is one, at dir. Whatever is mounted there goes first. 1: it is mounted, 0: there is no image; or -errno
 * with a sentence. */
int statedisk_mount(const char *image, const char *dir, char *err, size_t err_size);
/* Unmounts all of them: an earlier daemon was killed. */
void statedisk_sweep(const char *state_dir);
/* Unmounts what is mounted at dir. Others' mounts of it live on, until their namespace ends. */
void statedisk_unmount(const char *dir);
