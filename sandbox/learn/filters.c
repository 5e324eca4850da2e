/* SPDX-License-Identifier: ISC */
#include "learn.h"
#include "sandbox/seccomp_look.h"

#include <string.h>

struct program {
	struct sock_filter insns[BPF_MAXINSNS];
	struct seccomp_filter filter;
};
static struct program enforced, reference;

static int load(int fd, struct program *ret)
{
	size_t have = 0;
	ssize_t n;

	while ((n = pread(fd, (char *)ret->insns + have, sizeof(ret->insns) - have, (off_t)have)) > 0)
		have += (size_t)n;
	if (n < 0)
		return -errno;
	if (have == 0 || have % sizeof(ret->insns[0]) != 0)
		return -EINVAL;
	ret->filter = (struct seccomp_filter){.insns = ret->insns, .len = (unsigned short)(have / sizeof(ret->insns[0]))};
	return 0;
}

int filters_load(int fd, int reference_fd)
{
	int r = load(fd, &enforced);

	return r < 0 ? r : load(reference_fd, &reference);
}

void filters_ask(uint32_t arch, const struct learn_call *c, bool *ret_refused, bool *ret_missed)
{
	struct seccomp_question q = {.arch = arch, .nr = (uint32_t)c->nr, .known = {true, true, true, true, true, true}};

	memcpy(q.args, c->args, sizeof(q.args));
	*ret_refused = seccomp_look(&enforced.filter, &q) != SECCOMP_MAY_ALLOW;
	*ret_missed = *ret_refused && seccomp_look(&reference.filter, &q) == SECCOMP_MAY_ALLOW;
}
