/* SPDX-License-Identifier: ISC */
#include "supervisor/inherit.h"
#include "base/parse.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define FIRST_FD    3 /* SD_LISTEN_FDS_START */
#define INHERIT_MAX 256

/* As the environment, there is one of it. */
static struct {
	char *names[INHERIT_MAX];
	size_t n;
} inherited;

void inherit_init(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	uint64_t for_pid, n;

	if (pid && fds && trp_parse_u64(pid, &for_pid) == 0 && for_pid == (uint64_t)getpid() &&
		trp_parse_u64(fds, &n) == 0 && n <= INHERIT_MAX) {
		for (inherited.n = 0; inherited.n < n; inherited.n++) {
			size_t len = names ? strcspn(names, ":") : 0;
			inherited.names[inherited.n] = names ? strndup(names, len) : strdup("unknown");
			names = names && names[len] ? names + len + 1 : NULL;
			fcntl(FIRST_FD + (int)inherited.n, F_SETFD, FD_CLOEXEC);
		}
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

void inherit_pass_on(void)
{
	cleanup_free char *names = NULL;
	char number[16];
	size_t size;
	FILE *f = inherited.n ? open_memstream(&names, &size) : NULL;

	if (!f)
		return;
	for (size_t i = 0; i < inherited.n; i++) {
		fprintf(f, "%s%s", i ? ":" : "", inherited.names[i] ? inherited.names[i] : "unknown");
		fcntl(FIRST_FD + (int)i, F_SETFD, 0);
	}
	fclose(f);
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	snprintf(number, sizeof(number), "%zu", inherited.n);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

void inherit_take_back(void)
{
	for (size_t i = 0; i < inherited.n; i++)
		fcntl(FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static bool is_called(size_t i, const char *word)
{
	uint64_t number;

	if (trp_parse_u64(word, &number) == 0)
		return number == FIRST_FD + i;
	return inherited.names[i] && strcmp(inherited.names[i], word) == 0;
}

char *inherit_unused(const struct config *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < inherited.n; i++) {
		bool used = false;
		for (size_t j = 0; j < c->n_listeners; j++)
			used |= c->listeners[j].fd_name && is_called(i, c->listeners[j].fd_name);
		if (!used)
			fprintf(f, "%s%zu (%s)", ftell(f) > 0 ? ", " : "", FIRST_FD + i, inherited.names[i]);
	}
	fclose(f);
	return text;
}

static int TRP_PRINTF(4, 5) refuse(const struct config_listener *c, char *err, size_t err_size, const char *fmt, ...)
{
	int n = snprintf(err, err_size, "listener %s: fd-name %s: ", c->name, c->fd_name);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < err_size)
		vsnprintf(err + n, err_size - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int find(const struct config_listener *c, char *err, size_t err_size)
{
	size_t found = 0, n = 0;

	for (size_t i = 0; i < inherited.n; i++)
		if (is_called(i, c->fd_name)) {
			found = i;
			n++;
		}
	if (inherited.n == 0)
		return refuse(c, err, err_size, "no socket was passed to the daemon (LISTEN_FDS): is trpsup.socket active?");
	if (n == 0)
		return refuse(c, err, err_size, "none of the %zu sockets that were passed is called so (FileDescriptorName=)",
			inherited.n);
	if (n > 1)
		return refuse(c, err, err_size, "%zu sockets are called so: give their descriptor numbers, or each a unit of its own",
			n);
	return FIRST_FD + (int)found;
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) < 0 ? -1 : value;
}

static int look(int fd, const struct config_listener *c, struct listenscope *ret, char *err, size_t err_size)
{
	struct sockaddr_in6 sa = {0};
	socklen_t len = sizeof(sa);

	if (option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM || option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP)
		return refuse(c, err, err_size, "it is no TCP socket");
	if (option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1)
		return refuse(c, err, err_size, "it does not listen (Accept=no is needed)");
	if (option(fd, SOL_SOCKET, SO_DOMAIN) != AF_INET6)
		return refuse(c, err, err_size,
			"it is an IPv4 socket; services need IPv6 ones: ListenStream=PORT or ListenStream=[::ffff:ADDRESS]:PORT");
	if (option(fd, SOL_SOCKET, SO_REUSEPORT) != 0)
		return refuse(c, err, err_size, "it has SO_REUSEPORT, so that a service could listen beside it: ReusePort=no is needed");
	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return refuse(c, err, err_size, "%s", strerror(errno));
	if (ntohs(sa.sin6_port) != c->port)
		return refuse(c, err, err_size, "it listens on port %u, not on %u", ntohs(sa.sin6_port), c->port);
	*ret = (struct listenscope){.port = c->port, .ip = sa.sin6_addr};
	ret->ifindex = option(fd, SOL_SOCKET, SO_BINDTOIFINDEX);
	if (IN6_IS_ADDR_V4MAPPED(&sa.sin6_addr))
		ret->family = FAMILY_IPV4;
	else if (!IN6_IS_ADDR_UNSPECIFIED(&sa.sin6_addr) || option(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0)
		ret->family = FAMILY_IPV6;
	ret->has_address = ret->family == FAMILY_IPV4 ? sa.sin6_addr.s6_addr32[3] != 0
						      : !IN6_IS_ADDR_UNSPECIFIED(&sa.sin6_addr);
	return ret->ifindex < 0 ? refuse(c, err, err_size, "its interface cannot be asked for") : 0;
}

/* Locked by an earlier run: is it what we would attach? */
static bool has_filter(int fd, const struct listenscope *scope)
{
	struct sock_filter want[LISTENFILTER_MAX], have[LISTENFILTER_MAX];
	socklen_t n = LISTENFILTER_MAX; /* of this option: instructions */
	size_t len = listenfilter_make(scope, want);

	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, have, &n) == 0 && n == len &&
		memcmp(have, want, len * sizeof(*want)) == 0;
}

/* Who was in the backlog before the filter was there has none: he is taken out and gets one. After the barrier every socket that is still
 * made from the listener has it, so as many as wait then are enough. */
static int take_early(struct listener *l, const struct listenscope *scope)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0 ||
		getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	l->early = calloc(info.tcpi_unacked + 1, sizeof(*l->early)); /* of a listener: those in the backlog */
	if (!l->early)
		return -ENOMEM;
	for (uint32_t i = 0; i < info.tcpi_unacked; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC), r;
		if (fd < 0 && errno == EAGAIN)
			break;
		if (fd < 0)
			continue;
		r = listener_lock(fd, scope);
		if (r < 0 && !has_filter(fd, scope)) {
			close(fd);
			return r;
		}
		l->early[l->n_early++] = fd;
	}
	return 0;
}

int inherit_open(const struct config_listener *c, uint32_t id, struct listener *ret, char *err, size_t err_size)
{
	struct listener l = {.id = id, .fd = -1, .cgroup_fd = -1};
	struct listenscope scope;
	int fd = find(c, err, err_size), r;

	if (fd < 0)
		return fd;
	r = look(fd, c, &scope, err, err_size);
	if (r < 0)
		return r;
	l.fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);
	l.ifindex = scope.ifindex;
	r = l.fd < 0 ? -errno : 0;
	if (r == 0)
		r = fcntl(l.fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0 && option(fd, SOL_SOCKET, SO_LOCK_FILTER) != 0)
		r = has_filter(fd, &scope) ? 0 : refuse(c, err, err_size, "it carries somebody else's filter, locked");
	else if (r == 0 && (r = listener_lock(l.fd, &scope)) == 0)
		r = take_early(&l, &scope);
	if (r < 0) {
		if (r != -EINVAL)
			refuse(c, err, err_size, "port filter: %s", strerror(-r));
		listener_close(&l, -1);
		return r;
	}
	listener_update(&l, c);
	*ret = l;
	return 0;
}
