/* SPDX-License-Identifier: ISC */
#include "supervisor/timers.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/controlmsg.h"
#include "supervisor/load.h"
#include "supervisor/record.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#define STAMP_MAX 4096

struct timers {
	struct daemon *d;
	int fd;
	ev_io on_due;
};

static const char *const results[] = {"none", "running", "ok", "failed", "stopped"};

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct timer_now now(void)
{
	return (struct timer_now){.real = seconds_of(CLOCK_REALTIME), .boot = seconds_of(CLOCK_BOOTTIME)};
}

static double some_part(void)
{
	uint32_t r = 0;

	(void)!getrandom(&r, sizeof(r), GRND_NONBLOCK);
	return (double)r / 4294967296.0;
}

/* Absolute, so that a machine that slept is woken up to date; and the kernel tells when the clock is set. False: it was set since we were told last; here
 * alone that is said then, and the timer runs all the same. */
static bool set_kernels(struct timers *t)
{
	struct itimerspec when = {0};
	struct timer_now n = now();
	double first = 0;

	for (const struct service *s = t->d->services; s; s = s->next) {
		double own = s->timed.armed ? timer_first(&s->timed.due, &n) : 0;
		if (own != 0 && (first == 0 || own < first))
			first = own;
	}
	if (first != 0) {
		if (first < 1)
			first = 1; /* 0 would be never */
		when.it_value.tv_sec = (time_t)first;
		when.it_value.tv_nsec = (long)((first - (double)when.it_value.tv_sec) * 1e9);
	}
	if (timerfd_settime(t->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) == 0)
		return true;
	if (errno == ECANCELED)
		return false;
	log_error("timers: timerfd_settime: %m");
	return true;
}

/* armed, part: as timer_next() has them */
static struct timer_due next_of(const struct service *s, bool armed, double part)
{
	struct timer_now n = now();

	n.ran = s->timed.since_boot;
	return timer_next(s->profile, &n, s->timed.last, armed, part);
}

/* Calendars are about what the clock shows now. What it jumped over has come; but not if it showed a time before the last run, as one does that
 * nothing keeps while the machine is off: that was missed, or it was not. */
static void clock_was_set(struct timers *t)
{
	log_info("the clock was set: what is to be run when is looked up anew");
	for (struct service *s = t->d->services; s; s = s->next) {
		struct timer_now n = now();
		const bool was_wrong = s->timed.due.real < s->timed.last && s->timed.last < n.real;
		if (!s->timed.armed || (timer_is_due(&s->timed.due, &n) && !was_wrong))
			continue;
		s->timed.due.real = next_of(s, was_wrong, some_part()).real;
		record_save(s);
	}
}

/* The first that is due of all. */
static void program(struct timers *t)
{
	while (t && !set_kernels(t))
		clock_was_set(t);
}

/* "": not known now */
static const char *boot_id(void)
{
	const char *id;

	return record_boot(&id) < 0 ? "" : id;
}

static char *stamp_path(const struct service *s)
{
	return trp_asprintf("%s/timers/%s", s->d->config->state_dir, s->name);
}

/* Not synced: a machine that crashes just then runs it once more. */
static void save(struct service *s)
{
	cleanup_free char *path = stamp_path(s), *dir = trp_asprintf("%s/timers", s->d->config->state_dir), *text = NULL;
	json_t *o = json_pack("{s:f,s:f,s:s,s:s,s:o}", "last", s->timed.last, "ended", s->timed.ended, "result", results[s->timed.result], "boot",
		s->timed.since_boot ? boot_id() : "", "why", controlmsg_string(s->timed.why, strlen(s->timed.why)));
	int r = -ENOMEM;

	if (o)
		text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (path && dir && text)
		r = trp_mkdir_p(dir, 0700);
	if (r == 0)
		r = trp_write_whole(AT_FDCWD, path, text, strlen(text), 0600);
	if (r < 0)
		log_warn("%s: its last run cannot be noted: %s", s->name, strerror(-r));
	record_save(s);
}

bool timers_since_boot(double last)
{
	struct timer_now n = now();

	return last > 0 && last >= n.real - n.boot;
}

/* Power failed as it was written: that was when a run began or ended. */
static void take_damaged(struct service *s, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	log_warn("%s: damaged; its last run is taken to have been when that was written", path);
	s->timed.last = (double)st.st_mtim.tv_sec;
	s->timed.since_boot = timers_since_boot(s->timed.last);
	s->timed.result = TIMER_STOPPED;
}

static void read_stamp(struct service *s)
{
	cleanup_free char *path = stamp_path(s), *text = NULL;
	const char *why, *result, *boot;
	size_t len;
	json_t *o;

	if (s->timed.known || !path)
		return;
	s->timed.known = true;
	if (s->timed.result == TIMER_RUNS || trp_read_file(AT_FDCWD, path, STAMP_MAX, &text, &len) < 0)
		return;
	o = json_loadb(text, len, 0, NULL);
	if (!o) {
		take_damaged(s, path);
		return;
	}
	s->timed.last = json_number_value(json_object_get(o, "last"));
	s->timed.ended = json_number_value(json_object_get(o, "ended"));
	boot = json_string_value(json_object_get(o, "boot"));
	s->timed.since_boot = boot ? strcmp(boot, boot_id()) == 0 : timers_since_boot(s->timed.last);
	result = json_string_value(json_object_get(o, "result"));
	why = json_string_value(json_object_get(o, "why"));
	for (unsigned i = 0; result && i < TRP_ARRAY_SIZE(results); i++)
		if (strcmp(results[i], result) == 0)
			s->timed.result = i == TIMER_RUNS ? TIMER_STOPPED : i; /* with the machine */
	snprintf(s->timed.why, sizeof(s->timed.why), "%s", why ? why : "");
	json_decref(o);
}

static void plan_next(struct service *s, bool armed)
{
	s->timed.due = next_of(s, armed, some_part());
}

/* Its profile is read anew, as by any start. */
static void run(struct service *s)
{
	struct profile_errors errors = {0};
	int r = load_service(s->d, s->name, false, &s, &errors);

	if (r < 0) {
		s->timed.last = s->timed.ended = now().real;
		s->timed.since_boot = true;
		s->timed.result = TIMER_FAILED;
		snprintf(s->timed.why, sizeof(s->timed.why), "%s", errors.n ? errors.v[0] : strerror(-r));
		service_say(s, "failed", "its time has come, but it cannot be started: %s", s->timed.why);
		profile_errors_free(&errors);
		save(s);
		return;
	}
	profile_errors_free(&errors);
	if (!profile_is_timed(s->profile)) /* not any more */
		return;
	service_say(s, "note", "its time has come");
	s->wanted = true;
	service_event(s, EVENT_START);
}

static void come(struct service *s)
{
	if (service_is_active(s)) {
		s->timed.passed_over++;
		service_say(s, "note", "its time has come while it still runs: passed over");
	} else {
		run(s);
	}
	if (s->timed.armed)
		plan_next(s, false);
	record_save(s);
}

static void look(struct timers *t)
{
	for (struct service *s = t->d->services, *next; s && !t->d->stopping; s = next) {
		struct timer_now n = now();
		next = s->next;
		if (s->timed.armed && timer_is_due(&s->timed.due, &n))
			come(s);
	}
	program(t);
}

static void on_due(struct ev_loop *loop, ev_io *w, int events)
{
	struct timers *t = w->data;
	uint64_t times;

	(void)loop, (void)events;
	if (read(t->fd, &times, sizeof(times)) < 0) {
		if (errno != ECANCELED)
			return;
		clock_was_set(t);
	}
	look(t);
}

int timers_open(struct daemon *d, struct timers **ret)
{
	struct timers *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->d = d;
	t->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (t->fd < 0) {
		int r = -errno;
		free(t);
		return r;
	}
	ev_io_init(&t->on_due, on_due, t->fd, EV_READ);
	t->on_due.data = t;
	ev_io_start(d->loop, &t->on_due);
	*ret = t;
	return 0;
}

void timers_close(struct timers *t)
{
	if (!t)
		return;
	ev_io_stop(t->d->loop, &t->on_due);
	close(t->fd);
	free(t);
}

/* The clock may have been set back, or to another time zone, while there was no daemon. */
static void clock_was_right(struct service *s)
{
	const double latest = next_of(s, false, 1.).real;

	if (latest != 0 && s->timed.due.real > latest)
		s->timed.due.real = next_of(s, false, some_part()).real;
}

void timers_adopted(struct daemon *d)
{
	for (struct service *s = d->services; s; s = s->next) {
		s->timed.known = s->timed.armed;
		if (s->timed.armed && s->timed.due.real == 0 && s->timed.due.boot == 0)
			plan_next(s, true);
		else if (s->timed.armed)
			clock_was_right(s);
	}
	program(d->timers);
}

void timers_arm(struct service *s)
{
	if (!profile_is_timed(s->profile) || s->timed.armed || s->shadow)
		return;
	read_stamp(s);
	s->timed.armed = true;
	plan_next(s, true);
	record_save(s);
	program(s->d->timers);
}

void timers_disarm(struct service *s)
{
	if (!s->timed.armed)
		return;
	s->timed.armed = false;
	s->timed.due = (struct timer_due){0};
	record_save(s);
	program(s->d->timers);
}

static bool same_times(const struct profile *a, const struct profile *b)
{
	bool same = a->calendars.n == b->calendars.n && a->timer_interval_ms == b->timer_interval_ms && a->timer_boot_ms == b->timer_boot_ms &&
		a->timer_random_ms == b->timer_random_ms && a->timer_persistent == b->timer_persistent;

	for (size_t i = 0; same && i < a->calendars.n; i++)
		same = strcmp(a->calendars.v[i].text, b->calendars.v[i].text) == 0;
	return same;
}

void timers_profile(struct service *s, const struct profile *old)
{
	if (!s->timed.armed || s->shadow)
		return;
	if (!profile_is_timed(s->profile)) {
		timers_disarm(s);
		if (s->state == STATE_IDLE && s->profile->start != START_ON_DEMAND)
			service_event(s, EVENT_STOP);
		return;
	}
	if (old && same_times(old, s->profile)) /* it was read anew, or another key has changed: it waits for as long as before */
		return;
	plan_next(s, false);
	record_save(s);
	program(s->d->timers);
}

static bool is_down(int state)
{
	return state == STATE_STOPPED || state == STATE_IDLE || state == STATE_FAILED;
}

void timers_state(struct service *s, int from)
{
	struct service_timer *t = &s->timed;

	if (s->shadow || !s->profile || !profile_is_timed(s->profile))
		return;
	if (is_down(from) && s->state == STATE_WAITING) {
		read_stamp(s);
		t->last = now().real;
		t->since_boot = true;
		t->ended = 0;
		t->result = TIMER_RUNS;
		s->worked = 0;
		t->why[0] = '\0';
		save(s);
	} else if (is_down(s->state) && t->result == TIMER_RUNS) {
		t->ended = now().real;
		t->result = s->worked > 0 ? TIMER_OK : s->state == STATE_FAILED ? TIMER_FAILED : TIMER_STOPPED;
		if (t->result == TIMER_FAILED)
			snprintf(t->why, sizeof(t->why), "%.199s", s->message);
		save(s);
	}
}

static json_t *real_or_null(double seconds)
{
	return seconds == 0 ? json_null() : json_real(seconds);
}

json_t *timers_describe(const struct service *s)
{
	const struct service_timer *t = &s->timed;
	struct timer_now n = now();

	if (!profile_is_timed(s->profile))
		return json_null();
	return json_pack("{s:b,s:o,s:o,s:o,s:s,s:o,s:i}", "armed", t->armed, "next", real_or_null(t->armed ? timer_first(&t->due, &n) : 0), "last",
		real_or_null(t->last), "ended", real_or_null(t->ended), "result", results[t->result], "why", controlmsg_string(t->why, strlen(t->why)),
		"passed_over", (int)t->passed_over);
}
