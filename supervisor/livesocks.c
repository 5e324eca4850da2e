/* SPDX-License-Identifier: ISC */
#include "supervisor/livesocks.h"
#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROCS_MAX  (4 * 1024 * 1024)
#define LOOKS_MAX  65536 /* descriptors: each costs some microseconds, and meanwhile nobody else is served */
/* somebody may still send or be sent something */
#define OPEN_STATES (1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT1 | 1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK | 1u << TCP_CLOSING)

struct inodes {
	uint32_t *v; /* as NETLINK_SOCK_DIAG has them */
	size_t n, size;
	size_t looks;
};

static int add(struct inodes *s, uint32_t inode)
{
	if (s->n == s->size) {
		size_t size = s->size ? s->size * 2 : 256;
		uint32_t *grown = reallocarray(s->v, size, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->v = grown;
		s->size = size;
	}
	s->v[s->n++] = inode;
	return 0;
}

/* A process that has ended has none. */
static int add_process(struct inodes *s, const char *pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	while (r == 0 && (entry = readdir(dir))) {
		char target[64];
		unsigned long inode;
		ssize_t n;
		if (s->looks++ == LOOKS_MAX) {
			r = -E2BIG;
			break;
		}
		n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			r = add(s, (uint32_t)inode);
	}
	closedir(dir);
	return r;
}

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Sorted; one that several have is there once. */
static void make_set(struct inodes *s)
{
	size_t n = 0;

	if (s->n == 0)
		return;
	qsort(s->v, s->n, sizeof(*s->v), compare);
	for (size_t i = 0; i < s->n; i++)
		if (i == 0 || s->v[i] != s->v[n - 1])
			s->v[n++] = s->v[i];
	s->n = n;
}

static int sockets_of_group(const struct cgroup *cg, struct inodes *ret)
{
	cleanup_free char *text = NULL;
	char *save = NULL;
	int dir = cg->v2_fd, r;

	for (int c = 0; dir < 0 && c < CGROUP_V1_MAX; c++)
		dir = cg->v1_fd[c];
	r = dir < 0 ? -ENOENT : trp_read_file(dir, "cgroup.procs", PROCS_MAX, &text, NULL);
	for (const char *pid = r < 0 ? NULL : strtok_r(text, "\n", &save); pid && r == 0; pid = strtok_r(NULL, "\n", &save))
		r = add_process(ret, pid);
	make_set(ret);
	return r;
}

static int ask(int fd, uint8_t family)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} m = {.head = {.nlmsg_len = sizeof(m), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.req = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = OPEN_STATES}};

	return send(fd, &m, sizeof(m), 0) < 0 ? -errno : 0;
}

/* Of one family, those in the set are counted. */
static int count_family(int fd, uint8_t family, const struct inodes *set, size_t *count)
{
	static char buf[1 << 15] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = ask(fd, family);

	while (r == 0) {
		ssize_t got = recv(fd, buf, sizeof(buf), 0);
		if (got < 0)
			return -errno;
		size_t left = (size_t)got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			const struct inet_diag_msg *m = NLMSG_DATA(h);
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
				continue;
			*count += bsearch(&m->idiag_inode, set->v, set->n, sizeof(*set->v), compare) != NULL;
		}
	}
	return r;
}

int livesocks_count(const struct cgroup *cg, size_t *ret)
{
	const struct timeval patience = {.tv_sec = 1};
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct inodes set = {.v = NULL};
	size_t count = 0;
	int r = fd < 0 ? -errno : sockets_of_group(cg, &set);

	if (r == 0 && set.n > 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		r = count_family(fd, AF_INET, &set, &count);
		if (r == 0)
			r = count_family(fd, AF_INET6, &set, &count);
	}
	free(set.v);
	if (r == 0)
		*ret = count;
	return r;
}
