/* SPDX-License-Identifier: ISC */
#include "pidfile.h"
#include "util.h"

#include <fcntl.h>
#include <sys/stat.h>

#define PID_LIMIT  4194304 /* the kernel's PID_MAX_LIMIT */
#define LINE_BYTES 32

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

int trp_pidfile_parse(const char *text, size_t len, pid_t *ret)
{
	size_t i = 0, digits;
	pid_t pid = 0;

	while (i < len && is_blank(text[i]))
		i++;
	for (digits = i; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		pid = pid * 10 + (text[i] - '0');
		if (pid > PID_LIMIT)
			return -EINVAL;
	}
	if (i == digits)
		return -EINVAL;
	while (i < len && is_blank(text[i]))
		i++;
	if ((i < len && text[i] != '\n') || pid < 2)
		return -EINVAL;
	*ret = pid;
	return 0;
}

int trp_pidfile_read(const char *path, pid_t *ret)
{
	/* O_NONBLOCK: neither a fifo without a writer nor a lease that somebody holds (fcntl(2), F_SETLEASE) keeps us */
	cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	char text[LINE_BYTES];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* files of /proc, which are made when they are read, have no size */
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -EINVAL;
	n = read(fd, text, sizeof(text));
	return n < 0 ? -errno : trp_pidfile_parse(text, (size_t)n, ret);
}
