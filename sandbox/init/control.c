/* SPDX-License-Identifier: ISC */
#include "init.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

/* STEP and EXITED or EXEC_FAILED for each step, those before the end too; READY and STOPS_OVER once */
#define QUEUE_MAX       (2 * INIT_STEPS_MAX + 2)
#define REPORTS_MAX     16
#define FINISH_LIMIT_MS 1000

static int control = -1;
static struct init_channel channels[INIT_CHANNELS_MAX];
static size_t n_channels;
static struct trp_init_msg queue[QUEUE_MAX];
static size_t queue_start, queue_end;
static pid_t new_main = -1; /* to be told */
static struct {
	bool waits;
	int number, result;
} checked; /* the same */

static void take_channel(const struct trp_init_msg *m, int fd)
{
	struct init_channel *ch = control_channel(m->port, m->family);

	if (!ch && n_channels < INIT_CHANNELS_MAX) {
		ch = &channels[n_channels++];
		*ch = (struct init_channel){.port = m->port, .family = m->family, .fd = -1};
	}
	if (!ch) {
		log_warn("more than %d channels: port %u is not served", INIT_CHANNELS_MAX, m->port);
		trp_close(&fd);
		return;
	}
	trp_close(&ch->fd);
	ch->fd = fd;
}

int control_read(struct init_order *ret)
{
	struct trp_init_msg m;
	size_t n_fds = 0;
	int fd = -1;
	ssize_t n;

	*ret = (struct init_order){0};
	if (control < 0)
		return 0;
	n = trp_fd_recv_upto(control, &m, sizeof(m), &fd, 1, &n_fds, MSG_DONTWAIT);
	if (n == 0 || n == -ECONNRESET || n == -EPIPE) {
		trp_close(&control); /* the daemon has died: the service lives on */
		return 0;
	}
	if (n == -EMSGSIZE || n == -EBADMSG)
		log_warn("a message of the daemon was lost: %s", strerror((int)-n));
	else if (n < 0)
		return 0;
	if (n == (ssize_t)sizeof(m) && m.magic == TRP_INIT_MAGIC) {
		if (m.type == TRP_INIT_CHANNEL && n_fds == 1)
			take_channel(&m, trp_steal_fd(&fd));
		if (m.type == TRP_INIT_CHECK && n_fds == 1)
			check_begin(trp_steal_fd(&fd), m.port, m.value, m.value2);
		if ((m.type == TRP_INIT_SIGNAL || m.type == TRP_INIT_STOP) && m.value >= 1 &&
			m.value <= 64) {
			ret->signo = m.value;
			ret->stop = m.type == TRP_INIT_STOP;
			ret->stops_first = ret->stop && m.value2 == 1;
		}
		if (m.type == TRP_INIT_CLAIM)
			ret->claim = m.value;
	}
	trp_close(&fd);
	return 1;
}

int control_open(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET)
		return -EPROTOTYPE;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	control = fd;
	return 0;
}

int control_fd(void)
{
	return control;
}

struct init_channel *control_channel(uint16_t port, uint16_t family)
{
	for (size_t i = 0; i < n_channels; i++)
		if (channels[i].port == port && channels[i].family == family)
			return &channels[i];
	return NULL;
}

void control_listens(struct init_channel *ch, uint16_t v6only, int32_t backlog)
{
	if (ch->reports > 0 && ch->v6only == v6only && ch->backlog == backlog)
		return;
	if (ch->reports >= REPORTS_MAX)
		return;
	ch->reports++;
	ch->v6only = v6only;
	ch->backlog = backlog;
	ch->report = true;
	control_flush();
}

void control_report(enum trp_init_type type, int value, int value2)
{
	if (queue_end == QUEUE_MAX)
		return; /* cannot be: each step makes two at most */
	queue[queue_end++] = (struct trp_init_msg){
		.magic = TRP_INIT_MAGIC, .type = (uint16_t)type, .value = value, .value2 = value2};
	control_flush();
}

void control_main(pid_t pid)
{
	new_main = pid;
	control_flush();
}

void control_checked(int number, int result)
{
	checked.waits = true;
	checked.number = number;
	checked.result = result;
	control_flush();
}

/* Returns false when the socket takes no more now. */
static bool send_one(const struct trp_init_msg *m)
{
	int r = trp_fd_send(control, m, sizeof(*m), NULL, 0, MSG_DONTWAIT);

	if (r == -EAGAIN || trp_is_shortage(r)) /* the service's group may have no memory just now: that passes */
		return false;
	if (r < 0)
		trp_close(&control);
	return true;
}

void control_flush(void)
{
	while (control >= 0 && queue_start < queue_end) {
		if (!send_one(&queue[queue_start]))
			return;
		queue_start++;
	}
	if (control >= 0 && new_main >= 0) {
		struct trp_init_msg m = {.magic = TRP_INIT_MAGIC, .type = TRP_INIT_MAIN, .value = new_main};
		if (!send_one(&m))
			return;
		new_main = -1;
	}
	if (control >= 0 && checked.waits) {
		struct trp_init_msg m = {
			.magic = TRP_INIT_MAGIC, .type = TRP_INIT_CHECKED, .value = checked.number, .value2 = checked.result};
		if (!send_one(&m))
			return;
		checked.waits = false;
	}
	for (size_t i = 0; control >= 0 && i < n_channels; i++) {
		struct init_channel *ch = &channels[i];
		struct trp_init_msg m = {.magic = TRP_INIT_MAGIC,
			.type = TRP_INIT_LISTEN,
			.port = ch->port,
			.family = ch->family,
			.v6only = ch->v6only,
			.value = ch->backlog,
			.several = ch->several};
		if (!ch->report)
			continue;
		if (!send_one(&m))
			return;
		ch->report = false;
	}
}

bool control_wants_write(void)
{
	if (queue_start < queue_end || new_main >= 0 || checked.waits)
		return true;
	for (size_t i = 0; i < n_channels; i++)
		if (channels[i].report)
			return true;
	return false;
}

void control_finish(void)
{
	struct pollfd p = {.fd = control, .events = POLLOUT};
	const uint64_t until = trp_now_ms() + FINISH_LIMIT_MS;

	control_flush();
	while (control >= 0 && control_wants_write() && trp_now_ms() < until && poll(&p, 1, FINISH_LIMIT_MS) == 1)
		control_flush();
}
