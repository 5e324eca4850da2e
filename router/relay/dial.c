/* SPDX-License-Identifier: ISC */
#include "router/relay/relay.h"
#include "base/fdpass.h"
#include "base/log.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

int dial_start(const struct target *t)
{
	cleanup_close int fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	/* the sender has decided how large a segment is */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&t->addr, trp_endpoint_len(&t->addr)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	return trp_steal_fd(&fd);
}

int dial_pass(const struct target *t, int client)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&t->addr, trp_endpoint_len(&t->addr)) < 0)
		return -errno; /* EAGAIN: its backlog is full, and there is nothing to wait for */
	return trp_fd_send(fd, "0", 1, &client, 1, MSG_DONTWAIT);
}

int dial_result(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

/* Errors that say nothing about the target. */
static bool is_our_own(int error)
{
	static const int list[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(list); i++)
		if (error == -list[i])
			return true;
	return false;
}

void dial_note(struct relay *r, struct target_set *set, size_t target, int error)
{
	struct target *t = &set->targets[target];
	char text[TRP_ENDPOINT_TEXT];

	if (is_our_own(error))
		return;
	trp_endpoint_text(&t->addr, text);
	if (error == 0 && target_good(t))
		log_info("target %s is back", text);
	else if (error < 0 && target_bad(t, r->opt.health_failures, r->now_ns))
		log_warn("target %s is taken out: %s", text, strerror(-error));
}
