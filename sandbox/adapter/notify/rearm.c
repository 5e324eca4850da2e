/* SPDX-License-Identifier: ISC */
/* rearm.c: listen(2) puts the channel in the place of the program's socket, and what was registered with epoll before that goes
 * with the old file (boost::asio registers at open). shutdown(2) puts a socket in the place of the channel, whose registrations
 * stay and could never be removed again. procfs lists the registrations. */
#include "notify.h"
#include "base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>

static void read_info(pid_t tid, int epoll, int fd, struct rearm *ret)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", tid, epoll);
	f = fopen(path, "re");
	while (f && ret->n < REARM_MAX && fgets(line, sizeof(line), f)) {
		int tfd;
		unsigned events;
		uint64_t data;
		/* "tfd:        5 events:       19 data:                5 ..." (proc(5)) */
		if (sscanf(line, "tfd: %d events: %x data: %" SCNx64, &tfd, &events, &data) != 3 || tfd != fd)
			continue;
		ret->seen[ret->n].epoll = epoll;
		ret->seen[ret->n].events = events;
		ret->seen[ret->n].data = data;
		ret->n++;
	}
	if (f)
		fclose(f);
}

/* All of them are read: their links in fd/ could only be by the upstream's own user. */
void rearm_collect(pid_t tid, int fd, struct rearm *ret)
{
	char path[64];
	DIR *dir;
	struct dirent *e;

	ret->n = 0;
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", tid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			read_info(tid, atoi(e->d_name), fd, ret);
	if (dir)
		closedir(dir);
}

/* A registration is known by file and number: so that the program can change and remove it, the file must have the program's
 * number while we make it. */
static void control(int operation, int pidfd, int fd, int file, const struct rearm *r)
{
	bool there, good;

	if (r->n == 0)
		return;
	good = there = fcntl(fd, F_GETFD) < 0 && dup3(file, fd, O_CLOEXEC) == fd;
	for (int i = 0; there && i < r->n; i++) {
		struct epoll_event ev = {.events = r->seen[i].events, .data.u64 = r->seen[i].data};
		int epoll = target_fetch(pidfd, r->seen[i].epoll);
		int up = epoll < 0 ? -1 : fcntl(epoll, F_DUPFD_CLOEXEC, NOTIFY_OWN_FDS);
		trp_close(&epoll);
		good &= up >= 0 && epoll_ctl(up, operation, fd, &ev) == 0;
		trp_close(&up);
	}
	if (there)
		close(fd);
	if (!good) /* once: there may be many, and the tenant says how often */
		log_warn("descriptor %d cannot be registered with all epoll loops again", fd);
}

void rearm_apply(int pidfd, int fd, int file, const struct rearm *r)
{
	control(EPOLL_CTL_ADD, pidfd, fd, file, r);
}

void rearm_remove(int pidfd, int fd, int file, const struct rearm *r)
{
	control(EPOLL_CTL_DEL, pidfd, fd, file, r);
}
