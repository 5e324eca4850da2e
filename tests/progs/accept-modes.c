/* SPDX-License-Identifier: ISC */
/* accept-modes: an ordinary server that listens in the ways that real ones do, for the tests of the adapters.
 *	accept-modes MODE PORT [FD]
 * Each client gets one line about itself and then its own first line back:
 *	peer=IP:PORT/FAMILY asked=IP:PORT/FAMILY local=IP:PORT/FAMILY flags=... options=...
 * Knows nothing of trpsup. Only libc, so that musl-gcc can build it too. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WORKERS 3

static int port;
static const char *self;

static void die(const char *what)
{
	printf("FAILED %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static void say(const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
}

static int make(int family, int v6only)
{
	int fd = socket(family, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		die("SO_REUSEADDR");
	if (family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		die("IPV6_V6ONLY");
	if (family == AF_INET ? bind(fd, (struct sockaddr *)&in, sizeof(in))
			      : bind(fd, (struct sockaddr *)&in6, sizeof(in6)))
		die("bind");
	return fd;
}

static int make_listen(int family, int v6only)
{
	int fd = make(family, v6only);

	if (listen(fd, 64) < 0)
		die("listen");
	return fd;
}

static void nonblock(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		die("O_NONBLOCK");
}

static int text(char *out, size_t size, const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	char ip[INET6_ADDRSTRLEN] = "?";

	if (sa->ss_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
	else if (sa->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
	return snprintf(out, size, "%s,%u,%d", ip, ntohs(in->sin_port),
		sa->ss_family == AF_INET ? 4 : sa->ss_family == AF_INET6 ? 6 : 0);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) < 0 ? -errno : value;
}

static long timeout_of(int fd, int name)
{
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	if (getsockopt(fd, SOL_SOCKET, name, &tv, &len) < 0)
		return -errno;
	return (long)tv.tv_sec;
}

static int linger_of(int fd)
{
	struct linger l = {0};
	socklen_t len = sizeof(l);

	return getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len) < 0 ? -errno : l.l_onoff * 1000 + l.l_linger;
}

static void serve(int fd, const struct sockaddr_storage *peer)
{
	struct sockaddr_storage asked = {0}, local = {0};
	socklen_t len = sizeof(asked);
	char p[80], a[80], l[80], line[1024];
	int n;

	getpeername(fd, (struct sockaddr *)&asked, &len);
	len = sizeof(local);
	getsockname(fd, (struct sockaddr *)&local, &len);
	text(p, sizeof(p), peer);
	text(a, sizeof(a), &asked);
	text(l, sizeof(l), &local);
	n = snprintf(line, sizeof(line),
		"peer=%s asked=%s local=%s nonblock=%d cloexec=%d nodelay=%d keepalive=%d idle=%d "
		"user_timeout=%d tos=%d rcvbuf=%d rcvtimeo=%ld linger=%d domain=%d pid=%d\n",
		p, a, l, !!(fcntl(fd, F_GETFL) & O_NONBLOCK), !!(fcntl(fd, F_GETFD) & FD_CLOEXEC),
		option(fd, IPPROTO_TCP, TCP_NODELAY), option(fd, SOL_SOCKET, SO_KEEPALIVE),
		option(fd, IPPROTO_TCP, TCP_KEEPIDLE), option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT),
		option(fd, IPPROTO_IP, IP_TOS), option(fd, SOL_SOCKET, SO_RCVBUF),
		timeout_of(fd, SO_RCVTIMEO), linger_of(fd),
		option(fd, SOL_SOCKET, SO_DOMAIN) == AF_INET ? 4 : 6, (int)getpid());
	if (write(fd, line, (size_t)n) == n) {
		struct pollfd w = {.fd = fd, .events = POLLIN};
		poll(&w, 1, 5000);
		ssize_t got = read(fd, line, sizeof(line));
		if (got > 0 && write(fd, line, (size_t)got) != got)
			perror("write");
	}
	close(fd);
}

/* One client; returns false when accept gives an error, which is in errno. */
static int one(int listener, int flags)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int fd;

	memset(&peer, 0, sizeof(peer));
	fd = flags ? accept4(listener, (struct sockaddr *)&peer, &len, flags)
		   : accept(listener, (struct sockaddr *)&peer, &len);
	if (fd < 0)
		return 0;
	serve(fd, &peer);
	return 1;
}

static void for_ever(int listener)
{
	while (one(listener, 0))
		;
	die("accept");
}

static void mode_fork(int listener)
{
	for (int i = 0; i < WORKERS; i++)
		if (fork() == 0)
			for_ever(listener);
	for (;;)
		pause();
}

static void *thread(void *p)
{
	for_ever(*(int *)p);
	return NULL;
}

static void mode_threads(int listener)
{
	pthread_t t[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&t[i], NULL, thread, &listener) != 0)
			die("pthread_create");
	pthread_join(t[0], NULL);
}

static void mode_poll(int a, int b)
{
	struct pollfd p[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};

	nonblock(a);
	if (b >= 0)
		nonblock(b);
	for (;;) {
		if (poll(p, 2, -1) < 0)
			die("poll");
		for (int i = 0; i < 2; i++)
			if (p[i].revents && !one(p[i].fd, SOCK_CLOEXEC | SOCK_NONBLOCK) && errno != EAGAIN)
				die("accept4");
	}
}

static void epoll_loop(int e)
{
	struct epoll_event ev;

	for (;;) {
		if (epoll_wait(e, &ev, 1, -1) != 1)
			continue;
		if (ev.events & EPOLLHUP)
			die("EPOLLHUP");
		while (one(ev.data.fd, SOCK_NONBLOCK))
			;
		if (errno != EAGAIN)
			die("accept4");
	}
}

static int epoll_add(int listener, unsigned events)
{
	int e = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = {.events = events, .data.fd = listener};

	if (e < 0 || epoll_ctl(e, EPOLL_CTL_ADD, listener, &ev) < 0)
		die("epoll_ctl");
	return e;
}

static void mode_epoll_et(int listener)
{
	nonblock(listener);
	for (int i = 0; i < WORKERS - 1; i++)
		if (fork() == 0)
			break;
	epoll_loop(epoll_add(listener, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE));
}

/* Registered before listen(2), as boost::asio does. */
static void mode_epoll_first(void)
{
	int fd = make(AF_INET6, 0), e;

	nonblock(fd);
	e = epoll_add(fd, EPOLLIN | EPOLLET);
	if (listen(fd, 64) < 0)
		die("listen");
	epoll_loop(e);
}

static void mode_options(void)
{
	int fd = make(AF_INET, 0), on = 1, idle = 77, user = 4321, tos = 0x10, rcvbuf = 50000, nothing = -1;
	struct linger l = {.l_onoff = 1, .l_linger = 5};
	struct timeval tv = {.tv_sec = 33};

	/* half of them before, half after */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 || listen(fd, 64) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user, sizeof(user)) < 0 ||
		setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) < 0)
		die("setsockopt");
	printf("listener nodelay=%d keepalive=%d idle=%d linger=%d rcvtimeo=%ld\n",
		option(fd, IPPROTO_TCP, TCP_NODELAY), option(fd, SOL_SOCKET, SO_KEEPALIVE),
		option(fd, IPPROTO_TCP, TCP_KEEPIDLE), linger_of(fd), timeout_of(fd, SO_RCVTIMEO));
	errno = 0;
	if (setsockopt(nothing, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 || errno != EBADF)
		die("setsockopt of no descriptor");
	say("ready");
	for_ever(fd);
}

/* What a program can ask its listener. */
static void mode_identity(int family)
{
	int fd = make_listen(family, 0);
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);
	struct tcp_info info;
	char name[80];
	int r;

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		die("getsockname");
	text(name, sizeof(name), &sa);
	printf("sockname=%s len=%u\n", name, (unsigned)len);
	memset(&sa, 0xff, sizeof(sa));
	len = 4;
	getsockname(fd, (struct sockaddr *)&sa, &len);
	printf("short family=%d port=%u untouched=%d len=%u\n", sa.ss_family == family,
		ntohs(((struct sockaddr_in *)(void *)&sa)->sin_port), ((unsigned char *)&sa)[4] == 0xff,
		(unsigned)len);
	len = sizeof(sa);
	r = getpeername(fd, (struct sockaddr *)&sa, &len);
	printf("peername=%d errno=%s\n", r, errno == ENOTCONN ? "ENOTCONN" : strerror(errno));
	printf("type=%d domain=%d protocol=%d acceptconn=%d error=%d\n",
		option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM, option(fd, SOL_SOCKET, SO_DOMAIN) == family,
		option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP, option(fd, SOL_SOCKET, SO_ACCEPTCONN),
		option(fd, SOL_SOCKET, SO_ERROR));
	memset(&info, 0xff, sizeof(info));
	len = sizeof(info);
	r = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	printf("tcp_info=%d listen=%d v6only=%d fastopen=%d\n", r, info.tcpi_state == TCP_LISTEN,
		option(fd, IPPROTO_IPV6, IPV6_V6ONLY), option(fd, IPPROTO_TCP, TCP_FASTOPEN));
	printf("again=%d\n", listen(fd, 5));
	nonblock(fd);
	r = accept(fd, NULL, NULL);
	printf("empty=%d errno=%s\n", r, errno == EAGAIN ? "EAGAIN" : strerror(errno));
	r = shutdown(fd, SHUT_WR);
	printf("write_shut=%d still=%d\n", r, option(fd, SOL_SOCKET, SO_ACCEPTCONN));
	r = shutdown(fd, SHUT_RDWR);
	printf("shut=%d acceptconn=%d\n", r, option(fd, SOL_SOCKET, SO_ACCEPTCONN));
	r = accept(fd, NULL, NULL);
	printf("after=%d errno=%s\n", r, errno == EINVAL ? "EINVAL" : strerror(errno));
	r = listen(fd, 5);
	printf("relisten=%d acceptconn=%d\n", r, option(fd, SOL_SOCKET, SO_ACCEPTCONN));
	say("ready");
	mode_poll(fd, -1);
}

static void *blocked(void *p)
{
	int r = accept(*(int *)p, NULL, NULL);

	printf("woken=%d errno=%s\n", r, errno == EINVAL ? "EINVAL" : strerror(errno));
	return NULL;
}

static void mode_shutdown(void)
{
	int fd = make_listen(AF_INET6, 0);
	pthread_t t[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&t[i], NULL, blocked, &fd) != 0)
			die("pthread_create");
	usleep(200000);
	shutdown(fd, SHUT_RDWR);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(t[i], NULL);
	close(fd);
	say("joined");
	fd = make_listen(AF_INET6, 0);
	say("ready");
	for_ever(fd);
}

static void on_alarm(int signo)
{
	(void)signo;
}

static void mode_interrupt(void)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	int fd = make_listen(AF_INET6, 0), r;
	struct timeval tv = {.tv_usec = 100000};

	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	r = accept(fd, NULL, NULL);
	printf("accept=%d errno=%s\n", r, errno == EINTR ? "EINTR" : strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	r = accept(fd, NULL, NULL);
	printf("accept=%d errno=%s\n", r, errno == EAGAIN ? "EAGAIN" : strerror(errno));
	tv.tv_usec = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	say("ready");
	for_ever(fd);
}

/* No descriptor is free until a client told us so twice. */
static void mode_limit(void)
{
	struct rlimit limit = {64, 64};
	int fd = make_listen(AF_INET6, 0), taken[64], n = 0;

	nonblock(fd);
	setrlimit(RLIMIT_NOFILE, &limit);
	while (n < 64 && (taken[n] = dup(0)) >= 0)
		n++;
	say("ready");
	for (int i = 0; i < 40; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		poll(&p, 1, -1);
		if (accept(fd, NULL, NULL) >= 0 || errno != EMFILE)
			die("accept with no descriptor free");
	}
	while (n > 0)
		close(taken[--n]);
	mode_poll(fd, -1);
}

static void mode_exec(int listener)
{
	char number[16], service[16];

	snprintf(number, sizeof(number), "%d", listener);
	snprintf(service, sizeof(service), "%d", port);
	execl(self, self, "inherited", service, number, (char *)NULL);
	die("exec");
}

static void mode_close_all(void)
{
	for (int fd = 3; fd < 256; fd++)
		close(fd);
	for_ever(make_listen(AF_INET6, 0));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	self = argv[0];
	port = argc > 2 ? atoi(argv[2]) : 0;
	if (strcmp(mode, "blocking4") == 0)
		for_ever(make_listen(AF_INET, 0));
	else if (strcmp(mode, "blocking6") == 0)
		for_ever(make_listen(AF_INET6, 0));
	else if (strcmp(mode, "both") == 0)
		mode_poll(make_listen(AF_INET, 0), make_listen(AF_INET6, 1));
	else if (strcmp(mode, "fork") == 0)
		mode_fork(make_listen(AF_INET6, 0));
	else if (strcmp(mode, "threads") == 0)
		mode_threads(make_listen(AF_INET6, 0));
	else if (strcmp(mode, "poll") == 0)
		mode_poll(make_listen(AF_INET, 0), -1);
	else if (strcmp(mode, "epoll-et") == 0)
		mode_epoll_et(make_listen(AF_INET6, 0));
	else if (strcmp(mode, "epoll-first") == 0)
		mode_epoll_first();
	else if (strcmp(mode, "dup") == 0)
		for_ever(dup(make_listen(AF_INET6, 0)));
	else if (strcmp(mode, "exec") == 0)
		mode_exec(make_listen(AF_INET, 0));
	else if (strcmp(mode, "inherited") == 0 && argc > 3)
		for_ever(atoi(argv[3]));
	else if (strcmp(mode, "close-all") == 0)
		mode_close_all();
	else if (strcmp(mode, "options") == 0)
		mode_options();
	else if (strcmp(mode, "identity4") == 0)
		mode_identity(AF_INET);
	else if (strcmp(mode, "identity6") == 0)
		mode_identity(AF_INET6);
	else if (strcmp(mode, "shutdown") == 0)
		mode_shutdown();
	else if (strcmp(mode, "interrupt") == 0)
		mode_interrupt();
	else if (strcmp(mode, "limit") == 0)
		mode_limit();
	fprintf(stderr, "usage: accept-modes MODE PORT [FD]\n");
	return 2;
}
