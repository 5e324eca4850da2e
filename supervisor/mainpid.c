/* SPDX-License-Identifier: ISC */
#include "supervisor/mainpid.h"
#include "base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define STATUS_BYTES   2048 /* NSpid is one of the first lines */
#define CHILDREN_BYTES 4096 /* the main process is one of init's oldest children, and those come first */

static ssize_t read_text(const char *path, char *text, size_t size)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n < 0 ? 0 : n] = '\0';
	return n;
}

pid_t mainpid_innermost(const char *status, size_t len)
{
	static const char key[] = "\nNSpid:";
	const char *at = memmem(status, len, key, sizeof(key) - 1), *end = status + len;
	pid_t pid = -1;

	if (!at)
		return -1;
	for (at += sizeof(key) - 1; at < end && *at != '\n'; at++) {
		if (*at >= '0' && *at <= '9' && pid < 100000000)
			pid = (at[-1] >= '0' && at[-1] <= '9' ? pid * 10 : 0) + (*at - '0');
		else if (*at != '\t')
			return -1;
	}
	return at < end ? pid : -1; /* a line that was cut off has lost its last number */
}

static pid_t inside_of(pid_t pid)
{
	char path[64], text[STATUS_BYTES];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	n = read_text(path, text, sizeof(text));
	return n < 0 ? -1 : mainpid_innermost(text, (size_t)n);
}

pid_t mainpid_on_host(pid_t init, pid_t inside)
{
	char path[64], children[CHILDREN_BYTES], *rest = NULL;

	if (init <= 0 || inside <= 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", init, init);
	if (read_text(path, children, sizeof(children)) < 0)
		return -1;
	for (char *word = strtok_r(children, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		pid_t pid = (pid_t)strtol(word, NULL, 10);
		if (pid > 0 && inside_of(pid) == inside)
			return pid;
	}
	return -1;
}
