/* SPDX-License-Identifier: ISC */
/* What lies in the log directory: names of files, lines, and whole files, plain and compressed. */
#include "supervisor/logread/logread.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int dir = -1;

static int open_dir(void)
{
	char path[] = "/dev/shm/fuzz-logread.XXXXXX";

	if (!mkdtemp(path))
		abort();
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put_file(const char *name, const uint8_t *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
}

static void on_line(void *data, const char *service, const char *text, size_t len)
{
	size_t *n = data;

	if (strcmp(service, "web") != 0 || memchr(text, '\n', len))
		abort();
	*n += len + 1;
}

/* No more comes back than is there (compressed: anything), and with "lines" no more lines than that. */
static void read_back(uint64_t lines, const char *grep, size_t *ret)
{
	struct logread_request q = {.streams = 7, .lines = lines, .until = UINT64_MAX};
	struct logread *r;
	char err[100];

	strcpy(q.grep, grep);
	*ret = 0;
	if (logread_open(dir, &q, "", 0, on_line, ret, &r, err, sizeof(err)) < 0)
		abort();
	if (logread_go(r) < 0)
		abort();
	logread_close(r);
}

static void fuzz_line(const char *text, size_t len)
{
	char time[LOGTEXT_TIME];
	struct log_line l;

	if (!logtext_line(text, len, &l))
		return;
	if (l.text < text || l.text + l.len != text + len)
		abort();
	logtext_time(l.time, time);
	if (memcmp(time, text, sizeof(time) - 1) != 0)
		abort();
}

static void fuzz_name(const char *text, size_t len)
{
	char name[256], again[LOGTEXT_NAME];
	struct log_name n;

	if (len >= sizeof(name) || memchr(text, '\0', len))
		return;
	memcpy(name, text, len);
	name[len] = '\0';
	if (!logtext_parse_file(name, &n))
		return;
	logtext_file(n.service, n.kind, n.stamp, again);
	if (strcmp(name, again) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t all, some;

	if (dir < 0)
		dir = open_dir();
	fuzz_line((const char *)data, size);
	fuzz_name((const char *)data, size);
	put_file("web.log.20261126T140312.123456Z.gz", data, size);
	read_back(UINT64_MAX, "", &all);
	read_back(3, "", &some);
	if (some > all)
		abort();
	unlinkat(dir, "web.log.20261126T140312.123456Z.gz", 0);
	put_file("web.log.20261126T140312.123456Z", data, size / 2);
	put_file("web.log", data + size / 2, size - size / 2);
	read_back(UINT64_MAX, "", &all);
	if (all > size + 1)
		abort();
	read_back(2, "o[ut]*", &some);
	if (some > all)
		abort();
	unlinkat(dir, "web.log.20261126T140312.123456Z", 0);
	return 0;
}
