/* SPDX-License-Identifier: ISC */
#include "router/confine.h"
#include "base/util.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

int confine_fail(struct confine_failure *f, const char *what, int error)
{
	f->what = what;
	f->error = error;
	return -1;
}

static int add_rules(scmp_filter_ctx ctx, const struct confine_rule *rules, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add_array(
			ctx, SCMP_ACT_ALLOW, rules[i].nr, rules[i].n_args, rules[i].args);
	return r;
}

static int install_filter(const struct confine *c, struct confine_failure *f)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(CONFINE_ERRNO));
	int r;

	if (!ctx)
		return confine_fail(f, "seccomp_init", ENOMEM);
	r = add_rules(ctx, c->rules, c->n_rules);
	if (r == 0)
		r = add_rules(ctx, c->more, c->n_more);
	if (r == 0)
		r = seccomp_load(ctx); /* sets no_new_privs too */
	seccomp_release(ctx);
	return r < 0 ? confine_fail(f, "cannot load the system call filter", -r) : 0;
}

static int prove(const struct confine *c, struct confine_failure *f)
{
	for (size_t i = 0; i < c->n_attempts; i++) {
		const struct confine_attempt *t = &c->attempts[i];
		const long *a = t->args;
		long r = syscall(t->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (r == 0 && t->nr == SYS_clone)
			_exit(0); /* the child that should not be */
		if (r != -1)
			return confine_fail(f, t->what, 0);
		if (errno != CONFINE_ERRNO)
			return confine_fail(f, t->what, errno);
	}
	return 0;
}

int confine_enter(const struct confine *c, struct confine_failure *f)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0) /* a core has clients' bytes in it */
		return confine_fail(f, "setrlimit(RLIMIT_CORE)", errno);
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return confine_fail(f, "prctl(PR_SET_DUMPABLE)", errno);
	if (install_filter(c, f) < 0)
		return -1;
	return prove(c, f);
}

static int check_capabilities(struct confine_failure *f)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {0};

	if (syscall(SYS_capget, &head, sets) < 0)
		return confine_fail(f, "capget", errno);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(sets); i++)
		if (sets[i].effective || sets[i].permitted || sets[i].inheritable)
			return confine_fail(f, "there are capabilities", 0);
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_READ, cap) != 0)
			return confine_fail(f, "the capability bounding set is not empty", 0);
	return 0;
}

int confine_check(struct confine_failure *f)
{
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return confine_fail(f, "no_new_privs is not set", 0);
	return check_capabilities(f);
}
