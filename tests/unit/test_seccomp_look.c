/* SPDX-License-Identifier: ISC */
/* What a filter says to a call of which some arguments are not known: by small programs, and by the default one against the same with
 * all arguments known. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "sandbox/seccomp_look.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define BOTH (SECCOMP_MAY_ALLOW | SECCOMP_MAY_REFUSE)
#define LD(what)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define ALLOW      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1)

static int look(struct sock_filter *insns, unsigned short n, const struct seccomp_question *q)
{
	return seccomp_look(&(struct seccomp_filter){insns, n}, q);
}

static void test_small(void **state)
{
	struct sock_filter by_number[] = {LD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 1), ALLOW, REFUSE};
	struct sock_filter by_argument[] = {LD(args[0]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4, 1, 0), ALLOW, REFUSE};
	struct sock_filter masked[] = {LD(args[1]), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x20, 0, 1),
		ALLOW, REFUSE};
	struct sock_filter logged[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_LOG)};
	struct sock_filter killed[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
	/* two ways to one instruction, by each of which the number is still known */
	struct sock_filter joined[] = {LD(args[0]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), LD(nr), LD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 6, 0, 1), ALLOW, REFUSE};

	(void)state;
	assert_int_equal(look(by_number, 4, &(struct seccomp_question){.nr = 5}), SECCOMP_MAY_ALLOW);
	assert_int_equal(look(by_number, 4, &(struct seccomp_question){.nr = 6}), SECCOMP_MAY_REFUSE);
	assert_int_equal(look(by_argument, 4, &(struct seccomp_question){.nr = 6}), BOTH);
	assert_int_equal(look(by_argument, 4, &(struct seccomp_question){.known = {true}, .args = {4}}), SECCOMP_MAY_REFUSE);
	assert_int_equal(look(by_argument, 4, &(struct seccomp_question){.known = {true}, .args = {3}}), SECCOMP_MAY_ALLOW);
	assert_int_equal(look(masked, 5, &(struct seccomp_question){.known = {true}}), BOTH);
	assert_int_equal(look(masked, 5, &(struct seccomp_question){.known = {false, true}, .args = {0, 0x2f}}), SECCOMP_MAY_ALLOW);
	assert_int_equal(look(logged, 1, &(struct seccomp_question){0}), SECCOMP_MAY_ALLOW);
	assert_int_equal(look(killed, 1, &(struct seccomp_question){0}), SECCOMP_MAY_REFUSE);
	assert_int_equal(look(joined, 7, &(struct seccomp_question){.nr = 5}), SECCOMP_MAY_REFUSE);
	assert_int_equal(look(joined, 7, &(struct seccomp_question){.nr = 7}), SECCOMP_MAY_ALLOW);
}

/* What the kernel would not load is not read beyond its end. */
static void test_unsound(void **state)
{
	struct sock_filter falls_off[] = {LD(nr)};
	struct sock_filter jumps_out[] = {BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), ALLOW};
	struct sock_filter far_out[] = {BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX), ALLOW};
	struct sock_filter branches_out[] = {LD(args[0]), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 9, 0), ALLOW};
	const struct seccomp_question q = {0};

	(void)state;
	assert_int_equal(look(falls_off, 0, &q), -EINVAL);
	assert_int_equal(look(falls_off, 1, &q), -EINVAL);
	assert_int_equal(look(jumps_out, 2, &q), -EINVAL);
	assert_int_equal(look(far_out, 2, &q), -EINVAL);
	assert_int_equal(look(branches_out, 3, &q), -EINVAL);
}

/* If a call with these arguments is allowed (refused), the same call with none of them known may be. */
static void test_default(void **state)
{
	static const char *const words[] = {"@default"};
	struct seccomp_filter f;
	unsigned allowed = 0, refused = 0;

	(void)state;
	assert_int_equal(seccomp_compile(words, 1, &f), 0);
	for (uint32_t nr = 0; nr < 512; nr++) {
		struct seccomp_question any = {.arch = seccomp_native_arch(), .nr = nr};
		int may = seccomp_look(&f, &any);
		assert_true(may > 0);
		for (unsigned i = 0; i < 48; i++) {
			struct seccomp_question exact = any;
			for (unsigned a = 0; a < 6; a++) {
				exact.known[a] = true;
				exact.args[a] = a == i % 6 ? 1ull << (i / 6 * 4) : i;
			}
			int is = seccomp_look(&f, &exact);
			assert_true(is == SECCOMP_MAY_ALLOW || is == SECCOMP_MAY_REFUSE);
			assert_int_equal(is & ~may, 0);
		}
		allowed += may == SECCOMP_MAY_ALLOW;
		refused += may == SECCOMP_MAY_REFUSE;
	}
	assert_true(allowed > 200 && refused > 100);
	assert_int_equal(seccomp_look(&f, &(struct seccomp_question){.arch = seccomp_native_arch(), .nr = SYS_ptrace}), SECCOMP_MAY_REFUSE);
	assert_int_equal(seccomp_look(&f, &(struct seccomp_question){.arch = seccomp_native_arch(), .nr = SYS_read}), SECCOMP_MAY_ALLOW);
	assert_int_equal(seccomp_look(&f, &(struct seccomp_question){.arch = seccomp_native_arch(), .nr = SYS_socket}), BOTH);
	assert_int_equal(seccomp_look(&f, &(struct seccomp_question){.arch = seccomp_native_arch(), .nr = SYS_clone, .known = {true},
					       .args = {CLONE_NEWUSER | SIGCHLD}}),
		SECCOMP_MAY_REFUSE);
	assert_int_equal(seccomp_look(&f, &(struct seccomp_question){.arch = seccomp_native_arch(), .nr = SYS_socket, .known = {true},
					       .args = {AF_PACKET}}),
		SECCOMP_MAY_REFUSE);
	assert_int_equal(seccomp_look(&f, &(struct seccomp_question){.arch = AUDIT_ARCH_S390, .nr = SYS_read}), SECCOMP_MAY_REFUSE);
	seccomp_filter_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_unsound),
		cmocka_unit_test(test_default),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
