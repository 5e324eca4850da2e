/* SPDX-License-Identifier: ISC */
/* trp-observer: writes the access log: who came, by what the routers wrote down, and how each connection ended, by what the
 * kernel says of its socket. Started by the daemon in an empty sandbox. May never: open, connect, see a byte of a client but the name
 * that was asked for. */
#include "router/observer/observer.h"
#include "base/log.h"
#include "base/util.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

/* While there is something, records are taken so often and not one by one: a router that has to wake us pays for it. */
#define BUSY_MS 20

static struct observer observer = {.log.fd = -1};

uint64_t observer_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void on_terminate(int signo)
{
	(void)signo;
	observer.end = true;
}

static void set_signals(void)
{
	struct sigaction end = {.sa_handler = on_terminate}, ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL); /* write() says so too */
}

static void *map(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		log_fatal("descriptor %d is not the daemon's memory (%m); this program is started by trpsupd", fd);
	return p;
}

/* False: a router has written meanwhile. */
static bool fall_asleep(struct observer *o)
{
	bool may = true;

	for (uint32_t i = 0; i < o->n_slots && may; i++)
		may = ledger_sleep(&o->ledgers[i]);
	return may;
}

static void awake(struct observer *o)
{
	for (uint32_t i = 0; i < o->n_slots; i++)
		ledger_awake(&o->ledgers[i]);
}

static void run(struct observer *o)
{
	struct pollfd fds[] = {{OBSERVER_CONTROL_FD, POLLIN, 0}, {OBSERVER_WAKE_FD, POLLIN, 0}, {OBSERVER_ENDS_FD, POLLIN, 0},
		{OBSERVER_DIAG_FD, POLLIN, 0}};
	bool busy = true;
	uint64_t wakes;

	while (!o->end) {
		fds[2].fd = o->n_slots ? OBSERVER_ENDS_FD : -1; /* that news were lost is told also who does not ask */
		const int due = sample_due(o);
		int n = poll(fds, TRP_ARRAY_SIZE(fds), busy ? BUSY_MS : fall_asleep(o) ? due : 0);
		awake(o);
		if (n < 0 && errno != EINTR)
			log_fatal("poll: %m");
		if (n < 0)
			continue;
		if (fds[1].revents && read(OBSERVER_WAKE_FD, &wakes, sizeof(wakes)) < 0)
			wakes = 0; /* nobody woke us after all */
		if (fds[0].revents)
			control_ready(o);
		/* not before the records of those that died can be read */
		busy = (fds[2].revents || o->ends_lost) && o->n_slots ? ends_ready(o) : false;
		busy |= records_take(o);
		if (fds[3].revents)
			diag_ready(o);
		log_flush(o);
	}
	records_take(o);
	log_flush(o);
}

int main(void)
{
	struct confine_failure f;

	log_init("trp-observer", LOG_LEVEL_INFO);
	set_signals();
	observer.ledgers = map(OBSERVER_LEDGER_FD, sizeof(struct ledger) * LEDGER_SLOTS);
	if (table_init(&observer.table, map(OBSERVER_LIVE_FD, sizeof(struct live))) < 0)
		log_fatal("no memory");
	close(OBSERVER_LEDGER_FD);
	close(OBSERVER_LIVE_FD);
	for (uint32_t i = 0; i < observer.table.live->n_touched && i < LIVE_MAX; i++)
		observer.sample.number = observer.table.live->entries[i].sampled > observer.sample.number
						 ? observer.table.live->entries[i].sampled
						 : observer.sample.number;
	if (observer_lockdown(&f) < 0)
		log_fatal("not locked down, so not started: %s%s%s", f.what, f.error ? ": " : "",
			f.error ? strerror(f.error) : "");
	control_say(&observer, OBSERVER_READY, 0);
	run(&observer);
	return 0;
}
