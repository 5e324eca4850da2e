/* SPDX-License-Identifier: ISC */
/* blockdev.h: which disks hold a file: those that limits on I/O are set on. */
#pragma once

#include "base/util.h"
#include <sys/types.h>

struct blockdevs {
	dev_t v[16];
	size_t n;
};

/* Adds the whole disks below path, each once: that of its file system, all of a btrfs, those of an overlay's layers, and the one
 * behind a loop device too. 1; 0: it is kept in memory (tmpfs, /proc), there is nothing to limit; or -errno: -ENODEV if its file
 * system has no block device (network, ZFS) or does not say which; -E2BIG: more than find room. */
int blockdev_find(const char *path, struct blockdevs *devs);
/* The disk that a partition is of; others are their own. sys: open directory, as /sys/dev/block. 0 or -ENODEV. */
int blockdev_whole(int sys, dev_t dev, dev_t *ret);
