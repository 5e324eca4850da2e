/* SPDX-License-Identifier: ISC */
/* In trpsupd. Everything that ends a client happens in callbacks of the loop, so that a verb that
 * is just answering never finds its call freed under it: control_reply() only queues. */
#include "control.h"
#include "controlmsg.h"
#include "controlsock.h"
#include "base/fdpass.h"
#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define ACCEPT_PAUSE                                                                               \
	1.0 /* seconds without accept() after it failed for want of descriptors or memory */
#define HANGUP_POLL 1.0 /* seconds between two looks at a client that is not read from */

struct client;

struct control_call {
	struct client *client;
	bool active, more, oneway;
	void (*gone)(void *data);
	void *gone_data;
	void (*drained)(void *data);
	void *drained_data;
};

struct client {
	LIST_ENTRY(client) link;
	struct control *owner;
	int fd;
	pid_t pid;
	ev_io in, out;
	ev_timer soon;            /* a step outside of whatever called us */
	ev_timer hangup;          /* while nothing is read: has it gone? */
	bool eof;                 /* it sends no more; it may still read */
	bool closing;             /* write what waits, then end it */
	bool doomed;              /* end it in the next step */
	struct control_call call; /* one at a time: replies come in the order of the calls */
	char *outbuf;
	size_t out_start, out_end, out_size;
	int fds[CONTROL_FDS_MAX]; /* that go with the byte at fds_at of outbuf */
	size_t n_fds, fds_at;
	size_t in_len;
	char inbuf[CONTROL_MESSAGE_MAX + 1];
};

struct control {
	struct ev_loop *loop;
	const struct control_verb *verbs;
	size_t n_verbs;
	void *user;
	struct controlsock sock;
	ev_io accept;
	ev_timer resume;
	LIST_HEAD(, client) clients;
	size_t n_clients;
};

static size_t pending(const struct client *c)
{
	return c->out_end - c->out_start;
}

static void drop_fds(struct client *c)
{
	for (size_t i = 0; i < c->n_fds; i++)
		close(c->fds[i]);
	c->n_fds = 0;
}

static void client_free(struct client *c)
{
	struct ev_loop *loop = c->owner->loop;

	drop_fds(c);
	ev_io_stop(loop, &c->in);
	ev_io_stop(loop, &c->out);
	ev_timer_stop(loop, &c->soon);
	ev_timer_stop(loop, &c->hangup);
	LIST_REMOVE(c, link);
	c->owner->n_clients--;
	if (c->call.active) {
		c->call.active = false;
		if (c->call.gone)
			c->call.gone(c->call.gone_data);
	}
	close(c->fd);
	free(c->outbuf);
	free(c);
}

static void step_soon(struct client *c)
{
	if (!ev_is_active(&c->soon)) {
		ev_timer_set(&c->soon, 0., 0.);
		ev_timer_start(c->owner->loop, &c->soon);
	}
}

/* What is waited for follows from the state alone. Returns false if the client is at its end. */
static bool client_settle(struct client *c)
{
	struct ev_loop *loop = c->owner->loop;
	bool reading = !c->eof && !c->closing && c->in_len < sizeof(c->inbuf);
	size_t len;

	if (c->eof && !c->call.active &&
		controlmsg_frame(c->inbuf, c->in_len, CONTROL_MESSAGE_MAX, &len) !=
			CONTROLMSG_WHOLE)
		c->closing = true;
	if (c->doomed || (c->closing && pending(c) == 0))
		return false;
	if (reading)
		ev_io_start(loop, &c->in);
	else
		ev_io_stop(loop, &c->in);
	if (pending(c) > 0)
		ev_io_start(loop, &c->out);
	else
		ev_io_stop(loop, &c->out);
	if (reading)
		ev_timer_stop(loop, &c->hangup);
	else if (!ev_is_active(&c->hangup))
		ev_timer_again(loop, &c->hangup);
	return true;
}

/* Room for len more bytes, moving what waits to the front first. */
static bool out_reserve(struct client *c, size_t len)
{
	size_t size = c->out_size ? c->out_size : 4096;
	char *grown;

	if (c->out_start > 0) {
		memmove(c->outbuf, c->outbuf + c->out_start, pending(c));
		c->out_end -= c->out_start;
		c->fds_at -= c->n_fds > 0 ? c->out_start : 0;
		c->out_start = 0;
	}
	while (size < c->out_end + len)
		size *= 2;
	if (size == c->out_size)
		return true;
	grown = realloc(c->outbuf, size);
	if (!grown)
		return false;
	c->outbuf = grown;
	c->out_size = size;
	return true;
}

/* Nothing waits. What one long reply took is given back. */
static void out_empty(struct client *c)
{
	c->out_start = c->out_end = 0;
	if (c->out_size <= CONTROL_OUTPUT_MAX)
		return;
	free(c->outbuf);
	c->outbuf = NULL;
	c->out_size = 0;
}

/* object is taken over. One that nothing waits before is taken however long it is: whether it is read is seen by what follows. */
static void client_queue(struct client *c, json_t *object)
{
	cleanup_free char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) + 1 : 0;

	json_decref(object);
	if (c->doomed)
		return;
	if (!text || (pending(c) > 0 && pending(c) + len > CONTROL_OUTPUT_MAX)) {
		log_warn("control: the client with pid %d is dropped: %s", (int)c->pid,
			text ? "it does not read its replies" : "no memory for its reply");
		c->doomed = true;
	} else if (c->out_end + len > c->out_size && !out_reserve(c, len)) {
		c->doomed = true;
	} else {
		memcpy(c->outbuf + c->out_end, text, len);
		c->out_end += len;
		ev_io_start(c->owner->loop, &c->out);
	}
	if (c->doomed)
		step_soon(c);
}

static json_t *error_object(const char *error, json_t *parameters)
{
	return json_pack("{s:s, s:o}", "error", error, "parameters",
		parameters ? parameters : json_object());
}

static void call_answer(struct control_call *call, json_t *object, bool last)
{
	if (call->oneway)
		json_decref(object);
	else
		client_queue(call->client, object);
	if (!last)
		return;
	call->active = false;
	step_soon(call->client); /* the client's next call */
}

void control_reply(struct control_call *call, json_t *parameters, bool continues)
{
	json_t *object;

	if (!call->active || (continues && !call->more)) {
		json_decref(parameters);
		return;
	}
	object = json_pack("{s:o}", "parameters", parameters ? parameters : json_object());
	if (object && continues)
		json_object_set_new(object, "continues", json_true());
	call_answer(call, object, !continues);
}

void control_reply_fds(struct control_call *call, json_t *parameters, bool continues, const int *fds, size_t n)
{
	struct client *c = call->client;

	drop_fds(c);
	for (size_t i = 0; i < n && i < CONTROL_FDS_MAX && call->active && !call->oneway; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (fd < 0) {
			log_warn("control: a descriptor for a client: %m");
			c->doomed = true;
			step_soon(c);
			break;
		}
		c->fds[c->n_fds++] = fd;
	}
	c->fds_at = c->out_end;
	control_reply(call, parameters, continues);
}

void control_error(struct control_call *call, const char *error, json_t *parameters)
{
	if (call->active)
		call_answer(call, error_object(error, parameters), true);
	else
		json_decref(parameters);
}

bool control_wants_more(const struct control_call *call)
{
	return call->more;
}

void control_on_gone(struct control_call *call, void (*gone)(void *data), void *data)
{
	call->gone = gone;
	call->gone_data = data;
}

void control_on_drain(struct control_call *call, void (*drained)(void *data), void *data)
{
	call->drained = drained;
	call->drained_data = data;
}

size_t control_pending(const struct control_call *call)
{
	return pending(call->client);
}

/* ---- calls ---- */

static bool in_interface(const char *method, size_t len, const struct controlmsg *m)
{
	return m->interface_len == len && strncmp(method, m->method, len) == 0;
}

static void get_info(struct control_call *call)
{
	control_reply(call,
		json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "trpsup", "product",
			"trpsupd", "version", TRP_VERSION, "url", "", "interfaces",
			"org.varlink.service", "trpsup"),
		false);
}

static void call_run(struct control *s, struct control_call *call, const struct controlmsg *m)
{
	static const char service[] = "org.varlink.service.";
	bool known = in_interface(service, sizeof(service) - 2, m);

	if (strcmp(m->method, "org.varlink.service.GetInfo") == 0) {
		get_info(call);
		return;
	}
	for (size_t i = 0; i < s->n_verbs; i++) {
		const char *method = s->verbs[i].method;
		if (strcmp(method, m->method) == 0) {
			s->verbs[i].run(call, m->params, s->user);
			return;
		}
		known = known || in_interface(method, (size_t)(strrchr(method, '.') - method), m);
	}
	if (known)
		control_error(call, "org.varlink.service.MethodNotFound",
			json_pack("{s:s}", "method", m->method));
	else
		control_error(call, "org.varlink.service.InterfaceNotFound",
			json_pack("{s:s%}", "interface", m->method, m->interface_len));
}

/* The sender does not speak our language: where its next message would begin is anybody's guess. */
static void refuse_message(struct client *c, const char *text)
{
	client_queue(c, error_object("trpsup.BadMessage", json_pack("{s:s}", "text", text)));
	c->closing = true;
}

/* Takes the first message of the input, if it is whole, and runs it. */
static void next_call(struct client *c)
{
	struct controlmsg m;
	enum controlmsg_call r;
	size_t len = 0;

	switch (controlmsg_frame(c->inbuf, c->in_len, CONTROL_MESSAGE_MAX, &len)) {
	case CONTROLMSG_NEED:
		return;
	case CONTROLMSG_LONG:
		refuse_message(
			c, "the message is longer than " TRP_STR(CONTROL_MESSAGE_MAX) " bytes");
		return;
	case CONTROLMSG_WHOLE:
		break;
	}
	r = controlmsg_parse(c->inbuf, len, &m);
	c->in_len -= len + 1;
	memmove(c->inbuf, c->inbuf + len + 1, c->in_len);
	if (r != CONTROLMSG_OK) {
		refuse_message(c, controlmsg_text(r));
		return;
	}
	c->call = (struct control_call){
		.client = c, .active = true, .more = m.more && !m.oneway, .oneway = m.oneway};
	call_run(c->owner, &c->call, &m);
	controlmsg_free(&m);
	step_soon(
		c); /* one call for each turn, so that a pipelining client does not keep the loop */
}

/* May free c. */
static void client_step(struct client *c)
{
	if (!c->doomed && !c->closing && !c->call.active && pending(c) < CONTROL_OUTPUT_LOW)
		next_call(c);
	if (!client_settle(c))
		client_free(c);
}

static void on_soon(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	client_step(w->data);
}

/* Gone for good, not only done with sending? */
static bool hung_up(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

static void on_hangup(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct client *c = w->data;

	(void)loop;
	(void)revents;
	if (hung_up(c->fd))
		client_free(c);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *c = w->data;
	ssize_t n = recv(c->fd, c->inbuf + c->in_len, sizeof(c->inbuf) - c->in_len, MSG_DONTWAIT);

	(void)loop;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->in_len += (size_t)n;
	else
		c->eof = true;
	if (n < 0 || (n == 0 && hung_up(c->fd)))
		c->doomed = true;
	client_step(c);
}

/* As send(2). The byte that has descriptors goes alone. */
static ssize_t write_some(struct client *c)
{
	size_t end = c->out_end;

	if (c->n_fds > 0 && c->fds_at == c->out_start) {
		int r = trp_fd_send(c->fd, c->outbuf + c->out_start, 1, c->fds, c->n_fds, MSG_DONTWAIT);
		if (r == 0)
			drop_fds(c);
		errno = -r;
		return r < 0 ? -1 : 1;
	}
	if (c->n_fds > 0)
		end = c->fds_at;
	return send(c->fd, c->outbuf + c->out_start, end - c->out_start, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *c = w->data;
	size_t before = pending(c);
	ssize_t n = write_some(c);

	(void)loop;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		c->doomed = true;
	else
		c->out_start += (size_t)n;
	if (c->out_start == c->out_end)
		out_empty(c);
	if (!c->doomed && before >= CONTROL_OUTPUT_LOW && pending(c) < CONTROL_OUTPUT_LOW &&
		c->call.active && c->call.drained)
		c->call.drained(c->call.drained_data);
	client_step(c);
}

/* ---- the listening socket ---- */

static struct client *client_add(struct control *s, int fd, pid_t pid)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->owner = s;
	c->fd = fd;
	c->pid = pid;
	ev_io_init(&c->in, on_readable, fd, EV_READ);
	ev_io_init(&c->out, on_writable, fd, EV_WRITE);
	ev_timer_init(&c->soon, on_soon, 0., 0.);
	ev_timer_init(&c->hangup, on_hangup, HANGUP_POLL, HANGUP_POLL);
	c->in.data = c->out.data = c->soon.data = c->hangup.data = c;
	LIST_INSERT_HEAD(&s->clients, c, link);
	s->n_clients++;
	ev_io_start(s->loop, &c->in);
	return c;
}

static void on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	static const char busy[] =
		"{\"error\":\"trpsup.Busy\",\"parameters\":{\"text\":\"too many clients\"}}";
	struct control *s = w->data;
	cleanup_close int fd = accept4(s->sock.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	pid_t pid;

	(void)revents;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warn("control: accept: %m");
			ev_io_stop(loop, &s->accept);
			ev_timer_set(&s->resume, ACCEPT_PAUSE, 0.);
			ev_timer_start(loop, &s->resume);
		}
		return;
	}
	if (!controlsock_peer_ok(fd, &pid))
		return;
	if (s->n_clients >= CONTROL_CLIENTS_MAX) {
		/* its socket's buffer is empty, so this either fits or nobody is there */
		send(fd, busy, sizeof(busy), MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	}
	client_add(s, trp_steal_fd(&fd), pid);
}

static void on_resume(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct control *s = w->data;

	(void)revents;
	ev_io_start(loop, &s->accept);
}

static int open_with(struct ev_loop *loop, const struct controlsock *sock, const struct control_verb *verbs,
	size_t n_verbs, void *user, struct control **ret)
{
	cleanup_free struct control *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->sock = *sock;
	s->loop = loop;
	s->verbs = verbs;
	s->n_verbs = n_verbs;
	s->user = user;
	LIST_INIT(&s->clients);
	ev_io_init(&s->accept, on_accept, s->sock.fd, EV_READ);
	ev_timer_init(&s->resume, on_resume, ACCEPT_PAUSE, 0.);
	s->accept.data = s->resume.data = s;
	ev_io_start(loop, &s->accept);
	*ret = trp_steal_ptr(&s);
	return 0;
}

int control_open(struct ev_loop *loop, const char *path, const struct control_verb *verbs,
	size_t n_verbs, void *user, struct control **ret)
{
	struct controlsock sock;
	int r = controlsock_open(path, &sock);

	return r < 0 ? r : open_with(loop, &sock, verbs, n_verbs, user, ret);
}

int control_adopt(struct ev_loop *loop, const char *path, int fd, const struct control_verb *verbs, size_t n_verbs, void *user, struct control **ret)
{
	struct controlsock sock;
	int r = controlsock_adopt(path, fd, &sock);

	return r < 0 ? r : open_with(loop, &sock, verbs, n_verbs, user, ret);
}

int control_fd(const struct control *c)
{
	return c->sock.fd;
}

int control_call_fd(const struct control_call *call)
{
	return call->client->fd;
}

/* What waits for it, as far as the socket takes it at once. */
static void say_last(struct client *c)
{
	if (pending(c) > 0)
		send(c->fd, c->outbuf + c->out_start, pending(c), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void control_end_others(struct control *s, const struct control_call *keep, const char *text)
{
	for (struct client *c = LIST_FIRST(&s->clients), *next; c; c = next) {
		next = LIST_NEXT(c, link);
		if (&c->call == keep)
			continue;
		if (c->call.active && !c->call.oneway)
			client_queue(c, error_object("trpsup.Failed", json_pack("{s:s}", "text", text)));
		say_last(c);
		client_free(c);
	}
}

struct control_call *control_resume(struct control *s, int fd)
{
	pid_t pid;
	struct client *c = controlsock_peer_ok(fd, &pid) ? client_add(s, fd, pid) : NULL;

	if (!c)
		return NULL;
	c->call = (struct control_call){.client = c, .active = true};
	return &c->call;
}

void control_close(struct control *s)
{
	struct client *c;

	if (!s)
		return;
	ev_io_stop(s->loop, &s->accept);
	ev_timer_stop(s->loop, &s->resume);
	controlsock_close(&s->sock);
	while ((c = LIST_FIRST(&s->clients))) {
		say_last(c); /* "stopped" */
		client_free(c);
	}
	free(s);
}
