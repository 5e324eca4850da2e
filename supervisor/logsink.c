/* SPDX-License-Identifier: ISC */
#include "supervisor/logsink.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define SNDBUF   (16 << 20)
#define RETRY_SECONDS 1.0 /* between attempts to connect to one that is not there */
#define SAY_SECONDS 60.0 /* that lines of one service are lost is said at most so often */
#define ACKS_MAX 256 /* for each turn of the loop */
#define SETTLE_MOST 10 /* times the patience of who waits for all, however slowly it goes on */

struct logchunk {
	struct logchunk *next;
	uint64_t lines;
	size_t len; /* of text */
	struct log_msg msg;
	char text[];
};

/* A message that was sent and is not answered yet. */
struct sent {
	uint64_t seq, lines;
	size_t len;
	struct logq *q;
};

struct logsink {
	struct ev_loop *loop;
	int ours, theirs;
	ev_io on_ack, on_room;
	ev_timer stall;
	bool stalled;
	struct logq *queues;
	struct logsink_watcher *watchers;
	struct logsink_barrier *barriers;
	struct sent *sent; /* a ring */
	size_t first, n, size;
	size_t waiting; /* of all queues */
	uint64_t seq;
	const char *paths[LOG_SOCKETS];
	int sockets[LOG_SOCKETS]; /* connected there; -1: not */
	double tried[LOG_SOCKETS]; /* trp_now_seconds() of the last attempt */
};

static const char *const socket_names[LOG_SOCKETS] = {"syslog", "the journal"};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int remember(struct logsink *s, const struct sent *sent)
{
	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 256;
		struct sent *grown = calloc(size, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		for (size_t i = 0; i < s->n; i++)
			grown[i] = s->sent[(s->first + i) % s->size];
		free(s->sent);
		s->sent = grown;
		s->size = size;
		s->first = 0;
	}
	s->sent[(s->first + s->n++) % s->size] = *sent;
	return 0;
}

static void watch_stall(struct logsink *s)
{
	if (s->n == 0 || s->stalled)
		ev_timer_stop(s->loop, &s->stall);
	else if (!ev_is_active(&s->stall))
		ev_timer_again(s->loop, &s->stall);
}

/* 0, -EAGAIN: there is no room, or another error. */
static int send_chunk(struct logq *q, struct logchunk *c)
{
	struct logsink *s = q->sink;
	struct sent sent = {.lines = c->lines, .len = c->len, .q = q};
	int r;

	if (q->in_flight > 0 && q->in_flight + c->len > LOGSINK_WINDOW)
		return -EAGAIN;
	c->msg.seq = sent.seq = s->seq + 1;
	c->msg.limits = q->limits;
	memcpy(c->msg.unsaid, q->unsaid, sizeof(q->unsaid));
	r = remember(s, &sent);
	if (r < 0)
		return r;
	r = trp_fd_send(s->ours, &c->msg, sizeof(c->msg) + c->len, NULL, 0, MSG_DONTWAIT);
	if (r < 0) {
		s->n--;
		if (r == -EAGAIN)
			ev_io_start(s->loop, &s->on_room);
		return r;
	}
	s->seq++;
	memset(q->unsaid, 0, sizeof(q->unsaid)); /* the answer brings those back that were not */
	q->in_flight += c->len;
	watch_stall(s);
	return 0;
}

static void free_if_done(struct logq *q)
{
	struct logq **at = &q->sink->queues;

	if (!q->closed || q->first)
		return;
	for (size_t i = 0; i < q->sink->n; i++)
		if (q->sink->sent[(q->sink->first + i) % q->sink->size].q == q)
			return;
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	free(q);
}

/* A bound was reached, or is not any more. */
static void set_blocked(struct logq *q)
{
	bool blocked = q->first && !q->sink->stalled;

	if (q->blocked == blocked)
		return;
	q->blocked = blocked;
	if (!q->closed)
		q->room(q);
}

static struct logchunk *new_chunk(const struct logq *q, const char *text, size_t len, uint64_t lines)
{
	struct logchunk *c = malloc(sizeof(*c) + len);

	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->lines = lines;
	c->len = len;
	c->msg.magic = LOG_MAGIC;
	c->msg.type = LOG_LINES;
	snprintf(c->msg.service, sizeof(c->msg.service), "%s", q->service);
	if (len > 0)
		memcpy(c->text, text, len);
	return c;
}

/* Takes c over. False: there is no room for it. */
static bool enqueue(struct logq *q, struct logchunk *c)
{
	size_t max = q->sink->stalled ? LOGSINK_WAITING : LOGSINK_MAX;

	if (!q->first && send_chunk(q, c) == 0) {
		free(c);
		return true;
	}
	if (q->waiting + c->len > max || q->sink->waiting + c->len > LOGSINK_ALL) {
		free(c);
		return false;
	}
	*(q->first ? &q->last->next : &q->first) = c;
	q->last = c;
	q->waiting += c->len;
	q->sink->waiting += c->len;
	return true;
}

static void drop(struct logq *q, uint64_t lines, const char *why)
{
	q->dropped += lines;
	q->lost += lines;
	q->why = why;
}

/* As the first thing after them. False: that is dropped, too. */
static bool say_dropped(struct logq *q)
{
	char text[LOGTEXT_TIME + 160], time[LOGTEXT_TIME];
	struct logchunk *c;
	int n;

	if (q->dropped == 0)
		return true;
	logtext_time(now_us(), time);
	n = snprintf(text, sizeof(text), "%s sup %llu lines dropped: %s\n", time, (unsigned long long)q->dropped, q->why);
	c = new_chunk(q, text, (size_t)n, 1);
	if (!c || !enqueue(q, c))
		return false;
	q->dropped = 0;
	return true;
}

void logq_put(struct logq *q, const char *text, size_t len, uint64_t n)
{
	struct logchunk *c = say_dropped(q) ? new_chunk(q, text, len, n) : NULL;

	if (!c || !enqueue(q, c))
		drop(q, n, q->sink->stalled ? "the disk of the log does not answer" : "more was written at once than can wait for the disk of the log");
	set_blocked(q);
}

/* One message of it. False: none could be sent. */
static bool send_one(struct logq *q)
{
	struct logchunk *c = q->first;

	if (!c || send_chunk(q, c) < 0)
		return false;
	q->first = c->next;
	q->waiting -= c->len;
	q->sink->waiting -= c->len;
	free(c);
	if (!q->first) {
		say_dropped(q); /* if nothing follows, it would not be said before something does */
		set_blocked(q);
	}
	return true;
}

/* In turn, so that one who floods does not keep the others waiting. */
static void send_waiting(struct logsink *s)
{
	for (bool some = true; some;) {
		some = false;
		for (struct logq *q = s->queues, *next; q; q = next) {
			next = q->next;
			some |= send_one(q);
		}
	}
}

static void on_room(struct ev_loop *loop, ev_io *w, int events)
{
	(void)events;
	ev_io_stop(loop, w);
	send_waiting(w->data);
}

static bool has_passed(const struct logsink *s, const struct logsink_barrier *b)
{
	return s->stalled || s->n == 0 || s->sent[s->first].seq > b->seq;
}

static void pass_barriers(struct logsink *s)
{
	for (struct logsink_barrier *b = s->barriers, *next; b; b = next) {
		next = b->next;
		if (!has_passed(s, b))
			continue;
		logsink_unwait(s, b);
		b->passed(b);
	}
}

static void on_stall(struct ev_loop *loop, ev_timer *t, int events)
{
	struct logsink *s = t->data;

	(void)loop, (void)events;
	ev_timer_stop(loop, t);
	s->stalled = true;
	log_error("the disk of the logs does not answer; the services go on, what they write beyond a bound is dropped");
	for (struct logq *q = s->queues; q; q = q->next)
		set_blocked(q);
	pass_barriers(s);
}

static void progress(struct logsink *s)
{
	ev_timer_stop(s->loop, &s->stall);
	if (s->stalled)
		log_warn("the disk of the logs answers again");
	s->stalled = false;
	watch_stall(s);
}

static void tell_watchers(struct logsink *s, const struct logq *q)
{
	for (struct logsink_watcher *w = s->watchers, *next; w; w = next) {
		next = w->next;
		w->written(w, q->service);
	}
}

/* A datagram socket connects at once or not at all. */
static void connect_to(struct logsink *s, enum log_socket k)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int fd = -1;

	s->tried[k] = trp_now_seconds();
	trp_close(&s->sockets[k]);
	if (!s->paths[k] || strlen(s->paths[k]) >= sizeof(addr.sun_path))
		return;
	strcpy(addr.sun_path, s->paths[k]);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		s->sockets[k] = trp_steal_fd(&fd);
}

/* To a logger that runs. */
static void send_socket(struct logsink *s, enum log_socket k)
{
	struct log_msg m = {.magic = LOG_MAGIC, .type = LOG_SOCKET, .socket = k};

	connect_to(s, k);
	if (s->sockets[k] >= 0)
		(void)trp_fd_send(s->ours, &m, sizeof(m), &s->sockets[k], 1, MSG_DONTWAIT);
}

static bool is_wanted(const struct logsink *s, enum log_socket k)
{
	for (const struct logq *q = s->queues; q; q = q->next)
		if (q->limits.to & LOG_SOCKET_BIT(k))
			return true;
	return false;
}

void logsink_paths(struct logsink *s, const char *const paths[LOG_SOCKETS])
{
	memcpy(s->paths, paths, sizeof(s->paths));
}

int logsink_socket(struct logsink *s, enum log_socket k)
{
	if (s->sockets[k] < 0 && is_wanted(s, k))
		connect_to(s, k);
	return s->sockets[k];
}

/* What became of the lines that were to go elsewhere. */
static void answered_of(struct logsink *s, struct logq *q, const struct log_ack *ack)
{
	for (unsigned k = 0; k < LOG_SOCKETS; k++) {
		q->unsaid[k] += ack->unsaid[k];
		q->not_taken[k] += ack->dropped[k];
		if (ack->dropped[k] > 0 && trp_now_seconds() >= q->next_said_of[k]) {
			q->next_said_of[k] = trp_now_seconds() + SAY_SECONDS;
			log_warn("%s: lines of its log are dropped: %s does not take them", q->service, socket_names[k]);
		}
		if ((ack->broken & LOG_SOCKET_BIT(k)) && trp_now_seconds() >= s->tried[k] + RETRY_SECONDS)
			send_socket(s, (enum log_socket)k);
	}
}

static void answered(struct logsink *s, const struct log_ack *ack, const char *tail, size_t len)
{
	if (s->n == 0 || s->sent[s->first].seq > ack->seq)
		return; /* nobody waits for that: it is no sign that the disk goes on */
	while (s->n > 0 && s->sent[s->first].seq <= ack->seq) {
		struct sent sent = s->sent[s->first];
		struct logq *q = sent.q;
		s->first = (s->first + 1) % s->size;
		s->n--;
		q->in_flight -= sent.len;
		if (sent.seq < ack->seq && sent.lines > 0)
			drop(q, sent.lines, "trp-logger ended before it wrote them");
		if (sent.seq == ack->seq) {
			if (ack->lost > 0 && trp_now_seconds() >= q->next_said) {
				q->next_said = trp_now_seconds() + SAY_SECONDS;
				log_warn("%s.log: lines are lost: %s", q->service, strerror(-ack->error));
			}
			q->lost += ack->lost;
			q->unwritten = ack->unwritten;
			q->unwritten_error = ack->lost > 0 ? ack->error : q->unwritten_error;
			answered_of(s, q, ack);
		}
		if (!q->closed && sent.seq == ack->seq && len > 0 && q->tail)
			q->tail(q, tail, len);
		if (sent.lines > 0)
			tell_watchers(s, q);
		while (send_one(q))
			;
		free_if_done(q);
	}
	progress(s);
	pass_barriers(s);
}

/* False: nothing is there. */
static bool take_ack(struct logsink *s)
{
	struct {
		struct log_ack ack;
		char tail[LOG_TAIL_MAX];
	} in;
	ssize_t n = trp_fd_recv(s->ours, &in, sizeof(in), NULL, 0, MSG_DONTWAIT);

	if (n < (ssize_t)sizeof(in.ack) || in.ack.magic != LOG_MAGIC)
		return n > 0;
	answered(s, &in.ack, in.tail, (size_t)n - sizeof(in.ack));
	return true;
}

static void take_acks(struct logsink *s, int most)
{
	while (most-- > 0 && take_ack(s))
		;
}

static void on_ack(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop, (void)events;
	take_acks(w->data, ACKS_MAX);
}

int logsink_open(struct ev_loop *loop, struct logsink **ret)
{
	struct logsink *s = calloc(1, sizeof(*s));
	int pair[2], size = SNDBUF, r = s ? trp_fd_pair(pair) : -ENOMEM;

	if (r < 0) {
		free(s);
		return r;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)); /* else less can be on its way */
	s->loop = loop;
	s->ours = pair[0];
	s->theirs = pair[1];
	for (unsigned k = 0; k < LOG_SOCKETS; k++)
		s->sockets[k] = -1;
	ev_io_init(&s->on_ack, on_ack, s->ours, EV_READ);
	ev_io_init(&s->on_room, on_room, s->ours, EV_WRITE);
	ev_timer_init(&s->stall, on_stall, 0.0, LOGSINK_STALL);
	s->on_ack.data = s->on_room.data = s->stall.data = s;
	ev_io_start(loop, &s->on_ack);
	*ret = s;
	return 0;
}

void logsink_close(struct logsink *s)
{
	struct logq *q;

	if (!s)
		return;
	ev_io_stop(s->loop, &s->on_ack);
	ev_io_stop(s->loop, &s->on_room);
	ev_timer_stop(s->loop, &s->stall);
	while ((q = s->queues)) {
		struct logchunk *c;
		while ((c = q->first)) {
			q->first = c->next;
			free(c);
		}
		s->queues = q->next;
		free(q);
	}
	for (unsigned k = 0; k < LOG_SOCKETS; k++)
		trp_close(&s->sockets[k]);
	close(s->ours);
	close(s->theirs);
	free(s->sent);
	free(s);
}

int logsink_their_end(const struct logsink *s)
{
	return s->theirs;
}

bool logsink_stalled(const struct logsink *s)
{
	return s->stalled;
}

/* anew: to a new logger, with what the one before could not say. What is on its way stays there if that one dies, too; the answer brings back what
 * is still not said. */
static void announce(struct logq *q, bool want_tail, bool anew)
{
	struct logchunk *c = new_chunk(q, NULL, 0, 0);

	if (!c)
		return;
	c->msg.want_tail = want_tail;
	c->msg.unwritten = anew ? q->unwritten : 0;
	c->msg.unwritten_error = q->unwritten_error;
	if (enqueue(q, c) && anew)
		q->unwritten = 0;
	set_blocked(q);
}

void logsink_announce(struct logsink *s)
{
	take_acks(s, 16 * ACKS_MAX); /* all of the one before */
	for (struct logq *q = s->queues; q; q = q->next)
		announce(q, false, true);
}

/* The logger may have been taken over: only what was waited for gives it more time. */
bool logsink_settle(struct logsink *s, double seconds)
{
	struct pollfd p = {.fd = s->ours, .events = POLLIN};
	const uint64_t patience = (uint64_t)(seconds * 1000);
	const uint64_t most = trp_now_ms() + SETTLE_MOST * patience;
	uint64_t until = trp_now_ms() + patience;

	for (;;) {
		uint64_t first, now = trp_now_ms();
		send_waiting(s);
		if (s->n == 0)
			return true;
		first = s->sent[s->first].seq;
		if (now >= until || poll(&p, 1, (int)(until - now)) <= 0)
			return false;
		take_acks(s, ACKS_MAX);
		if (s->n == 0 || s->sent[s->first].seq != first)
			until = trp_now_ms() + patience;
		until = until < most ? until : most;
	}
}

void logsink_finish(struct logsink *s)
{
	struct log_msg m = {.magic = LOG_MAGIC, .type = LOG_FINISH};

	trp_fd_send(s->ours, &m, sizeof(m), NULL, 0, MSG_DONTWAIT);
}

void logq_open(struct logsink *s, struct logq *q, const char *service)
{
	q->sink = s;
	snprintf(q->service, sizeof(q->service), "%s", service);
	q->next = s->queues;
	s->queues = q;
}

void logq_close(struct logq *q)
{
	q->closed = true;
	free_if_done(q);
}

void logq_set_limits(struct logq *q, const struct log_limits *limits)
{
	bool first = q->limits.size == 0;

	q->limits = *limits;
	for (unsigned k = 0; k < LOG_SOCKETS; k++) /* before the lines that are to go there */
		if ((limits->to & LOG_SOCKET_BIT(k)) && q->sink->sockets[k] < 0)
			send_socket(q->sink, (enum log_socket)k);
	announce(q, first, false);
}

bool logq_blocked(const struct logq *q)
{
	return q->blocked;
}

void logsink_watch(struct logsink *s, struct logsink_watcher *w)
{
	w->next = s->watchers;
	s->watchers = w;
}

void logsink_unwatch(struct logsink *s, struct logsink_watcher *w)
{
	struct logsink_watcher **at = &s->watchers;

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
}

void logsink_wait(struct logsink *s, struct logsink_barrier *b)
{
	b->seq = s->seq;
	if (has_passed(s, b)) {
		b->passed(b);
		return;
	}
	b->next = s->barriers;
	s->barriers = b;
}

void logsink_unwait(struct logsink *s, struct logsink_barrier *b)
{
	struct logsink_barrier **at = &s->barriers;

	while (*at && *at != b)
		at = &(*at)->next;
	if (*at)
		*at = b->next;
}
