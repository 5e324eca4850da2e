/* SPDX-License-Identifier: ISC */
/* image.h: root file systems from lists of Debian packages: STATE_DIR/images/SUITE-HASH, built once by mmdebstrap from the
 * host's own apt sources, shared read-only by all services with the same list. Building takes a minute, so it is a child of
 * the daemon and everybody who waits for it is told how far it is. */
#pragma once

#include "base/util.h"
#include "supervisor/profile/profile.h"
#include <ev.h>

struct images;

/* Somebody who waits for an image. The caller's memory, until done() was called or image_forget(). */
struct image_request {
	void (*progress)(struct image_request *r, const char *text);
	/* error 0: the image is at path; else -errno and a sentence in text. Not called from image_request(). */
	void (*done)(struct image_request *r, int error, const char *text);
	struct image_request *next; /* of image.c */
};

int images_open(struct ev_loop *loop, const char *state_dir, const char *log_dir, struct images **ret);
/* Ends what is being built. */
void images_close(struct images *i);

/* The path of the image for this list (caller frees), whether it exists or not. suite NULL: the host's. */
char *image_path(const struct images *i, const char *suite, const struct strv *packages);
/* 1: it is there. 0: it is being built now, done() will be called (r NULL: nobody waits yet). -errno: it cannot be built, sentence in err. */
int image_request(struct images *i, const char *suite, const struct strv *packages, struct image_request *r, char *err,
	size_t err_size);
bool images_building(const struct images *i);
void image_forget(struct images *i, struct image_request *r);
