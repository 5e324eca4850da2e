/* SPDX-License-Identifier: ISC */
#include "io.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static void await_room(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	(void)poll(&p, 1, -1);
}

int trp_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0) {
			if (errno == EAGAIN)
				await_room(fd);
			else if (errno != EINTR)
				return -errno;
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int trp_read_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
	cleanup_free char *buf = NULL;
	size_t len = 0, size = 0;

	for (;;) {
		if (size - len < 2) {
			size = size ? size * 2 : 4096;
			char *grown = realloc(buf, size);
			if (!grown)
				return -ENOMEM;
			buf = grown;
		}
		ssize_t n = read(fd, buf + len, size - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	}
	buf[len] = '\0';
	*ret = trp_steal_ptr(&buf);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int trp_read_file(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	cleanup_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : trp_read_fd(fd, max, ret, ret_len);
}

int trp_write_file(int dir_fd, const char *path, const char *text)
{
	cleanup_close int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* The directory part of path, opened, so that a rename in it can be made durable. */
static int open_parent(int dir_fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	int fd;

	if (!slash) {
		fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		cleanup_free char *dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
		if (!dir)
			return -ENOMEM;
		fd = openat(dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* Where what takes the place of path is written until it is whole: no service, secret or profile has a name that begins with a dot. */
static char *unfinished(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return trp_asprintf("%.*s.%s.new", (int)(name - path), path, name);
}

static int replace(int dir_fd, const char *path, const void *buf, size_t len, mode_t mode, bool durable)
{
	cleanup_free char *tmp = unfinished(path);
	cleanup_close int fd = -1;
	int r;

	if (!tmp)
		return -ENOMEM;
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = trp_write_all(fd, buf, len);
	if (r == 0 && (fchmod(fd, mode) < 0 || (durable && fsync(fd) < 0) || renameat(dir_fd, tmp, dir_fd, path) < 0))
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, tmp, 0);
	return r;
}

int trp_write_atomic(int dir_fd, const char *path, const void *buf, size_t len, mode_t mode)
{
	cleanup_close int parent = open_parent(dir_fd, path);
	int r = parent < 0 ? parent : replace(dir_fd, path, buf, len, mode, true);

	if (r < 0)
		return r;
	return fsync(parent) < 0 ? -errno : 0;
}

int trp_write_whole(int dir_fd, const char *path, const void *buf, size_t len, mode_t mode)
{
	return replace(dir_fd, path, buf, len, mode, false);
}

int trp_mkdir_p(const char *path, mode_t mode)
{
	cleanup_free char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1;; p++) {
		if (*p != '/' && *p)
			continue;
		char end = *p;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		if (!end)
			return 0;
		*p = end;
	}
}

static int remove_below(int dir, dev_t dev)
{
	cleanup_close int own = dir;
	DIR *d = fdopendir(own);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -errno;
	trp_steal_fd(&own);
	while (r == 0 && (e = readdir(d))) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			r = -errno;
			break;
		}
		int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0 || fstat(sub, &st) < 0 || st.st_dev != dev) {
			r = sub < 0 ? -errno : -EXDEV;
			if (sub >= 0)
				close(sub);
			break;
		}
		r = remove_below(sub, dev);
		if (r == 0 && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
	}
	closedir(d);
	return r;
}

int trp_remove_tree(int dir_fd, const char *path)
{
	struct stat st;
	int sub, r;

	if (unlinkat(dir_fd, path, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	sub = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return -errno;
	if (fstat(sub, &st) < 0) {
		r = -errno;
		close(sub);
		return r;
	}
	r = remove_below(sub, st.st_dev);
	if (r < 0)
		return r;
	return unlinkat(dir_fd, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

char *trp_asprintf(const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

int trp_occupy_standard(void)
{
	static const int wrong_way[] = {O_WRONLY, O_RDONLY, O_RDONLY};

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", wrong_way[fd]) < 0) /* the lowest that is free, which is this one */
			return -errno;
	return 0;
}

int trp_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

bool trp_same_file(int a, int b)
{
	struct stat of_a, of_b;

	return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

bool trp_has_size(int fd, uint64_t size)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (uint64_t)st.st_size == size;
}

bool trp_is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

uint64_t trp_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t trp_now_ms(void)
{
	return trp_now_ns() / 1000000u;
}

void trp_sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

bool trp_is_shortage(int error)
{
	error = error < 0 ? -error : error;
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}
