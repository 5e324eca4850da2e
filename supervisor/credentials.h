/* SPDX-License-Identifier: ISC */
/* credentials.h: what a service is to know and nobody else: files of the host, or what a program prints, read anew at each start. They are put
 * into a tmpfs that is attached nowhere but in the sandbox, read-only, 0400 and its user's, never swapped out where the kernel can
 * (Linux 6.4, noswap). When the sandbox is gone, so are they. They are in no environment, argument, profile or record; the daemon forgets them
 * when they are written there.
 *
 * Programs run as root on the host, outside of every sandbox, as what prints a secret has to read one. So neither the program nor
 * anything on the way to it may be writable for others (base/trusted.h), and its environment is empty but for PATH, LANG, TRP_SERVICE and
 * CREDENTIAL. The daemon does not wait for it. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#define CREDENTIAL_MAX  (64 * 1024)   /* bytes of one */
#define CREDENTIALS_MAX (1024 * 1024) /* of all of a service */

struct service;

/* What its programs print, while they run and until it is put into the tmpfs. The owner's memory; zero at first. */
struct credential_fetch {
	pid_t pid; /* 0: none runs */
	int pidfd, out;
	ev_io on_out, on_end;
	ev_timer limit;
	size_t at;    /* index in the profile's of the one that runs */
	char **texts; /* by that index; of files NULL */
	size_t *lens;
	size_t n;     /* of both */
	char *buffer;
	size_t filled;
	int error;    /* -errno: why the start will fail */
	char why[300];
};

/* Starts the first of its programs. True: credentials_fetched() will be called when all have ended; false: there is none, or what is
 * wrong is in s->fetch.error, and credentials_mount() will say it. */
bool credentials_fetch(struct service *s);
/* of service.c */
void credentials_fetched(struct service *s);
/* Ends what runs and forgets what was printed. */
void credentials_cancel(struct service *s);
/* A detached mount with all files, owned by these ids of the host; what was fetched is forgotten. 0; or -errno with s->message set. -EAGAIN: a
 * program failed, which may pass. */
int credentials_mount(struct service *s, uid_t uid, gid_t gid, int *ret_tree);
