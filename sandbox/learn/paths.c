/* SPDX-License-Identifier: ISC */
/* paths.c: which files a call was about. What was opened or executed the kernel says itself (the links of /proc/PID/fd and exe, as
 * they are from the sandbox's root); of all else there is only the text that the program gave. */
#include "learn.h"
#include "base/io.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#define PAGE    4096u
#define DELETED " (deleted)"

/* Of the memory of the thread; as much as there is up to len. */
static ssize_t peek(pid_t tid, uint64_t from, void *to, size_t len)
{
	struct iovec here = {to, len}, there = {(void *)(uintptr_t)from, len};

	return process_vm_readv(tid, &here, 1, &there, 1, 0);
}

/* Page by page: behind its end there may be none. */
static int peek_text(pid_t tid, uint64_t from, char ret[LEARN_PATH_MAX])
{
	size_t have = 0;

	while (have < LEARN_PATH_MAX) {
		size_t want = PAGE - (size_t)((from + have) % PAGE);
		ssize_t n;
		if (want > LEARN_PATH_MAX - have)
			want = LEARN_PATH_MAX - have;
		n = peek(tid, from + have, ret + have, want);
		if (n <= 0)
			return -EFAULT;
		if (memchr(ret + have, '\0', (size_t)n))
			return 0;
		have += (size_t)n;
	}
	return -ENAMETOOLONG;
}

/* A link below /proc/TID. Files that have no name (sockets, pipes, memory) are -ENOENT. */
static int read_link(pid_t tid, const char *name, char ret[LEARN_PATH_MAX])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	n = readlinkat(AT_FDCWD, path, ret, LEARN_PATH_MAX);
	if (n < 0)
		return -errno;
	if (n == LEARN_PATH_MAX)
		return -ENAMETOOLONG;
	ret[n] = '\0';
	if (ret[0] != '/' || strncmp(ret, "/memfd:", 7) == 0)
		return -ENOENT;
	if ((size_t)n > strlen(DELETED) && strcmp(ret + n - strlen(DELETED), DELETED) == 0)
		ret[(size_t)n - strlen(DELETED)] = '\0';
	return 0;
}

static int read_fd_link(pid_t tid, int fd, char ret[LEARN_PATH_MAX])
{
	char name[32];

	if (fd == AT_FDCWD)
		return read_link(tid, "cwd", ret);
	snprintf(name, sizeof(name), "fd/%d", fd);
	return read_link(tid, name, ret);
}

static unsigned uses_of_flags(uint64_t flags)
{
	unsigned uses = (flags & O_ACCMODE) == O_RDONLY ? LEARN_READ :
		(flags & O_ACCMODE) == O_WRONLY		? LEARN_WRITE :
							  LEARN_READ | LEARN_WRITE;

	if (flags & O_PATH)
		return LEARN_LOOK;
	return flags & (O_CREAT | O_TRUNC) ? uses | LEARN_WRITE : uses;
}

static unsigned uses_of(const struct learn_call *c, const struct learn_path *p)
{
	struct open_how how;

	if (!p->opens)
		return p->uses;
	if (c->nr == SYS_openat2)
		return peek(c->tid, c->args[2], &how, sizeof(how.flags)) == (ssize_t)sizeof(how.flags)
			? uses_of_flags(how.flags) : LEARN_READ;
#ifdef SYS_creat
	if (c->nr == SYS_creat)
		return LEARN_WRITE;
	if (c->nr == SYS_open)
		return uses_of_flags(c->args[1]);
#endif
	return uses_of_flags(c->args[2]);
}

/* The text of an AF_UNIX address with a path. */
static int read_address(const struct learn_call *c, const struct learn_path *p, char ret[LEARN_PATH_MAX])
{
	struct sockaddr_un a = {0};
	uint64_t len = c->args[p->name + 1] & 0xffffffffu;

	if (len > sizeof(a))
		len = sizeof(a);
	if (len <= offsetof(struct sockaddr_un, sun_path) || peek(c->tid, c->args[p->name], &a, len) != (ssize_t)len ||
		a.sun_family != AF_UNIX || a.sun_path[0] == '\0')
		return -ENOENT;
	snprintf(ret, LEARN_PATH_MAX, "%.*s", (int)sizeof(a.sun_path), a.sun_path);
	return 0;
}

/* As the program named it. */
static int named(const struct learn_call *c, const struct learn_path *p, char ret[LEARN_PATH_MAX])
{
	char text[LEARN_PATH_MAX], base[LEARN_PATH_MAX] = "";
	int r;

	if (p->name < 0)
		return read_fd_link(c->tid, (int)c->args[p->dir], ret);
	r = p->is_address ? read_address(c, p, text) : peek_text(c->tid, c->args[p->name], text);
	if (r < 0)
		return r;
	if (text[0] == '\0') /* AT_EMPTY_PATH, or nothing */
		return -ENOENT;
	if (text[0] != '/') {
		r = read_fd_link(c->tid, p->dir < 0 ? AT_FDCWD : (int)c->args[p->dir], base);
		if (r < 0)
			return r;
	}
	return learn_join(base, text, ret);
}

static bool is_refusal(long result)
{
	return result == -EACCES || result == -EROFS; /* EPERM is a capability that is lacking */
}

void paths_of(const struct learn_call *c, long result)
{
	struct learn_path p;

	for (size_t i = 0; calls_path(c, i, &p); i++) {
		char path[LEARN_PATH_MAX], clean[LEARN_PATH_MAX];
		unsigned uses = uses_of(c, &p);
		bool worked = result >= 0;
		int r;
		if (!worked && !is_refusal(result))
			continue;
		r = worked && p.opens ? read_fd_link(c->tid, (int)result, path) : named(c, &p, path);
		if (r == 0)
			r = learn_join("", path, clean);
		if (r == 0)
			record_path(clean, worked ? uses : uses << LEARN_REFUSED);
		else if (r == -ENAMETOOLONG || r == -EINVAL)
			record_cut();
	}
}

/* What execve(2) was given, which for a script is not what runs: getauxval(3), AT_EXECFN. Nothing of the new program has run yet. */
static int read_execfn(pid_t tid, char ret[LEARN_PATH_MAX])
{
	cleanup_free char *bytes = NULL;
	uint64_t pair[2];
	char path[40];
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/auxv", tid);
	r = trp_read_file(AT_FDCWD, path, 4096, &bytes, &len);
	for (size_t at = 0; r == 0 && at + sizeof(pair) <= len; at += sizeof(pair)) {
		memcpy(pair, bytes + at, sizeof(pair));
		if (pair[0] == AT_EXECFN)
			return peek_text(tid, pair[1], ret);
	}
	return r < 0 ? r : -ENOENT;
}

void paths_executed(pid_t tid)
{
	char path[LEARN_PATH_MAX], clean[LEARN_PATH_MAX], base[LEARN_PATH_MAX];

	if (read_execfn(tid, path) == 0 && read_link(tid, "cwd", base) == 0 && learn_join(base, path, clean) == 0)
		record_path(clean, LEARN_EXEC);
	if (read_link(tid, "exe", path) == 0 && learn_join("", path, clean) == 0)
		record_path(clean, LEARN_EXEC);
}
