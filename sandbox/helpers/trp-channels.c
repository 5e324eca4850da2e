/* SPDX-License-Identifier: ISC */
/* trp-channels PORT=FD... -- PROGRAM ARG...: for a server that is told its listening sockets by their numbers. Asks trp-init for the
 * service's channels, puts them there, and executes the server. Runs inside a sandbox; static, for any root. libtrp(3) says what
 * a program has to do with such a descriptor. */
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"
#include "sandbox/adapter/native/trp.h"

#include <fcntl.h>
#include <string.h>

#define CHANNELS_MAX 16
#define FD_MIN       3
#define FD_LIMIT     1024

static const char usage[] = "usage: trp-channels PORT[/4]=FD... -- PROGRAM [ARG...]\n"
			    "PORT: of the profile's [route], /4 for clients of IPv4 alone; FD: 3 to 1023; PROGRAM: an absolute path";

struct wanted {
	uint16_t port;
	int family;
	int fd; /* where it is to be */
	int channel;
};

static int parse_one(char *word, struct wanted *ret)
{
	char *fd = strchr(word, '='), *family = strchr(word, '/');
	uint64_t number;

	if (!fd)
		return -EINVAL;
	*fd++ = '\0';
	ret->family = AF_INET6;
	if (family) {
		*family++ = '\0';
		if (strcmp(family, "4") != 0)
			return -EINVAL;
		ret->family = AF_INET;
	}
	if (trp_parse_port(word, &ret->port) < 0 || trp_parse_u64(fd, &number) < 0 || number < FD_MIN || number >= FD_LIMIT)
		return -EINVAL;
	ret->fd = (int)number;
	return 0;
}

static size_t parse(char **argv, struct wanted *ret)
{
	size_t n = 0;

	for (; argv[n] && strcmp(argv[n], "--") != 0; n++) {
		if (n == CHANNELS_MAX || parse_one(argv[n], &ret[n]) < 0)
			log_fatal("%s", usage);
		for (size_t i = 0; i < n; i++)
			if (ret[i].fd == ret[n].fd)
				log_fatal("descriptor %d is named twice", ret[n].fd);
	}
	if (n == 0 || !argv[n] || !argv[n + 1] || argv[n + 1][0] != '/')
		log_fatal("%s", usage);
	return n;
}

/* Above all numbers that are wanted, so that none is in the way of another. */
static void take(struct wanted *w)
{
	int fd = trp_listen(w->port, w->family, 0, SOCK_CLOEXEC);

	if (fd < 0)
		log_fatal("port %u: %s", w->port,
			fd == -ENOENT ? "the profile has no route to it" :
			fd == -ECONNREFUSED ? "there is no trp-init here" : strerror(-fd));
	w->channel = fcntl(fd, F_DUPFD_CLOEXEC, FD_LIMIT);
	if (w->channel < 0)
		log_fatal("port %u: a descriptor above %d: %m", w->port, FD_LIMIT);
	close(fd);
}

int main(int argc, char **argv)
{
	struct wanted wanted[CHANNELS_MAX];
	size_t n;

	log_init("trp-channels", LOG_LEVEL_INFO);
	if (argc < 2)
		log_fatal("%s", usage);
	n = parse(argv + 1, wanted);
	for (size_t i = 0; i < n; i++)
		take(&wanted[i]);
	for (size_t i = 0; i < n; i++)
		if (dup2(wanted[i].channel, wanted[i].fd) < 0)
			log_fatal("descriptor %d: %m", wanted[i].fd);
	argv += 2 + n;
	execv(argv[0], argv);
	log_fatal("%s: %m", argv[0]);
}
