/* SPDX-License-Identifier: ISC */
/* options.h: the socket options of a listener that is a channel in truth: what the program set is remembered, shown to it
 * again, and set on each accepted socket, as the kernel does it. For the preload and the notify adapter. Compiles
 * freestanding. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An option that accepted sockets inherit from their listener (socket(7), tcp(7), ip(7), ipv6(7)). */
union option_value {
	int number;
	char bytes[16];
};
#define OPTIONS_MAX 32

struct options {
	uint32_t set; /* atomic: bit for each row of the option table that the program set */
	int backlog, v6only;
	union option_value values[OPTIONS_MAX];
};

#define OPTION_NONE (-1)
int option_find(int level, int name);
/* Remembers what sock has that a fresh socket of its family has not. */
void options_snapshot(struct options *o, int sock, int family);
/* Adds those that are set in more. */
void options_take(struct options *o, const struct options *more);
/* What a channel can hold of it too (the times, SO_KEEPALIVE, SO_LINGER ...) is set there as on sock, also what is not set: an instance
 * before this one may have used it. It holds for the channel itself, above all the time that accept(2) waits; and who comes by the
 * channel without listen(2) (it was executed with it, or passed it) finds it there: options_snapshot(o, channel, AF_UNIX). */
void options_carry(int sock, int channel);
void option_remember(struct options *o, int option, const void *value, socklen_t len);
/* Reads a remembered value as getsockopt(2) does; false: it was never set. */
bool option_recall(const struct options *o, int option, void *value, socklen_t *len);
void options_replay(const struct options *o, int sock);

/* What a listening socket of this family is: SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN. False for other options of
 * SOL_SOCKET. *len: as in getsockopt(2). */
bool option_identity(int name, int family, void *value, socklen_t *len);
/* Options of TCP and IP that a unix socket does not have: what the program set, else zeros. o may be NULL. */
void option_read_inet(int level, int name, const struct options *o, void *value, socklen_t *len);
/* On a listener a filter chooses connections; on the channel it would throw clients away. */
bool option_is_filter(int level, int name);
