/* SPDX-License-Identifier: ISC */
#include "controlsock.h"
#include "base/io.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 64

static int fill_address(const char *path, struct sockaddr_un *ret)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path) + 1);
	*ret = a;
	return 0;
}

/* 0: nothing, or only what a dead daemon left, is at path. */
static int check_free(const char *path)
{
	struct sockaddr_un address;
	struct stat st;
	cleanup_close int fd = -1;
	int r = fill_address(path, &address);

	if (r < 0)
		return r;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: the backlog of a living listener is full */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	return errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
}

/* A socket that listens at name inside of dir, which only this user can enter. */
static int listen_in(const char *name, struct controlsock *s)
{
	struct sockaddr_un address;
	struct stat st;
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fill_address(name, &address);

	if (r < 0)
		return r;
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (chmod(name, 0600) < 0 || listen(fd, BACKLOG) < 0 || lstat(name, &st) < 0) {
		r = -errno;
		unlink(name);
		return r;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->fd = trp_steal_fd(&fd);
	return 0;
}

int controlsock_open(const char *path, struct controlsock *ret)
{
	struct controlsock s = {.fd = -1};
	cleanup_free char *own_path = strdup(path);
	cleanup_free char *dir = trp_asprintf("%s.new", path);
	cleanup_free char *name = trp_asprintf("%s.new/s", path);
	int r = check_free(path);

	if (r < 0)
		return r;
	if (!own_path || !dir || !name)
		return -ENOMEM;
	/* there is one daemon for this directory: what it finds there, one that was killed just here has left */
	unlink(name);
	rmdir(dir);
	if (mkdir(dir, 0700) < 0)
		return -errno;
	r = listen_in(name, &s);
	if (r == 0 && rename(name, path) < 0) {
		r = -errno;
		unlink(name);
		trp_close(&s.fd);
	}
	rmdir(dir);
	if (r < 0)
		return r;
	s.path = trp_steal_ptr(&own_path);
	*ret = s;
	return 0;
}

int controlsock_adopt(const char *path, int fd, struct controlsock *ret)
{
	struct controlsock s = {.fd = fd};
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return -ENOENT;
	s.dev = st.st_dev;
	s.ino = st.st_ino;
	s.path = strdup(path);
	if (!s.path)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void controlsock_close(struct controlsock *s)
{
	struct stat st;

	if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	trp_close(&s->fd);
	free(s->path);
	s->path = NULL;
}

bool controlsock_peer_ok(int fd, pid_t *ret_pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		log_warn("control: a client is refused: SO_PEERCRED: %m");
		return false;
	}
	if (cred.uid != 0 && cred.uid != geteuid()) {
		log_warn("control: pid %d of uid %u is refused: only root and uid %u may give "
			 "orders",
			(int)cred.pid, (unsigned)cred.uid, (unsigned)geteuid());
		return false;
	}
	*ret_pid = cred.pid;
	return true;
}
