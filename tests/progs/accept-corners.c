/* SPDX-License-Identifier: ISC */
/* accept-corners: what programs do with a listener beside accepting in a loop, for the tests of the adapters.
 *	accept-corners MODE PORT [FD]
 * Each mode says what it saw, the same under an adapter as with a socket of the kernel. Where it says "client" it waits for one.
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
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define CROWD 100  /* threads that wait in accept(2) */
#define LOOPS 64   /* of one process */
#define SOME  500  /* clients */
#define WORN  1100 /* as many that did so one after the other */

static uint16_t port;

static void die(const char *what)
{
	printf("FAILED %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

static const char *error_name(int error)
{
	switch (error) {
	case 0:
		return "0";
	case EAGAIN:
		return "EAGAIN";
	case EBADF:
		return "EBADF";
	case EINTR:
		return "EINTR";
	case EINVAL:
		return "EINVAL";
	case ENOENT:
		return "ENOENT";
	default:
		return strerror(error);
	}
}

/* A call's result: 0 for all that succeeded */
static void say(const char *what, int result)
{
	printf("%s=%s\n", what, error_name(result < 0 ? errno : 0));
	fflush(stdout);
}

static int make(const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	inet_pton(AF_INET, address, &in.sin_addr);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
		bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		die("bind");
	return fd;
}

static int make_listen(const char *address)
{
	int fd = make(address);

	if (listen(fd, 64) < 0)
		die("listen");
	return fd;
}

static int is_ready(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* Whoever runs the test connects one now. */
static void say_client(void)
{
	puts("client");
	fflush(stdout);
}

static int take_client(int listener)
{
	int client;

	say_client();
	client = accept(listener, NULL, NULL);
	say("accept", client);
	return client;
}

static void *waiter(void *listener)
{
	return (void *)(intptr_t)(accept(*(int *)listener, NULL, NULL) < 0 ? errno : 0);
}

static void start(pthread_t *t, void *run(void *), int *listener)
{
	if (pthread_create(t, NULL, run, listener) != 0)
		die("pthread_create");
}

static void *join(pthread_t t)
{
	void *result;

	if (pthread_join(t, &result) != 0)
		die("pthread_join");
	return result;
}

static void join_error(pthread_t t)
{
	printf("woken=%s\n", error_name((int)(intptr_t)join(t)));
	fflush(stdout);
}

static void pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

static void on_cancel(void *ended)
{
	*(int *)ended = 1;
}

static int cleaned;

static void *cancelled(void *listener)
{
	void *result;

	pthread_cleanup_push(on_cancel, &cleaned);
	result = waiter(listener);
	pthread_cleanup_pop(0);
	return result;
}

/* accept(2) is a cancellation point, of whatever listener. */
static void mode_cancel(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int listeners[2] = {make_listen("0.0.0.0"), socket(AF_UNIX, SOCK_STREAM, 0)};

	if (bind(listeners[1], (struct sockaddr *)&un, sizeof(un.sun_family)) < 0 || listen(listeners[1], 5) < 0)
		die("listen");
	for (int i = 0; i < 2; i++) {
		pthread_t t;
		cleaned = 0;
		start(&t, cancelled, &listeners[i]);
		pause_ms(200);
		pthread_cancel(t);
		printf("cancelled=%d", join(t) == PTHREAD_CANCELED);
		printf(" cleaned=%d\n", cleaned);
		fflush(stdout);
	}
	take_client(listeners[0]);
}

static int cancel_was_sent; /* atomic */

static void *cancelled_before(void *listener)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	while (!__atomic_load_n(&cancel_was_sent, __ATOMIC_SEQ_CST))
		pause_ms(1);
	pthread_setcancelstate(before, &before);
	return waiter(listener);
}

/* A client that waits is left to others by a thread that is to end. */
static void mode_cancel_before(void)
{
	int fd = make_listen("0.0.0.0");
	pthread_t t;

	say_client();
	if (!is_ready(fd, 10000))
		die("no client");
	start(&t, cancelled_before, &fd);
	pthread_cancel(t);
	__atomic_store_n(&cancel_was_sent, 1, __ATOMIC_SEQ_CST);
	printf("cancelled=%d\n", join(t) == PTHREAD_CANCELED);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	say("accept", accept(fd, NULL, NULL));
}

/* Threads that leave all signals to another one, as many servers have them */
static void mode_blocked(void)
{
	int fd = make_listen("0.0.0.0");
	sigset_t all, before;
	pthread_t t[2];

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	start(&t[0], waiter, &fd);
	start(&t[1], waiter, &fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pause_ms(200);
	say("shutdown", shutdown(fd, SHUT_RDWR));
	join_error(t[0]);
	join_error(t[1]);
}

static void mode_crowd(void)
{
	int fd = make_listen("0.0.0.0"), woken = 0;
	pthread_t t[CROWD];

	for (int i = 0; i < CROWD; i++)
		start(&t[i], waiter, &fd);
	pause_ms(500);
	say("shutdown", shutdown(fd, SHUT_RDWR));
	for (int i = 0; i < CROWD; i++)
		woken += (intptr_t)join(t[i]) == EINVAL;
	printf("woken=%d\n", woken);
	fflush(stdout);
}

/* Threads come and go. */
static void mode_worn(void)
{
	int fd = make_listen("0.0.0.0");
	pthread_t t;

	for (int i = 0; i < WORN; i++) {
		start(&t, waiter, &fd);
		pthread_cancel(t);
		if (join(t) != PTHREAD_CANCELED)
			die("pthread_cancel");
	}
	start(&t, waiter, &fd);
	pause_ms(200);
	say("shutdown", shutdown(fd, SHUT_RDWR));
	join_error(t);
}

static int handled; /* the listener of the handler */

static void on_alarm(int signo)
{
	(void)signo;
	shutdown(handled, SHUT_RDWR);
}

/* A handler that ends the loop in which it came */
static void mode_handler(void)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

	handled = make_listen("0.0.0.0");
	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	say("accept", accept(handled, NULL, NULL));
}

static void on_tick(int signo)
{
	(void)signo;
}

/* A wait that has an end is not begun again after a signal, with SA_RESTART neither (signal(7)). */
static void mode_ticks(void)
{
	struct sigaction sa = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct itimerval every = {{.tv_usec = 50000}, {.tv_usec = 50000}}, never = {0};
	struct timeval limit = {.tv_sec = 2};
	int fd = make_listen("0.0.0.0");

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	say("ticks", accept(fd, NULL, NULL));
	setitimer(ITIMER_REAL, &never, NULL);
	take_client(fd);
	limit.tv_sec = 0;
	limit.tv_usec = 300000;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	say("late", accept(fd, NULL, NULL));
}

/* Two listeners of one port: one ends, the other does not. */
static void mode_two(void)
{
	int a = make_listen("127.0.0.1"), b = make_listen("0.0.0.0");
	pthread_t of_a, of_b;

	start(&of_a, waiter, &a);
	start(&of_b, waiter, &b);
	pause_ms(200);
	say("shutdown", shutdown(a, SHUT_RDWR));
	join_error(of_a);
	close(a);
	say_client();
	join_error(of_b);
	say_client();
	say("accept", accept(b, NULL, NULL));
}

static int epoll_with(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
	int e = epoll_create1(EPOLL_CLOEXEC);

	if (e < 0 || epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
	return e;
}

static void say_events(int e)
{
	struct epoll_event ev;

	printf("events=%d\n", epoll_wait(e, &ev, 1, 300));
	fflush(stdout);
}

/* A loop goes on to serve when it does not listen any more. */
static void mode_epoll_shutdown(void)
{
	int fd = make_listen("0.0.0.0"), e = epoll_with(fd);

	say_client();
	if (!is_ready(fd, 10000))
		die("no client");
	say("shutdown", shutdown(fd, SHUT_RDWR));
	say("remove", epoll_ctl(e, EPOLL_CTL_DEL, fd, NULL));
	say_events(e);
}

/* A loop for each thread, as many servers have it; registered before listen(2) */
static void mode_epoll_many(void)
{
	int fd = make("0.0.0.0"), loops[LOOPS], told = 0, removed = 0;
	struct epoll_event ev;

	for (int i = 0; i < LOOPS; i++)
		loops[i] = epoll_with(fd);
	if (listen(fd, 5) < 0)
		die("listen");
	say_client();
	if (!is_ready(fd, 10000))
		die("no client");
	for (int i = 0; i < LOOPS; i++)
		told += epoll_wait(loops[i], &ev, 1, 0) == 1;
	say("shutdown", shutdown(fd, SHUT_RDWR));
	for (int i = 0; i < LOOPS; i++)
		removed += epoll_ctl(loops[i], EPOLL_CTL_DEL, fd, NULL) == 0;
	printf("told=%d removed=%d\n", told, removed);
	fflush(stdout);
}

/* What a client's socket has of its listener, set before or after listen(2) */
static const struct {
	const char *text;
	int level, name, value;
} inherited[] = {
	{"rcvlowat", SOL_SOCKET, SO_RCVLOWAT, 2},
	{"pacing", SOL_SOCKET, SO_MAX_PACING_RATE, 1000000},
	{"mtu_discover", IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT},
	{"recverr", IPPROTO_IP, IP_RECVERR, 1},
	{"clamp", IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000},
	{"quickack", IPPROTO_TCP, TCP_QUICKACK, 0},
	{"inq", IPPROTO_TCP, TCP_INQ, 1},
};

#define N_INHERITED (sizeof(inherited) / sizeof(inherited[0]))

static int get_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) < 0 ? -1 : value;
}

static void inherit(int set)
{
	int fd = make("0.0.0.0"), client;

	for (size_t i = 0; i < N_INHERITED; i++) {
		if (i == N_INHERITED / 2 && listen(fd, 5) < 0)
			die("listen");
		if (set && setsockopt(fd, inherited[i].level, inherited[i].name, &inherited[i].value, sizeof(int)) < 0)
			die(inherited[i].text);
	}
	client = take_client(fd);
	for (size_t i = 0; i < N_INHERITED; i++)
		printf("%s=%d\n", inherited[i].text, get_int(client, inherited[i].level, inherited[i].name));
	fflush(stdout);
}

static void mode_inherit(void)
{
	inherit(1);
}

static void mode_inherit_nothing(void)
{
	inherit(0);
}

static int inherited_fd; /* of a program that was executed with a listener */

static void exec_with(int fd, const char *mode)
{
	char number[16], service[16];

	snprintf(number, sizeof(number), "%d", fd);
	snprintf(service, sizeof(service), "%u", port);
	execl("/proc/self/exe", "accept-corners", mode, service, number, (char *)NULL);
	die("exec");
}

static void mode_exec(void)
{
	const int on = 1, rate = 1000000;
	const struct timeval limit = {.tv_sec = 44};
	const struct linger linger = {.l_onoff = 1, .l_linger = 5};
	int fd = make("0.0.0.0");

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (listen(fd, 5) < 0)
		die("listen");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
	exec_with(fd, "inherited");
}

static void mode_exec_nothing(void)
{
	exec_with(make_listen("0.0.0.0"), "inherited");
}

static void mode_exec_again(void)
{
	exec_with(make_listen("0.0.0.0"), "inherited-again");
}

static void mode_inherited_again(void)
{
	say("shutdown", shutdown(inherited_fd, SHUT_RDWR));
	say("accept", accept(inherited_fd, NULL, NULL));
	say("listen", listen(inherited_fd, 5));
	take_client(inherited_fd);
}

static void mode_inherited(void)
{
	struct linger linger = {0};
	struct timeval limit = {0};
	socklen_t len = sizeof(linger);
	int client;

	setsockopt(inherited_fd, SOL_SOCKET, SO_OOBINLINE, &(int){1}, sizeof(int)); /* beside those that it has */
	client = take_client(inherited_fd);
	getsockopt(client, SOL_SOCKET, SO_LINGER, &linger, &len);
	len = sizeof(limit);
	getsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, &len);
	printf("keepalive=%d linger=%d,%d sndtimeo=%ld pacing=%d oobinline=%d\n", get_int(client, SOL_SOCKET, SO_KEEPALIVE), linger.l_onoff,
		linger.l_linger, (long)limit.tv_sec, get_int(client, SOL_SOCKET, SO_MAX_PACING_RATE), get_int(client, SOL_SOCKET, SO_OOBINLINE));
	fflush(stdout);
}

static int relisten_ends; /* atomic */

/* Another listener of the same port and with the same options, again and again */
static void *relisten(void *address)
{
	const int on = 1;

	while (!__atomic_load_n(&relisten_ends, __ATOMIC_RELAXED)) {
		int fd = make(address);
		if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 || listen(fd, 5) < 0)
			die("listen");
		close(fd);
	}
	return NULL;
}

static void mode_relisten(void)
{
	const int on = 1;
	int fd = make("127.0.0.1"), with = 0;
	pthread_t t;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 || listen(fd, 64) < 0)
		die("listen");
	if (pthread_create(&t, NULL, relisten, (char[]){"127.0.0.2"}) != 0)
		die("pthread_create");
	say_client();
	for (int i = 0; i < SOME; i++) {
		int client = accept(fd, NULL, NULL);
		if (client < 0)
			die("accept");
		with += get_int(client, IPPROTO_TCP, TCP_NODELAY);
		close(client);
	}
	__atomic_store_n(&relisten_ends, 1, __ATOMIC_RELAXED);
	join(t);
	printf("with=%d\n", with);
	fflush(stdout);
}

static void finish(void)
{
	puts("done");
	fflush(stdout);
	for (;;)
		pause();
}

static void *serve_alone(void *epoll)
{
	struct epoll_event ev;
	int fd = make("0.0.0.0"), e = *(int *)epoll = epoll_with(fd);

	pause_ms(200); /* the first thread ends */
	say("listen", listen(fd, 5));
	say_client();
	printf("events=%d\n", epoll_wait(e, &ev, 1, 10000));
	say("accept", accept(fd, NULL, NULL));
	say("shutdown", shutdown(fd, SHUT_RDWR));
	say("after", accept(fd, NULL, NULL));
	finish();
	return NULL;
}

/* The thread that began the process need not be there. */
static void mode_leader(void)
{
	static int epoll;
	pthread_t t;

	start(&t, serve_alone, &epoll);
	pthread_exit(NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{"cancel", mode_cancel},
	{"cancel-before", mode_cancel_before},
	{"blocked", mode_blocked},
	{"crowd", mode_crowd},
	{"worn", mode_worn},
	{"inherit", mode_inherit},
	{"inherit-nothing", mode_inherit_nothing},
	{"relisten", mode_relisten},
	{"ticks", mode_ticks},
	{"leader", mode_leader},
	{"exec", mode_exec},
	{"exec-nothing", mode_exec_nothing},
	{"exec-again", mode_exec_again},
	{"inherited", mode_inherited},
	{"inherited-again", mode_inherited_again},
	{"epoll-many", mode_epoll_many},
	{"handler", mode_handler},
	{"two", mode_two},
	{"epoll-shutdown", mode_epoll_shutdown},
};

int main(int argc, char **argv)
{
	port = (uint16_t)(argc > 2 ? atoi(argv[2]) : 0);
	inherited_fd = argc > 3 ? atoi(argv[3]) : -1;
	for (size_t i = 0; argc > 2 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, argv[1]) == 0) {
			modes[i].run();
			finish();
		}
	fprintf(stderr, "usage: accept-corners MODE PORT [FD]\n");
	return 2;
}
