/* SPDX-License-Identifier: ISC */
/* The memory that routers and trp-observer share with the daemon outlives it. That of a version with less in it would end whoever reads beyond its end (SIGBUS).
 * wrap: keep_take keep_put */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/observer.c" /* its statics are what is tried */
#include "router/ledger.h"
#include "supervisor/ledger.h"

#include <sys/eventfd.h>

#define LAST_SLOT (LEDGER_SLOTS - 1)

/* What trp-keeper has. */
static int memory, wake;
static off_t kept_size; /* of what it was given last */

int __wrap_keep_take(struct keep *k, const char *owner, const char *what, uint32_t number);
int __wrap_keep_take(struct keep *k, const char *owner, const char *what, uint32_t number)
{
	(void)k, (void)owner, (void)number;
	return trp_steal_fd(strcmp(what, "wake") == 0 ? &wake : &memory);
}

void __wrap_keep_put(struct keep *k, const char *owner, const char *what, uint32_t number, int fd);
void __wrap_keep_put(struct keep *k, const char *owner, const char *what, uint32_t number, int fd)
{
	struct stat st;

	(void)k, (void)owner, (void)number;
	if (strcmp(what, "wake") != 0 && fstat(fd, &st) == 0)
		kept_size = st.st_size;
}

static void keep_memory(off_t size)
{
	memory = memfd_create("earlier", MFD_CLOEXEC);
	wake = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(ftruncate(memory, size), 0);
	kept_size = 0;
}

static void test_ledger(void **state)
{
	const off_t size = (off_t)sizeof(struct ledger) * LEDGER_SLOTS, sizes[] = {size, 4096, size - 4096, size + 4096};

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(sizes); i++) {
		struct ledgers *l;
		keep_memory(sizes[i]);
		assert_int_equal(pwrite(memory, "\1", 1, 0), 1);
		assert_int_equal(ledgers_open(NULL, &l), 0);
		assert_int_equal(kept_size, size);
		assert_true(ledgers_use_slot(l, LAST_SLOT)); /* which it writes to */
		ledgers_close(l);
	}
}

static void test_live(void **state)
{
	const off_t sizes[] = {sizeof(struct live), 4096, sizeof(struct live) + 4096};
	static struct daemon d;

	(void)state;
	for (size_t i = 0; i < TRP_ARRAY_SIZE(sizes); i++) {
		struct observer o = {.d = &d, .live_fd = -1};
		keep_memory(sizes[i]);
		assert_int_equal(open_live(&o), 0);
		assert_int_equal(kept_size, sizeof(struct live));
		assert_int_equal(observer_live(&o, LEDGER_SERVICES - 1), 0);
		munmap(o.live, sizeof(struct live));
		close(o.live_fd);
		trp_close(&wake);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_ledger), cmocka_unit_test(test_live)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
