/* SPDX-License-Identifier: ISC */
/* accept.c: clients out of the channel to those who accept.
 *
 * A client is looked at where it lies (MSG_PEEK gives its descriptor), given to the caller, and only then taken out of the
 * channel. So whoever cannot take it (interrupted, killed, no descriptor free) leaves it where poll(2) sees it. Nobody takes it in
 * between: all who share the channel do so through this process. */
#include "notify.h"
#include "base/fdpass.h"
#include "base/io.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#ifndef IPV6_ADDRFORM
#define IPV6_ADDRFORM 1
#endif

#define WAITERS_MAX 4096 /* threads that wait in accept(2) */
#define FOR_EVER    UINT64_MAX

static struct waiter {
	struct call call;
	struct channel *channel;
	uint64_t deadline_ms;
} waiters[WAITERS_MAX];
static size_t n_waiters; /* the first has waited longest */

/* The thread whose call is looked at was in a wait with an end before, and a signal has ended that. The kernel makes a call that
 * stood here once more if the handler has SA_RESTART; one of accept(2) itself it would not (signal(7)). */
static const struct channel *interrupted;

/* The message goes; its descriptor with it, as nobody asks for it. */
static void take_out(const struct channel *ch)
{
	char byte;

	(void)recv(ch->fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC);
}

/* What lies first in the channel: a descriptor of ours with *ret filled in; -EAGAIN; -EINVAL: closed for good. */
static int look(const struct channel *ch, struct trp_handoff *ret)
{
	for (;;) {
		int fd = -1;
		ssize_t n = trp_fd_recv_once(ch->fd, ret, sizeof(*ret), &fd, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == 0 || n == -ECONNRESET)
			return -EINVAL;
		if (n < 0 && n != -EMSGSIZE && n != -EBADMSG)
			return (int)n;
		if (n > 0 && trp_handoff_check(ret, (size_t)n) == 0)
			return fd;
		trp_close(&fd);
		take_out(ch); /* no handoff */
	}
}

/* As a socket that the kernel has accepted from that listener. Doing it twice is the same as once. */
static void make_ready(const struct channel *ch, const struct trp_handoff *h, int client, int flags)
{
	int inet = AF_INET, on = 0;
	socklen_t len = sizeof(on);

	if (ch->family == AF_INET)
		setsockopt(client, IPPROTO_IPV6, IPV6_ADDRFORM, &inet, sizeof(inet));
	options_replay(&ch->options, client);
	if (getsockopt(ch->fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len) == 0 && on)
		setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (flags & SOCK_NONBLOCK || h->flags & TRP_HANDOFF_NONBLOCK)
		fcntl(client, F_SETFL, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0);
}

/* The peer as the router saw it: getpeername(2) fails when the client has reset the connection since. */
static int give_peer(const struct channel *ch, const struct call *c, const struct trp_handoff *h, int client)
{
	struct sockaddr_storage peer;
	socklen_t len = (socklen_t)trp_addr_to_sockaddr(&h->peer, ch->family, &peer);

	if (len == 0)
		len = (socklen_t)trp_addr_to_sockaddr(&h->peer, 0, &peer);
	if (len == 0) {
		len = sizeof(peer);
		if (getpeername(client, (struct sockaddr *)&peer, &len) < 0)
			len = 0;
	}
	return target_put_address(c, &peer, len, c->args[1], c->args[2]);
}

static int flags_of(const struct call *c)
{
	return c->nr == SYS_accept4 ? (int)c->args[3] : 0;
}

static int family_of(int client)
{
	int family = AF_INET6;
	socklen_t len = sizeof(family);

	getsockopt(client, SOL_SOCKET, SO_DOMAIN, &family, &len);
	return family;
}

/* Returns CALL_LATER when the client was given or the caller is gone, or the error for the caller. */
static int serve(struct channel *ch, const struct call *c)
{
	int flags = flags_of(c), r = 0;
	struct trp_handoff h;
	cleanup_close int client = look(ch, &h);

	if (client < 0)
		return client;
	make_ready(ch, &h, client, flags);
	if (c->args[1])
		r = give_peer(ch, c, &h, client);
	if (r == 0)
		r = call_give(c, client, flags & SOCK_CLOEXEC);
	if (r == 0) {
		take_out(ch);
		shown_note(client, ch->family, family_of(client), &h);
	}
	return r == 0 || r == -ENOENT || r == -EINPROGRESS ? CALL_LATER : r;
}

static void drop(size_t i)
{
	n_waiters--;
	memmove(&waiters[i], &waiters[i + 1], (n_waiters - i) * sizeof(waiters[0]));
}

static void drop_gone(void)
{
	for (size_t i = n_waiters; i-- > 0;)
		if (!call_is_waiting(&waiters[i].call))
			drop(i);
}

static uint64_t deadline(const struct channel *ch)
{
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	if (getsockopt(ch->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) < 0 || (tv.tv_sec == 0 && tv.tv_usec == 0))
		return FOR_EVER;
	return trp_now_ms() + (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000;
}

static int wait_for_client(struct channel *ch, const struct call *c)
{
	if (n_waiters == WAITERS_MAX)
		drop_gone();
	if (n_waiters == WAITERS_MAX)
		return -ENOBUFS;
	waiters[n_waiters++] = (struct waiter){.call = *c, .channel = ch, .deadline_ms = deadline(ch)};
	return CALL_LATER;
}

int accept_call(struct channel *ch, const struct call *c)
{
	int status, r;

	if (flags_of(c) & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (c->args[1]) { /* before a client is touched */
		int room;
		r = target_read(c, c->args[2], &room, sizeof(room));
		if (r < 0 || room < 0)
			return r < 0 ? r : -EINVAL;
	}
	r = serve(ch, c);
	if (r != -EAGAIN)
		return r;
	if (interrupted == ch)
		return -EINTR;
	status = fcntl(ch->fd, F_GETFL);
	return status < 0 || status & O_NONBLOCK ? -EAGAIN : wait_for_client(ch, c);
}

void accept_forget(pid_t tid)
{
	interrupted = NULL;
	for (size_t i = n_waiters; i-- > 0;)
		if (waiters[i].call.tid == tid) {
			if (waiters[i].deadline_ms != FOR_EVER)
				interrupted = waiters[i].channel;
			drop(i);
		}
}

void accept_stop(struct channel *ch, pid_t process)
{
	for (size_t i = n_waiters; i-- > 0;)
		if (waiters[i].channel == ch && target_process(waiters[i].call.tid) == process && !target_is(&waiters[i].call, ch->fd)) {
			call_answer(&waiters[i].call, -EINVAL);
			drop(i);
		}
}

static bool waited_for(const struct channel *ch)
{
	for (size_t i = 0; i < n_waiters; i++)
		if (waiters[i].channel == ch)
			return true;
	return false;
}

size_t accept_poll_fill(struct pollfd *p)
{
	size_t n = 0;
	struct channel *ch;

	for (size_t i = 0; (ch = channel_at(i)); i++)
		p[n++] = (struct pollfd){.fd = n_waiters > 0 && waited_for(ch) ? ch->fd : -1, .events = POLLIN};
	return n;
}

/* In the order of their coming, until no client is left. Those that are gone are dropped, so that a channel for which nobody waits
 * is not polled. */
static void wake(struct channel *ch)
{
	for (size_t i = 0; i < n_waiters;) {
		struct call c = waiters[i].call;
		int r;
		if (waiters[i].channel != ch) {
			i++;
			continue;
		}
		r = call_is_waiting(&c) ? serve(ch, &c) : CALL_LATER;
		if (r == -EAGAIN)
			return;
		drop(i);
		call_answer(&c, r);
	}
}

void accept_poll_done(const struct pollfd *p, size_t n)
{
	uint64_t now = n_waiters > 0 ? trp_now_ms() : 0;

	for (size_t i = 0; i < n; i++)
		if (p[i].fd >= 0 && p[i].revents)
			wake(channel_at(i));
	for (size_t i = n_waiters; i-- > 0;)
		if (now >= waiters[i].deadline_ms) {
			call_answer(&waiters[i].call, -EAGAIN);
			drop(i);
		}
}

int accept_timeout(void)
{
	uint64_t next = FOR_EVER, now;

	for (size_t i = 0; i < n_waiters; i++)
		if (waiters[i].deadline_ms < next)
			next = waiters[i].deadline_ms;
	if (next == FOR_EVER)
		return -1;
	now = trp_now_ms();
	return next <= now ? 0 : next - now > 86400000 ? 86400000 : (int)(next - now);
}
