/* SPDX-License-Identifier: ISC */
/* hostile: see hostile.h.
 *	hostile list                 all attacks: NAME GROUP SOCKET CONTROLS EXPECTED, separated by tabs
 *	hostile native|plain DIR     a service: listens on port 80 by libtrp, or by listen(2), then does the jobs that it finds in DIR
 *	hostile job FILE             one job, without listening: its clients are inherited
 * A job is a file of lines KEY=VALUE. "only": names of attacks, "clients": FIRST:N, inherited sockets of clients; the others say where the
 * things of the host are that are attacked. A service takes DIR/job (put there by rename(2), removed when it is read), waits for as many
 * clients as the attacks need, and reports in DIR/report, others on standard output, one line for each:
 *	NAME listening PORT     (before one of these) a client of the host is to try that port now
 *	NAME SUCCEEDED WHAT
 *	NAME refused HOW
 *	NAME absent WHAT
 *	NAME died SIGNAL
 * and "done" as the last. */
#include "tests/progs/client.h"
#include "hostile.h"
#include "sandbox/adapter/native/trp.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTACKS_MAX    256
#define AT_A_TIME      6
#define ATTACK_SECONDS 15
#define PORT           80

static const struct table *const tables[] = {&passed_attacks, &network_attacks, &process_attacks, &proc_attacks, &mount_attacks,
	&file_attacks, &kernel_attacks};

static const struct attack *all[ATTACKS_MAX];
static int n_all;

/* One attack of the present job. */
struct trial {
	const struct attack *attack;
	int sock;
	pid_t pid;
};

static struct outcome *outcomes; /* shared with the attacks' processes */
static struct trial trials[ATTACKS_MAX];
static int n_trials;
static const struct trial *current; /* in the attack's process */
static char job_text[16384];
static int report = 1, channel = -1;

struct outcome refused(int error)
{
	struct outcome o = {.verdict = REFUSED};

	snprintf(o.text, sizeof(o.text), "%s", strerrorname_np(error));
	return o;
}

struct outcome refused_silently(void)
{
	return (struct outcome){.verdict = REFUSED, .text = "silently"};
}

struct outcome absent(const char *what)
{
	struct outcome o = {.verdict = ABSENT};

	snprintf(o.text, sizeof(o.text), "%s", what);
	return o;
}

struct outcome succeeded(const char *fmt, ...)
{
	struct outcome o = {.verdict = SUCCEEDED};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(o.text, sizeof(o.text), fmt, ap);
	va_end(ap);
	for (char *p = o.text; *p; p++)
		if (*p < ' ')
			*p = ' ';
	return o;
}

struct outcome judge(long r, const char *what)
{
	return r < 0 ? refused(errno) : succeeded("%s", what);
}

const char *job(const char *key)
{
	size_t len = strlen(key);

	for (const char *p = job_text; *p; p += strlen(p) + 1)
		if (strncmp(p, key, len) == 0 && p[len] == '=')
			return p[len + 1] ? p + len + 1 : NULL;
	return NULL;
}

long job_number(const char *key)
{
	const char *value = job(key);

	return value ? atol(value) : 0;
}

int job_channel(void)
{
	return channel;
}

/* One write, so that lines of several processes do not mix. */
static void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (write(report, line, (size_t)n) != n)
		_exit(3);
}

void say_listening(uint16_t port)
{
	say("%s listening %u\n", current->attack->name, port);
}

struct outcome judge_canary(int fd)
{
	const char *canary = job("canary-text");
	char text[128] = "";

	if (!canary)
		return absent("no canary");
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return refused(errno);
	return strncmp(text, canary, strlen(canary)) == 0 ? succeeded("read the host's %s", canary) : refused_silently();
}

static void gather(void)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (size_t i = 0; i < tables[t]->n && n_all < ATTACKS_MAX; i++)
			all[n_all++] = &tables[t]->attacks[i];
}

static void list(void)
{
	for (int i = 0; i < n_all; i++)
		printf("%s\t%s\t%d\t%s\t%s\n", all[i]->name, all[i]->group, all[i]->socket, all[i]->controls, all[i]->expected);
}

/* To the first attack that waits for a client of its family. */
static bool give(int fd)
{
	int family = client_family(fd);

	for (int i = 0; i < n_trials; i++)
		if (trials[i].sock < 0 && trials[i].attack->socket && trials[i].attack->socket == family) {
			trials[i].sock = fd;
			return true;
		}
	close(fd);
	return false;
}

static bool wanting(void)
{
	for (int i = 0; i < n_trials; i++)
		if (trials[i].attack->socket && trials[i].sock < 0)
			return true;
	return false;
}

static int take_client(bool native)
{
	return native ? trp_accept(channel, NULL, SOCK_CLOEXEC) : accept4(channel, NULL, NULL, SOCK_CLOEXEC);
}

static void take_inherited(void)
{
	int first, n;

	if (!job("clients") || sscanf(job("clients"), "%d:%d", &first, &n) != 2)
		return;
	for (int fd = first; fd < first + n; fd++)
		give(fd);
}

static void attack(int i)
{
	current = &trials[i];
	alarm(ATTACK_SECONDS);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	outcomes[i] = trials[i].attack->socket && trials[i].sock < 0 ? absent("no client's socket")
									: trials[i].attack->run(trials[i].sock);
	_exit(0);
}

static void tell(int i, int status)
{
	static const char *const words[] = {[REFUSED] = "refused", [SUCCEEDED] = "SUCCEEDED", [ABSENT] = "absent"};
	const char *name = trials[i].attack->name;

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) /* killed by a system call filter */
		say("%s refused SIGSYS\n", name);
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		say("%s absent not on this machine\n", name);
	else if (WIFSIGNALED(status) || outcomes[i].verdict == VERDICT_NONE)
		say("%s died %d\n", name, status);
	else
		say("%s %s %s\n", name, words[outcomes[i].verdict], outcomes[i].text);
}

static void reap_one(void)
{
	int status, i = 0;
	pid_t pid = waitpid(-1, &status, 0);

	while (i < n_trials && trials[i].pid != pid)
		i++;
	if (i == n_trials)
		return; /* what an attack left */
	trials[i].pid = 0;
	if (trials[i].sock >= 0)
		close(trials[i].sock);
	tell(i, status);
}

static int running(void)
{
	int n = 0;

	for (int i = 0; i < n_trials; i++)
		n += trials[i].pid > 0;
	return n;
}

static void run_all(void)
{
	memset(outcomes, 0, ATTACKS_MAX * sizeof(*outcomes));
	for (int i = 0; i < n_trials; i++) {
		while (running() >= AT_A_TIME)
			reap_one();
		trials[i].pid = fork();
		if (trials[i].pid == 0)
			attack(i);
	}
	while (running() > 0)
		reap_one();
	say("done\n");
}

static bool in_words(const char *words, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = words; (p = strstr(p, name)); p += len)
		if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

static int read_job(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, job_text, sizeof(job_text) - 2);

	if (n < 0)
		return -1;
	close(fd);
	memset(job_text + n, 0, sizeof(job_text) - (size_t)n);
	for (ssize_t i = 0; i < n; i++)
		if (job_text[i] == '\n')
			job_text[i] = '\0';
	n_trials = 0;
	for (int i = 0; i < n_all; i++)
		if (!job("only") || in_words(job("only"), all[i]->name))
			trials[n_trials++] = (struct trial){.attack = all[i], .sock = -1};
	return 0;
}

static int open_plain(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
		bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 256) < 0)
		return -errno;
	return fd;
}

static void tell_ready(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path)
		return;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		perror("hostile: NOTIFY_SOCKET");
	close(fd);
}

static int serve(bool native, const char *dir)
{
	char path[512], path_report[512];

	snprintf(path, sizeof(path), "%s/job", dir);
	snprintf(path_report, sizeof(path_report), "%s/report", dir);
	channel = native ? trp_listen(PORT, AF_INET6, 0, SOCK_CLOEXEC) : open_plain();
	report = open(path_report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (channel < 0 || report < 0) {
		fprintf(stderr, "hostile: %s\n", channel < 0 ? strerror(-channel) : path_report);
		return 1;
	}
	tell_ready();
	for (;;) {
		while (read_job(path) < 0)
			usleep(3000);
		unlink(path);
		while (wanting()) {
			int fd = take_client(native);
			if (fd >= 0) {
				client_answer(fd);
				give(fd);
			}
		}
		run_all();
	}
}

int main(int argc, char **argv)
{
	gather();
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	outcomes = mmap(NULL, ATTACKS_MAX * sizeof(*outcomes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcomes == MAP_FAILED)
		return 1;
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		list();
		return 0;
	}
	if (argc == 3 && (strcmp(argv[1], "native") == 0 || strcmp(argv[1], "plain") == 0))
		return serve(argv[1][0] == 'n', argv[2]);
	if (argc == 3 && strcmp(argv[1], "job") == 0 && read_job(argv[2]) == 0) {
		take_inherited();
		run_all();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "-u") == 0) { /* what a file with the setuid bit makes of its caller: file.c */
		printf("%u\n", geteuid());
		return 0;
	}
	fprintf(stderr, "usage: hostile list | native DIR | plain DIR | job FILE\n");
	return 2;
}
