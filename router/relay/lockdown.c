/* SPDX-License-Identifier: ISC */
/* lockdown.c: what a relay does. Unlike the router it must make sockets and connect them, in the host's network; that is
 * all that it keeps: TCP only (or, for unix targets, unix stream sockets only), no listening, no datagrams, no files. Which ports it can reach is
 * limited by Landlock, which was put on before it was executed. */
#include "router/relay/relay.h"
#include "base/util.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#define STREAM_SOCKET (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

static const struct confine_rule rules[] = {
	/* targets */
	{SCMP_SYS(connect), 0, {}},
	{SCMP_SYS(getsockopt), 2, {CONFINE_EQUALS(1, SOL_SOCKET), CONFINE_EQUALS(2, SO_ERROR)}},
	{SCMP_SYS(setsockopt), 2, {CONFINE_EQUALS(1, IPPROTO_TCP), CONFINE_EQUALS(2, TCP_NODELAY)}},
	{SCMP_SYS(setsockopt), 2, {CONFINE_EQUALS(1, SOL_SOCKET), CONFINE_EQUALS(2, SO_KEEPALIVE)}},
	/* clients, and what is copied */
	{SCMP_SYS(recvmsg), 1, {CONFINE_BITS(2, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)}},
	{SCMP_SYS(fcntl), 2,
		{CONFINE_EQUALS(1, F_SETFL), CONFINE_EQUALS(2, O_RDWR | O_NONBLOCK)}},
	{SCMP_SYS(getsockname), 0, {}},
	{SCMP_SYS(pipe2), 1, {CONFINE_EQUALS(1, O_NONBLOCK | O_CLOEXEC)}},
	{SCMP_SYS(splice), 3,
		{CONFINE_NULL(1), CONFINE_NULL(3),
			CONFINE_BITS(5, SPLICE_F_MOVE | SPLICE_F_NONBLOCK)}},
	{SCMP_SYS(recvfrom), 2,
		{CONFINE_BITS(3, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC), CONFINE_NULL(4)}},
	{SCMP_SYS(sendto), 2, {CONFINE_BITS(3, MSG_DONTWAIT | MSG_NOSIGNAL), CONFINE_NULL(4)}},
	{SCMP_SYS(shutdown), 1, {CONFINE_EQUALS(1, SHUT_WR)}},
	{SCMP_SYS(close), 0, {}},
	/* the loop */
	{SCMP_SYS(epoll_ctl), 0, {}},
	{SCMP_SYS(epoll_pwait), 0, {}},
	{SCMP_SYS(clock_gettime), 0, {}},
	{SCMP_SYS(write), 1, {CONFINE_EQUALS(0, STDERR_FILENO)}},
	{SCMP_SYS(exit_group), 0, {}},
	{SCMP_SYS(rt_sigreturn), 0, {}},
	/* malloc() */
	{SCMP_SYS(brk), 0, {}},
	{SCMP_SYS(mmap), 2,
		{CONFINE_BITS(2, PROT_READ | PROT_WRITE),
			CONFINE_EQUALS(3, MAP_PRIVATE | MAP_ANONYMOUS)}},
	{SCMP_SYS(mremap), 0, {}},
	{SCMP_SYS(munmap), 0, {}},
};

static const struct confine_attempt attempts[] = {
	{"socket() makes datagrams", SYS_socket, {AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC}},
	{"socket() makes raw sockets", SYS_socket, {AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC}},
	{"socket() makes other protocols", SYS_socket, {AF_INET, STREAM_SOCKET, 132 /* SCTP */}},
	{"socket() makes netlink sockets", SYS_socket, {16, SOCK_RAW | SOCK_CLOEXEC}},
	{"listen() works", SYS_listen, {-1}},
	{"accept4() works", SYS_accept4, {-1}},
	{"sendto() with an address works", SYS_sendto, {-1, (long)"", 0, 0, (long)"", 1}},
	{"sendto() with MSG_FASTOPEN works", SYS_sendto, {-1, (long)"", 0, MSG_FASTOPEN}},
	{"read() works", SYS_read, {-1}},
	{"write() works on any descriptor", SYS_write, {-1}},
	{"splice() works with an offset", SYS_splice, {-1, (long)"", -1}},
	{"vmsplice() works", SYS_vmsplice, {-1}},
	{"sendfile() works", SYS_sendfile, {-1, -1}},
	{"setsockopt() works for any option", SYS_setsockopt, {-1, SOL_SOCKET, SO_MARK}},
	{"setsockopt() binds to devices", SYS_setsockopt, {-1, SOL_SOCKET, SO_BINDTODEVICE}},
	{"setsockopt() works at any level", SYS_setsockopt, {-1, 0, TCP_NODELAY}},
	{"getsockopt() works for any option", SYS_getsockopt, {-1, SOL_SOCKET, SO_PEERCRED}},
	{"fcntl() works for any command", SYS_fcntl, {-1, F_DUPFD}},
	{"ioctl() works", SYS_ioctl, {-1}},
};

#define STREAM_RULE(family)                                                                        \
	{SCMP_SYS(socket), 3,                                                                      \
		{CONFINE_EQUALS(0, family), CONFINE_EQUALS(1, STREAM_SOCKET), CONFINE_EQUALS(2, 0)}}

#define CONTROL_RULE(fd)                                                                           \
	{SCMP_SYS(sendmsg), 2, {CONFINE_EQUALS(0, fd), CONFINE_BITS(2, MSG_DONTWAIT | MSG_NOSIGNAL)}}

/* Targets of the one kind: what only another kind needs is among the attempts. */
int relay_lockdown(int control_fd, const struct relay_options *o, struct confine_failure *f)
{
	const struct confine_rule tcp[] = {STREAM_RULE(AF_INET), STREAM_RULE(AF_INET6), CONTROL_RULE(control_fd)};
	const struct confine_rule passing[] = {STREAM_RULE(AF_UNIX),
		{SCMP_SYS(sendmsg), 1, {CONFINE_BITS(2, MSG_DONTWAIT | MSG_NOSIGNAL)}}};
	/* from a client's address, in a network without any other; MSG_PEEK: the channel is the backlog */
	const struct confine_rule loopback[] = {STREAM_RULE(AF_INET), STREAM_RULE(AF_INET6), CONTROL_RULE(control_fd),
		{SCMP_SYS(bind), 0, {}},
		{SCMP_SYS(setsockopt), 2, {CONFINE_EQUALS(1, SOL_SOCKET), CONFINE_EQUALS(2, SO_REUSEADDR)}},
		{SCMP_SYS(setsockopt), 2, {CONFINE_EQUALS(1, SOL_SOCKET), CONFINE_EQUALS(2, SO_LINGER)}},
		{SCMP_SYS(setsockopt), 2, {CONFINE_EQUALS(1, IPPROTO_IPV6), CONFINE_EQUALS(2, IPV6_FREEBIND)}},
		{SCMP_SYS(recvmsg), 1, {CONFINE_BITS(2, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC)}}};
	static const struct confine_attempt no_unix[] = {
		{"socket() makes unix sockets", SYS_socket, {AF_UNIX, STREAM_SOCKET}},
		{"sendmsg() works on any descriptor", SYS_sendmsg, {-1}}};
	static const struct confine_attempt no_tcp[] = {
		{"socket() makes TCP sockets", SYS_socket, {AF_INET, STREAM_SOCKET}},
		{"sendmsg() works with MSG_FASTOPEN", SYS_sendmsg, {-1, 0, MSG_FASTOPEN}}};
	static const struct confine_attempt no_loopback[] = {
		{"bind() works", SYS_bind, {-1}},
		{"setsockopt() makes addresses shared", SYS_setsockopt, {-1, SOL_SOCKET, SO_REUSEADDR}},
		{"setsockopt() binds foreign addresses", SYS_setsockopt, {-1, IPPROTO_IPV6, IPV6_FREEBIND}},
		{"recvmsg() looks without taking", SYS_recvmsg, {-1, 0, MSG_PEEK}}};
	struct confine_attempt all[TRP_ARRAY_SIZE(attempts) + TRP_ARRAY_SIZE(no_unix) + TRP_ARRAY_SIZE(no_loopback)];
	struct confine policy = {
		.rules = rules, .n_rules = TRP_ARRAY_SIZE(rules), .attempts = all, .more = tcp, .n_more = TRP_ARRAY_SIZE(tcp)};
	size_t n = TRP_ARRAY_SIZE(attempts);

	if (o->pass_on) {
		policy.more = passing;
		policy.n_more = TRP_ARRAY_SIZE(passing);
	} else if (o->loopback) {
		policy.more = loopback;
		policy.n_more = TRP_ARRAY_SIZE(loopback);
	}
	memcpy(all, attempts, sizeof(attempts));
	memcpy(all + n, o->pass_on ? no_tcp : no_unix, sizeof(no_unix));
	n += TRP_ARRAY_SIZE(no_unix);
	if (!o->loopback) {
		memcpy(all + n, no_loopback, sizeof(no_loopback));
		n += TRP_ARRAY_SIZE(no_loopback);
	}
	policy.n_attempts = n;
	if (confine_check(f) < 0)
		return -1;
	return confine_enter(&policy, f);
}
