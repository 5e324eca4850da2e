/* SPDX-License-Identifier: ISC */
/* trp-observer's connections, with routers and a kernel that are made up here: each byte of the input is what one of them does next. In the end each
 * client has one line, and nobody is open any more. */
#include "router/observer/diag.h"
#include "router/observer/observer.h"
#include "base/log.h"
#include "base/util.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static ssize_t model_recv(int fd, void *buf, size_t len, int flags);
static ssize_t model_send(int fd, const void *buf, size_t len, int flags);
#define recv model_recv
#define send model_send
#include "router/observer/ends.c"
#include "router/observer/records.c"

#define SLOTS  3
#define CONNS  200
#define SECOND 1000000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct observer o;
static struct ledger ledgers[SLOTS];
static struct live live;

static struct conn {
	bool alive, handed, back, told; /* told: that it has died */
	uint64_t accepted_ns;
	int lines;
} conns[CONNS]; /* the cookie is the number and 1 */
static uint32_t n_conns;

static uint32_t ends[CONNS]; /* told, and not read */
static uint32_t n_ends, first_end;
static bool no_room; /* some were not told */

static struct dump {
	bool asked;
	uint32_t cookies[CONNS], n, at;
} dump;
static int fail_send;
static uint64_t now_ns;

static void must(bool holds)
{
	if (!holds)
		abort();
}

uint64_t observer_clock(void)
{
	return now_ns;
}

void control_say(struct observer *observer, uint16_t type, uint32_t seq)
{
	(void)observer, (void)type, (void)seq;
}

void log_line(struct observer *observer, const struct line *l)
{
	(void)observer;
	must(l->peer.port < n_conns);
	must(++conns[l->peer.port].lines == 1);
	if (l->end == LINE_NOT_BEGUN)
		must(!conns[l->peer.port].handed || conns[l->peer.port].back);
	else
		must(!conns[l->peer.port].back && !conns[l->peer.port].alive && (l->end == LINE_CLOSED) == conns[l->peer.port].told);
}

void log_note_line(struct observer *observer, const char *what, uint64_t n)
{
	(void)observer, (void)what, (void)n;
}

static size_t put_message(char *to, uint16_t type, const void *body, size_t len)
{
	const struct nlmsghdr h = {.nlmsg_len = (uint32_t)(sizeof(h) + len), .nlmsg_type = type};

	memcpy(to, &h, sizeof(h));
	memcpy(to + sizeof(h), body, len);
	return NLMSG_ALIGN(h.nlmsg_len);
}

static size_t put_socket(char *to, uint32_t cookie)
{
	const struct __attribute__((packed)) {
		struct inet_diag_msg m;
		struct nlattr a;
		struct tcp_info info;
	} s = {.m = {.idiag_family = AF_INET6, .idiag_state = 1, .id.idiag_cookie = {cookie}},
		.a = {.nla_len = sizeof(s.a) + sizeof(s.info), .nla_type = INET_DIAG_INFO}};

	return put_message(to, SOCK_DIAG_BY_FAMILY, &s, sizeof(s));
}

static ssize_t model_recv(int fd, void *buf, size_t len, int flags)
{
	const int none = 0;
	size_t n = 0;

	must(flags == MSG_DONTWAIT && len >= 4096);
	errno = EAGAIN;
	if (fd == OBSERVER_ENDS_FD && no_room) {
		no_room = false;
		errno = ENOBUFS;
		return -1;
	}
	if (fd == OBSERVER_ENDS_FD)
		return first_end < n_ends ? (ssize_t)put_socket(buf, ends[first_end++]) : -1;
	if (!dump.asked)
		return -1;
	for (int i = 0; i < 3 && dump.at < dump.n; dump.at++)
		if (conns[dump.cookies[dump.at] - 1].alive) {
			n += put_socket((char *)buf + n, dump.cookies[dump.at]);
			i++;
		}
	if (n == 0) {
		dump.asked = false;
		n = put_message(buf, NLMSG_DONE, &none, sizeof(none));
	}
	return (ssize_t)n;
}

static ssize_t model_send(int fd, const void *buf, size_t len, int flags)
{
	struct inet_diag_req_v2 req;

	must(fd == OBSERVER_DIAG_FD && flags == MSG_DONTWAIT && !dump.asked && len == sizeof(struct nlmsghdr) + sizeof(req));
	if (fail_send > 0) {
		fail_send--;
		errno = ENOBUFS;
		return -1;
	}
	memcpy(&req, (const char *)buf + sizeof(struct nlmsghdr), sizeof(req));
	dump = (struct dump){.asked = true};
	for (uint32_t i = 0; i < n_conns && req.sdiag_family == AF_INET6; i++)
		if (conns[i].alive)
			dump.cookies[dump.n++] = i + 1;
	return (ssize_t)len;
}

static void write_record(uint32_t i, uint8_t slot, uint8_t verdict, bool cookie)
{
	const struct ledger_record r = {.cookie = cookie ? i + 1 : 0, .accepted_ns = conns[i].accepted_ns, .decided_ns = now_ns, .service = 1,
		.peer.port = (uint16_t)i, .verdict = verdict};

	must(ledger_append(&ledgers[slot % SLOTS], &r) == 0);
}

static void comes(uint8_t what)
{
	if (n_conns == CONNS)
		return;
	conns[n_conns] = (struct conn){.alive = true, .accepted_ns = now_ns, .handed = what & 128};
	n_conns++;
	now_ns += what & 64;
	write_record(n_conns - 1, what, what & 128 ? VERDICT_HANDED_ON : VERDICT_NO_ROUTE, what & 128);
}

static void dies(uint32_t i, bool told)
{
	if (!conns[i].alive)
		return;
	conns[i].alive = false;
	conns[i].told = told;
	if (told)
		ends[n_ends++] = i + 1;
	else
		no_room = true;
}

static void restart(void)
{
	records_take(&o);
	records_take(&o);
	free(o.table.index);
	free(o.table.free);
	o = (struct observer){.ledgers = ledgers, .n_slots = SLOTS, .log.fd = -1};
	dump.asked = false;
	must(table_init(&o.table, &live) == 0);
	records_take(&o);
	if (live.n > 0)
		sample_start(&o, 0, true);
}

static void one(uint8_t what, uint8_t more)
{
	const uint32_t i = n_conns ? more % n_conns : 0;

	switch (what % 9) {
	case 0:
	case 1:
		comes(more);
		break;
	case 2:
		if (n_conns && conns[i].alive && conns[i].handed && !conns[i].back) {
			conns[i].back = true;
			write_record(i, what / 9, VERDICT_HELD_TOO_LONG, true);
		}
		break;
	case 3:
		if (n_conns)
			dies(i, what & 16);
		break;
	case 4:
		ends_ready(&o);
		break;
	case 5:
		records_take(&o);
		break;
	case 6:
		now_ns += more * (uint64_t)SECOND;
		sample_due(&o);
		break;
	case 7:
		if (what & 16)
			sample_start(&o, more, more & 1);
		diag_ready(&o);
		break;
	case 8:
		if (what & 32)
			restart();
		else
			fail_send = what & 16 ? 1 : 0;
		break;
	}
}

/* All die, some untold; and then it has all the time. */
static void finish(void)
{
	for (uint32_t i = 0; i < n_conns; i++)
		dies(i, i % 3);
	fail_send = 0;
	for (int turn = 0; turn < 400 && (turn < 20 || live.n > 0); turn++) {
		now_ns += 60ull * SECOND;
		sample_due(&o);
		ends_ready(&o);
		records_take(&o);
		diag_ready(&o);
		must(o.table.live->n == live.n);
	}
	must(live.n == 0 && live.by_service[1] == 0);
	for (uint32_t i = 0; i < n_conns; i++)
		must(conns[i].lines == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int i = 0; i < SLOTS; i++)
		memset(&ledgers[i], 0, offsetof(struct ledger, listeners));
	memset(live.entries, 0, live.n_touched * sizeof(live.entries[0]));
	live.n = live.n_touched = 0;
	n_conns = n_ends = first_end = 0;
	no_room = false;
	fail_send = 0;
	dump.asked = false;
	now_ns = 1000ull * SECOND;
	o = (struct observer){.ledgers = ledgers, .n_slots = SLOTS, .log.fd = -1};
	must(table_init(&o.table, &live) == 0);
	for (size_t i = 0; i + 1 < size; i += 2)
		one(data[i], data[i + 1]);
	finish();
	free(o.table.index);
	free(o.table.free);
	return 0;
}
