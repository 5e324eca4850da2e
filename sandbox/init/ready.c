/* SPDX-License-Identifier: ISC */
/* ready.c: the upstream says that it is ready by a newline on a descriptor of its own, the write end of a pipe of ours. What else it writes
 * there is dropped, a bounded piece for each turn of the loop: who floods it takes processor time of its own group. */
#include "init.h"
#include "base/io.h"
#include "base/parse.h"

#include <fcntl.h>
#include <string.h>

#define PIECE 512
/* The end of the upstream closes its descriptors a moment before it is told to us, and says more than that it can not become ready. */
#define END_COMES_MS 100

static int number = -1;           /* of the upstream's */
static int reads = -1, writes = -1;
static uint64_t closed_ms;        /* when all others had closed it; 0: they have not */

bool ready_parse(const char *word)
{
	uint64_t n;

	if (strncmp(word, "fd:", 3) != 0 || trp_parse_u64(word + 3, &n) < 0 || n < 3 || n > INT16_MAX)
		return false;
	number = (int)n;
	return true;
}

int ready_open(void)
{
	int p[2];

	if (number < 0)
		return 0;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	reads = p[0];
	writes = p[1]; /* blocks, as the upstream expects of any pipe */
	return trp_set_nonblock(reads, true);
}

int ready_give(int *report)
{
	if (number < 0)
		return 0;
	if (*report == number) {
		*report = fcntl(number, F_DUPFD_CLOEXEC, number + 1);
		if (*report < 0) {
			*report = number;
			return -errno;
		}
	}
	if (writes == number)
		return fcntl(writes, F_SETFD, 0) < 0 ? -errno : 0;
	return dup2(writes, number) < 0 ? -errno : 0;
}

void ready_given(void)
{
	trp_close(&writes);
}

int ready_fd(void)
{
	return closed_ms ? -1 : reads;
}

void ready_read(void)
{
	char piece[PIECE];
	ssize_t n = read(reads, piece, sizeof(piece));

	if (n == 0)
		closed_ms = trp_now_ms();
	if (n <= 0 || !memchr(piece, '\n', (size_t)n))
		return;
	trp_close(&reads);
	control_report(TRP_INIT_READY, 1, 0);
}

int ready_timeout(void)
{
	uint64_t now = trp_now_ms();

	if (!closed_ms)
		return -1;
	return now >= closed_ms + END_COMES_MS ? 0 : (int)(closed_ms + END_COMES_MS - now);
}

void ready_tick(void)
{
	if (!closed_ms || ready_timeout() > 0 || steps_result() >= 0)
		return;
	closed_ms = 0;
	trp_close(&reads);
	control_report(TRP_INIT_READY, 0, 0);
}
