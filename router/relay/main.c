/* SPDX-License-Identifier: ISC */
/* trp-relay: connects clients to what can be reached by TCP only. Started by the daemon inside an empty
 * sandbox that shares the host's network, with the control socket as descriptor 3. May never: open, exec, listen,
 * use anything but TCP; reach other ports than its targets' (Landlock, where the kernel has it). With --loopback it is in the network
 * namespace of a sandbox beside its own, where the upstream listens, and descriptor 4 is a NETLINK_SOCK_DIAG socket of that namespace. */
#include "router/relay/relay.h"
#include "base/log.h"
#include "sandbox/initmsg.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct relay relay;

static void check_control_socket(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(TRP_INIT_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
		log_fatal("descriptor %d is no control socket; this program is started by trpsupd",
			TRP_INIT_CONTROL_FD);
	relay.control_fd = TRP_INIT_CONTROL_FD;
}

int main(int argc, char **argv)
{
	struct confine_failure f;
	struct rlimit limit;
	int r;

	log_init("trp-relay", LOG_LEVEL_INFO);
	relay_options(&relay.opt, argc, argv);
	check_control_socket();
	relay.diag_fd = relay.opt.loopback ? TRP_RELAY_DIAG_FD : -1;
	free(malloc(64)); /* what malloc() asks the kernel for at its first call is not possible later */
	control_take_channels(&relay);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_fatal("cannot read RLIMIT_NOFILE: %m");
	r = relay_init(&relay, limit.rlim_cur < 1 << 24 ? limit.rlim_cur : 1 << 24);
	if (r == -EMFILE)
		log_fatal("open-files of the profile is %llu, which is too few for a relay",
			(unsigned long long)limit.rlim_cur);
	if (r < 0)
		log_fatal("cannot watch its sockets: %s", strerror(-r));
	if (relay_lockdown(TRP_INIT_CONTROL_FD, &relay.opt, &f) < 0)
		log_fatal("not locked down, so not started: %s%s%s", f.what, f.error ? ": " : "",
			f.error ? strerror(f.error) : "");
	control_announce(&relay);
	r = relay_run(&relay);
	if (r < 0)
		log_fatal("epoll_pwait: %s", strerror(-r));
	log_info("ends with %zu connections open; %llu clients served, %llu turned away", relay.n_conns,
		(unsigned long long)(relay.clients - relay.refused), (unsigned long long)relay.refused);
	control_farewell(&relay);
	return 0;
}
