/* SPDX-License-Identifier: ISC */
/* loopdev.h: loop devices (loop(4)) of image files. */
#pragma once

#include "base/util.h"

#define LOOPDEV_PATH_MAX 32

/* The device that has this file behind it; two of one file system would destroy it. 1 and its path, 0: there is none, or -errno. */
int loopdev_find(int file_fd, char ret_path[LOOPDEV_PATH_MAX]);
/* A free device gets the file. It gives it back by itself after its last user. Returns an open descriptor of it (which is such a user) and
 * its path, or -errno: -ENOENT if this host has no loop devices. */
int loopdev_attach(int file_fd, char ret_path[LOOPDEV_PATH_MAX]);
