/* SPDX-License-Identifier: ISC */
#include "supervisor/manager.h"
#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/util.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void tell(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	cleanup_close int fd = -1;
	size_t len;

	if (!path || (path[0] != '/' && path[0] != '@'))
		return;
	len = strlen(path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warn("NOTIFY_SOCKET: %m");
}

void manager_ready(void)
{
	tell("READY=1");
}

void manager_reloading(void)
{
	char text[80];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)trp_now_ns() / 1000u);
	tell(text);
}

void manager_stopping(void)
{
	tell("STOPPING=1");
}

static ev_timer alive;

static void on_alive(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)t;
	(void)events;
	tell("WATCHDOG=1");
}

void manager_watchdog(struct ev_loop *loop)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us, whose;

	if (!usec || trp_parse_u64(usec, &us) < 0 || us == 0)
		return;
	if (pid && (trp_parse_u64(pid, &whose) < 0 || whose != (uint64_t)getpid()))
		return;
	ev_timer_init(&alive, on_alive, 0., (double)us / 2e6);
	ev_timer_start(loop, &alive);
}

void manager_watchdog_end(struct ev_loop *loop)
{
	ev_timer_stop(loop, &alive);
}
