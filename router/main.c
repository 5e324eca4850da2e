/* SPDX-License-Identifier: ISC */
/* trp-router: looks at a client's first bytes and hands its socket on to the service that owns the
 * name.
 *
 * Started by the daemon inside an empty sandbox, with the control socket (router/control.h) as
 * descriptor 3. May never: open, connect, exec, or keep a client's descriptor after handing it on.
 */
#include "router/lockdown.h"
#include "router/live.h"
#include "router/router.h"
#include "base/log.h"
#include "base/parse.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct router router;

static void notice(const char *text)
{
	log_warn("%s", text);
}

/* A handler, because signals without one do not reach the first process of a pid namespace. Nothing
 * is to be saved: queued clients are in the channels, which the daemon holds. */
static void on_terminate(int signo)
{
	(void)signo;
	_exit(0);
}

static void set_signals(void)
{
	struct sigaction end = {.sa_handler = on_terminate}, ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
}

/* As many descriptors as the daemon allows */
static size_t raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_fatal("cannot read RLIMIT_NOFILE: %m");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_fatal("cannot set RLIMIT_NOFILE: %m");
	return limit.rlim_cur > ROUTER_WAITING_MAX * 16 ? ROUTER_WAITING_MAX * 16 : limit.rlim_cur;
}

static void check_control_socket(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(ROUTER_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
		type != SOCK_SEQPACKET)
		log_fatal("descriptor %d is no control socket; this program is started by trpsupd",
			ROUTER_CONTROL_FD);
}

static void lock_down(bool expect_sandbox)
{
	struct confine_failure f;

	if ((expect_sandbox && lockdown_check_sandbox(&f) < 0) ||
		lockdown_enter(ROUTER_CONTROL_FD, router.may_wake, &f) < 0)
		log_fatal("not locked down, so not started: %s%s%s", f.what, f.error ? ": " : "",
			f.error ? strerror(f.error) : "");
}

/* slot: of the daemon's memory; -1: there is none, and the counters are for nobody */
static void open_ledger(int64_t slot)
{
	const size_t size = sizeof(struct ledger);

	router.may_wake = slot >= 0;
	router.ledger = slot >= 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ROUTER_LEDGER_FD, slot * (off_t)size)
				  : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (router.ledger == MAP_FAILED)
		log_fatal("cannot map the ledger: %m");
	if (slot >= 0)
		close(ROUTER_LEDGER_FD);
}

/* What the observer counts, to be read only */
static void open_live(bool live)
{
	const struct live *l;

	router.quotas.ledger = router.ledger;
	if (!live)
		return;
	l = mmap(NULL, offsetof(struct live, entries), PROT_READ, MAP_SHARED, ROUTER_LIVE_FD, 0);
	if (l == MAP_FAILED)
		log_fatal("cannot map the counts of connections: %m");
	close(ROUTER_LIVE_FD);
	router.quotas.live = l->by_service;
}

static bool parse_options(int argc, char **argv, int64_t *ret_slot, bool *ret_live)
{
	static const struct option options[] = {
		{"adapt", no_argument, NULL, 'a'},
		{"expect-sandbox", no_argument, NULL, 's'},
		{"ledger", required_argument, NULL, 'l'},
		{"live", no_argument, NULL, 'o'},
		{"routers", required_argument, NULL, 'r'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool expect_sandbox = false;
	uint64_t slot, routers;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'a':
			router.adapts = true;
			break;
		case 's':
			expect_sandbox = true;
			break;
		case 'l':
			if (trp_parse_u64(optarg, &slot) < 0 || slot >= LEDGER_SLOTS)
				log_fatal("--ledger: not a slot");
			*ret_slot = (int64_t)slot;
			break;
		case 'o':
			*ret_live = true;
			break;
		case 'r':
			if (trp_parse_u64(optarg, &routers) < 0 || routers < 1 || routers > LEDGER_SLOTS)
				log_fatal("--routers: not a number of them");
			router.routers = (uint32_t)routers;
			break;
		case 'V':
			puts("trp-router " TRP_VERSION);
			exit(0);
		case 'h':
			puts("usage: trp-router [--adapt] [--expect-sandbox] [--ledger=SLOT] [--live] [--routers=N]\n"
			     "Started by trpsupd, with the control socket as descriptor 3.\n"
			     "  --adapt           let who has the processor go on while many clients come\n"
			     "  --expect-sandbox  refuse to run with capabilities, without "
			     "no_new_privs or with a network\n"
			     "  --ledger=SLOT     count in that part of the memory that is descriptor 4\n"
			     "  --live            read the counts of open connections in descriptor 6\n"
			     "  --routers=N       so many share what may be in flight");
			exit(0);
		default:
			exit(2);
		}
	if (optind < argc)
		log_fatal("unexpected argument: %s", argv[optind]);
	return expect_sandbox;
}

int main(int argc, char **argv)
{
	const struct router_msg ready = {.magic = ROUTER_CONTROL_MAGIC, .type = ROUTER_READY};
	const char *why = "";
	int64_t slot = -1;
	bool expect_sandbox, live = false;
	int err;

	log_init("trp-router", LOG_LEVEL_INFO);
	expect_sandbox = parse_options(argc, argv, &slot, &live);
	check_control_socket();
	open_ledger(slot);
	open_live(live);
	set_signals();
	router.fd_limit = raise_fd_limit();
	router.notice = notice;
	if (getrandom(&router.routes.seed, sizeof(router.routes.seed), 0) < 0 ||
		getrandom(&router.prefixes.seed, sizeof(router.prefixes.seed), 0) < 0)
		log_fatal("getrandom: %m");
	err = router_init(&router, ROUTER_CONTROL_FD);
	if (err < 0)
		log_fatal("cannot watch the control socket: %s", strerror(-err));
	lock_down(expect_sandbox);
	err = router.adapts ? router_try_tempo() : 0;
	if (err < 0) { /* serves as well without */
		log_warn("cannot be scheduled otherwise while many clients come: %s", strerror(-err));
		router.adapts = false;
	}
	err = control_reply(&router, &ready);
	if (err == 0)
		err = router_run(&router, &why);
	if (err == 0)
		_exit(0); /* retired */
	log_fatal("%s: %s", why, strerror(-err));
}
