/* SPDX-License-Identifier: ISC */
/* seccomp-load ROUNDS: what a service's filter costs, as the tree that trpsup loads and as the program that libseccomp makes of the
 * same rules (that one without those that refuse), in turn, each in a process of its own. Lines "WHAT tree|linear VALUE".
 * seccomp-load names: the calls of @default, for other programs' lists. */
#include "sandbox/seccomp_policy.h"

#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define CALLS 20000

static const char *const policy[] = {"@default"};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* libseccomp compares all 64 bits of an argument, once in a rule. */
static unsigned conditions(const struct seccomp_rule *rule, struct scmp_arg_cmp args[SECCOMP_CONDS_MAX])
{
	unsigned n = 0;

	for (unsigned c = 0; c < rule->n_conds; c++) {
		const struct seccomp_cond *cond = &rule->conds[c];
		const unsigned arg = cond->arg & ~SECCOMP_HIGH, shift = cond->arg & SECCOMP_HIGH ? 32 : 0;
		unsigned i = 0;
		while (i < n && args[i].arg != arg)
			i++;
		if (i == n)
			args[n++] = SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, 0, 0);
		args[i].datum_a |= (uint64_t)cond->mask << shift;
		args[i].datum_b |= (uint64_t)cond->value << shift;
	}
	return n;
}

static int linear(const struct seccomp_rules *rules, struct seccomp_filter *ret)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int fd = memfd_create("linear", MFD_CLOEXEC), r = ctx && fd >= 0 ? 0 : -1;
	struct sock_filter *insns = malloc(BPF_MAXINSNS * sizeof(*insns));
	ssize_t n;

	for (size_t i = 0; i < rules->n && r == 0; i++) {
		const struct seccomp_rule *rule = &rules->v[i];
		struct scmp_arg_cmp args[SECCOMP_CONDS_MAX];
		if (rule->action == SECCOMP_RET_ALLOW)
			r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, rule->nr, conditions(rule, args), args);
	}
	if (r == 0)
		r = seccomp_export_bpf(ctx, fd);
	n = insns && r == 0 ? pread(fd, insns, BPF_MAXINSNS * sizeof(*insns), 0) : -1;
	*ret = (struct seccomp_filter){insns, (unsigned short)(n < 0 ? 0 : n / (ssize_t)sizeof(*insns))};
	return n > 0 ? 0 : -1;
}

struct cost {
	double load_us, getpid_ns, ioctl_ns, setsockopt_ns;
	bool done;
};

#define TIMES(call) ({ double begin_ = now_us(); for (int i_ = 0; i_ < CALLS; i_++) call; (now_us() - begin_) * 1e3 / CALLS; })

/* In a process of its own: a filter cannot be taken off. */
static void load_and_use(const struct seccomp_filter *f, struct cost *c)
{
	struct sock_fprog prog = {.len = f->len, .filter = f->insns};
	int on = 1;
	double begin;
	long r;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	begin = now_us();
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
	c->load_us = now_us() - begin;
	if (r != 0)
		_exit(1);
	c->getpid_ns = TIMES(syscall(SYS_getpid));
	c->ioctl_ns = TIMES(ioctl(-1, FIONREAD, &on));
	c->setsockopt_ns = TIMES(setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
	c->done = true;
	_exit(0);
}

static int measure(const char *name, const struct seccomp_filter *f, struct cost *shared)
{
	pid_t pid;

	*shared = (struct cost){0};
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		load_and_use(f, shared);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid || !shared->done)
		return -1;
	printf("load_us %s %.1f\ngetpid_ns %s %.1f\nioctl_ns %s %.1f\nsetsockopt_ns %s %.1f\n", name, shared->load_us, name,
		shared->getpid_ns, name, shared->ioctl_ns, name, shared->setsockopt_ns);
	return 0;
}

static void print_names(const struct seccomp_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		char *name = i && rules->v[i].nr == rules->v[i - 1].nr
				     ? NULL : seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, rules->v[i].nr);
		if (name)
			puts(name);
		free(name);
	}
}

int main(int argc, char **argv)
{
	struct cost *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct seccomp_rules rules[SECCOMP_TABLES];
	struct seccomp_filter tree, line;

	if (argc != 2 || shared == MAP_FAILED || seccomp_rules_make(policy, 1, false, rules) < 0)
		return 2;
	if (strcmp(argv[1], "names") == 0) {
		print_names(rules);
		return 0;
	}
	if (linear(rules, &line) < 0)
		return 1;
	for (int round = 0; round < atoi(argv[1]); round++) {
		double begin = now_us();
		if (seccomp_compile(policy, 1, &tree) < 0)
			return 1;
		printf("compile_us tree %.1f\n", now_us() - begin);
		if (measure("tree", &tree, shared) < 0 || measure("linear", &line, shared) < 0)
			return 1;
		printf("instructions tree %u\ninstructions linear %u\n", tree.len, line.len);
		seccomp_filter_free(&tree);
	}
	return 0;
}
