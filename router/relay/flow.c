/* SPDX-License-Identifier: ISC */
/* flow.c: bytes from one socket to the other, through a pipe that is held only while bytes lie in it. */
#include "router/relay/relay.h"
#include "base/util.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CHUNK     65536         /* what an ordinary pipe takes */
#define TURN_MAX  (4 * CHUNK)  /* for one direction in one turn */
#define SPARE_MAX 32            /* empty pipes that are kept */

static void close_pipe(struct relay *r, struct pipe_pair *p)
{
	close(p->fd[0]);
	close(p->fd[1]);
	free(p);
	r->n_pipes--;
}

static struct pipe_pair *take_pipe(struct relay *r)
{
	struct pipe_pair *p = r->pipes;

	if (p) {
		r->pipes = p->next;
		r->n_spare--;
		return p;
	}
	if (r->n_pipes == RELAY_PIPES_MAX)
		return NULL;
	p = malloc(sizeof(*p));
	if (!p || pipe2(p->fd, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(p);
		return NULL;
	}
	r->n_pipes++;
	return p;
}

static void give_pipe(struct relay *r, struct flow *f)
{
	struct pipe_pair *p = f->pipe;

	f->pipe = NULL;
	if (r->n_spare == SPARE_MAX) {
		close_pipe(r, p);
		return;
	}
	p->next = r->pipes;
	r->pipes = p;
	r->n_spare++;
}

void flow_drop(struct relay *r, struct flow *f)
{
	if (!f->pipe)
		return;
	if (f->in_pipe == 0) {
		give_pipe(r, f);
		return;
	}
	close_pipe(r, f->pipe);
	f->pipe = NULL;
	f->in_pipe = 0;
}

static ssize_t move(int from, int to)
{
	ssize_t n;

	do
		n = splice(from, NULL, to, NULL, CHUNK, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Who made a step fail. */
enum end { END_FROM, END_TO };

/* What lies in the pipe goes on. -EAGAIN: the socket takes no more now. */
static ssize_t empty_pipe(struct flow *f, int to, enum end *ret_end)
{
	ssize_t n = move(f->pipe->fd[0], to);

	*ret_end = END_TO;
	if (n <= 0)
		return n < 0 ? n : -EPIPE;
	f->in_pipe -= (uint32_t)n;
	return n;
}

/* All pipes are taken by connections whose readers are slow: this one goes on without one. Its bytes are looked at, sent, and
 * then taken as far as they were sent, so that none is ever held here. */
static ssize_t copy(int from, int to, enum end *ret_end)
{
	static char buffer[CHUNK];
	ssize_t n = recv(from, buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT);

	*ret_end = END_FROM;
	if (n <= 0)
		return n < 0 ? -errno : 0;
	*ret_end = END_TO;
	n = send(to, buffer, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	/* tcp(7): MSG_TRUNC takes the bytes without copying them */
	return recv(from, buffer, (size_t)n, MSG_TRUNC | MSG_DONTWAIT) == n ? n : -EPIPE;
}

/* One chunk. Bytes that moved (also only into the pipe), 0 at the end of file, -EAGAIN, or another error. */
static ssize_t step(struct relay *r, struct flow *f, int from, int to, enum end *ret_end)
{
	ssize_t n;

	if (f->in_pipe > 0)
		return empty_pipe(f, to, ret_end);
	if (!f->pipe)
		f->pipe = take_pipe(r);
	if (!f->pipe)
		return copy(from, to, ret_end);
	*ret_end = END_FROM;
	n = move(from, f->pipe->fd[1]);
	if (n > 0)
		f->in_pipe = (uint32_t)n;
	return n;
}

/* The end of file goes on. */
static enum flow_result finish(struct relay *r, struct flow *f, int to)
{
	flow_drop(r, f);
	shutdown(to, SHUT_WR); /* ENOTCONN: it is gone, and its own flow will tell */
	f->shut = true;
	return FLOW_DONE;
}

enum flow_result flow_run(struct relay *r, struct flow *f, int from, int to, bool *ret_moved)
{
	size_t turn = 0;

	if (f->shut)
		return FLOW_DONE;
	while (turn < TURN_MAX) {
		enum end end = END_FROM;
		ssize_t n;
		if (f->ended && f->in_pipe == 0)
			return finish(r, f, to);
		n = step(r, f, from, to, &end);
		if (n == 0) {
			f->ended = true;
			continue;
		}
		if (n == -EAGAIN || n == -EINTR) {
			if (f->in_pipe == 0)
				flow_drop(r, f);
			return FLOW_WAIT;
		}
		if (n < 0 && end == END_FROM) {
			finish(r, f, to);
			return FLOW_NO_SENDER;
		}
		if (n < 0) {
			flow_drop(r, f);
			f->shut = true;
			return FLOW_NO_READER;
		}
		*ret_moved = true;
		turn += (size_t)n;
	}
	return FLOW_AGAIN;
}
