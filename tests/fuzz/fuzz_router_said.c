/* SPDX-License-Identifier: ISC */
/* What a router that was taken over says on its control socket, as worker.c takes it, and what trpsup explain makes of its answer. First byte: whether
 * it is ready (1), synced (2), is asked for its counters (4), pinged (8). Then the messages: each as much of one as the byte in front says. What must hold: it
 * is either one of the answers, or the router is condemned and nothing more is read; each word counts once. */
#include "supervisor/routerproc.h"
#include "supervisor/service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#include "supervisor/verbs_route.c" /* their statics are what is tried */
#include "supervisor/worker.c"

#define SYNCS 3 /* that it was asked */

static unsigned n_synced, n_answers, n_passed;

static bool on_answer(struct worker *w, const struct router_msg *m)
{
	static struct daemon d;
	struct explain_ask a = {.port = 80};
	json_t *row;

	if (m->type != ROUTER_EXPLAINED)
		return m->type == ROUTER_STATS_REPLY && w->asked && n_answers++ == 0;
	row = explain_row(&d, &a, m);
	if (!row || !json_string_value(json_object_get(row, "route")))
		abort(); /* whatever it said, it is text */
	json_decref(row);
	return true;
}

static void on_synced(struct worker *w)
{
	if (!w->ready || n_synced++ > 0)
		abort();
}

static void on_passed(struct worker *w, uint32_t seq)
{
	(void)w;
	(void)seq;
	if (n_passed++ == SYNCS)
		abort();
}

static void say(int fd, const uint8_t **data, size_t *size)
{
	struct router_msg m = {.magic = ROUTER_CONTROL_MAGIC};
	size_t len = **data < *size ? **data : *size - 1;

	/* short inputs make whole messages, as the fuzzer would not find their length: but for one of eight */
	memcpy((char *)&m + sizeof(m.magic), *data + 1, len < sizeof(m) - sizeof(m.magic) ? len : sizeof(m) - sizeof(m.magic));
	if (len % 8 == 7)
		(void)send(fd, *data + 1, len, MSG_DONTWAIT);
	else
		(void)send(fd, &m, sizeof(m), MSG_DONTWAIT);
	*data += 1 + len;
	*size -= 1 + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ev_loop *loop;
	struct worker w = {.control = -1};
	int pair[2];

	if (size < 1 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return 0;
	loop = loop ? loop : ev_loop_new(EVFLAG_AUTO);
	w = (struct worker){.control = pair[0], .loop = loop, .ready = data[0] & 1, .synced = (data[0] & 3) == 3, .asked = data[0] & 4,
		.ping_seq = data[0] & 8 ? 7 : 0, .sync_seq = 5, .syncs = SYNCS, .answered = on_answer, .now_synced = on_synced, .passed = on_passed};
	ev_io_init(&w.on_message, on_message, pair[0], EV_READ);
	ev_timer_init(&w.timer, on_late, 1, 0);
	ev_timer_init(&w.hang, on_hang, 1, 0);
	ev_io_start(loop, &w.on_message);
	n_synced = n_answers = n_passed = 0;
	for (data++, size--; size > 0 && ev_is_active(&w.on_message);) {
		say(pair[1], &data, &size);
		take_message(&w);
		if (!ev_is_active(&w.on_message) && !w.failure[0])
			abort(); /* it is told why */
	}
	ev_io_stop(loop, &w.on_message);
	ev_timer_stop(loop, &w.timer);
	ev_timer_stop(loop, &w.hang);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
