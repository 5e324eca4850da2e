/* SPDX-License-Identifier: ISC */
#include "supervisor/logger/logout.h"
#include "base/fdpass.h"
#include "base/io.h"
#include "supervisor/logger/logformat.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WAIT_US   100000u  /* for room, at a time */
#define BUDGET_US 1000000u /* for all of it, and a fifth of the time that goes by is added: so the files are never far behind */
#define SHARE     5

static int sockets[LOG_SOCKETS] = {-1, -1};
static uint64_t budget_us = BUDGET_US, counted_us;

static size_t (*const formats[LOG_SOCKETS])(const char *service, const struct log_line *line, char *buf, size_t size) = {
	[LOG_SYSLOG] = logformat_syslog, [LOG_JOURNAL] = logformat_journal};

void logout_socket(enum log_socket k, int fd)
{
	trp_close(&sockets[k]);
	sockets[k] = fd;
}

static uint64_t now_us(void)
{
	return trp_now_ns() / 1000;
}

/* False: there was none in time. */
static bool wait_for_room(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	uint64_t began = now_us(), most, spent;
	bool room;

	budget_us += (began - counted_us) / SHARE;
	if (budget_us > BUDGET_US || counted_us == 0)
		budget_us = BUDGET_US;
	counted_us = began;
	most = budget_us < WAIT_US ? budget_us : WAIT_US;
	room = most >= 1000 && poll(&p, 1, (int)(most / 1000)) == 1;
	spent = now_us() - began;
	counted_us += spent;
	budget_us -= spent < budget_us ? spent : budget_us;
	return room;
}

/* 0 or -errno; -EAGAIN: no room. */
static int send_one(enum log_socket k, const char *buf, size_t len)
{
	int r = -ENOTCONN;

	/* room for one may be gone again: others write there, too */
	for (int i = 0; i < 3 && sockets[k] >= 0; i++) {
		r = trp_fd_send(sockets[k], buf, len, NULL, 0, MSG_DONTWAIT);
		if ((r != -EAGAIN && r != -ENOBUFS) || !wait_for_room(sockets[k]))
			break;
	}
	if (r < 0 && r != -EAGAIN && r != -ENOBUFS && r != -EMSGSIZE)
		logout_socket(k, -1); /* whoever listened there is gone: the daemon looks for another */
	return r;
}

static uint64_t wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int say_dropped(enum log_socket k, const char *service, uint64_t n, char *buf, size_t size)
{
	struct log_line line = {.time = wall_us(), .stream = LOG_SUP};
	char text[100];

	line.len = (size_t)snprintf(text, sizeof(text), "%llu lines before this were dropped: they were not taken in time", (unsigned long long)n);
	line.text = text;
	return send_one(k, buf, formats[k](service, &line, buf, size));
}

static void write_to(enum log_socket k, const char *service, const char *lines, size_t len, uint64_t unsaid, struct log_ack *ack)
{
	static char buf[LOG_TEXT_MAX + LOGFORMAT_MORE];
	struct log_line line;

	ack->unsaid[k] = unsaid;
	for (const char *at = lines, *end = lines + len, *nl; at < end; at = nl + 1) {
		size_t n = 0;
		nl = memchr(at, '\n', (size_t)(end - at));
		if (!nl)
			nl = end;
		if (logtext_line(at, (size_t)(nl - at), &line))
			n = formats[k](service, &line, buf, sizeof(buf));
		if (n > 0 && ack->unsaid[k] > 0) { /* first, or they would seem to be whole */
			static char note[LOGFORMAT_MORE + 200];
			if (say_dropped(k, service, ack->unsaid[k], note, sizeof(note)) == 0)
				ack->unsaid[k] = 0;
			else
				n = 0;
		}
		if (n == 0 || send_one(k, buf, n) < 0) {
			ack->dropped[k]++;
			ack->unsaid[k]++;
		}
	}
	if (sockets[k] < 0)
		ack->broken |= LOG_SOCKET_BIT(k);
}

void logout_write(const char *service, uint32_t to, const char *lines, size_t len, const uint64_t unsaid[LOG_SOCKETS], struct log_ack *ack)
{
	for (unsigned k = 0; k < LOG_SOCKETS; k++) {
		if (to & LOG_SOCKET_BIT(k))
			write_to((enum log_socket)k, service, lines, len, unsaid[k], ack);
		else
			ack->unsaid[k] = unsaid[k];
	}
}
