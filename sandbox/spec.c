/* SPDX-License-Identifier: ISC */
#include "sandbox/spec.h"
#include "sandbox/plan.h"

#include <limits.h>
#include <string.h>

/* Absolute, not "/" itself, no "..", "." or empty component: links are resolved by the kernel, dots
 * by nobody. */
static bool valid_target(const char *path)
{
	if (!path || path[0] != '/' || !path[1] || strlen(path) >= PATH_MAX)
		return false;
	for (const char *p = path; *p;) {
		const char *name = p + 1;
		size_t len = strcspn(name, "/");
		if (len == 0 || len > NAME_MAX || (len == 1 && name[0] == '.') ||
			(len == 2 && memcmp(name, "..", 2) == 0))
			return false;
		p = name + len;
	}
	return true;
}

static bool valid_mount(const struct sandbox_mount *m)
{
	if (!valid_target(m->target))
		return false;
	switch (m->kind) {
	case SANDBOX_BIND:
		return m->source && m->source[0] == '/';
	case SANDBOX_SYMLINK:
		return m->source && m->source[0];
	case SANDBOX_TMPFS:
		return m->size > 0;
	case SANDBOX_DATA:
		return m->data || m->data_len == 0;
	case SANDBOX_DIR:
	case SANDBOX_MOUNTED:
		return true;
	}
	return false;
}

static int refuse(struct sandbox_failure *f, enum sandbox_stage stage, const char *detail)
{
	sandbox_failure_set(f, stage, EINVAL, detail);
	return -EINVAL;
}

int spec_check(const struct sandbox_spec *s, bool entry, struct sandbox_failure *f)
{
	if (s->uid_base == 0 || s->uid_count == 0 || s->uid_base > UINT32_MAX - s->uid_count)
		return refuse(f, SANDBOX_STAGE_USERNS, "uid range");
	if (s->uid >= s->uid_count || s->gid >= s->uid_count)
		return refuse(f, SANDBOX_STAGE_IDS, "uid or gid outside of the range");
	if (!s->seccomp || !s->seccomp->insns || s->seccomp->len == 0)
		return refuse(f, SANDBOX_STAGE_SECCOMP, "no filter");
	if (!s->argv || !s->argv[0] || !s->envp || (s->exec_fd < 0) != entry)
		return refuse(f, SANDBOX_STAGE_EXEC, "no program");
	if (!s->hostname || !s->hostname[0])
		return refuse(f, SANDBOX_STAGE_HOSTNAME, "no hostname");
	if (s->cwd && s->cwd[0] != '/')
		return refuse(f, SANDBOX_STAGE_SESSION, s->cwd);
	if (s->tmp_size == 0)
		return refuse(
			f, SANDBOX_STAGE_ROOT, "tmp_size"); /* size=0 is "no limit" to tmpfs */
	for (size_t i = 0; i < s->n_mounts; i++)
		if (!valid_mount(&s->mounts[i]))
			return refuse(f, SANDBOX_STAGE_MOUNT, s->mounts[i].target);
	if (s->n_connect_ports > 0 && !s->host_network && !s->network_of)
		return refuse(f, SANDBOX_STAGE_LANDLOCK, "ports in a network of its own");
	if (s->host_network + !!s->network_of + s->own_all_addresses > 1)
		return refuse(f, SANDBOX_STAGE_NETNS, "two networks at once");
	if (s->n_fds > PLAN_FDS_MAX)
		return refuse(f, SANDBOX_STAGE_FDS, "too many descriptors");
	for (size_t i = 0; i < s->n_fds; i++)
		if ((s->fds[i].from < 0 && !(entry && s->fds[i].from == SANDBOX_FD_TERMINAL)) || s->fds[i].to < 0 || s->fds[i].to >= 1024 ||
			(i > 0 && s->fds[i].to <= s->fds[i - 1].to))
			return refuse(f, SANDBOX_STAGE_FDS, "descriptor numbers must ascend");
	return 0;
}
