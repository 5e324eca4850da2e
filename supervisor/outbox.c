/* SPDX-License-Identifier: ISC */
#include "supervisor/outbox.h"
#include "base/fdpass.h"
#include "base/util.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_HEAD offsetof(struct router_msg, name)

/* Only as much of the message as says something: most names are short. */
struct outbox_item {
	struct outbox_item *next;
	int fd;
	size_t len;
	char bytes[];
};

static size_t used_bytes(const struct router_msg *m)
{
	switch ((enum router_msg_type)m->type) {
	case ROUTER_ROUTE_SET:
	case ROUTER_ROUTE_DEL:
		return MESSAGE_HEAD + m->name_len;
	default:
		return sizeof(*m);
	}
}

int outbox_keep(struct outbox *o, const struct router_msg *m, int fd)
{
	size_t len = used_bytes(m), size = sizeof(struct outbox_item) + len;
	struct outbox_item *item;

	if (o->bytes + size > (o->max ? o->max : OUTBOX_MAX))
		return -ENOBUFS;
	item = malloc(size);
	if (!item)
		return -ENOMEM;
	*item = (struct outbox_item){.fd = -1, .len = len};
	memcpy(item->bytes, m, len);
	if (fd >= 0) {
		item->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (item->fd < 0) {
			int error = -errno;
			free(item);
			return error;
		}
	}
	if (o->last)
		o->last->next = item;
	else
		o->first = item;
	o->last = item;
	o->bytes += size;
	o->n++;
	return 0;
}

static int send_now(int sock, const struct router_msg *m, int fd)
{
	return trp_fd_send(sock, m, sizeof(*m), &fd, fd >= 0, MSG_DONTWAIT);
}

int outbox_send(struct outbox *o, int sock, const struct router_msg *m, int fd)
{
	int error = o->first ? -EAGAIN : send_now(sock, m, fd);

	return error == -EAGAIN ? outbox_keep(o, m, fd) : error;
}

static void drop_first(struct outbox *o)
{
	struct outbox_item *item = o->first;

	o->first = item->next;
	if (!o->first)
		o->last = NULL;
	o->bytes -= sizeof(*item) + item->len;
	o->n--;
	trp_close(&item->fd);
	free(item);
}

static void get(const struct outbox_item *item, struct router_msg *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, item->bytes, item->len);
}

bool outbox_take(struct outbox *o, struct router_msg *ret, int *ret_fd)
{
	if (!o->first)
		return false;
	get(o->first, ret);
	*ret_fd = trp_steal_fd(&o->first->fd);
	drop_first(o);
	return true;
}

int outbox_flush(struct outbox *o, int sock)
{
	struct router_msg m;
	int sent = 0, error;

	while (o->first && sent < OUTBOX_SLICE) {
		get(o->first, &m);
		error = send_now(sock, &m, o->first->fd);
		if (error == -EAGAIN)
			break;
		if (error < 0)
			return error;
		drop_first(o);
		sent++;
	}
	return sent;
}

void outbox_clear(struct outbox *o)
{
	while (o->first)
		drop_first(o);
}
