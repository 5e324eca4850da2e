/* SPDX-License-Identifier: ISC */
/* The router's clients from accept to their end, with a kernel that is made up here: each byte of the input is something that clients, the daemon or
 * the kernel do next. After each: whoever has come is there once, in its queue and among its prefix, or was written down once and its socket
 * closed or handed on as accept() made it; and the loop wakes for the next deadline. */
#include "tests/fuzz/kernel_model.h"

#include "router/accept.c"
#include "router/client.c"
#include "router/handon.c"
#include "router/limit.c"
#include "router/note.c"
#include "router/proxied.c"
#include "router/wait.c"
#include "router/quota.c"
#include "router/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ledger ledger;
static const uint32_t live[CHANNELS + 1];

/* ---- what happens ---- */

static void event(struct sock *s)
{
	if (s->open && s->watched && (s->eof || s->reset || s->n - s->done >= (size_t)(s->lowat ? s->lowat : 1)))
		wait_ready(&r, (uint32_t)s->epoll_data, (uint32_t)(s->epoll_data >> 32) & 0xffffffu,
			EPOLLIN | (s->eof || s->reset ? EPOLLRDHUP : 0u));
}

static void sends(struct sock *s, const void *bytes, size_t n)
{
	if (n > BUFFER - s->n)
		n = BUFFER - s->n;
	if (n == 0)
		return;
	if (!s->bytes)
		s->bytes = malloc(BUFFER);
	must(s->bytes != NULL);
	memcpy(s->bytes + s->n, bytes, n);
	s->n += n;
}

static void sends_something(struct sock *s)
{
#define TEXT(t) {t, sizeof(t) - 1}
	static const struct {
		const char *text;
		size_t len;
	} texts[] = {TEXT(""), TEXT("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), TEXT("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n"),
		TEXT("GET / HTTP/1.1\r\n\r\n"), TEXT("GET /"), TEXT("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), TEXT("PROXY "), TEXT("\x16\x03\x01\x10"),
		TEXT("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), TEXT("SSH-2.0-x\r\n"), TEXT("x"),
		TEXT("PROXY TCP6 2001:db8::1 ::1 1 2\r\nGET /")};
	uint8_t which = next();
	size_t n;

	if (which < TRP_ARRAY_SIZE(texts)) {
		sends(s, texts[which].text, texts[which].len);
		return;
	}
	n = next() < in.left ? in.at[-1] : in.left;
	sends(s, in.at, n);
	in.at += n;
	in.left -= n;
}

static void comes(void)
{
	uint8_t n = next() & 63, peer = next();

	for (int i = 0; i <= n && n_socks < SOCKETS; i++) {
		struct sock *s = &socks[n_socks];
		*s = (struct sock){.bytes = NULL};
		backlog_peer[n_socks] = peer & 0x40 ? (uint8_t)(peer + i) : peer;
		if (i == 0 || next() & 1) {
			sends_something(s);
			s->eof = peer & 0x20;
		} else {
			sends(s, socks[n_socks - 1].bytes, socks[n_socks - 1].n);
		}
		n_socks++;
		n_backlog++;
	}
}

static struct sock *some(void)
{
	int n = n_socks - n_backlog;

	return n > 0 ? &socks[next() % n] : NULL;
}

static void set_listener(uint32_t id)
{
	static const struct trp_cidr balancer = {.ip = {0x20, 1, 0xd, 0xb8, [7] = 7}, .bits = 64};
	const uint8_t kind = next();
	struct router_msg m = {.id = id, .protocols = 1u << TRP_PROTO_HTTP1, .deadline_ms = 1000};

	m.protocols |= kind & 1 ? 1u << TRP_PROTO_TLS : 0;
	m.protocols = kind & 2 ? m.protocols | 1u << TRP_PROTO_NONE : m.protocols;
	m.protocols = kind & 4 ? 1u << TRP_PROTO_NONE : m.protocols;
	m.deadline_ms = kind & 8 ? 5000 : 1000;
	if (kind & 16)
		m.redirect = (struct router_redirect){.listener = 2, .port = 443};
	if (kind & 32 && trust_add(&r.trust_told, id, &balancer, 1) < 0)
		return;
	if (listener_add(&r, &m, LISTEN_FD + (int)id) < 0)
		listener_del(&r, id);
}

/* The oldest that was handed on comes back. */
static void take_back(void)
{
	struct router_msg m = {.verdict = next() & 1 ? VERDICT_NO_SERVICE : VERDICT_HELD_TOO_LONG, .service = 1};

	if (n_handed == 0)
		return;
	struct sock *s = &socks[handed[0].fd - FD_FIRST];
	must(!s->open && s->handed);
	m.handoff = handed[0].header;
	s->open = true;
	s->handed = false;
	arrivals++; /* it is answered though its listener may be gone */
	listener_take_back(&r, &m, handed[0].fd);
	lies[handed[0].sock - CHANNEL_FD]--;
	memmove(handed, handed + 1, sizeof(handed[0]) * (size_t)--n_handed);
}

static void limit_service(uint32_t id)
{
	const uint8_t kind = next();
	const struct router_quota q = {.rate = {.interval_ns = kind & 1 ? 100 * MS : 0, .burst = 3}, .queue = kind & 2 ? 5 : 0, .n_channels = !(kind & 4), .channels = {id}, .service = id,
		.max_live = kind & 8 ? 40 : 0};

	must(quota_set(&r.quotas, &r.channels, id, &q) == 0);
}

static void check_timeout(void)
{
	const uint64_t now = r.now_ns;
	int ms = wait_expire(&r);

	must(r.pool.n == 0 ? ms == -1 : ms >= 0 && ms <= 5001);
	for (uint32_t i = 1; i <= r.pool.n_touched; i++)
		must(!r.pool.slots[i].used || r.pool.slots[i].deadline_ns > now);
}

/* It sends more, ends or resets its connection. */
static void goes_on(uint8_t what)
{
	struct sock *s = some();

	if (!s)
		return;
	if (what % 18 == 4)
		s->reset = true;
	else if (what & 16)
		s->eof = true;
	else if (!s->eof)
		sends_something(s);
	event(s);
}

static void one(uint8_t what)
{
	switch (what % 18) {
	case 0:
		comes();
		break;
	case 1:
		listener_ready(&r, next() % LISTENERS);
		break;
	case 2:
	case 3:
	case 4:
		goes_on(what);
		break;
	case 5:
		r.now_ns += next() * 10 * MS;
		check_timeout();
		break;
	case 6:
		r.limits.waiting_permille = next() * 4u % 1001;
		r.limits.rate = (struct rate){what & 16 ? 50 * MS : 0, 2};
		break;
	case 7:
		if (what & 16)
			listener_del(&r, next() % LISTENERS + 1);
		else
			set_listener(next() % LISTENERS + 1);
		break;
	case 8:
		fail_watch = what & 16;
		break;
	case 9:
		r.fd_limit = what & 16 ? 1024 : FDS_SPARE + 8 + next() % 32;
		wait_limit(&r);
		break;
	case 10:
		room[next() % CHANNELS] = next();
		refuse_with = what & 16 ? -ETOOMANYREFS : -EAGAIN;
		break;
	case 11:
		take_back();
		break;
	case 12:
		fail_accept = next() & 7;
		break;
	case 13:
		if (r.paused_until_ns)
			listeners_resume(&r);
		break;
	case 14:
		clock_step = next() * MS;
		break;
	case 16:
		limit_service(next() % CHANNELS + 1);
		break;
	case 17: /* somebody takes them */
		memset(lies, 0, sizeof(lies));
		n_handed = 0;
		break;
	case 15:
		short_send = what & 16;
		channel_pick(&r.channels, 1, 0)->several = what & 32;
		channel_pick(&r.channels, 2, 0)->nonblock = what & 64;
		break;
	}
}

/* ---- what must hold ---- */

static uint32_t walk(const struct wait_queue *q, bool lingers, uint32_t listener)
{
	uint32_t n = 0, last = 0;

	for (uint32_t i = q->first; i; last = i, i = r.pool.slots[i].next, n++) {
		const struct waiter *w = &r.pool.slots[i];
		must(w->used && w->lingers == lingers && w->prev == last && n <= SOCKETS);
		must(lingers || w->client.listener == listener);
		must(!last || r.pool.slots[last].deadline_ns <= w->deadline_ns);
		must(sock_of(w->client.fd)->watched && (uint32_t)sock_of(w->client.fd)->epoll_data == i);
	}
	must(q->last == last);
	return n;
}

/* What it takes to wait is never less than what does. */
static void check_quotas(void)
{
	uint64_t beyond_all = 0;

	for (const struct quota *q = r.quotas.first; q; q = q->next) {
		must(q->pending == 0 && (q->n_channels == 0 || q->queued >= lies[q->id - 1]));
		beyond_all += beyond(&r.quotas, q);
	}
	must(beyond_all == r.quotas.beyond);
}

static void check(void)
{
	struct ledger_record record;
	uint32_t n = walk(&r.pool.lingering, true, 0), waits = 0, open = 0, of_prefixes = 0;

	for (uint32_t i = 0; i < r.n_listeners; i++)
		waits += walk(&r.listeners[i].waiting, false, i);
	for (int i = 0; i < n_socks - n_backlog; i++)
		open += socks[i].open;
	for (uint32_t i = 1; i <= r.pool.n_touched; i++) {
		const struct waiter *w = &r.pool.slots[i];
		if (!w->used || w->prefix_prev)
			continue;
		const struct prefix *p = prefix_at(&r.prefixes, w->prefix);
		uint32_t of_this = 0;
		must(p->first == i);
		for (uint32_t j = i; j; j = r.pool.slots[j].prefix_next, of_this++)
			must(r.pool.slots[j].used && r.pool.slots[j].prefix == w->prefix && of_this <= SOCKETS);
		must(of_this == p->waiting);
		of_prefixes += of_this;
	}
	while (ledger_take(&ledger, &record)) {
		must(router_verdict_word(record.verdict) != NULL);
		notes++;
	}
	must(n + waits == r.pool.n && open == r.pool.n && of_prefixes == r.pool.n && r.stats.waiting == waits);
	must(r.pool.n <= r.pool.limit);
	must(notes + waits == arrivals); /* each once */
	must(r.handon.n == 0);
	check_quotas();
}

static void set_up(void)
{
	static const struct route_key a = {1, TRP_PROTO_HTTP1, 9, "a.example"}, tls = {2, TRP_PROTO_TLS, 9, "b.example"},
				      raw = {ROUTER_ANY_LISTENER, TRP_PROTO_NONE, 0, ""};
	static const uint32_t members[] = {1, 2, 9};

	memset(&ledger.head, 0, offsetof(struct ledger, listeners));
	ledger.recording = 1;
	r = (struct router){.notice = notice, .fd_limit = 1024, .ledger = &ledger, .now_ns = 1000000 * MS};
	for (size_t i = 0; i < TRP_ARRAY_SIZE(r.listeners); i++)
		r.listeners[i].fd = -1;
	wait_init(&r);
	r.quotas.room = 60;
	r.quotas.ledger = &ledger;
	r.quotas.live = live;
	for (uint32_t i = 0; i < CHANNELS; i++) {
		room[i] = 100;
		must(channel_add(&r.channels, i + 1, CHANNEL_FD + (int)i) == 0);
		channel_own(&r.channels, i + 1, i + 1);
	}
	must(channel_group(&r.channels, 7, members, 3) == 0);
	must(route_set(&r.routes, &a, (struct route_channels){7, 1, 1, false}) == 0);
	must(route_set(&r.routes, &tls, (struct route_channels){2, 9, 2, false}) == 0);
	must(route_set(&r.routes, &raw, (struct route_channels){3, 3, 3, false}) == 0);
	memset(lies, 0, sizeof(lies));
	n_socks = n_backlog = n_handed = fail_watch = fail_accept = short_send = 0;
	notes = arrivals = clock_step = 0;
	refuse_with = -EAGAIN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = (struct input){data, size};
	set_up();
	for (uint32_t i = 1; i <= LISTENERS; i++)
		set_listener(i);
	while (in.left > 0) {
		one(next());
		check();
	}
	while (wait_evict(&r))
		;
	check();
	must(r.pool.n == 0);
	for (int i = 0; i < n_socks; i++) {
		free(socks[i].bytes);
		socks[i].bytes = NULL;
	}
	for (uint32_t i = 1; i <= CHANNELS; i++)
		must(quota_set(&r.quotas, &r.channels, i, &(struct router_quota){.n_channels = 0}) == 0);
	for (uint32_t i = 0; i < ROUTER_LISTENERS_MAX; i++)
		trust_clear(&r.listeners[i].trust);
	trust_clear(&r.trust_told);
	route_clear(&r.routes);
	channel_group(&r.channels, 7, NULL, 0);
	free(r.channels.slots);
	return 0;
}
