/* SPDX-License-Identifier: ISC */
/* passed-socket-attack: a hostile upstream. It accepts passed sockets like any server and tries to use them
 * as what they are: sockets of the host's network (doc/security.md, containment).
 *	passed-socket-attack PORT TARGET REPORT
 * PORT: to listen on. TARGET: port of a TCP server on the host's loopback that greets each client with
 * a line. REPORT: file for one line for each attack:
 *	NAME SUCCEEDED what       the hole is open
 *	NAME refused ERRNO        it is closed
 *	NAME listening PORT       (before one of these) a client of the host is to try that port now
 * and "done" as the last. Each attack has a client of its own, so REPORT is complete after as many clients as
 * "passed-socket-attack count" prints. connect-v6 is worth something only if one of them comes over IPv6.
 * Every client is answered. */
#include "tests/progs/client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAIT_MS 2000

static FILE *report;
static uint16_t target;

static void refused(const char *name, int error)
{
	fprintf(report, "%s refused %s\n", name, error ? strerrorname_np(error) : "silently");
}

static void __attribute__((format(printf, 2, 3))) succeeded(const char *name, const char *fmt, ...)
{
	va_list ap;

	fprintf(report, "%s SUCCEEDED ", name);
	va_start(ap, fmt);
	vfprintf(report, fmt, ap);
	va_end(ap);
	fprintf(report, "\n");
}

static void disconnect(int fd)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	connect(fd, &sa, sizeof(sa));
}

/* The host's loopback at the target's port, in the family of the socket. */
static socklen_t host_address(int v6, int mapped, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	memset(out, 0, sizeof(*out));
	if (!v6) {
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	in6.sin6_addr = in6addr_loopback;
	if (mapped)
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6.sin6_addr);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

/* Did a connection come about, and does the host's server talk to us? */
static void judge_connection(const char *name, int fd, int r)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char line[64];
	int error = r < 0 ? errno : 0, pending = 0;
	socklen_t len = sizeof(pending);
	ssize_t n;

	if (r < 0 && error != EINPROGRESS) {
		refused(name, error);
		return;
	}
	poll(&p, 1, WAIT_MS);
	n = recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT);
	if (n > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		succeeded(name, "read %zd bytes of the host's server", n);
		return;
	}
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len);
	refused(name, pending ? pending : n < 0 ? errno : ETIMEDOUT);
}

static void try_connect(const char *name, int fd, int v6, int mapped)
{
	struct sockaddr_storage sa;
	socklen_t len = host_address(v6, mapped, target, &sa);

	disconnect(fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	judge_connection(name, fd, connect(fd, (struct sockaddr *)&sa, len));
}

static void attack_connect_mapped(const char *name, int fd)
{
	try_connect(name, fd, 1, 1);
}

static void attack_connect_v6(const char *name, int fd)
{
	try_connect(name, fd, 1, 0);
}

static void attack_connect_v4(const char *name, int fd)
{
	int inet = AF_INET;

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &inet, sizeof(inet)) < 0) {
		refused(name, errno);
		return;
	}
	try_connect(name, fd, 0, 0);
}

static void attack_fastopen(const char *name, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = host_address(1, 1, target, &sa);
	ssize_t n;

	disconnect(fd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	n = sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
	judge_connection(name, fd, n < 0 ? -1 : 0);
}

/* Is fd, which listens, reached by a client of the host? The test sees the line and connects there. */
static void judge_listener(const char *name, int fd)
{
	struct sockaddr_in6 own;
	socklen_t len = sizeof(own);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0) {
		refused(name, errno);
		return;
	}
	fprintf(report, "%s listening %u\n", name, ntohs(own.sin6_port));
	if (poll(&p, 1, WAIT_MS) > 0 && accept4(fd, NULL, NULL, SOCK_CLOEXEC) >= 0)
		succeeded(name, "accepted a connection on port %u of the host", ntohs(own.sin6_port));
	else
		refused(name, 0);
}

static void bind_listen(const char *name, int fd, uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int one = 1;

	disconnect(fd);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 8) < 0)
		refused(name, errno);
	else
		judge_listener(name, fd);
}

static void attack_bind(const char *name, int fd)
{
	bind_listen(name, fd, 0);
}

static void attack_autobind(const char *name, int fd)
{
	disconnect(fd);
	if (listen(fd, 8) < 0)
		refused(name, errno);
	else
		judge_listener(name, fd);
}

/* The port that the client came in on: the router's own. */
static void attack_bind_router(const char *name, int fd)
{
	struct sockaddr_in6 own;
	socklen_t len = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		refused(name, errno);
	else
		bind_listen(name, fd, ntohs(own.sin6_port));
}

static void attack_ifconf(const char *name, int fd)
{
	struct ifreq list[32];
	struct ifconf conf = {.ifc_len = sizeof(list), .ifc_req = list};

	if (ioctl(fd, SIOCGIFCONF, &conf) < 0)
		refused(name, errno);
	else
		succeeded(name, "lists %d interfaces", conf.ifc_len / (int)sizeof(list[0]));
}

static void attack_ifname(const char *name, int fd)
{
	struct ifreq r;

	for (int i = 1; i < 64; i++) {
		memset(&r, 0, sizeof(r));
		r.ifr_ifindex = i;
		if (ioctl(fd, SIOCGIFNAME, &r) == 0) {
			succeeded(name, "interface %d is %s", i, r.ifr_name);
			return;
		}
	}
	refused(name, errno);
}

static void attack_skns(const char *name, int fd)
{
	int ns = ioctl(fd, SIOCGSKNS);

	if (ns < 0)
		refused(name, errno);
	else
		succeeded(name, "has the host's network namespace");
}

static void try_option(const char *name, int fd, int level, int option, const void *value, socklen_t len)
{
	if (setsockopt(fd, level, option, value, len) < 0)
		refused(name, errno);
	else
		succeeded(name, "option %d was set", option);
}

static void attack_mark(const char *name, int fd)
{
	int mark = 1;

	try_option(name, fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static void attack_device(const char *name, int fd)
{
	try_option(name, fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
}

/* The kernel drops the upper half of level and option: a filter that compares all 64 bits would let
 * this pass. */
static void attack_device_high_bits(const char *name, int fd)
{
	int lo = 1;

	if (syscall(SYS_setsockopt, fd, SOL_SOCKET | 1L << 32, SO_BINDTOIFINDEX | 1L << 32, &lo, sizeof(lo)) < 0)
		refused(name, errno);
	else
		succeeded(name, "is bound to interface 1");
}

static void attack_repair(const char *name, int fd)
{
	int on = 1;

	try_option(name, fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on));
}

static void attack_transparent(const char *name, int fd)
{
	int on = 1;

	try_option(name, fd, IPPROTO_IPV6, 75 /* IPV6_TRANSPARENT */, &on, sizeof(on));
}

/* With the filter gone the attacks above would work again. */
static void attack_detach_filter(const char *name, int fd)
{
	int none = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) < 0) {
		refused(name, errno); /* ENOENT: there is none; EPERM: it is locked */
		return;
	}
	try_connect(name, fd, 1, 1);
}

static const struct {
	const char *name;
	void (*run)(const char *name, int fd);
	int client; /* 4 or 6: works best with a client of that family, 0: either */
} attacks[] = {
	{"connect-mapped", attack_connect_mapped, 4},
	{"connect-v6", attack_connect_v6, 6},
	{"connect-v4", attack_connect_v4, 4},
	{"fastopen", attack_fastopen, 4},
	{"bind-listen", attack_bind, 0},
	{"autobind-listen", attack_autobind, 0},
	{"bind-router-port", attack_bind_router, 0},
	{"ifconf", attack_ifconf, 0},
	{"ifname", attack_ifname, 0},
	{"netns-of-socket", attack_skns, 0},
	{"mark", attack_mark, 0},
	{"bind-to-device", attack_device, 0},
	{"bind-to-ifindex", attack_device_high_bits, 0},
	{"repair", attack_repair, 0},
	{"transparent", attack_transparent, 0},
	{"detach-filter", attack_detach_filter, 4},
};
#define N_ATTACKS ((int)(sizeof(attacks) / sizeof(attacks[0])))

static int open_listener(uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
		bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 64) < 0) {
		perror("passed-socket-attack: listen");
		exit(1);
	}
	return fd;
}

/* The attack for this client: one that wants its family, else one that does not mind, else any. */
static int choose(int fd, const bool tried[])
{
	const int wanted[] = {client_family(fd), 0};

	for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++)
		for (int i = 0; i < N_ATTACKS; i++)
			if (!tried[i] && attacks[i].client == wanted[w])
				return i;
	for (int i = 0; i < N_ATTACKS; i++)
		if (!tried[i])
			return i;
	return -1;
}

int main(int argc, char **argv)
{
	bool tried[N_ATTACKS] = {false};
	int listener, done = 0;

	if (argc == 2 && strcmp(argv[1], "count") == 0) {
		printf("%d\n", N_ATTACKS);
		return 0;
	}
	if (argc != 4) {
		fprintf(stderr, "usage: passed-socket-attack PORT TARGET REPORT | count\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	target = (uint16_t)atoi(argv[2]);
	report = fopen(argv[3], "we");
	if (!report) {
		perror(argv[3]);
		return 1;
	}
	setvbuf(report, NULL, _IOLBF, 0);
	listener = open_listener((uint16_t)atoi(argv[1]));
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		client_answer(fd);
		int i = choose(fd, tried);
		if (i >= 0) {
			tried[i] = true;
			attacks[i].run(attacks[i].name, fd);
			if (++done == N_ATTACKS)
				fprintf(report, "done\n");
		}
		close(fd);
	}
}
