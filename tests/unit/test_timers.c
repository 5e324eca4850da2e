/* SPDX-License-Identifier: ISC */
/* The daemon's one timer, with the clock and the kernel's answers of the test's: when it is set, what comes when the clock is.
 * wrap: record_boot clock_gettime timerfd_create timerfd_settime read __read_chk service_event load_service service_say record_save */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"
#include "supervisor/service.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#define NOW (1795651200.0 + 8 * 3600) /* 2026-11-26 08:00 UTC */

static double real, boot;
static struct itimerspec set;
static int set_flags, read_error, set_error, pipe_ends[2];
static enum service_event events[8];
static size_t n_events;

int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	double v = clock == CLOCK_BOOTTIME ? boot : real;

	t->tv_sec = (time_t)v;
	t->tv_nsec = (long)((v - (double)t->tv_sec) * 1e9);
	return 0;
}

static const char *boot_name = "this";
int __wrap_record_boot(const char **ret);
int __wrap_record_boot(const char **ret)
{
	*ret = boot_name;
	return 0;
}

int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags)
{
	assert_int_equal(clock, CLOCK_REALTIME);
	(void)flags;
	return dup(pipe_ends[0]); /* readable when the test says so */
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old)
{
	(void)fd, (void)old;
	set = *when;
	set_flags = flags;
	errno = set_error;
	set_error = 0;
	return errno ? -1 : 0;
}

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	ssize_t n = __real_read(fd, buf, len);

	if (!read_error || n <= 0)
		return n;
	errno = read_error;
	return -1;
}

/* What the C library makes of it where the compiler does not see that there is room. */
ssize_t __wrap___read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __wrap___read_chk(int fd, void *buf, size_t len, size_t room)
{
	(void)room;
	return __wrap_read(fd, buf, len);
}

void __wrap_service_event(struct service *s, enum service_event event);
void __wrap_service_event(struct service *s, enum service_event event)
{
	int from = s->state;

	events[n_events++] = event;
	s->state = STATE_WAITING;
	timers_state(s, from);
}

int __wrap_load_service(struct daemon *d, const char *name, bool reload, struct service **ret, struct profile_errors *errors);
int __wrap_load_service(struct daemon *d, const char *name, bool reload, struct service **ret, struct profile_errors *errors)
{
	(void)d, (void)name, (void)reload, (void)ret, (void)errors;
	return 0;
}

void __wrap_service_say(struct service *s, const char *event, const char *fmt, ...);
void __wrap_service_say(struct service *s, const char *event, const char *fmt, ...)
{
	(void)s, (void)event, (void)fmt;
}

void __wrap_record_save(struct service *s);
void __wrap_record_save(struct service *s)
{
	(void)s;
}

static char dir[64];
static struct config config = {.state_dir = dir};
static struct daemon d;
static struct profile profile;
static struct profile_calendar calendar;
static struct service s;

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/trpsup-unit-XXXXXX");
	if (!mkdtemp(dir) || pipe(pipe_ends) < 0)
		return -1;
	setenv("TZ", "UTC", 1);
	real = NOW;
	boot = 1000;
	n_events = 0;
	read_error = 0;
	profile = (struct profile){.calendars = {&calendar, 1}};
	assert_int_equal(trp_calendar_parse("12:00", &calendar.when), 0);
	d = (struct daemon){.loop = ev_loop_new(EVFLAG_AUTO), .config = &config, .services = &s};
	s = (struct service){.d = &d, .name = (char *)"job", .profile = &profile, .state = STATE_IDLE};
	return timers_open(&d, &d.timers);
}

static int teardown(void **state)
{
	(void)state;
	timers_close(d.timers);
	ev_loop_destroy(d.loop);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	return trp_remove_tree(AT_FDCWD, dir);
}

/* The kernel's timer is over, or was cancelled. */
static void wake(int error)
{
	read_error = error;
	assert_int_equal(write(pipe_ends[1], "12345678", 8), 8);
	ev_run(d.loop, EVRUN_ONCE);
	read_error = 0;
}

static void set_to(double when)
{
	assert_int_equal(set.it_value.tv_sec, (time_t)when);
	assert_int_equal(set.it_interval.tv_sec, 0); /* once */
	assert_int_equal(set_flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
}

static void test_set_and_run(void **state)
{
	(void)state;
	timers_arm(&s);
	set_to(NOW + 4 * 3600);
	assert_int_equal(n_events, 0);
	real += 4 * 3600;
	wake(0);
	assert_int_equal(n_events, 1);
	assert_int_equal(events[0], EVENT_START);
	set_to(NOW + 28 * 3600);
	assert_true(s.timed.result == TIMER_RUNS && s.timed.last == real);
	/* it still runs when its time comes again */
	real += 24 * 3600;
	wake(0);
	assert_int_equal(n_events, 1);
	assert_int_equal(s.timed.passed_over, 1);
	s.worked = real + 1;
	s.state = STATE_IDLE;
	timers_state(&s, STATE_READY);
	assert_int_equal(s.timed.result, TIMER_OK);
	timers_disarm(&s);
	assert_int_equal(set.it_value.tv_sec, 0); /* nobody is woken */
}

static void test_clock_set_forward(void **state)
{
	(void)state;
	timers_arm(&s);
	/* not as far as that */
	real += 3600;
	wake(ECANCELED);
	assert_int_equal(n_events, 0);
	set_to(NOW + 4 * 3600);
	/* over it: it has come */
	real += 10 * 3600;
	wake(ECANCELED);
	assert_int_equal(n_events, 1);
	set_to(NOW + 28 * 3600);
}

static void test_clock_set_back(void **state)
{
	(void)state;
	timers_arm(&s);
	real -= 2 * 24 * 3600;
	wake(ECANCELED);
	assert_int_equal(n_events, 0);
	set_to(NOW - 44 * 3600); /* today's, as it is now */
}

/* It was set since the kernel's timer was set last, and that is set again before anybody has read from it: then the kernel says it there alone. */
static void test_clock_set_unread(void **state)
{
	struct service other = {.d = &d, .name = (char *)"other", .profile = &profile, .state = STATE_IDLE};

	(void)state;
	timers_arm(&s);
	s.next = &other;
	real -= 2 * 24 * 3600;
	set_error = ECANCELED;
	timers_arm(&other);
	assert_true(s.timed.due.real == NOW - 44 * 3600);
	set_to(NOW - 44 * 3600);
}

/* A machine that nothing keeps the time of while it is off. */
static void test_wrong_at_boot(void **state)
{
	(void)state;
	s.timed.known = true;
	for (int missed = 0; missed < 2; missed++)
		for (int persistent = 0; persistent < 2; persistent++) {
			profile.timer_persistent = persistent;
			s.state = STATE_IDLE;
			s.timed.last = NOW - (missed ? 68 : 20) * 3600; /* yesterday's run was the last, or it was missed */
			real = 1000;
			n_events = 0;
			timers_arm(&s);
			assert_int_equal(n_events, 0);
			real = NOW;
			wake(ECANCELED);
			assert_int_equal(n_events, missed && persistent);
			set_to(NOW + 4 * 3600);
			timers_disarm(&s);
		}
}

/* It is run after each boot, also if the clock shows a time before the last run. */
static void test_delay_after_wrong_boot(void **state)
{
	(void)state;
	profile.calendars.n = 0;
	profile.timer_boot_ms = 1200000;
	timers_arm(&s);
	set_to(NOW + 200);
	real += 200;
	boot += 200;
	wake(0);
	assert_int_equal(n_events, 1);
	assert_int_equal(set.it_value.tv_sec, 0); /* once */
	s.state = STATE_IDLE;
	timers_state(&s, STATE_READY);
	/* the same boot, and a clock that is put right */
	timers_disarm(&s);
	real += 1e6;
	timers_arm(&s);
	assert_int_equal(set.it_value.tv_sec, 0);
	/* the next one */
	s.timed = (struct service_timer){0};
	boot_name = "another";
	real = 100000;
	boot = 10;
	timers_arm(&s);
	set_to(100000 + 1190);
	boot_name = "this";
}

/* While there was no daemon the clock was set back. */
static void test_adopted_after_that(void **state)
{
	(void)state;
	timers_arm(&s);
	real -= 30 * 24 * 3600;
	timers_adopted(&d);
	set_to(NOW + (4 - 30 * 24) * 3600);
	/* what is due later by chance stays so */
	profile.timer_random_ms = 1000000;
	s.timed.due.real += 900;
	timers_adopted(&d);
	set_to(NOW + (4 - 30 * 24) * 3600 + 900);
}

/* An interval is no matter of the clock. */
static void test_clock_set_interval(void **state)
{
	(void)state;
	profile.calendars.n = 0;
	profile.timer_interval_ms = 600000;
	timers_arm(&s);
	set_to(NOW + 600);
	real += 1000000;
	boot += 100;
	wake(ECANCELED);
	assert_int_equal(n_events, 0);
	set_to(NOW + 1000000 + 500);
	real += 500;
	boot += 500;
	wake(0);
	assert_int_equal(n_events, 1);
}

/* What runs may set the clock itself. */
static void test_result(void **state)
{
	(void)state;
	s.worked = 77; /* of an earlier run */
	timers_arm(&s);
	for (int works = 0; works < 2; works++) {
		real += 24 * 3600;
		wake(0);
		assert_int_equal(s.timed.result, TIMER_RUNS);
		if (works)
			s.worked = 5;
		real -= 3600;
		s.state = STATE_IDLE;
		timers_state(&s, STATE_READY);
		assert_int_equal(s.timed.result, works ? TIMER_OK : TIMER_STOPPED);
	}
}

static void test_stamp(void **state)
{
	char path[100];

	(void)state;
	timers_arm(&s);
	real += 4 * 3600;
	wake(0);
	s.state = STATE_FAILED;
	strcpy(s.message, "exited with code 3 \"x\"");
	timers_state(&s, STATE_STARTING);
	assert_int_equal(s.timed.result, TIMER_FAILED);
	/* another daemon, later */
	s.timed = (struct service_timer){0};
	profile.timer_persistent = true;
	real += 3 * 24 * 3600;
	timers_arm(&s);
	assert_true(s.timed.last == NOW + 4 * 3600 && s.timed.result == TIMER_FAILED);
	assert_string_equal(s.timed.why, "exited with code 3 \"x\"");
	set_to(real); /* caught up */
	/* what is there may be anything */
	s.timed = (struct service_timer){0};
	snprintf(path, sizeof(path), "%s/timers/job", dir);
	assert_int_equal(trp_write_atomic(AT_FDCWD, path, "[17]", 4, 0600), 0);
	timers_arm(&s);
	assert_true(s.timed.last == 0 && s.timed.result == TIMER_NONE);
}

/* Power failed as it was written: when it was is known, how it ended is not. */
static void test_stamp_cut_off(void **state)
{
	const struct timespec then[2] = {{.tv_sec = (time_t)NOW - 3 * 24 * 3600}, {.tv_sec = (time_t)NOW - 3 * 24 * 3600}};
	char path[100];

	(void)state;
	profile.timer_persistent = true;
	snprintf(path, sizeof(path), "%s/timers", dir);
	assert_int_equal(trp_mkdir_p(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/timers/job", dir);
	for (int empty = 0; empty < 2; empty++) {
		s.timed = (struct service_timer){0};
		assert_int_equal(trp_write_whole(AT_FDCWD, path, "{\"last\":1.5", empty ? 0 : 11, 0600), 0);
		assert_int_equal(utimensat(AT_FDCWD, path, then, 0), 0);
		timers_arm(&s);
		assert_true(s.timed.last == NOW - 3 * 24 * 3600);
		assert_int_equal(s.timed.result, TIMER_STOPPED);
		set_to(real); /* caught up */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set_and_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_set_forward, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_set_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_set_unread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_at_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delay_after_wrong_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopted_after_that, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_set_interval, setup, teardown),
		cmocka_unit_test_setup_teardown(test_result, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stamp_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stamp, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
