/* SPDX-License-Identifier: ISC */
/* trp-hello: a small HTTP server on libtrp, to see a service work and as an example of the native adapter. */
#include "conn.h"
#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#define CONNS_MAX     512
#define GOING_DOWN_MS 10000

static struct conn conns[CONNS_MAX];
static size_t n_conns;

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* For as many as may come at a time. */
static bool has_room(void)
{
	return n_conns + TRP_CLIENTS_MAX <= CONNS_MAX;
}

static void accept_some(int listener)
{
	static struct trp_client clients[TRP_CLIENTS_MAX];
	int fds[TRP_CLIENTS_MAX];

	while (has_room()) {
		int n = trp_accept_several(listener, fds, clients, TRP_CLIENTS_MAX, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (n == -EINVAL)
			log_fatal("the listener is closed");
		for (int i = 0; i < n; i++) {
			conns[n_conns].client = clients[i];
			conn_open(&conns[n_conns++], fds[i]);
		}
		if (n < 0)
			return;
	}
}

/* The last one moves into the gap. Its address is its own: nobody keeps pointers into conns. */
static void drop(size_t i)
{
	close(conns[i].fd);
	if (i != --n_conns)
		conns[i] = conns[n_conns];
}

static int timeout_ms(uint64_t now, uint64_t deadline)
{
	for (size_t i = 0; i < n_conns; i++)
		if (conns[i].deadline_ms < deadline)
			deadline = conns[i].deadline_ms;
	if (deadline == UINT64_MAX)
		return -1;
	return deadline <= now ? 0 : (int)(deadline - now);
}

/* One turn. down_at: when to give up on what is left, UINT64_MAX while serving. */
static void turn(int signals, int listener, uint64_t *down_at)
{
	static struct pollfd p[2 + CONNS_MAX];
	bool down = *down_at != UINT64_MAX;
	uint64_t now = trp_now_ms();

	p[0] = (struct pollfd){.fd = signals, .events = POLLIN};
	p[1] = (struct pollfd){
		.fd = down || !has_room() ? -1 : listener, .events = POLLIN};
	for (size_t i = 0; i < n_conns; i++)
		p[2 + i] = (struct pollfd){.fd = conns[i].fd, .events = conn_events(&conns[i])};
	if (poll(p, 2 + n_conns, timeout_ms(now, *down_at)) < 0)
		return;
	now = trp_now_ms();
	if (p[0].revents && !down) {
		*down_at = now + GOING_DOWN_MS;
		down = true;
	}
	for (size_t i = n_conns; i-- > 0;) {
		bool alive = !p[2 + i].revents || conn_step(&conns[i], down);
		if (!alive || now >= conns[i].deadline_ms || (down && conns[i].state == CONN_IDLE))
			drop(i);
	}
	if (p[1].revents && !down)
		accept_some(listener);
}

int main(int argc, char **argv)
{
	const char *text = argc == 2 ? argv[1] : getenv("PORT");
	uint64_t down_at = UINT64_MAX;
	uint16_t port;
	int listener, signals;

	log_init("trp-hello", LOG_LEVEL_INFO);
	if (argc > 2 || !text || trp_parse_port(text, &port) < 0)
		log_fatal("usage: trp-hello PORT (or PORT in the environment)");
	signals = open_signals();
	if (signals < 0)
		log_fatal("cannot receive signals: %s", strerror(-signals));
	listener = trp_listen(port, AF_INET6, 0, SOCK_NONBLOCK | SOCK_CLOEXEC | TRP_SEVERAL);
	if (listener == -ECONNREFUSED)
		log_fatal("this is a service for a trpsup sandbox: there is no trp-init here");
	if (listener == -ENOENT)
		log_fatal("the service's profile has no route to port %u", port);
	if (listener < 0)
		log_fatal("cannot listen on port %u: %s", port, strerror(-listener));
	log_info("serving port %u", port);
	while (down_at == UINT64_MAX || (n_conns > 0 && trp_now_ms() < down_at))
		turn(signals, listener, &down_at);
	log_info("stopped");
	return 0;
}
