/* SPDX-License-Identifier: ISC */
/* inherit.h: listening sockets that whoever started the daemon has made (sd_listen_fds(3)). They stay open for the daemon's
 * life; a listener has a duplicate. */
#pragma once

#include "supervisor/listener.h"

/* Takes LISTEN_FDS from the environment, if it is meant for this process. Once, before anything is opened. */
void inherit_init(void);
/* Puts it back, for the program that is executed in our place. */
void inherit_pass_on(void);
void inherit_take_back(void); /* which could not be executed */
/* Names and numbers of those that no listener of c has, for a warning: a line each, NULL behind the last. The caller frees it. */
char *inherit_unused(const struct config *c);
/* The socket with c->fd_name: TCP over IPv6, listening on c->port, and nobody can bind beside it. Its filter is attached and locked, or is there
 * from an earlier run; clients that came before it have one of their own and are in ret->early. -errno with err. */
int inherit_open(const struct config_listener *c, uint32_t id, struct listener *ret, char *err, size_t err_size);
