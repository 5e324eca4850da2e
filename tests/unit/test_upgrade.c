/* SPDX-License-Identifier: ISC */
/* The daemon is about to execute itself anew, and in its last turn is told something else.
 * wrap: ev_run keep_works routerproc_is_upgrading images_building control_fd control_end_others logger_settle inherit_pass_on manager_reloading handover_give ahead_stop ahead_again handover_withdraw inherit_take_back manager_ready */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/upgrade.c" /* its statics are what is tried */

static struct daemon d;
static bool detaches;
static unsigned n_given;

/* The turn in which it still hears others */
int __wrap_ev_run(struct ev_loop *loop, int flags);
int __wrap_ev_run(struct ev_loop *loop, int flags)
{
	(void)loop, (void)flags;
	d.detach = detaches;
	return 0;
}

bool __wrap_keep_works(const struct keep *k);
bool __wrap_keep_works(const struct keep *k)
{
	(void)k;
	return true;
}

bool __wrap_routerproc_is_upgrading(const struct routerproc *r);
bool __wrap_routerproc_is_upgrading(const struct routerproc *r)
{
	(void)r;
	return false;
}

bool __wrap_images_building(const struct images *i);
bool __wrap_images_building(const struct images *i)
{
	(void)i;
	return false;
}

int __wrap_control_fd(const struct control *c);
int __wrap_control_fd(const struct control *c)
{
	(void)c;
	return -1;
}

void __wrap_control_end_others(struct control *c, const struct control_call *but, const char *why);
void __wrap_control_end_others(struct control *c, const struct control_call *but, const char *why)
{
	(void)c, (void)but, (void)why;
}

/* The last step before execveat(2) */
int __wrap_handover_give(const struct handover *h);
int __wrap_handover_give(const struct handover *h)
{
	(void)h;
	n_given++;
	return -EIO;
}

void __wrap_handover_withdraw(const struct handover *h);
void __wrap_handover_withdraw(const struct handover *h)
{
	(void)h;
}

void __wrap_logger_settle(struct logger *l);
void __wrap_logger_settle(struct logger *l)
{
	(void)l;
}

void __wrap_ahead_stop(struct daemon *daemon);
void __wrap_ahead_stop(struct daemon *daemon)
{
	(void)daemon;
}

void __wrap_ahead_again(struct daemon *daemon);
void __wrap_ahead_again(struct daemon *daemon)
{
	(void)daemon;
}

void __wrap_inherit_pass_on(void);
void __wrap_inherit_pass_on(void)
{
}

void __wrap_inherit_take_back(void);
void __wrap_inherit_take_back(void)
{
}

void __wrap_manager_reloading(void);
void __wrap_manager_reloading(void)
{
}

void __wrap_manager_ready(void);
void __wrap_manager_ready(void)
{
}

static int set_up(void **state)
{
	struct upgrade *u = calloc(1, sizeof(*u));

	(void)state;
	d = (struct daemon){.loop = ev_loop_new(EVFLAG_AUTO), .upgrade = u};
	n_given = 0;
	if (!u || !d.loop)
		return -1;
	*u = (struct upgrade){.d = &d, .checked = true, .program = -1, .pidfd = -1, .out = -1};
	return 0;
}

static int tear_down(void **state)
{
	sigset_t now;

	(void)state;
	if (d.upgrade)
		finish(d.upgrade);
	ev_loop_destroy(d.loop);
	sigprocmask(SIG_SETMASK, NULL, &now);
	return sigismember(&now, SIGTERM); /* it can be told to end */
}

static void test_it_is_executed(void **state)
{
	(void)state;
	detaches = false;
	assert_true(upgrade_execute(&d));
	assert_int_equal(n_given, 1);
	assert_null(d.upgrade); /* as it could not */
}

/* "trpsup detach", which was answered already */
static void test_detached_meanwhile(void **state)
{
	(void)state;
	detaches = true;
	assert_false(upgrade_execute(&d));
	assert_int_equal(n_given, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_is_executed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_detached_meanwhile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
