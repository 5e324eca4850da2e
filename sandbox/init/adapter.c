/* SPDX-License-Identifier: ISC */
/* adapter.c: hands channels to adapters. Any process of the sandbox can ask, so all that comes here is hostile:
 * it can neither block nor exhaust init. What an asker gets is what the service owns anyway. */
#include "init.h"
#include "base/fdpass.h"
#include "base/io.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ASK_LIMIT_MS 2000
#define BACKLOG      64

static int listener = -1;
static struct {
	int fd;
	uint64_t deadline_ms;
} askers[ADAPTERS_MAX];
static size_t n_askers;

int adapter_open(void)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int off = 0;

	if (fd < 0)
		return -errno;
	memcpy(addr.sun_path + 1, TRP_ADAPTER_ADDRESS, strlen(TRP_ADAPTER_ADDRESS));
	/* Inherited by accepted sockets: descriptors are not taken from askers. An older kernel has no such
	 * option; there trp_fd_recv_upto() closes them. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&addr,
		    offsetof(struct sockaddr_un, sun_path) + 1 + strlen(TRP_ADAPTER_ADDRESS)) < 0 ||
		listen(fd, BACKLOG) < 0)
		return -errno;
	listener = trp_steal_fd(&fd);
	return 0;
}

static void answer(int fd, const struct trp_adapter_ask *ask)
{
	struct trp_adapter_answer a = {.magic = TRP_ADAPTER_MAGIC, .status = -ENOENT};
	/* a setup step's listeners are its own */
	struct init_channel *ch = steps_upstream_was_started() ? control_channel(ask->port, ask->family) : NULL;

	/* what comes for one kind of receiver the other cannot take */
	if (ch && ch->asked && ch->several != (ask->several == 1)) {
		a.status = -EBUSY;
		ch = NULL;
	} else if (ch) {
		a.status = 0;
	}
	if (trp_fd_send(fd, &a, sizeof(a), ch ? &ch->fd : NULL, ch ? 1 : 0, MSG_DONTWAIT) == 0 && ch) {
		ch->asked = true;
		ch->several = ask->several == 1;
		control_listens(ch, ask->v6only != 0, ask->backlog);
	}
}

/* Returns true when the asker is done with, for good or bad. */
static bool serve(int fd)
{
	struct trp_adapter_ask ask;
	size_t n_fds = 0;
	int none;
	ssize_t n = trp_fd_recv_upto(fd, &ask, sizeof(ask), &none, 0, &n_fds, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return false;
	if (n == (ssize_t)sizeof(ask) && ask.magic == TRP_ADAPTER_MAGIC)
		answer(fd, &ask);
	return true;
}

static void drop(size_t i)
{
	close(askers[i].fd);
	askers[i] = askers[--n_askers];
}

static void accept_all(void)
{
	while (n_askers < ADAPTERS_MAX) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		if (serve(fd)) { /* the common case: the question lies there already */
			close(fd);
			continue;
		}
		askers[n_askers].fd = fd;
		askers[n_askers].deadline_ms = trp_now_ms() + ASK_LIMIT_MS;
		n_askers++;
	}
}

size_t adapter_poll_fill(struct pollfd *p)
{
	size_t n = 0;

	for (size_t i = 0; i < n_askers; i++)
		p[n++] = (struct pollfd){.fd = askers[i].fd, .events = POLLIN};
	/* full: those who wait are kept waiting by the kernel */
	p[n++] = (struct pollfd){
		.fd = n_askers < ADAPTERS_MAX ? listener : -1, .events = POLLIN};
	return n;
}

void adapter_poll_done(const struct pollfd *p, size_t n)
{
	uint64_t now = trp_now_ms();

	/* backwards: drop() moves the last one into the gap */
	for (size_t i = n_askers; i-- > 0;)
		if ((p[i].revents && serve(askers[i].fd)) || now >= askers[i].deadline_ms)
			drop(i);
	if (p[n - 1].revents)
		accept_all();
}

int adapter_timeout(void)
{
	uint64_t now = trp_now_ms(), next = UINT64_MAX;

	for (size_t i = 0; i < n_askers; i++)
		if (askers[i].deadline_ms < next)
			next = askers[i].deadline_ms;
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)(next - now);
}
