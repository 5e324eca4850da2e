/* SPDX-License-Identifier: ISC */
/* without-landlock [--refused] PROGRAM [ARG...]: executes it as on a kernel that has no Landlock, or in a container whose filter refuses it, for
 * it and all that descends from it. Root. */
#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const bool refused = argc > 1 && strcmp(argv[1], "--refused") == 0;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (refused ? EPERM : ENOSYS)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(filter) / sizeof(filter[0]), filter};

	argv += 1 + refused;
	if (argc < 2 + refused)
		errx(2, "usage: without-landlock [--refused] PROGRAM [ARG...]");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		err(1, "seccomp");
	execv(argv[0], argv);
	err(1, "%s", argv[0]);
}
