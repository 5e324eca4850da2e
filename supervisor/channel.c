/* SPDX-License-Identifier: ISC */
#include "supervisor/channel.h"
#include "base/fdpass.h"
#include "base/several.h"
#include "sandbox/initmsg.h"
#include "sandbox/weaken.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CHANNEL_QUEUE_MIN     256
#define CHANNEL_QUEUE_MAX     4096
#define CHANNEL_MESSAGE_BYTES TRP_SLOT_BYTES /* what a message with a descriptor takes of the send buffer */
#define SEVERAL_QUEUE_MIN     (2 * TRP_SEVERAL_MAX)
#define CHANNEL_QUEUE_WIDE    131072 /* twice what a profile may say */
#define RESERVE_FROM          1024 /* who has less has none to leave free */
#define SO_PASSPIDFD_         76 /* Linux 6.5 */
#define CHANNEL_HOLDS         CHANNEL_QUEUE_WIDE /* no more were there at the beginning: a router that goes on sending does not keep us */

static int bind_name(int fd, uint16_t port, uint16_t family)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, TRP_CHANNEL_PREFIX "%05u:%c:%016llx", port,
		family == AF_INET ? '4' : '6', (unsigned long long)random);
	if (bind(fd, (struct sockaddr *)&name, offsetof(struct sockaddr_un, sun_path) + 1 + TRP_CHANNEL_NAME_LEN) < 0)
		return -errno;
	return 0;
}

/* Clients that wait in one channel, as a listen backlog. All descriptors in flight of one user count against its
 * RLIMIT_NOFILE (unix(7), ETOOMANYREFS): with a 24th of it for each, a few services that accept nobody leave the others
 * room. */
static uint64_t default_queue(void)
{
	struct rlimit nofile = {.rlim_max = 0};
	rlim_t queue;

	getrlimit(RLIMIT_NOFILE, &nofile);
	queue = nofile.rlim_max / 24;
	if (queue > CHANNEL_QUEUE_MAX)
		queue = CHANNEL_QUEUE_MAX;
	if (queue < CHANNEL_QUEUE_MIN)
		queue = CHANNEL_QUEUE_MIN;
	return queue;
}

/* The kernel takes a message as long as there is any room: one with several may be beyond the bound by all but one of them. */
static uint64_t several_queue(uint64_t queue)
{
	queue = queue ? queue : default_queue();
	return queue < SEVERAL_QUEUE_MIN ? 0 : queue - (TRP_SEVERAL_MAX - 1);
}

static int set_queue(int router_end, uint64_t queue)
{
	/* socket(7): the kernel doubles what it is told */
	int bytes = (int)(queue ? queue : default_queue()) * CHANNEL_MESSAGE_BYTES / 2;

	/* without the privilege: as much as net.core.wmem_max allows */
	if (setsockopt(router_end, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0 &&
		setsockopt(router_end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0)
		return -errno;
	return 0;
}

int channel_take_several(struct channel *c, uint64_t queue)
{
	uint64_t fewer = several_queue(queue);
	int r = fewer ? set_queue(c->router_end, fewer) : -ENOSPC;

	if (r == 0)
		c->several = true;
	return r;
}

int channel_set_queue(struct channel *c, uint64_t queue)
{
	return set_queue(c->router_end, queue);
}

int channel_widen(struct channel *c)
{
	return set_queue(c->router_end, CHANNEL_QUEUE_WIDE);
}

int channel_narrow(struct channel *c, uint64_t queue)
{
	uint64_t fewer = c->several ? several_queue(queue) : queue;

	if (c->several && fewer == 0) /* a reload has made it too small for those; the router counts them anyhow */
		fewer = several_queue(SEVERAL_QUEUE_MIN);
	return set_queue(c->router_end, fewer);
}

int channel_open(uint16_t port, uint16_t family, uint64_t queue, struct channel *ret)
{
	cleanup_close int router_end = -1, service_end = -1;
	int pair[2], off = 0, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	router_end = pair[0];
	service_end = pair[1];
	/* One way only: what a service pushed at the router would lie there until the router's or our close(2) of it, and the
	 * close of a TCP socket with SO_LINGER blocks for as long as its owner likes. */
	if (!weakened(CONTROL_CHANNEL_ONE_WAY) && shutdown(router_end, SHUT_RD) < 0)
		return -errno;
	if (!weakened(CONTROL_PASSRIGHTS))
		setsockopt(router_end, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)); /* a second lock, where the kernel has it */
	r = set_queue(router_end, queue);
	if (r == 0 && port)
		r = bind_name(service_end, port, family);
	if (r == 0 && port) /* what comes from it says so */
		r = bind_name(router_end, port, family);
	if (r < 0)
		return r;
	*ret = (struct channel){.id = channel_next_id(),
		.port = port,
		.family = family,
		.router_end = trp_steal_fd(&router_end),
		.service_end = trp_steal_fd(&service_end)};
	return 0;
}

int channel_open_waiting(uint64_t queue, struct channel *ret)
{
	return channel_open(0, 0, queue, ret);
}

static uint32_t last_id;

uint32_t channel_next_id(void)
{
	return ++last_id;
}

void channel_id_used(uint32_t id)
{
	last_id = id > last_id ? id : last_id;
}

/* What one message of a channel brought. */
struct taken {
	size_t n;
	int fds[TRP_SEVERAL_MAX];
	char msg[TRP_SEVERAL_SIZE];
	ssize_t len;
};

/* only this direction is in use; SHUT_RD on the service's end is what a hostile one can do to it, SHUT_WR on the other a router */
static bool is_open(int service_end)
{
	struct pollfd p = {.fd = service_end, .events = POLLRDHUP};

	return poll(&p, 1, 0) >= 0 && !(p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

rlim_t channel_reserve(rlim_t nofile)
{
	return nofile < RESERVE_FROM ? 0 : TRP_SEVERAL_MAX;
}

/* The kernel takes a message off the queue before it finds that there is no room for its descriptors, and those clients would be lost. */
static ssize_t receive(int service_end, struct taken *t)
{
	struct rlimit before = {0}, all;
	bool more = getrlimit(RLIMIT_NOFILE, &before) == 0 && before.rlim_cur < before.rlim_max;
	ssize_t n;

	all = (struct rlimit){before.rlim_max, before.rlim_max};
	more = more && setrlimit(RLIMIT_NOFILE, &all) == 0;
	n = trp_fd_recv_upto(service_end, t->msg, sizeof(t->msg), t->fds, TRP_SEVERAL_MAX, &t->n, MSG_DONTWAIT);
	if (more)
		setrlimit(RLIMIT_NOFILE, &before);
	return n;
}

/* False: none is there. Something without a descriptor is nobody's; what is too long, or empty, has been taken out, too, with those behind it still there. */
static bool take(int service_end, struct taken *t)
{
	t->n = 0;
	t->len = receive(service_end, t);
	if (t->len == -EMSGSIZE || t->len == -EBADMSG)
		t->len = 0;
	else if (t->len == 0)
		return is_open(service_end);
	return t->len >= 0;
}

/* A service can get at clients without taking them out (MSG_PEEK) and set SO_LINGER: the close would then block us
 * for as long as it likes. */
static void no_linger(int fd)
{
	const struct linger off = {0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
}

static void release(struct taken *t)
{
	while (t->n > 0) {
		int fd = t->fds[--t->n];
		no_linger(fd);
		close(fd);
	}
}

/* What takes them out there may be of another kind than what they were sent for. */
static int send_client(const struct channel *to, const struct trp_handoff *h, int fd)
{
	struct trp_handoff plain = *h;

	if (h->flags & TRP_HANDOFF_NONBLOCK && !to->nonblock && fcntl(fd, F_SETFL, 0) == 0)
		plain.flags &= ~TRP_HANDOFF_NONBLOCK;
	return trp_fd_send(to->router_end, &plain, plain.size, &fd, 1, MSG_DONTWAIT);
}

/* One message for each of them, whatever they came in. False: it is full. */
static bool send_singly(const struct taken *t, const struct channel *to)
{
	int n = trp_several_check(t->msg, (size_t)t->len, t->n);

	for (int i = 0; i < n; i++) {
		struct trp_handoff h;
		trp_several_get(t->msg, (size_t)i, &h);
		if (send_client(to, &h, t->fds[i]) < 0)
			return false;
	}
	return true;
}

void channel_move(int from_service_end, const struct channel *to)
{
	struct taken t;
	bool room = true;

	for (unsigned n = 0; n < CHANNEL_HOLDS && room && take(from_service_end, &t); n++) {
		room = send_singly(&t, to);
		release(&t);
	}
}

unsigned channel_deal(
	int service_end, unsigned max, void (*give)(void *data, const struct trp_handoff *h, int fd), void *data)
{
	struct taken t;
	unsigned dealt = 0;

	if (max > CHANNEL_HOLDS)
		max = CHANNEL_HOLDS;
	while (dealt < max && take(service_end, &t)) {
		int n = trp_several_check(t.msg, (size_t)t.len, t.n);
		for (int i = 0; i < n; i++, dealt++) {
			struct trp_handoff h;
			trp_several_get(t.msg, (size_t)i, &h);
			no_linger(t.fds[i]);
			give(data, &h, t.fds[i]);
		}
		dealt += n < 0; /* nobody's */
		release(&t);
	}
	return dealt;
}

uint64_t channel_first(int service_end)
{
	struct trp_handoff h = {.accepted_ns = 0};
	ssize_t n = recv(service_end, &h, sizeof(h), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 || (n == 0 && !is_open(service_end)))
		return 0;
	return n >= (ssize_t)TRP_HANDOFF_MIN && h.accepted_ns ? h.accepted_ns : 1;
}

bool channel_has_client(int service_end)
{
	char msg[TRP_SEVERAL_SIZE];
	int begin = 0, off = -1;
	bool any = false;
	ssize_t n = 0;

	/* unix(7): each look begins behind what was seen by the one before */
	if (setsockopt(service_end, SOL_SOCKET, SO_PEEK_OFF, &begin, sizeof(begin)) < 0)
		return channel_first(service_end) != 0;
	for (unsigned i = 0; i < CHANNEL_HOLDS && !any && (n = recv(service_end, msg, sizeof(msg), MSG_PEEK | MSG_DONTWAIT)) > 0; i++) {
		struct trp_handoff h = {.listener = 0};
		memcpy(&h, msg, (size_t)n < sizeof(h) ? (size_t)n : sizeof(h));
		any = n < (ssize_t)TRP_HANDOFF_MIN || h.listener != 0;
	}
	setsockopt(service_end, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
	return any || (n == 0 && is_open(service_end));
}

int channel_put(const struct channel *c, const struct trp_handoff *h, int fd)
{
	return send_client(c, h, fd);
}

void channel_let_go(int service_end)
{
	struct taken t;

	shutdown(service_end, SHUT_RD); /* no more of them */
	while (take(service_end, &t))
		release(&t);
}

void channel_close(struct channel *c)
{
	if (c->service_end >= 0)
		channel_let_go(c->service_end);
	trp_close(&c->router_end);
	trp_close(&c->service_end);
}

/* The options of unix sockets that its filter allows. One that the kernel does not know nobody has set. */
void channel_restore(const struct channel *c)
{
	static const struct {
		int option, value;
	} made[] = {{SO_PASSRIGHTS, 1}, {SO_PASSCRED, 0}, {SO_PASSPIDFD_, 0}, {SO_PEEK_OFF, -1}, {SO_RCVLOWAT, 1},
		/* those that clients inherit: sandbox/adapter/options.h */
		{SO_KEEPALIVE, 0}, {SO_OOBINLINE, 0}, {SO_MAX_PACING_RATE, -1}};
	const struct timeval never = {0};
	const struct linger no = {0};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(made); i++)
		(void)setsockopt(c->service_end, SOL_SOCKET, made[i].option, &made[i].value, sizeof(made[i].value));
	(void)setsockopt(c->service_end, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	(void)setsockopt(c->service_end, SOL_SOCKET, SO_SNDTIMEO, &never, sizeof(never));
	(void)setsockopt(c->service_end, SOL_SOCKET, SO_LINGER, &no, sizeof(no));
}

bool channel_is_usable(const struct channel *c)
{
	return is_open(c->service_end);
}
