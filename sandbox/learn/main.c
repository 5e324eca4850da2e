/* SPDX-License-Identifier: ISC */
/* trp-learn PID: watches the sandbox whose init has this pid, for `trpsup learn`. Started by the daemon beside the sandbox, with the
 * descriptors of learnmsg.h. May never: change, signal or start a process, connect, write a file, see what is not
 * the sandbox's. */
#include "learn.h"
#include "base/log.h"
#include "base/parse.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void set_limits(void)
{
	struct rlimit files = {64, 64}, none = {0, 0};

	if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		log_fatal("cannot set limits: %m");
}

int main(int argc, char **argv)
{
	uint64_t init;
	sigset_t all;
	int r;

	log_init("trp-learn", LOG_LEVEL_INFO);
	if (argc != 2 || trp_parse_u64(argv[1], &init) < 0 || init < 2 || init > INT_MAX) {
		bool asked = argc == 2 && strcmp(argv[1], "--version") == 0;
		puts(asked ? "trp-learn " TRP_VERSION : "trp-learn is started by trpsupd");
		return asked ? 0 : 2;
	}
	sigfillset(&all); /* SIGKILL ends us; the daemon sends no other */
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		log_fatal("sigprocmask: %m");
	set_limits();
	r = filters_load(LEARN_FILTER_FD, LEARN_REFERENCE_FD);
	if (r < 0)
		log_fatal("descriptors %d and %d are no filters: %s", LEARN_FILTER_FD, LEARN_REFERENCE_FD, strerror(-r));
	record_open(LEARN_CONTROL_FD);
	if (lockdown_enter(LEARN_PIDFD_FD) < 0)
		return 1;
	trace_run((pid_t)init, LEARN_GO_FD);
	record_end();
	return 0;
}
