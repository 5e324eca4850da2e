/* SPDX-License-Identifier: ISC */
/* listener-attack: a hostile upstream that tries to listen on what the listener of its clients left free.
 *	listener-attack PORT REPORT NAME=ADDRESS,PORT,SCOPE...
 * PORT: to be served by the router. For each client one attack, in their order: the client is answered, its socket disconnected, bound to
 * ADDRESS (IPv4 v4-mapped; "-": not bound, listen() takes a port), and listened on. REPORT gets
 *	NAME listening PORT       a client may try it now
 *	NAME SUCCEEDED            one came
 *	NAME refused ERRNO        the kernel refused a step
 *	NAME refused silently     nobody came
 * The test says that it has tried by creating REPORT.NAME. */
#include "tests/progs/client.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLLS 500 /* of 10 ms */

static FILE *report;
static const char *report_path;

static void refused(const char *name, int error)
{
	fprintf(report, "%s refused %s\n", name, error ? strerrorname_np(error) : "silently");
}

/* Has the test tried to connect and given up? */
static int test_is_done(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s.%s", report_path, name);
	return access(path, F_OK) == 0;
}

static void wait_for_client(const char *name, int fd)
{
	struct sockaddr_in6 own = {0};
	socklen_t len = sizeof(own);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	getsockname(fd, (struct sockaddr *)&own, &len);
	fprintf(report, "%s listening %u\n", name, ntohs(own.sin6_port));
	for (int i = 0; i < POLLS; i++) {
		if (poll(&p, 1, 10) > 0 && accept4(fd, NULL, NULL, SOCK_CLOEXEC) >= 0) {
			fprintf(report, "%s SUCCEEDED\n", name);
			return;
		}
		if (test_is_done(name))
			break;
	}
	refused(name, 0);
}

/* spec: ADDRESS,PORT,SCOPE */
static void attack(const char *name, char *spec, int fd)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6};
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	char *address = strtok(spec, ","), *port = strtok(NULL, ","), *scope = strtok(NULL, ",");
	int off = 0, on = 1;

	connect(fd, &none, sizeof(none));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (strcmp(address, "-") != 0) {
		if (inet_pton(AF_INET6, address, &sa.sin6_addr) != 1) {
			fprintf(report, "%s bad address\n", name);
			return;
		}
		sa.sin6_port = htons((uint16_t)atoi(port));
		sa.sin6_scope_id = (uint32_t)atoi(scope);
		if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
			refused(name, errno);
			return;
		}
	}
	if (listen(fd, 8) < 0)
		refused(name, errno);
	else
		wait_for_client(name, fd);
}

static int open_listener(uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
		bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 64) < 0) {
		perror("listener-attack: listen");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	int listener;

	if (argc < 4) {
		fprintf(stderr, "usage: listener-attack PORT REPORT NAME=ADDRESS,PORT,SCOPE...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	report_path = argv[2];
	report = fopen(report_path, "we");
	if (!report) {
		perror(report_path);
		return 1;
	}
	setvbuf(report, NULL, _IOLBF, 0);
	listener = open_listener((uint16_t)atoi(argv[1]));
	for (int i = 3; i < argc; i++) {
		char *name = argv[i], *spec = strchr(name, '=');
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 || !spec)
			return 1;
		*spec++ = '\0';
		client_answer(fd);
		attack(name, spec, fd);
		close(fd);
	}
	fprintf(report, "done\n");
	for (;;)
		pause();
}
