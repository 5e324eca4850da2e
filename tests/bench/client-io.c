/* SPDX-License-Identifier: ISC */
#include "tests/bench/client-io.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *context;
static const char *server_name;

static __attribute__((noreturn)) void tls_failed(const char *what, uint64_t number)
{
	unsigned long error = ERR_peek_error();

	errx(1, "connection %" PRIu64 ": %s: %s", number, what,
		error ? ERR_reason_error_string(error) : "closed");
}

void io_prepare(const char *host)
{
	server_name = host;
	if (!host)
		return;
	context = SSL_CTX_new(TLS_client_method());
	if (!context)
		errx(1, "TLS: no context");
	/* who it is, is nobody's question here; a resumed session would not cost the server its
	 * signature */
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	/* a server may close without close_notify: the length of the body is checked anyway */
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	/* as a browser does first; a library that is rebuilt with another first choice changes
	 * nothing here */
	if (SSL_CTX_set1_groups_list(context, "X25519:P-256") != 1)
		tls_failed("groups", 0);
}

void io_begin(struct io *io, int fd)
{
	io->fd = fd;
	io->tls = NULL;
	if (!server_name)
		return;
	io->tls = SSL_new(context);
	if (!io->tls || SSL_set_fd(io->tls, fd) != 1 ||
		SSL_set_tlsext_host_name(io->tls, server_name) != 1)
		tls_failed("start", 0);
	SSL_set_connect_state(io->tls);
}

void io_end(struct io *io)
{
	SSL_free(io->tls);
	io->tls = NULL;
	close(io->fd);
}

enum io_result io_handshake(struct io *io, uint64_t number)
{
	int n;

	if (!io->tls)
		return IO_DONE;
	ERR_clear_error();
	n = SSL_do_handshake(io->tls);
	if (n == 1) {
		if (SSL_session_reused(io->tls))
			errx(1, "connection %" PRIu64 ": the session was resumed", number);
		return IO_DONE;
	}
	switch (SSL_get_error(io->tls, n)) {
	case SSL_ERROR_WANT_READ:
		return IO_READ;
	case SSL_ERROR_WANT_WRITE:
		return IO_WRITE;
	default:
		tls_failed("handshake", number);
	}
}

void io_send(struct io *io, const char *bytes, size_t len, uint64_t number)
{
	ssize_t n;

	if (io->tls)
		n = SSL_write(io->tls, bytes, (int)len);
	else
		n = send(io->fd, bytes, len, MSG_NOSIGNAL);
	if (n < 0 && !io->tls)
		err(1, "connection %" PRIu64, number);
	if (n != (ssize_t)len)
		errx(1, "connection %" PRIu64 ": a request of %zu bytes was cut", number, len);
}

static ssize_t plain_recv(struct io *io, char *out, size_t len, uint64_t number)
{
	ssize_t n = recv(io->fd, out, len, out ? 0 : MSG_TRUNC);

	if (n < 0 && errno != EAGAIN)
		err(1, "connection %" PRIu64, number);
	return n;
}

ssize_t io_recv(struct io *io, char *out, size_t len, uint64_t number)
{
	static char thrown_away[16384]; /* a whole record */
	char byte;
	int n;

	if (!io->tls)
		return plain_recv(io, out, len, number);
	if (!out) {
		out = thrown_away;
		len = sizeof(thrown_away);
	}
	ERR_clear_error();
	n = SSL_read(io->tls, out, (int)len);
	if (n > 0)
		return n;
	switch (SSL_get_error(io->tls, n)) {
	case SSL_ERROR_WANT_READ:
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		/* close_notify: the FIN follows */
		return plain_recv(io, &byte, 1, number);
	default:
		tls_failed("answer", number);
	}
}
