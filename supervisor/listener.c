/* SPDX-License-Identifier: ISC */
#include "supervisor/listener.h"
#include "base/fdpass.h"
#include "base/io.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BACKLOG 4096

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* The filter sees a segment from its TCP header on: bytes 2 and 3 are the destination port. */
static int lock_to_port(int fd, uint16_t port)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = {.len = TRP_ARRAY_SIZE(insns), .filter = insns};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return -errno;
	return set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

static int make_socket(uint16_t port, int *ret_fd, const char **ret_what)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	cleanup_close int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	int r;

	*ret_what = "socket";
	if (fd < 0)
		return -errno;
	*ret_what = "dual stack";
	r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	if (r == 0)
		r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r < 0)
		return r;
	*ret_what = "bind";
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	*ret_what = "port filter";
	r = lock_to_port(fd, port);
	if (r < 0)
		return r;
	*ret_what = "TCP_DEFER_ACCEPT";
	r = set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
	if (r < 0)
		return r;
	*ret_what = "listen";
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = trp_steal_fd(&fd);
	return 0;
}

/* One program that returns 0 (refuse), attached as connect and bind of both families. */
static int refuse_in_group(int cgroup_fd)
{
	static const enum bpf_attach_type hooks[] = {BPF_CGROUP_INET4_CONNECT,
		BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_INET4_BIND, BPF_CGROUP_INET6_BIND};
	struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(hooks); i++) {
		union bpf_attr load = {
			.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
			.insns = (uintptr_t)insns,
			.insn_cnt = TRP_ARRAY_SIZE(insns),
			.license = (uintptr_t) "ISC",
			.expected_attach_type = hooks[i],
		};
		cleanup_close int prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
		if (prog < 0)
			return -errno;
		union bpf_attr attach = {
			.target_fd = (uint32_t)cgroup_fd,
			.attach_bpf_fd = (uint32_t)prog,
			.attach_type = hooks[i],
		};
		if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)) < 0)
			return -errno;
	}
	return 0;
}

struct maker_report {
	int32_t error;
	char what[32];
};

/* A socket belongs to the group of the process that creates it, so a short-lived child enters the group, makes the
 * socket and passes it back. Runs in the child; never returns. */
static void maker_child(int cgroup_fd, uint16_t port, int sock)
{
	struct maker_report report = {0};
	const char *what = "cgroup.procs";
	int fd = -1, r;

	r = trp_write_file(cgroup_fd, "cgroup.procs", "0");
	if (r == 0)
		r = make_socket(port, &fd, &what);
	report.error = -r;
	snprintf(report.what, sizeof(report.what), "%s", what);
	trp_fd_send(sock, &report, sizeof(report), &fd, r == 0 ? 1 : 0, 0);
	_exit(0);
}

static int make_in_group(int cgroup_fd, uint16_t port, int *ret_fd, char *what, size_t what_size)
{
	struct maker_report report = {0};
	int pair[2], fd = -1, r;
	size_t n = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		maker_child(cgroup_fd, port, pair[1]);
	close(pair[1]);
	r = pid < 0 ? -errno : 0;
	if (r == 0) {
		ssize_t len = trp_fd_recv_upto(pair[0], &report, sizeof(report), &fd, 1, &n, 0);
		if (len != sizeof(report))
			r = len < 0 ? (int)len : -EIO;
		else
			r = -report.error;
		waitpid(pid, NULL, 0);
	}
	close(pair[0]);
	if (r < 0) {
		snprintf(what, what_size, "%s", r == -report.error ? report.what : "helper");
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int listener_open(const char *name, uint16_t port, int cgroup_dir, struct listener *ret, char *err,
	size_t err_size)
{
	struct listener l = {.port = port, .fd = -1, .cgroup_fd = -1};
	char group[80], what[32] = "";
	const char *step = what;
	int r = 0;

	snprintf(l.name, sizeof(l.name), "%s", name);
	snprintf(group, sizeof(group), "listener-%s", name);
	if (cgroup_dir >= 0) {
		/* one that a killed daemon left has its programs still attached: nothing could be bound in it */
		unlinkat(cgroup_dir, group, AT_REMOVEDIR);
		if (mkdirat(cgroup_dir, group, 0755) < 0)
			r = -errno;
		else
			l.cgroup_fd = openat(cgroup_dir, group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (r == 0 && l.cgroup_fd < 0)
			r = -errno;
		step = "cgroup";
	}
	if (r == 0) {
		if (l.cgroup_fd >= 0) {
			r = make_in_group(l.cgroup_fd, port, &l.fd, what, sizeof(what));
			step = what;
		} else {
			r = make_socket(port, &l.fd, &step);
		}
	}
	if (r == 0 && l.cgroup_fd >= 0) {
		r = refuse_in_group(l.cgroup_fd);
		step = "cgroup programs";
	}
	if (r < 0) {
		snprintf(err, err_size, "listener %s: port %u: %s: %s%s", name, port, step, strerror(-r),
			r == -EADDRINUSE ? " (another program listens there: ss -ltnp)" : "");
		listener_close(&l, cgroup_dir);
		return r;
	}
	*ret = l;
	return 0;
}

void listener_close(struct listener *l, int cgroup_dir)
{
	char group[80];

	trp_close(&l->fd);
	if (l->cgroup_fd >= 0) {
		snprintf(group, sizeof(group), "listener-%s", l->name);
		unlinkat(cgroup_dir, group, AT_REMOVEDIR);
	}
	trp_close(&l->cgroup_fd);
}
