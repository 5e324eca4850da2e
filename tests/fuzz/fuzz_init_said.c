/* SPDX-License-Identifier: ISC */
/* What trp-init, which a tenant may have taken over, says on its control socket, as instance.c takes it, and how the run is judged by it in the end.
 * First byte: the profile (bits 0-2 its ready, 3 a pid file, 4 its setup steps) and whether it runs its steps before a stop (5). Then the packets, each with its length in a byte in front. What must
 * hold: nothing that is said is another event than that it is ready or never will be, or how it ended; and the lines that are said of it, and the records that are
 * written, are bounded however much it says (those of a main process that changes, and while it stops, come at a rate). */
#include "base/fdpass.h"
#include "supervisor/ahead.h"
#include "supervisor/profile/keys.h"
#include "supervisor/initsock.h"
#include "supervisor/launch.h"
#include "supervisor/prestop.h"
#include "supervisor/reap.h"
#include "supervisor/record.h"
#include "supervisor/service.h"
#include "supervisor/timeout.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The parts of the daemon beside instance.c. */
static size_t n_lines, n_records;
static bool has_listened;

static void said(struct service *s, const char *event, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	(void)s;
	(void)event;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n_lines++;
}

static void noted(struct logs *l, const char *fmt, ...)
{
	(void)l;
	(void)fmt;
	n_lines++;
}

static void happened(struct service *s, enum service_event event)
{
	if (s->state != STATE_STARTING || !(event == EVENT_READY || (event == EVENT_NEVER_READY && s->profile->ready == READY_FD)))
		abort();
	s->state = event == EVENT_READY ? STATE_READY : STATE_ABORTING;
}

static void recorded(struct service *s)
{
	(void)s;
	n_records++;
}

static bool listened(struct service *s, const struct trp_init_msg *msg)
{
	bool new = !has_listened && msg->port == 80 && msg->family == AF_INET;

	(void)s;
	has_listened |= new;
	return new;
}

static bool all_listened(const struct service *s)
{
	(void)s;
	return has_listened;
}

#define service_say(...)    said(__VA_ARGS__)
#define logs_note(...)      noted(__VA_ARGS__)
#define service_event(s, e) happened(s, e)
#define record_save(s)      recorded(s)
#define route_listened(s, m) listened(s, m)
#define route_all_listened(s) all_listened(s)
/* of a key of the profile, which is not read from a file here; after the headers, that name is a struct too */
#define profile_where(p, section, key) ((struct profile_where){"f.ini", 3})
#define timeout_again(s) (void)(s)
#include "supervisor/prestop.c" /* their statics are what is tried */
#include "supervisor/instance.c"
#include "supervisor/judge.c"

enum { SETUP_MAX = 2, LINES_MAX = 3 * SETUP_MAX + 3 + MAINS_IN_A_ROW, PACKETS_MAX = 200 };

/* The profile's part, kept for all inputs. */
static struct profile *make_profile(uint8_t bits)
{
	static char program[] = "/bin/true", *words[] = {program, NULL};
	static struct strv setup[SETUP_MAX];
	static struct profile_where where[SETUP_MAX] = {{"f.ini", 1}, {"f.ini", 2}};
	static char pid_file[] = "/run/pid";
	static struct profile p;

	setup[0] = setup[1] = (struct strv){words, 1};
	p = (struct profile){.command = {words, 1}, .setup = {setup, where, bits & 16 ? SETUP_MAX : 0},
		.pre_stop = {setup, where, SETUP_MAX},
		.ready = (bits & 7) % (READY_FD + 1), .pid_file = bits & 8 ? pid_file : NULL};
	return &p;
}

/* Returns how many packets said who the main process is, or something of the steps before a stop: each may be a record. */
static size_t feed(int fd, const uint8_t **data, size_t *size)
{
	size_t n_main = 0, n = 0;

	for (; *size > 0 && n < PACKETS_MAX; n++) {
		size_t len = **data % 40 < *size ? **data % 40 : *size - 1;
		struct trp_init_msg m = {.magic = 0};
		memcpy(&m, *data + 1, len < sizeof(m) ? len : sizeof(m));
		n_main += m.type == TRP_INIT_MAIN || m.type >= TRP_INIT_STOP_STEP;
		if (send(fd, *data + 1, len, MSG_DONTWAIT | MSG_EOR) < 0)
			break;
		*data += 1 + len;
		*size -= 1 + len;
	}
	return n_main;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct daemon d;
	struct service s = {.d = &d, .state = STATE_STARTING};
	bool stops;
	enum service_event event;
	size_t n_main = 0;
	int pair[2];

	if (size < 1 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return 0;
	if (!d.loop)
		d.loop = ev_loop_new(EVFLAG_AUTO);
	stops = *data & 32;
	s.profile = make_profile(*data++);
	s.run = (struct instance){.running = true, .control = pair[0], .notify = -1, .last_step = -1, .n_setup = s.profile->setup.n,
		.pre_stop = stops, .last_stop = -1, .last_stop_end = -1};
	ev_io_init(&s.run.on_control, on_control, pair[0], EV_READ);
	n_lines = n_records = 0;
	has_listened = false;
	ev_io_start(d.loop, &s.run.on_control);
	for (size--; size > 0 && ev_is_active(&s.run.on_control);) { /* an empty packet looks like the end, and ends it */
		n_main += feed(pair[1], &data, &size);
		while (read_control(&s) == MESSAGES_PER_TURN)
			;
	}
	if (n_lines > LINES_MAX || n_records > n_main + 8)
		abort();
	ev_io_stop(d.loop, &s.run.on_control);
	s.run.running = false;
	event = instance_judge(&s, 0);
	if (event != EVENT_GONE_AGAIN && event != EVENT_GONE_FAILED && event != EVENT_GONE_DONE && event != EVENT_START_TEMPORARY &&
		event != EVENT_START_PERMANENT)
		abort();
	close(pair[0]);
	close(pair[1]);
	return 0;
}
