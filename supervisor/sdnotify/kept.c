/* SPDX-License-Identifier: ISC */
#include "supervisor/sdnotify/kept.h"
#include "base/fdpass.h"
#include "base/util.h"
#include "sandbox/keptmsg.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct {
	int fd;
	char name[KEPT_NAME_MAX];
} kept[KEPT_MAX];
static uint32_t n_kept, most;
static dev_t memory_files, pipes;
static pid_t self;

int kept_init(void)
{
	cleanup_close int memory = memfd_create("trp-sdnotify", MFD_CLOEXEC), a = -1, b = -1;
	struct stat of_memory, of_pipe;
	int p[2];

	if (memory < 0 || pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	a = p[0];
	b = p[1];
	if (fstat(memory, &of_memory) < 0 || fstat(a, &of_pipe) < 0)
		return -errno;
	memory_files = of_memory.st_dev;
	pipes = of_pipe.st_dev;
	self = getpid();
	return 0;
}

bool kept_kind(int fd)
{
	struct stat st;

	if (syscall(SYS_fstat, fd, &st) < 0) /* not the library's, which asks by name */
		return false;
	switch (st.st_mode & S_IFMT) {
	case S_IFSOCK:
	case 0: /* anonymous inode */
		return true;
	case S_IFIFO:
		return st.st_dev == pipes;
	case S_IFREG:
		return st.st_dev == memory_files;
	default:
		return false;
	}
}

static bool is_kept(int fd)
{
	for (uint32_t i = 0; i < n_kept; i++)
		if (syscall(SYS_kcmp, self, self, KCMP_FILE, fd, kept[i].fd) == 0)
			return true;
	return false;
}

bool kept_add(int fd, const char *name)
{
	if (is_kept(fd)) {
		close(fd);
		return true;
	}
	if (n_kept >= most || !kept_kind(fd)) {
		close(fd);
		return false;
	}
	kept[n_kept].fd = fd;
	snprintf(kept[n_kept].name, sizeof(kept[n_kept].name), "%s", name[0] ? name : "stored");
	n_kept++;
	return true;
}

void kept_remove(const char *name)
{
	uint32_t to = 0;

	for (uint32_t i = 0; i < n_kept; i++)
		if (strcmp(kept[i].name, name) == 0)
			close(kept[i].fd);
		else
			kept[to++] = kept[i];
	n_kept = to;
}

void kept_limit(uint32_t max)
{
	most = max < KEPT_MAX ? max : KEPT_MAX;
	while (n_kept > most)
		close(kept[--n_kept].fd);
}

uint32_t kept_count(void)
{
	return n_kept;
}

void kept_give(int sock)
{
	uint32_t at = 0;

	do {
		struct kept_msg m = {.magic = KEPT_MAGIC};
		int fds[KEPT_IN_ONE];
		for (; m.n < KEPT_IN_ONE && at < n_kept; at++, m.n++) {
			fds[m.n] = kept[at].fd;
			memcpy(m.names[m.n], kept[at].name, KEPT_NAME_MAX);
		}
		m.left = n_kept - at;
		if (trp_fd_send(sock, &m, sizeof(m), fds, m.n, MSG_DONTWAIT) < 0)
			return;
	} while (at < n_kept);
}
