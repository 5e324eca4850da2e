/* SPDX-License-Identifier: ISC */
/* A client's connection, plain or TLS, that never waits. */
#ifndef TESTS_BENCH_CLIENT_IO_H
#define TESTS_BENCH_CLIENT_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ssl_st;

struct io {
	int fd;
	struct ssl_st *tls; /* NULL: plain */
};

enum io_result { IO_DONE, IO_READ, IO_WRITE }; /* IO_READ, IO_WRITE: what to wait for */

/* host: the name that a client of TLS asks for; NULL: plain */
void io_prepare(const char *host);

/* Takes over a socket that is connected. */
void io_begin(struct io *io, int fd);
void io_end(struct io *io);

/* A full handshake, never a resumed one. Ends the program when it fails. */
enum io_result io_handshake(struct io *io, uint64_t number);

/* All or nothing: anything else ends the program. */
void io_send(struct io *io, const char *bytes, size_t len, uint64_t number);

/* Returns the number of bytes; 0 at the server's FIN, before which TLS must not have been cut off
 * inside a record; -1: nothing is there now. An error ends the program. With out NULL the bytes are
 * thrown away, without TLS inside of the kernel (tcp(7), MSG_TRUNC), so that it is the servers that
 * limit a bulk transfer. */
ssize_t io_recv(struct io *io, char *out, size_t len, uint64_t number);

#endif
