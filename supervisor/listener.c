/* SPDX-License-Identifier: ISC */
#include "supervisor/listener.h"
#include "base/fdpass.h"
#include "base/handoff.h"
#include "base/io.h"
#include "sandbox/weaken.h"
#include "supervisor/inherit.h"
#include "supervisor/keep.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BACKLOG 4096
#define KEPT_AS "listener"

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

int listener_lock(int fd, const struct listenscope *scope)
{
	struct sock_filter insns[LISTENFILTER_MAX];
	struct sock_fprog prog = {.filter = insns};

	prog.len = (unsigned short)listenfilter_make(scope, insns);
	if (!weakened(CONTROL_FILTER) && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return -errno;
	return weakened(CONTROL_FILTER_LOCK) ? 0 : set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

/* IPv4 alone is the v4-mapped address of an IPv6 socket: services get one kind of socket whatever the listener. */
static int bind_socket(int fd, const struct config_listener *c, int ifindex)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(c->port)};

	if (c->has_address)
		sa.sin6_addr = c->ip;
	else if (c->family == FAMILY_IPV4)
		sa.sin6_addr = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
	if (c->has_address && IN6_IS_ADDR_LINKLOCAL(&c->ip))
		sa.sin6_scope_id = (uint32_t)ifindex;
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
}

static int set_options(int fd, const struct config_listener *c, const char **ret_what)
{
	int r;

	*ret_what = "dual stack";
	r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, c->family == FAMILY_IPV6);
	if (r == 0)
		r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (r == 0 && weakened(CONTROL_NO_REUSEPORT))
		r = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (r < 0 || !c->device)
		return r;
	*ret_what = "device";
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, c->device, (socklen_t)strlen(c->device) + 1) < 0 ? -errno : 0;
}

/* Clients may be there for a server that speaks first; they are not to be held back until they speak. */
static int defer_accept(int fd, const struct config_listener *c)
{
	return set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, !(c->protocols & 1u << TRP_PROTO_NONE));
}

static int make_socket(const struct config_listener *c, int ifindex, int *ret_fd, const char **ret_what)
{
	const struct listenscope scope = {c->port, c->family, c->has_address, c->ip, ifindex};
	cleanup_close int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	int r;

	*ret_what = "socket";
	if (fd < 0)
		return -errno;
	r = set_options(fd, c, ret_what);
	if (r < 0)
		return r;
	*ret_what = "bind";
	r = bind_socket(fd, c, ifindex);
	if (r < 0)
		return r;
	*ret_what = "port filter";
	r = listener_lock(fd, &scope);
	if (r < 0)
		return r;
	*ret_what = "TCP_DEFER_ACCEPT";
	r = defer_accept(fd, c);
	if (r < 0)
		return r;
	*ret_what = "listen";
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = trp_steal_fd(&fd);
	return 0;
}

static int attach_to_group(int cgroup_fd, enum bpf_prog_type type, enum bpf_attach_type hook, const struct bpf_insn *insns,
	size_t n)
{
	union bpf_attr load = {
		.prog_type = type,
		.insns = (uintptr_t)insns,
		.insn_cnt = (uint32_t)n,
		.license = (uintptr_t) "ISC",
		.expected_attach_type = hook,
	};
	cleanup_close int prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));

	if (prog < 0)
		return -errno;
	union bpf_attr attach = {
		.target_fd = (uint32_t)cgroup_fd,
		.attach_bpf_fd = (uint32_t)prog,
		.attach_type = hook,
	};
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)) < 0 ? -errno : 0;
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

	int r = 0;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(hooks) && r == 0; i++)
		r = attach_to_group(cgroup_fd, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, hooks[i], insns, TRP_ARRAY_SIZE(insns));
	return r;
}

/* For a listener that is no more, whose accepted sockets live on in services with its filter: they see what comes to the
 * port unless nobody of this group may listen. The program gets each packet for a socket of the group, and drops
 * those to one that listens. */
static int refuse_listening(int cgroup_fd)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_1,
			.off = offsetof(struct __sk_buff, sk)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_2, .off = 3, .imm = 0},
		{.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_2,
			.off = offsetof(struct bpf_sock, state)},
		{.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = BPF_REG_2, .off = 1, .imm = BPF_TCP_LISTEN},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return attach_to_group(
		cgroup_fd, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, insns, TRP_ARRAY_SIZE(insns));
}

struct maker_report {
	int32_t error;
	char what[32];
};

/* A socket belongs to the group of the process that creates it, so a short-lived child enters the group, makes the
 * socket and passes it back. Runs in the child; never returns. */
static void maker_child(int cgroup_fd, const struct config_listener *c, int ifindex, int sock)
{
	struct maker_report report = {0};
	const char *what = "cgroup.procs";
	int fd = -1, r;

	r = trp_write_file(cgroup_fd, "cgroup.procs", "0");
	if (r == 0)
		r = make_socket(c, ifindex, &fd, &what);
	report.error = -r;
	snprintf(report.what, sizeof(report.what), "%s", what);
	trp_fd_send(sock, &report, sizeof(report), &fd, r == 0 ? 1 : 0, 0);
	_exit(0);
}

static int make_in_group(
	int cgroup_fd, const struct config_listener *c, int ifindex, int *ret_fd, char *what, size_t what_size)
{
	struct maker_report report = {0};
	int pair[2], fd = -1, r;
	size_t n = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		maker_child(cgroup_fd, c, ifindex, pair[1]);
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

#define GROUP_PREFIX "@listener-" /* no service can have such a name, and theirs are those of their groups */

/* By number, so that a listener can be opened before another of the same name is closed. */
static void group_name(uint32_t id, char out[32])
{
	snprintf(out, 32, GROUP_PREFIX "%u", id);
}

static int make_group(int cgroup_dir, uint32_t id)
{
	char group[32];
	int fd;

	group_name(id, group);
	/* one that a killed daemon left has its programs still attached: nothing could be bound in it */
	unlinkat(cgroup_dir, group, AT_REMOVEDIR);
	if (mkdirat(cgroup_dir, group, 0755) < 0)
		return -errno;
	fd = openat(cgroup_dir, group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void drop_group(struct listener *l, int cgroup_dir)
{
	char group[32];

	trp_close(&l->cgroup_fd);
	group_name(l->id, group);
	if (cgroup_dir >= 0)
		unlinkat(cgroup_dir, group, AT_REMOVEDIR); /* without one there is nothing of that name */
}

/* What bpf(2) says where there is no CONFIG_BPF_SYSCALL or CONFIG_CGROUP_BPF, or where trpsupd must not use it. */
static bool lacks_programs(int r)
{
	return r == -ENOSYS || r == -EINVAL || r == -EOPNOTSUPP || r == -EPERM;
}

static void say_failure(const struct config_listener *c, const char *step, int error, char *err, size_t err_size)
{
	static const struct {
		int error;
		const char *step, *hint;
	} hints[] = {
		{EADDRINUSE, NULL, " (another program listens there: ss -ltnp)"},
		{EADDRNOTAVAIL, "bind", " (no interface of this host has that address: ip address)"},
		{ENODEV, "device", " (there is no such interface: ip link)"},
	};
	const char *hint = "";
	char text[CONFIG_LISTENER_TEXT];

	for (size_t i = 0; i < TRP_ARRAY_SIZE(hints); i++)
		if (hints[i].error == error && (!hints[i].step || strcmp(hints[i].step, step) == 0))
			hint = hints[i].hint;
	config_listener_text(c, text);
	snprintf(err, err_size, "listener %s: %s: %s: %s%s", c->name, text, step, strerror(error), hint);
}

int listener_open(
	const struct config_listener *c, uint32_t id, int cgroup_dir, struct listener *ret, char *err, size_t err_size)
{
	struct listener l = {.id = id, .fd = -1, .cgroup_fd = -1};
	const char *step = "device";
	char what[32] = "";
	int r = 0;

	if (c->fd_name)
		return inherit_open(c, id, ret, err, err_size);
	if (c->device) {
		l.ifindex = (int)if_nametoindex(c->device);
		r = l.ifindex ? 0 : -errno;
	}
	if (r == 0 && cgroup_dir >= 0) {
		l.cgroup_fd = make_group(cgroup_dir, id);
		r = l.cgroup_fd < 0 ? l.cgroup_fd : 0;
		step = "cgroup";
	}
	if (r == 0 && l.cgroup_fd >= 0) {
		r = make_in_group(l.cgroup_fd, c, l.ifindex, &l.fd, what, sizeof(what));
		step = what;
	} else if (r == 0) {
		r = make_socket(c, l.ifindex, &l.fd, &step);
	}
	if (r == 0 && l.cgroup_fd >= 0 && !weakened(CONTROL_LISTENER_GROUP)) {
		r = refuse_in_group(l.cgroup_fd);
		step = "cgroup programs";
		if (lacks_programs(r)) {
			drop_group(&l, cgroup_dir);
			r = 0;
		}
	}
	if (r < 0) {
		say_failure(c, step, -r, err, err_size);
		listener_close(&l, cgroup_dir);
		return r;
	}
	*ret = l;
	return 0;
}

void listener_close(struct listener *l, int cgroup_dir)
{
	trp_close(&l->fd);
	while (l->n_early > 0)
		close(l->early[--l->n_early]);
	free(l->early);
	l->early = NULL;
	drop_group(l, cgroup_dir);
}

int listener_retire(struct listener *l, int cgroup_dir)
{
	int r = l->cgroup_fd >= 0 && !weakened(CONTROL_LISTENER_RETIRE) ? refuse_listening(l->cgroup_fd) : 0;

	listener_close(l, cgroup_dir);
	return r;
}

void listener_update(struct listener *l, const struct config_listener *c)
{
	defer_accept(l->fd, c);
}

int listener_relisten(struct listener *l)
{
	return listen(l->fd, BACKLOG) < 0 ? -errno : 0;
}

static int bound_interface(int fd)
{
	int index = 0;
	socklen_t len = sizeof(index);

	return getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, &len) < 0 ? -1 : index;
}

/* Its port is free at once, whoever else has the socket. */
static void end_kept(struct listener *l, int cgroup_dir)
{
	shutdown(l->fd, SHUT_RD);
	trp_close(&l->fd);
	drop_group(l, cgroup_dir);
}

/* Its name there is what it is bound to: all else can be changed. */
int listener_adopt(struct keep *keep, const struct config_listener *c, int cgroup_dir, struct listener *ret)
{
	struct listener l = {.cgroup_fd = -1};
	char name[CONFIG_LISTENER_TEXT], group[32];

	config_listener_text(c, name);
	l.fd = keep_take_any(keep, name, KEPT_AS, &l.id);
	if (l.fd < 0)
		return -ENOENT;
	group_name(l.id, group);
	if (cgroup_dir >= 0 && !c->fd_name)
		l.cgroup_fd = openat(cgroup_dir, group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup_dir >= 0 && !c->fd_name && l.cgroup_fd < 0 && trp_is_shortage(-errno)) { /* it is there, and no service would trust the listener without */
		int r = -errno;
		trp_close(&l.fd);
		return r;
	}
	if (c->device)
		l.ifindex = (int)if_nametoindex(c->device);
	if (l.ifindex != bound_interface(l.fd)) { /* another of that name: its filter would let nobody in */
		end_kept(&l, cgroup_dir);
		return -ENOENT;
	}
	listener_update(&l, c);
	*ret = l;
	return 0;
}

static bool is_group_of(const char *group, const struct listener *all, size_t n)
{
	char own[32];

	for (size_t i = 0; i < n; i++) {
		group_name(all[i].id, own);
		if (all[i].fd >= 0 && strcmp(group, own) == 0)
			return true;
	}
	return false;
}

/* A daemon that was killed between a listener's end and that of its group left one that no key of the keeper leads to. */
static void drop_unknown_groups(int cgroup_dir, const struct listener *all, size_t n)
{
	int fd = cgroup_dir < 0 ? -1 : openat(cgroup_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0 && !is_group_of(entry->d_name, all, n))
			unlinkat(cgroup_dir, entry->d_name, AT_REMOVEDIR);
	if (dir)
		closedir(dir);
	else
		trp_close(&fd);
}

void listeners_end_rest(struct keep *keep, int cgroup_dir, const struct listener *all, size_t n)
{
	struct listener l = {.cgroup_fd = -1};

	while ((l.fd = keep_take_any(keep, NULL, KEPT_AS, &l.id)) >= 0)
		end_kept(&l, cgroup_dir);
	drop_unknown_groups(cgroup_dir, all, n);
}

struct wanted {
	const struct config *c;
	const struct listener *all;
	size_t n;
};

static bool is_wanted(const void *data, const char *owner, uint32_t number)
{
	const struct wanted *w = data;
	char name[CONFIG_LISTENER_TEXT];

	for (size_t i = 0; i < w->n; i++) {
		config_listener_text(&w->c->listeners[i], name);
		if (w->all[i].id == number && strcmp(name, owner) == 0)
			return true;
	}
	return false;
}

/* There is no moment in which one is not there: routers that outlive a daemon have it, too, and nobody could open another. */
void listeners_keep(struct keep *keep, const struct config *c, const struct listener *all, size_t n)
{
	const struct wanted wanted = {c, all, n};
	char name[CONFIG_LISTENER_TEXT];

	for (size_t i = 0; i < n; i++) {
		config_listener_text(&c->listeners[i], name);
		keep_put(keep, name, KEPT_AS, all[i].id, all[i].fd);
	}
	keep_drop_unwanted(keep, KEPT_AS, is_wanted, &wanted);
}

void listeners_redirect(const struct config *c, struct listener *all)
{
	for (size_t i = 0; i < c->n_listeners; i++) {
		size_t to = config_redirect_target(c, i);
		all[i].redirect_to = to < c->n_listeners ? all[to].id : 0;
		all[i].redirect_port = to < c->n_listeners ? c->listeners[to].port : 0;
	}
}
