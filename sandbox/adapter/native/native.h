/* SPDX-License-Identifier: ISC */
/* native.h: what the files of libtrp share. */
#pragma once

#include "trp.h"
#include "sandbox/adapter/channel.h"

/* AF_INET or AF_INET6, or -EINVAL: no listener. */
int native_family(int listener);
/* Fills in what is known of the client with this socket. */
void native_describe(int fd, const struct trp_handoff *h, struct trp_client *client);
