/* SPDX-License-Identifier: ISC */
/* procfs.c: directories of numbers, and numbers in files. */
#include "preload.h"

#include <fcntl.h>
#include <stddef.h>

struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

const char *procfs_skip(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	return p;
}

const char *procfs_number(const char *p, const char *end, unsigned base, uint64_t *ret)
{
	const char *start = p = procfs_skip(p, end);
	uint64_t v = 0;

	for (; p < end; p++) {
		unsigned d = *p >= 'a' ? (unsigned)(*p - 'a') + 10 : (unsigned)(*p - '0');
		if (d >= base)
			break;
		v = v * base + d;
	}
	*ret = v;
	return p > start ? p : NULL;
}

void procfs_each(const char *path, void look(int dir, const char *name, void *data), void *data)
{
	int dir = trp_raw_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char buf[1024] __attribute__((aligned(8)));
	long n;

	while (dir >= 0 && (n = trp_syscall(SYS_getdents64, dir, (long)buf, sizeof(buf), 0, 0, 0)) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64_raw *e = (const void *)(buf + at);
			look(dir, e->name, data);
			at += e->reclen;
		}
	if (dir >= 0)
		trp_raw_close(dir);
}
