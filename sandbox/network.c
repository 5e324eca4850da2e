/* SPDX-License-Identifier: ISC */
#include "sandbox/network.h"

#include "base/io.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define OURS            "/proc/thread-self/ns/net"
#define PORT_START_FILE "/proc/sys/net/ipv4/ip_unprivileged_port_start"
#define LEAVE_TRIES     100

int network_loopback_up(void)
{
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return -errno;
	req.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

/* What is below net there is the caller's network namespace's. */
int network_first_port(uint64_t port, char *detail, size_t size)
{
	char text[24];
	int r;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)port);
	r = trp_write_file(AT_FDCWD, PORT_START_FILE, text);
	if (r < 0)
		snprintf(detail, size, "%s", PORT_START_FILE);
	return r;
}

static int home_open(void)
{
	int home = open(OURS, O_RDONLY | O_CLOEXEC);

	return home < 0 ? -errno : home;
}

static int enter_new(uint16_t first_port, char *detail, size_t size)
{
	int home = home_open(), r;

	if (home < 0)
		return home;
	if (unshare(CLONE_NEWNET) < 0) {
		r = -errno;
		close(home);
		return r;
	}
	r = network_loopback_up();
	if (r == 0)
		r = network_first_port(first_port, detail, size);
	if (r < 0)
		network_leave(home);
	return r < 0 ? r : home;
}

int network_make(uint16_t first_port, char *detail, size_t size)
{
	int home = enter_new(first_port, detail, size), made;

	if (home < 0)
		return home;
	made = home_open();
	network_leave(home);
	return made;
}

int network_enter_fd(int fd)
{
	cleanup_close int home = home_open();

	if (home < 0)
		return home;
	if (setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	return trp_steal_fd(&home);
}

int network_enter(const struct sandbox *box)
{
	return network_enter_fd(box->pidfd);
}

void network_leave(int home)
{
	int error = errno;

	if (home < 0)
		return;
	for (int tries = 1; setns(home, CLONE_NEWNET) < 0; tries++) {
		if (errno != ENOMEM || tries == LEAVE_TRIES)
			abort(); /* a daemon that stays in a tenant's network must do nothing more */
		trp_sleep_ms(10);
	}
	close(home);
	errno = error;
}

int sandbox_socket(const struct sandbox *box, int family, int type, int protocol)
{
	int home = network_enter(box), fd;

	if (home < 0)
		return home;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	fd = fd < 0 ? -errno : fd;
	network_leave(home);
	return fd;
}
