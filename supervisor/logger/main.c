/* SPDX-License-Identifier: ISC */
/* trp-logger: writes the services' logs, so that it waits for their disk and not trpsupd.
 *
 * Started by the daemon with its end of a socket pair as descriptor 3 and the log directory as argument. It sees that directory and
 * nothing else, has no capability, and opens files only there. When the daemon has ended it writes what it was sent, and ends. Old files
 * are compressed by a child of it, one at a time, as the least urgent of the machine. What is to go to syslogd or journald too goes through
 * sockets that the daemon has connected. May never: connect, execute, signal. */
#include "base/fdpass.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/logger/confine.h"
#include "supervisor/logger/logout.h"
#include "supervisor/logger/logpack.h"
#include "supervisor/logger/logstore.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/ioprio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define LOCK_NAME ".trp-logger"
#define NAMESPACES 0x7e020000 /* CLONE_NEW*, clone(2) */

static const struct beside_rule rules[] = {
	{SCMP_SYS(openat), 0, {}},
	{SCMP_SYS(write), 0, {}},
	{SCMP_SYS(ftruncate), 0, {}},
	{SCMP_SYS(fchmod), 0, {}},
	{SCMP_SYS(renameat), 0, {}},
	{SCMP_SYS(unlinkat), 0, {}},
	{SCMP_SYS(flock), 0, {}},
	/* the child that compresses */
	{SCMP_SYS(clone), 1, {BESIDE_NO_BITS(0, NAMESPACES | CLONE_VM)}},
	{SCMP_SYS(set_robust_list), 0, {}},
	{SCMP_SYS(rt_sigprocmask), 0, {}},
	{SCMP_SYS(rt_sigreturn), 0, {}},
	{SCMP_SYS(getppid), 0, {}},
	{SCMP_SYS(gettid), 0, {}},
	{SCMP_SYS(wait4), 0, {}},
	{SCMP_SYS(prctl), 1, {BESIDE_EQUALS(0, PR_SET_PDEATHSIG)}},
	{SCMP_SYS(setpriority), 0, {}},
	{SCMP_SYS(ioprio_set), 0, {}},
	{SCMP_SYS(sched_setscheduler), 0, {}},
	{SCMP_SYS(fdatasync), 0, {}},
};

static const struct beside_attempt attempts[] = {
	{"threads can be made", SYS_clone, {CLONE_VM}},
	{"mkdirat() works", SYS_mkdirat, {-1, (long)""}},
	{"prctl() works", SYS_prctl, {PR_GET_DUMPABLE}},
};

static struct logstore *store;
static pid_t packer; /* 0: none */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* False: nothing more will come. */
static bool take_message(int dir)
{
	static struct {
		struct log_msg m;
		char text[LOG_TEXT_MAX];
	} in;
	static struct {
		struct log_ack ack;
		char tail[LOG_TAIL_MAX];
	} out;
	size_t tail = 0, n_fds = 0;
	int fd = -1;
	ssize_t n = trp_fd_recv_upto(LOG_FD, &in, sizeof(in), &fd, 1, &n_fds, 0);

	if (n <= 0)
		return n == -EINTR;
	if ((size_t)n < sizeof(in.m) || in.m.magic != LOG_MAGIC || !memchr(in.m.service, '\0', sizeof(in.m.service)))
		log_fatal("not a message of this trpsupd");
	if (in.m.type == LOG_FINISH)
		return false;
	if (in.m.type == LOG_SOCKET && n_fds == 1 && in.m.socket < LOG_SOCKETS) {
		logout_socket((enum log_socket)in.m.socket, fd);
		return true;
	}
	trp_close(&fd);
	out.ack = (struct log_ack){.magic = LOG_MAGIC, .seq = in.m.seq};
	if (in.m.want_tail)
		tail = logstore_tail(store, in.m.service, out.tail, sizeof(out.tail));
	logstore_know_lost(store, in.m.service, in.m.unwritten, in.m.unwritten_error);
	if (in.m.limits.to == 0 || (in.m.limits.to & LOG_TO_FILE))
		logstore_write(store, in.m.service, &in.m.limits, in.text, (size_t)n - sizeof(in.m), now_us(), &out.ack.lost, &out.ack.error);
	out.ack.unwritten = logstore_unsaid(store, in.m.service);
	if (out.ack.error == -ENOENT && trp_is_removed(dir)) /* the next one is started in one that is there, and this message has no answer */
		log_fatal("the directory of the logs was removed");
	logout_write(in.m.service, in.m.limits.to, in.text, (size_t)n - sizeof(in.m), in.m.unsaid, &out.ack);
	(void)trp_fd_send(LOG_FD, &out, sizeof(out.ack) + tail, NULL, 0, 0); /* it may be gone: the rest is written all the same */
	return true;
}

static void __attribute__((noreturn)) pack(int in, int out)
{
	const struct sched_param none = {0};

	close(LOG_FD);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 19);
	sched_setscheduler(0, SCHED_IDLE, &none);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
	_exit(logpack(in, out) == 0 ? 0 : 1);
}

static void start_packer(void)
{
	int in, out;

	if (packer || logstore_pack(store, &in, &out) < 0)
		return;
	packer = fork();
	if (packer == 0)
		pack(in, out);
	close(in);
	close(out);
	if (packer < 0) {
		packer = 0;
		logstore_packed(store, false, now_us());
	}
}

/* SIGCHLD interrupts the poll. */
static void reap_packer(void)
{
	int status;

	if (!packer || waitpid(packer, &status, WNOHANG) != packer)
		return;
	packer = 0;
	logstore_packed(store, WIFEXITED(status) && WEXITSTATUS(status) == 0, now_us());
}

static void on_child(int signo)
{
	(void)signo;
}

/* One that an earlier daemon has left may have something to write yet. */
static void wait_for_others(void)
{
	int fd = openat(AT_FDCWD, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		log_fatal("%s: %m", LOCK_NAME);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			log_fatal("%s: %m", LOCK_NAME);
}

static void serve(int dir)
{
	sigset_t none;

	sigemptyset(&none);
	sigaddset(&none, SIGTERM); /* as the daemon's, whose group it is in: it ends when that has ended */
	sigaddset(&none, SIGINT);
	sigaddset(&none, SIGHUP);
	for (bool more = true; more;) {
		struct pollfd p = {.fd = LOG_FD, .events = POLLIN};
		uint64_t now = now_us(), due;
		struct timespec wait;

		reap_packer();
		start_packer();
		due = logstore_tick(store, now);
		wait.tv_sec = due > now ? (time_t)((due - now) / 1000000 + 1) : 0;
		wait.tv_nsec = 0;
		if (ppoll(&p, 1, due == UINT64_MAX ? NULL : &wait, &none) > 0)
			more = take_message(dir);
	}
}

/* Those that the daemon has connected already. What is none is /dev/null. */
static void take_sockets(void)
{
	for (int k = 0; k < LOG_SOCKETS; k++) {
		int fd = LOG_FD + 1 + k, type;
		socklen_t len = sizeof(type);
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM)
			logout_socket((enum log_socket)k, fd);
		else
			close(fd);
	}
}

int main(int argc, char **argv)
{
	struct sigaction child = {.sa_handler = on_child};
	const char *what;
	sigset_t all;
	int dir, r;

	log_init("trp-logger", LOG_LEVEL_INFO);
	if (argc != 2 || strcmp(argv[1], "--version") == 0) {
		bool asked = argc == 2;
		puts(asked ? "trp-logger " TRP_VERSION : "trp-logger is started by trpsupd");
		return asked ? 0 : 2;
	}
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0 || sigaction(SIGCHLD, &child, NULL) < 0)
		log_fatal("signals: %m");
	tzset(); /* its file will not be there any more */
	take_sockets();
	what = confine(argv[1], rules, TRP_ARRAY_SIZE(rules), attempts, TRP_ARRAY_SIZE(attempts));
	if (what)
		log_fatal("%s: %m", what);
	wait_for_others();
	dir = openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? -errno : logstore_open(dir, now_us(), &store);
	if (r < 0)
		log_fatal("%s: %s", argv[1], strerror(-r));
	serve(dir);
	return 0;
}
