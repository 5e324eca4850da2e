/* SPDX-License-Identifier: ISC */
/* What a process of the sandbox asks of trp-init (sandbox/init/adapter.c): the input is one packet. What must hold: exactly one answer of the fixed
 * size for what is a question, and with it the channel exactly if the profile has that one and the upstream was started; no answer
 * else. */
#include "base/fdpass.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#include "sandbox/init/adapter.c" /* its statics are what is tried */

/* init's other part */
static struct init_channel channel = {.fd = -1};
static int n_listens;
static bool started;

bool steps_upstream_was_started(void)
{
	return started;
}

struct init_channel *control_channel(uint16_t port, uint16_t family)
{
	return port == 80 && family == AF_INET ? &channel : NULL;
}

void control_listens(struct init_channel *ch, uint16_t v6only, int32_t backlog)
{
	(void)v6only;
	(void)backlog;
	if (ch != &channel)
		abort();
	n_listens++;
}

static void check_answer(int fd, const uint8_t *data, size_t size, bool was_asked, bool was_several)
{
	struct trp_adapter_ask ask = {.magic = 0};
	struct trp_adapter_answer a;
	size_t n_fds = 0;
	int got = -1;
	ssize_t n = trp_fd_recv_upto(fd, &a, sizeof(a), &got, 1, &n_fds, MSG_DONTWAIT);
	bool question, known, given;

	if (size == sizeof(ask))
		memcpy(&ask, data, sizeof(ask));
	question = ask.magic == TRP_ADAPTER_MAGIC;
	known = question && ask.port == 80 && ask.family == AF_INET && started;
	given = known && (!was_asked || was_several == (ask.several == 1));
	if (question != (n == (ssize_t)sizeof(a)) || (question && a.magic != TRP_ADAPTER_MAGIC))
		abort();
	if (question && a.status != (given ? 0 : known ? -EBUSY : -ENOENT))
		abort();
	if ((got >= 0) != given || n_listens != given)
		abort();
	if (got >= 0)
		close(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool was_asked, was_several;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return 0;
	if (channel.fd < 0)
		channel.fd = dup(pair[0]);
	channel.asked = was_asked = size > 0 && data[size - 1] % 2;
	channel.several = was_several = size > 0 && data[size - 1] % 4 > 1;
	started = size == 0 || data[size - 1] % 8 < 4;
	n_listens = 0;
	if (send(pair[1], data, size, MSG_DONTWAIT) >= 0 && !serve(pair[0]))
		abort(); /* there was a packet: it is done with, for good or bad */
	check_answer(pair[1], data, size, was_asked, was_several);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
