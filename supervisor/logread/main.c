/* SPDX-License-Identifier: ISC */
/* trp-logread: reads logs for one client of trpsupd, so that it waits for their disk, and not trpsupd, and uncompresses and searches
 * them without any privilege.
 *
 * Started by the daemon with a socket as descriptor 3 and the log directory as argument. It sees that directory and nothing else, has no
 * capability, and may never: write, make or remove a file, connect, execute, fork, signal. */
#include "base/fdpass.h"
#include "base/log.h"
#include "supervisor/logger/confine.h"
#include "supervisor/logread/logread.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define MEMORY_MAX (1ull << 30) /* a regular expression can ask for a lot */

static const struct beside_rule rules[] = {
	{SCMP_SYS(openat), 1, {BESIDE_NO_BITS(2, O_ACCMODE | O_CREAT | O_TRUNC)}},
	{SCMP_SYS(fcntl), 1, {BESIDE_EQUALS(1, F_DUPFD_CLOEXEC)}},
	{SCMP_SYS(write), 1, {BESIDE_EQUALS(0, STDERR_FILENO)}},
};

static const struct beside_attempt attempts[] = {
	{"files can be written", SYS_openat, {AT_FDCWD, (long)".", O_WRONLY}},
	{"files can be made", SYS_openat, {AT_FDCWD, (long)".", O_CREAT}},
	{"write() works on any descriptor", SYS_write, {-1}},
	{"renameat() works", SYS_renameat, {-1, (long)"", -1, (long)""}},
	{"unlinkat() works", SYS_unlinkat, {-1, (long)""}},
	{"ftruncate() works", SYS_ftruncate, {-1}},
	{"fork() works", SYS_clone, {SIGCHLD}},
};

static struct logread_reply reply = {.magic = LOGREAD_MAGIC};
static size_t reply_len;

static void send_reply(enum logread_type type)
{
	reply.type = type;
	if (trp_fd_send(LOGREAD_FD, &reply, offsetof(struct logread_reply, text) + reply_len, NULL, 0, 0) < 0)
		exit(0); /* the client has left */
	reply_len = 0;
}

static void __attribute__((noreturn)) fail(enum logread_type type, const char *text)
{
	if (reply_len > 0)
		send_reply(LOGREAD_LINES);
	reply_len = (size_t)snprintf(reply.text, sizeof(reply.text), "%s", text);
	send_reply(type);
	exit(0);
}

/* A line that does not fit is no line of ours: its rest is left out. */
static void add_line(void *data, const char *service, const char *text, size_t len)
{
	const size_t name = strlen(service), max = sizeof(reply.text) - name - 2;

	(void)data;
	if (len > max)
		len = max;
	if (reply_len + name + len + 2 > sizeof(reply.text))
		send_reply(LOGREAD_LINES);
	memcpy(reply.text + reply_len, service, name);
	reply_len += name;
	reply.text[reply_len++] = ' ';
	memcpy(reply.text + reply_len, text, len);
	reply_len += len;
	reply.text[reply_len++] = '\n';
}

static size_t count_names(const char *names, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += names[i] == '\0';
	return n;
}

static struct logread *open_reader(int dir)
{
	static struct {
		struct logread_request q;
		char names[LOGREAD_NAMES_MAX];
	} in;
	struct logread *reader;
	char err[300] = "";
	ssize_t n = trp_fd_recv(LOGREAD_FD, &in, sizeof(in), NULL, 0, 0);
	size_t len = n < (ssize_t)sizeof(in.q) ? 0 : (size_t)n - sizeof(in.q);
	int r;

	if (n == 0)
		exit(0);
	if (n < (ssize_t)sizeof(in.q) || in.q.magic != LOGREAD_MAGIC || (len > 0 && in.names[len - 1] != '\0') ||
		!memchr(in.q.grep, '\0', sizeof(in.q.grep)))
		log_fatal("not a message of this trpsupd");
	r = logread_open(dir, &in.q, in.names, count_names(in.names, len), add_line, NULL, &reader, err, sizeof(err));
	if (r < 0)
		fail(r == -ENOENT && err[0] ? LOGREAD_UNKNOWN : LOGREAD_FAILED, err[0] ? err : strerror(-r));
	if (in.q.follow)
		return reader;
	r = logread_go(reader);
	if (r < 0)
		fail(LOGREAD_FAILED, strerror(-r));
	send_reply(LOGREAD_END);
	exit(0);
}

static void follow(struct logread *reader)
{
	for (;;) {
		char service[LOGTEXT_SERVICE];
		ssize_t n;
		int r = logread_go(reader);

		if (r < 0)
			fail(LOGREAD_FAILED, strerror(-r));
		send_reply(LOGREAD_WAITS);
		n = trp_fd_recv(LOGREAD_FD, service, sizeof(service), NULL, 0, 0);
		if (n <= 0)
			exit(0);
		service[sizeof(service) - 1] = '\0';
		logread_wake(reader, service);
	}
}

int main(int argc, char **argv)
{
	const struct rlimit memory = {MEMORY_MAX, MEMORY_MAX};
	const char *what;
	sigset_t all;
	int dir;

	log_init("trp-logread", LOG_LEVEL_INFO);
	if (argc != 2 || strcmp(argv[1], "--version") == 0) {
		bool asked = argc == 2;
		puts(asked ? "trp-logread " TRP_VERSION : "trp-logread is started by trpsupd");
		return asked ? 0 : 2;
	}
	sigfillset(&all); /* SIGKILL ends us, or that the client leaves */
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0 || setrlimit(RLIMIT_AS, &memory) < 0 || setpriority(PRIO_PROCESS, 0, 10) < 0)
		log_fatal("limits: %m");
	what = confine(argv[1], rules, TRP_ARRAY_SIZE(rules), attempts, TRP_ARRAY_SIZE(attempts));
	if (what)
		log_fatal("%s: %m", what);
	dir = openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		log_fatal("%s: %m", argv[1]);
	follow(open_reader(dir));
}
