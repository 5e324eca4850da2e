/* SPDX-License-Identifier: ISC */
/* What trp-logread says to trpsupd for one client of "logs". It may have been taken over: others have their turn, however much it says.
 * wrap: trp_fd_recv trp_fd_send control_pending control_reply logger_sink logsink_unwait reap_kill */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* it has one of its own */

#include "supervisor/logstream.c" /* its statics are what is tried */
#include "supervisor/reap.h"

#include <signal.h>

static unsigned n_heard, n_replies;
static size_t n_pending, len;
static uint32_t type = LOGREAD_LINES;

ssize_t __wrap_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags);
ssize_t __wrap_trp_fd_recv(int sock, void *buf, size_t size, int *ret_fds, size_t n_fds, int flags)
{
	struct logread_reply *r = buf;

	(void)sock, (void)size, (void)ret_fds, (void)n_fds, (void)flags;
	if (n_heard++ == 100000)
		return -EAGAIN;
	r->magic = LOGREAD_MAGIC;
	r->type = type;
	memcpy(r->text, "a b\n", 4);
	return (ssize_t)(offsetof(struct logread_reply, text) + len);
}

/* Names that it was woken for; "": all. */
static unsigned n_named;
static bool all_named, no_room;

int __wrap_trp_fd_send(int sock, const void *buf, size_t size, const int *fds, size_t n_fds, int flags);
int __wrap_trp_fd_send(int sock, const void *buf, size_t size, const int *fds, size_t n_fds, int flags)
{
	(void)sock, (void)fds, (void)n_fds, (void)flags;
	assert_int_equal(strlen(buf) + 1, size);
	if (no_room)
		return -EAGAIN;
	n_named++;
	all_named = all_named || size == 1;
	return 0;
}

size_t __wrap_control_pending(const struct control_call *call);
size_t __wrap_control_pending(const struct control_call *call)
{
	(void)call;
	return n_pending;
}

void __wrap_control_reply(struct control_call *call, json_t *parameters, bool continues);
void __wrap_control_reply(struct control_call *call, json_t *parameters, bool continues)
{
	(void)call, (void)continues;
	json_decref(parameters);
	n_replies++;
	n_pending += CONTROL_OUTPUT_LOW / 8;
}

struct logsink *__wrap_logger_sink(struct logger *l);
struct logsink *__wrap_logger_sink(struct logger *l)
{
	(void)l;
	return NULL;
}

void __wrap_logsink_unwait(struct logsink *s, struct logsink_barrier *b);
void __wrap_logsink_unwait(struct logsink *s, struct logsink_barrier *b)
{
	(void)s, (void)b;
}

/* It waits for a disk. */
int __wrap_reap_kill(int pidfd, int signo);
int __wrap_reap_kill(int pidfd, int signo)
{
	(void)pidfd, (void)signo;
	return 0;
}

static unsigned turn(struct logstream *s)
{
	n_heard = n_replies = 0;
	on_reply(s->d->loop, &s->on_reply, EV_READ);
	return n_heard;
}

static void test_turns(void **state)
{
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct logstream *s = new_stream(&d, NULL);

	(void)state;
	assert_non_null(s);
	ev_io_set(&s->on_reply, 0, EV_READ);
	ev_io_start(d.loop, &s->on_reply);
	/* as much as the client takes */
	len = 4;
	assert_int_equal(turn(s), 8);
	assert_int_equal(n_replies, 8);
	assert_false(ev_is_active(&s->on_reply));
	/* nothing of what it says is for the client */
	len = n_pending = 0;
	ev_io_start(d.loop, &s->on_reply);
	assert_true(turn(s) < 1000);
	assert_true(ev_is_active(&s->on_reply));
	ev_io_stop(d.loop, &s->on_reply);
	free(s);
	ev_loop_destroy(d.loop);
}

/* Whoever follows all hears of each that has written, however many have at once. */
static void test_woken(void **state)
{
	static const unsigned numbers[] = {3, WOKEN_MAX, WOKEN_MAX + 7};
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct logstream *s = new_stream(&d, NULL);

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(numbers); i++) {
		for (unsigned k = 0; k < numbers[i]; k++) {
			char name[20];
			snprintf(name, sizeof(name), "s%u", k);
			on_written(&s->watcher, name);
		}
		n_named = 0;
		all_named = false;
		no_room = true;
		on_gather(d.loop, &s->gather, 0);
		assert_true(ev_is_active(&s->gather)); /* the rest, when there is room */
		no_room = false;
		on_gather(d.loop, &s->gather, 0);
		assert_true(all_named || n_named == numbers[i]);
		assert_false(ev_is_active(&s->gather));
	}
	free(s);
	ev_loop_destroy(d.loop);
}

/* The last reply is there though nothing is to be said in it. */
static void test_end(void **state)
{
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct logstream *s = new_stream(&d, NULL);

	(void)state;
	assert_non_null(s);
	ev_io_set(&s->on_reply, 0, EV_READ);
	len = n_pending = 0;
	type = LOGREAD_END;
	assert_int_equal(turn(s), 1);
	assert_int_equal(n_replies, 1);
	type = LOGREAD_LINES;
	ev_loop_destroy(d.loop);
}

/* One whose client has left counts until it has ended. */
static void test_left(void **state)
{
	struct daemon d = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct logstream *s = new_stream(&d, NULL);
	pid_t pid = fork();
	unsigned lives;

	(void)state;
	if (pid == 0)
		for (;;)
			pause();
	assert_non_null(s);
	s->pidfd = reap_pidfd(pid);
	assert_true(s->pidfd >= 0);
	n_readers = READERS_MAX;
	stream_end(s);
	ev_run(d.loop, EVRUN_NOWAIT);
	lives = n_readers;
	kill(pid, SIGKILL);
	assert_int_equal(lives, READERS_MAX);
	ev_run(d.loop, EVRUN_ONCE);
	assert_int_equal(n_readers, READERS_MAX - 1);
	ev_loop_destroy(d.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_woken),
		cmocka_unit_test(test_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
