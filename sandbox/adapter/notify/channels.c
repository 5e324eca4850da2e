/* SPDX-License-Identifier: ISC */
#include "notify.h"
#include "base/fdpass.h"
#include "base/later.h"
#include "base/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

static int control = -1;
static struct channel channels[CHANNELS_MAX];
static size_t n_channels;
static struct trp_later later; /* that the daemon is told */

static int move_up(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, NOTIFY_OWN_FDS);
	int r = up < 0 ? -errno : up;

	close(fd);
	return r;
}

/* Returns 1, 0 when there is none, or -errno. */
static int take_one(void)
{
	struct trp_init_msg m;
	size_t n_fds = 0;
	int fd = -1;
	ssize_t n = trp_fd_recv_upto(control, &m, sizeof(m), &fd, 1, &n_fds, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return 0;
	if (n != (ssize_t)sizeof(m) || m.magic != TRP_INIT_MAGIC || m.type != TRP_INIT_CHANNEL || n_fds != 1 ||
		n_channels == CHANNELS_MAX) {
		trp_close(&fd);
		return n < 0 ? (int)n : n == 0 ? -EPIPE : -EPROTO;
	}
	fd = move_up(fd);
	if (fd < 0)
		return fd;
	channels[n_channels++] = (struct channel){.port = m.port, .family = m.family, .fd = fd};
	return 1;
}

int channels_open(int fd)
{
	int type, r;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET)
		return -EPROTOTYPE;
	control = move_up(fd);
	if (control < 0)
		return control;
	while ((r = take_one()) > 0)
		;
	return r;
}

int channels_control_fd(void)
{
	return control;
}

void channels_read(void)
{
	if (take_one() < 0)
		trp_close(&control);
}

int channels_timeout(void)
{
	return control >= 0 ? trp_later_flush(&later, control) : -1;
}

/* Most services have one or two; a look costs one system call. */
struct channel *channel_of(const struct call *c)
{
	for (size_t i = 0; i < n_channels; i++)
		if (channels[i].taken && target_is(c, channels[i].fd))
			return &channels[i];
	return NULL;
}

struct channel *channel_find(uint16_t port, uint16_t family)
{
	for (size_t i = 0; i < n_channels; i++)
		if (channels[i].port == port && channels[i].family == family)
			return &channels[i];
	return NULL;
}

struct channel *channel_at(size_t i)
{
	return i < n_channels ? &channels[i] : NULL;
}

/* Once is enough: the daemon wants to know whether clients may be sent. */
void channel_listens(struct channel *ch)
{
	struct trp_init_msg m = {.magic = TRP_INIT_MAGIC,
		.type = TRP_INIT_LISTEN,
		.port = ch->port,
		.family = ch->family,
		.v6only = (uint16_t)ch->options.v6only,
		.value = ch->options.backlog};
	int r = 0;

	if (!ch->taken && control >= 0)
		r = trp_later_send(&later, control, &m, sizeof(m));
	if (r < 0)
		log_warn("cannot tell the daemon that port %u listens: %s", ch->port, strerror(-r));
	ch->taken = true;
}
