/* SPDX-License-Identifier: ISC */
/* check.c: the answer to a health check. The daemon has made the connection, sent what there is to be sent, and handed the other end to the service
 * as a client's; what comes back is a tenant's, so it is looked at here, in his own sandbox, and the daemon gets a number.
 * Of the answer a few bytes are kept. The rest is read and dropped, within bounds, so that the service can write it in peace. */
#include "init.h"
#include "base/answer.h"
#include "base/io.h"

#include <string.h>

#define REST_MAX (256 * 1024) /* bytes of an answer that are read after what was looked for */
#define REST_MS  1000         /* ... and for so long */
#define PIECE    4096

static struct {
	int fd; /* -1: there is none */
	int kind, number;
	uint64_t deadline_ms;
	bool told;
	size_t len;  /* in head */
	size_t rest; /* read since */
	unsigned char head[TRP_ANSWER_MAX];
} check = {.fd = -1};

void check_begin(int fd, int kind, int ms, int number)
{
	trp_close(&check.fd);
	check.fd = fd;
	check.kind = kind;
	check.number = number;
	check.deadline_ms = trp_now_ms() + (uint64_t)(ms > 0 ? ms : 0);
	check.told = false;
	check.len = check.rest = 0;
}

static void tell(int result)
{
	uint64_t end = trp_now_ms() + REST_MS;

	check.told = true;
	check.deadline_ms = end;
	control_checked(check.number, result);
}

static void look(void)
{
	enum trp_answer a = TRP_ANSWER_NEED;
	int number = 0, result = 0;

	if (check.kind == TRP_CHECK_HTTP) {
		a = trp_answer_http(check.head, check.len, &number);
		result = number;
	} else if (check.kind == TRP_CHECK_TLS) {
		a = trp_answer_tls(check.head, check.len, &number);
		result = number < 0 ? 0 : TRP_CHECK_ALERT - number;
	} else if (check.len > 0) {
		a = TRP_ANSWER_FOUND;
	}
	if (a == TRP_ANSWER_BAD)
		tell(TRP_CHECK_OTHER);
	else if (a == TRP_ANSWER_FOUND)
		tell(result);
}

/* Its end, or an error: both say that somebody had it. */
static void ended(void)
{
	if (!check.told)
		tell(check.kind == TRP_CHECK_TCP ? 0 : TRP_CHECK_CLOSED);
	trp_close(&check.fd);
}

int check_fd(void)
{
	return check.fd;
}

void check_read(void)
{
	unsigned char piece[PIECE];
	ssize_t n = read(check.fd, piece, sizeof(piece));
	size_t room = sizeof(check.head) - check.len, part;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ended();
		return;
	}
	part = (size_t)n < room ? (size_t)n : room;
	memcpy(check.head + check.len, piece, part);
	check.len += part;
	if (!check.told)
		look();
	check.rest += (size_t)n;
	if (check.rest > REST_MAX)
		trp_close(&check.fd);
}

int check_timeout(void)
{
	uint64_t now = trp_now_ms();

	if (check.fd < 0)
		return -1;
	return now >= check.deadline_ms ? 0 : (int)(check.deadline_ms - now);
}

void check_tick(void)
{
	if (check.fd < 0 || check_timeout() > 0)
		return;
	if (!check.told)
		tell(TRP_CHECK_LATE);
	trp_close(&check.fd);
}
