/* SPDX-License-Identifier: ISC */
/* What a service has before it is spawned, when a start was called off while its disk was made and the next one comes meanwhile.
 * wrap: image_request prepare_disk credentials_fetch service_event service_say */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/provide.c" /* its statics are what is tried */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MIB (1u << 20)

static struct daemon d;
static struct profile p;
static struct service s;
static char dir[] = "/tmp/trp-test-provide-XXXXXX";
static char image[sizeof(dir) + 16], part[sizeof(image) + 8], state[sizeof(dir) + 16];
static unsigned n_ready, n_failed;

int __wrap_image_request(struct images *i, const char *suite, const struct strv *packages, struct image_request *r, char *err, size_t err_size);
int __wrap_image_request(struct images *i, const char *suite, const struct strv *packages, struct image_request *r, char *err, size_t err_size)
{
	(void)i, (void)suite, (void)packages, (void)r, (void)err, (void)err_size;
	return 0; /* it is being built */
}

int __wrap_prepare_disk(struct service *service);
int __wrap_prepare_disk(struct service *service)
{
	char err[300];

	return statedisk_make(&service->disk, d.loop, image, state, service->profile->limit_state_size, err, sizeof(err));
}

bool __wrap_credentials_fetch(struct service *service);
bool __wrap_credentials_fetch(struct service *service)
{
	(void)service;
	return false;
}

void __wrap_service_event(struct service *service, enum service_event event);
void __wrap_service_event(struct service *service, enum service_event event)
{
	n_ready += event == EVENT_IMAGE_READY;
	n_failed += event == EVENT_IMAGE_FAILED;
	if (service->state == STATE_IMAGE)
		service->state = event == EVENT_IMAGE_READY ? STATE_STARTING : STATE_FAILED;
}

void __wrap_service_say(struct service *service, const char *event, const char *fmt, ...);
void __wrap_service_say(struct service *service, const char *event, const char *fmt, ...)
{
	(void)service, (void)event, (void)fmt;
}

static int set_up(void **unused)
{
	(void)unused;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(image, sizeof(image), "%s/s.img", dir);
	snprintf(part, sizeof(part), "%s.part", image);
	snprintf(state, sizeof(state), "%s/state", dir);
	d = (struct daemon){.loop = ev_loop_new(EVFLAG_AUTO)};
	p = (struct profile){.root = ROOT_HOST, .limit_state_size = 8 * MIB};
	s = (struct service){.d = &d, .profile = &p, .state = STATE_IMAGE};
	n_ready = n_failed = 0;
	return d.loop ? 0 : -1;
}

static int tear_down(void **unused)
{
	(void)unused;
	statedisk_cancel(&s.disk);
	ev_timer_stop(d.loop, &d.turn);
	ev_loop_destroy(d.loop);
	unlink(image);
	unlink(part);
	return rmdir(dir);
}

/* Until no child is there any more, and what was to be done then is. */
static void until_made(void)
{
	while (s.disk.pid)
		ev_run(d.loop, EVRUN_ONCE);
	ev_run(d.loop, EVRUN_NOWAIT);
}

/* Its start is called off; as it is started again it is to have another root, which is not there yet. */
static void test_the_root_is_waited_for(void **unused)
{
	(void)unused;
	service_provide(&s);
	assert_int_not_equal(s.disk.pid, 0);
	s.state = STATE_STOPPED;
	p.root = ROOT_PACKAGES;
	s.state = STATE_IMAGE;
	service_provide(&s);
	assert_true(s.image_wanted);
	until_made();
	assert_int_equal(n_ready + n_failed, 0);
	s.image.done(&s.image, 0, "built");
	assert_int_equal(n_ready, 1);
	assert_int_equal(n_failed, 0);
}

/* ... or a larger disk */
static void test_the_disk_is_as_large_as_it_is_to_be(void **unused)
{
	struct stat st;

	(void)unused;
	service_provide(&s);
	assert_int_not_equal(s.disk.pid, 0);
	p.limit_state_size = 16 * MIB;
	service_provide(&s);
	until_made();
	assert_int_equal(n_ready, 1);
	assert_int_equal(n_failed, 0);
	assert_int_equal(stat(image, &st), 0);
	assert_int_equal(st.st_size, 16 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_root_is_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_disk_is_as_large_as_it_is_to_be, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
