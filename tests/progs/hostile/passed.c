/* SPDX-License-Identifier: ISC */
/* passed.c: a client's own socket is a socket of the host's network. What a service can make of it. */
#include "hostile.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_MS     1200
#define TRANSPARENT 75 /* IPV6_TRANSPARENT, linux/in6.h */

static void disconnect(int fd)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	connect(fd, &sa, sizeof(sa));
}

/* text is an IPv4 address if the socket is one of IPv4. */
static socklen_t address(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)job_number("target"))};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = in.sin_port};

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	inet_pton(AF_INET6, text, &in6.sin6_addr);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

/* Did a connection come about, and does the host's server talk to us? */
static struct outcome judge_connection(int fd, long r)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char line[64];
	int pending = 0;
	socklen_t len = sizeof(pending);
	ssize_t n;

	if (r < 0 && errno != EINPROGRESS)
		return refused(errno);
	poll(&p, 1, WAIT_MS);
	n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);
	if (n > 0)
		return succeeded("read %zd bytes of the host's server", n);
	n = n < 0 ? errno : ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len);
	return refused(pending ? pending : (int)n);
}

static struct outcome try_connect(int fd, const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len;

	if (!text || !job("target"))
		return absent("no target");
	len = address(text, &sa);
	disconnect(fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return judge_connection(fd, connect(fd, (struct sockaddr *)&sa, len));
}

static int family(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &len);
	return value;
}

static struct outcome connect_mapped(int fd)
{
	return try_connect(fd, family(fd) == AF_INET ? "127.0.0.1" : "::ffff:127.0.0.1");
}

static struct outcome connect_ipv6(int fd)
{
	return try_connect(fd, "::1");
}

static int turn_to_ipv4(int fd)
{
	int inet = AF_INET;

	return family(fd) == AF_INET ? 0 : setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &inet, sizeof(inet));
}

static struct outcome connect_ipv4(int fd)
{
	return turn_to_ipv4(fd) < 0 ? refused(errno) : try_connect(fd, "127.0.0.1");
}

static struct outcome connect_host_ipv4(int fd)
{
	return turn_to_ipv4(fd) < 0 ? refused(errno) : try_connect(fd, job("host4"));
}

static struct outcome connect_host_ipv6(int fd)
{
	return try_connect(fd, job("host6"));
}

/* To a server of the host that listens on nothing but a port of the router's: the filter is of no use there. */
static struct outcome try_fastopen(int fd, const char *text)
{
	struct sockaddr_storage sa;
	socklen_t len = address(text, &sa);

	if (!job("target"))
		return absent("no target");
	disconnect(fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return judge_connection(fd, sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&sa, len));
}

static struct outcome fastopen_mapped(int fd)
{
	return try_fastopen(fd, family(fd) == AF_INET ? "127.0.0.1" : "::ffff:127.0.0.1");
}

static struct outcome fastopen_ipv6(int fd)
{
	return try_fastopen(fd, "::1");
}

static struct outcome fastopen_connect(int fd)
{
	int on = 1;

	disconnect(fd);
	if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)) < 0)
		return refused(errno);
	struct outcome o = connect_mapped(fd);
	return o;
}

/* One operation through a ring: no system call that a filter could see is the connect itself. */
static long ring_connect(int ring, const struct io_uring_params *p, int fd, const struct sockaddr_storage *sa, socklen_t len)
{
	size_t sq_size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq_size = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	char *sq = mmap(NULL, sq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	char *cq = mmap(NULL, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	struct io_uring_sqe *sqes = mmap(NULL, p->sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);

	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		return -1;
	sqes[0] = (struct io_uring_sqe){.opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)sa, .off = len};
	((unsigned *)(void *)(sq + p->sq_off.array))[0] = 0;
	__atomic_store_n((unsigned *)(void *)(sq + p->sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -1;
	const struct io_uring_cqe *cqe = (const void *)(cq + p->cq_off.cqes);
	errno = cqe->res < 0 ? -cqe->res : 0;
	return cqe->res;
}

static struct outcome connect_io_uring(int fd)
{
	struct io_uring_params p = {0};
	struct sockaddr_storage sa;
	socklen_t len = address(family(fd) == AF_INET ? "127.0.0.1" : "::ffff:127.0.0.1", &sa);
	int ring = (int)syscall(SYS_io_uring_setup, 4, &p), tries = 2;

	if (ring < 0)
		return refused(errno);
	if (!job("target"))
		return absent("no target");
	disconnect(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &tries, sizeof(tries)); /* it waits for the end of the attempt */
	return judge_connection(fd, ring_connect(ring, &p, fd, &sa, len));
}

#define SWAPPED    400 /* a number that is the one socket now and the other then */
#define SWAP_TRIES 2000

static int swap_between[2];
static bool swap_over;

static void *swap(void *unused)
{
	while (!__atomic_load_n(&swap_over, __ATOMIC_RELAXED)) {
		dup2(swap_between[0], SWAPPED);
		dup2(swap_between[1], SWAPPED);
	}
	return unused;
}

/* Whoever looks at the descriptor first and lets the call through then has looked at another: a socket of its own. */
static struct outcome connect_swapped(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = address(family(fd) == AF_INET ? "127.0.0.1" : "::ffff:127.0.0.1", &sa);
	int own = socket(family(fd), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	pthread_t thread;

	if (!job("target"))
		return absent("no target");
	disconnect(fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	swap_between[0] = own;
	swap_between[1] = fd;
	if (pthread_create(&thread, NULL, swap, NULL) != 0)
		return absent("no thread");
	for (int i = 0; i < SWAP_TRIES; i++)
		connect(SWAPPED, (struct sockaddr *)&sa, len);
	__atomic_store_n(&swap_over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return judge_connection(fd, connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EISCONN ? 0 : -1);
}

/* Is fd, which listens, reached by a client of the host? */
static struct outcome judge_listener(int fd)
{
	struct sockaddr_in6 own;
	socklen_t len = sizeof(own);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return refused(errno);
	say_listening(ntohs(own.sin6_port));
	if (poll(&p, 1, 2 * WAIT_MS) > 0 && accept4(fd, NULL, NULL, SOCK_CLOEXEC) >= 0)
		return succeeded("accepted a connection on port %u of the host", ntohs(own.sin6_port));
	return refused_silently();
}

static struct outcome bind_listen(int fd, uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool v4 = family(fd) == AF_INET;
	int one = 1;

	disconnect(fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if ((v4 ? bind(fd, (struct sockaddr *)&any4, sizeof(any4)) : bind(fd, (struct sockaddr *)&any, sizeof(any))) < 0 ||
		listen(fd, 8) < 0)
		return refused(errno);
	return judge_listener(fd);
}

static struct outcome bind_any(int fd)
{
	return bind_listen(fd, 0);
}

static struct outcome bind_ipv4(int fd)
{
	return turn_to_ipv4(fd) < 0 ? refused(errno) : bind_listen(fd, 0);
}

static struct outcome autobind(int fd)
{
	disconnect(fd);
	return listen(fd, 8) < 0 ? refused(errno) : judge_listener(fd);
}

/* The port that the client came in on: the router's own. The filter lets that pass. */
static struct outcome bind_router_port(int fd)
{
	struct sockaddr_in6 own;
	socklen_t len = sizeof(own);

	return getsockname(fd, (struct sockaddr *)&own, &len) < 0 ? refused(errno) : bind_listen(fd, ntohs(own.sin6_port));
}

/* The listener that it came from is closed on our word; then its port is the only one to be had. */
static struct outcome take_closed_port(int fd)
{
	const char *gone = job("closed");
	int on = 1;

	if (!gone)
		return absent("no listener that is closed");
	disconnect(fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	say_listening(0);
	for (int i = 0; access(gone, F_OK) < 0; i++, usleep(10000))
		if (i == 1000)
			return absent("the listener was not closed");
	return listen(fd, 8) < 0 ? refused(errno) : judge_listener(fd);
}

static struct outcome ifconf(int fd)
{
	struct ifreq interfaces[32];
	struct ifconf conf = {.ifc_len = sizeof(interfaces), .ifc_req = interfaces};

	if (ioctl(fd, SIOCGIFCONF, &conf) < 0)
		return refused(errno);
	return succeeded("lists %d interfaces of the host", conf.ifc_len / (int)sizeof(interfaces[0]));
}

static struct outcome ifname(int fd)
{
	struct ifreq r;

	for (int i = 1; i < 64; i++) {
		memset(&r, 0, sizeof(r));
		r.ifr_ifindex = i;
		if (ioctl(fd, SIOCGIFNAME, &r) == 0)
			return succeeded("interface %d of the host is %s", i, r.ifr_name);
	}
	return refused(errno);
}

static struct outcome hardware_address(int fd)
{
	struct ifreq r = {.ifr_name = "lo"};

	return judge(ioctl(fd, SIOCGIFHWADDR, &r), "has the host's hardware addresses");
}

static struct outcome netns_of_socket(int fd)
{
	int ns = ioctl(fd, SIOCGSKNS);

	return judge(ns < 0 ? ns : setns(ns, CLONE_NEWNET), "is in the host's network namespace");
}

static struct outcome option(int fd, int level, int name, int value)
{
	return judge(setsockopt(fd, level, name, &value, sizeof(value)), "the option was set");
}

static struct outcome mark(int fd)
{
	return option(fd, SOL_SOCKET, SO_MARK, 1);
}

static struct outcome priority(int fd)
{
	return option(fd, SOL_SOCKET, SO_PRIORITY, 7);
}

static struct outcome force_buffer(int fd)
{
	return option(fd, SOL_SOCKET, SO_SNDBUFFORCE, 1 << 30);
}

static struct outcome repair(int fd)
{
	return option(fd, IPPROTO_TCP, TCP_REPAIR, 1);
}

static struct outcome transparent(int fd)
{
	return family(fd) == AF_INET ? option(fd, IPPROTO_IP, IP_TRANSPARENT, 1) : option(fd, IPPROTO_IPV6, TRANSPARENT, 1);
}

static struct outcome bind_to_device(int fd)
{
	return judge(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), "is bound to an interface of the host");
}

/* The kernel drops the upper half of level and option: a filter that compares all 64 bits would let this pass. */
static struct outcome bind_to_ifindex(int fd)
{
	int lo = 1;

	return judge(syscall(SYS_setsockopt, fd, SOL_SOCKET | 1L << 32, SO_BINDTOIFINDEX | 1L << 32, &lo, sizeof(lo)),
		"is bound to interface 1 of the host");
}

static struct sock_filter pass_all[] = {BPF_STMT(BPF_RET | BPF_K, 0xffffffff)};

static struct outcome attach_filter(int fd)
{
	struct sock_fprog prog = {.len = 1, .filter = pass_all};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return refused(errno);
	return connect_mapped(fd);
}

/* ENOENT: there is none. */
static struct outcome detach_filter(int fd)
{
	int none = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) < 0 && errno != ENOENT)
		return refused(errno);
	return connect_mapped(fd);
}

static struct outcome unlock_filter(int fd)
{
	int off = 0, none = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &off, sizeof(off)) < 0 ||
		(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) < 0 && errno != ENOENT))
		return refused(errno);
	return connect_mapped(fd);
}

static struct outcome reuseport_filter(int fd)
{
	struct sock_fprog prog = {.len = 1, .filter = pass_all};
	int one = 1;

	disconnect(fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	return judge(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)), "distributes the port's clients");
}

static long send_descriptor(int to, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec iov = {.iov_base = (char[]){'x'}, .iov_len = 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct outcome send_to_router(int fd)
{
	if (job_channel() < 0)
		return absent("no channel");
	return judge(send_descriptor(job_channel(), fd), "the router was sent a descriptor");
}

static struct outcome send_to_accomplice(int fd)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *name = job("abstract");

	if (!name)
		return absent("no abstract socket");
	strncpy(sa.sun_path + 1, name, sizeof(sa.sun_path) - 2);
	if (connect(sock, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) < 0)
		return refused(errno);
	return judge(send_descriptor(sock, fd), "a process outside has the client's socket");
}

#define P "passed-socket"
#define BOTH "filter listener-group"
#define HOST "capabilities userns"
static const struct attack attacks[] = {
	{"connect-mapped", P, connect_mapped, BOTH, "EPERM", 4},
	{"connect-ipv6", P, connect_ipv6, BOTH, "EPERM", 6},
	{"connect-ipv4", P, connect_ipv4, BOTH, "EPERM", 4},
	{"connect-host-ipv4", P, connect_host_ipv4, BOTH, "EPERM", 4},
	{"connect-host-ipv6", P, connect_host_ipv6, BOTH, "EPERM", 6},
	{"fastopen-mapped", P, fastopen_mapped, BOTH, "EPERM", 4},
	{"fastopen-ipv6", P, fastopen_ipv6, BOTH, "EPERM", 6},
	{"fastopen-connect", P, fastopen_connect, "seccomp " BOTH, "ENOPROTOOPT", 4},
	{"connect-io-uring", P, connect_io_uring, "seccomp " BOTH, "ENOSYS", 4},
	{"connect-swapped", P, connect_swapped, BOTH, "EPERM", 4},
	{"bind-listen", P, bind_any, BOTH, "EPERM", 6},
	{"bind-listen-ipv4", P, bind_ipv4, BOTH, "EPERM", 4},
	{"autobind-listen", P, autobind, "filter", "silently", 6},
	{"bind-router-port", P, bind_router_port, "no-reuseport listener-group", "EPERM", 6},
	{"take-closed-port", P, take_closed_port, "listener-retire", "silently", 6},
	{"attach-filter", P, attach_filter, "seccomp filter-lock listener-group " HOST, "ENOPROTOOPT", 4},
	{"detach-filter", P, detach_filter, "seccomp filter-lock listener-group", "ENOPROTOOPT", 4},
	{"unlock-filter", P, unlock_filter, "seccomp filter-lock listener-group", "ENOPROTOOPT", 4},
	{"reuseport-filter", P, reuseport_filter, "seccomp filter-lock", "ENOPROTOOPT", 6},
	{"ifconf", P, ifconf, "seccomp", "ENOSYS", 6},
	{"ifname", P, ifname, "seccomp", "ENOSYS", 6},
	{"hardware-address", P, hardware_address, "seccomp", "ENOSYS", 6},
	{"netns-of-socket", P, netns_of_socket, "seccomp " HOST, "ENOSYS", 6},
	{"mark", P, mark, "seccomp " HOST, "ENOPROTOOPT", 6},
	{"priority", P, priority, "seccomp " HOST, "ENOPROTOOPT", 6},
	{"force-buffer", P, force_buffer, "seccomp " HOST, "ENOPROTOOPT", 6},
	{"repair", P, repair, "seccomp " HOST, "ENOPROTOOPT", 6},
	{"transparent", P, transparent, "seccomp " HOST, "ENOPROTOOPT", 6},
	{"bind-to-device", P, bind_to_device, "seccomp", "ENOPROTOOPT", 6},
	{"bind-to-ifindex", P, bind_to_ifindex, "seccomp", "ENOPROTOOPT", 6},
	{"send-to-router", P, send_to_router, "channel-one-way passrights", "EPIPE", 6},
	{"send-to-accomplice", P, send_to_accomplice, "netns landlock", "ECONNREFUSED", 6},
};
const struct table passed_attacks = TABLE(attacks);
