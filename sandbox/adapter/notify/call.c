/* SPDX-License-Identifier: ISC */
#include "notify.h"
#include "base/log.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64) /* Linux 6.6 */
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

static int listener = -1;

int call_open(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, NOTIFY_OWN_FDS);

	if (up < 0)
		return -errno;
	close(fd);
	listener = up;
	/* we and the caller run one after the other: where the kernel can, on the same processor */
	(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	return 0;
}

int call_fd(void)
{
	return listener;
}

void call_close(void)
{
	trp_close(&listener);
}

int call_receive(struct call *ret)
{
	struct seccomp_notif n;

	memset(&n, 0, sizeof(n)); /* or it is EINVAL */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return 0; /* ENOENT: killed or interrupted in between */
	*ret = (struct call){.id = n.id, .tid = (pid_t)n.pid, .nr = n.data.nr, .fd = (int)n.data.args[0]};
	memcpy(ret->args, n.data.args, sizeof(ret->args));
	return 1;
}

void call_answer(const struct call *c, int result)
{
	struct seccomp_notif_resp resp = {.id = c->id};

	if (result == CALL_LATER)
		return;
	if (result == CALL_PASS_ON)
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (result < 0)
		resp.error = result;
	else
		resp.val = result;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 && errno != ENOENT)
		log_warn("a call was not answered: %m");
}

bool call_is_waiting(const struct call *c)
{
	uint64_t id = c->id;

	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

static int add(const struct call *c, int fd, uint32_t flags, bool cloexec)
{
	struct seccomp_notif_addfd a = {.id = c->id,
		.flags = flags,
		.srcfd = (uint32_t)fd,
		.newfd = flags & SECCOMP_ADDFD_FLAG_SETFD ? (uint32_t)c->fd : 0,
		.newfd_flags = cloexec ? O_CLOEXEC : 0};
	int r;

	do
		r = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int call_give(const struct call *c, int fd, bool cloexec)
{
	return add(c, fd, SECCOMP_ADDFD_FLAG_SEND, cloexec);
}

int call_replace(const struct call *c, int fd, bool cloexec)
{
	return add(c, fd, SECCOMP_ADDFD_FLAG_SETFD, cloexec);
}
