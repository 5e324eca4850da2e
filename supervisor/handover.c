/* SPDX-License-Identifier: ISC */
#include "supervisor/handover.h"
#include "base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define NAME "TRPSUPD_HANDOVER"

static int inherit(int fd, bool on)
{
	return fd >= 0 && fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC) < 0 ? -errno : 0;
}

static int inherit_all(const struct handover *h, bool on)
{
	int r = inherit(h->lock, on);

	if (r == 0)
		r = inherit(h->control, on);
	return r < 0 ? r : inherit(h->caller, on);
}

static bool is_open(int fd, mode_t kind)
{
	struct stat st;

	return fd > STDERR_FILENO && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

void handover_take(struct handover *ret)
{
	const char *text = getenv(NAME);
	struct handover h = HANDOVER_NONE;
	int pid, end = 0;

	*ret = h;
	if (text && sscanf(text, "%d %d %d %d %63s%n", &pid, &h.lock, &h.control, &h.caller, h.before, &end) == 5 && !text[end] &&
		pid == getpid() && is_open(h.lock, S_IFREG) && is_open(h.control, S_IFSOCK) &&
		(h.caller == -1 || is_open(h.caller, S_IFSOCK)) && inherit_all(&h, false) == 0)
		*ret = h;
	unsetenv(NAME);
}

int handover_give(const struct handover *h)
{
	char text[160];
	int r;

	snprintf(text, sizeof(text), "%d %d %d %d %.63s", getpid(), h->lock, h->control, h->caller, h->before);
	r = setenv(NAME, text, 1) < 0 ? -errno : 0;
	return r < 0 ? r : inherit_all(h, true);
}

void handover_withdraw(const struct handover *h)
{
	inherit_all(h, false);
	unsetenv(NAME);
}
