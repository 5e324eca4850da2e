/* SPDX-License-Identifier: ISC */
/* judge.c: how a run ended, in words, and what its profile makes of that. */
#include "base/io.h"
#include "supervisor/profile/keys.h"
#include "supervisor/reap.h"
#include "supervisor/service.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Errors that may be gone at the next try; all others are the profile's or the host's and will stay. */
enum service_event instance_error_event(int error)
{
	static const int list[] = {EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY, EINTR, EBUSY, ENOSPC, EADDRINUSE, ENOBUFS, EUSERS, ECHILD};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(list); i++)
		if (error == list[i])
			return EVENT_START_TEMPORARY;
	return EVENT_START_PERMANENT;
}

enum service_event instance_judge(struct service *s, int init_status)
{
	const struct instance *run = &s->run;
	const struct profile *p = s->profile;
	int status = run->reported ? run->reported_status : init_status;
	const bool starved = oom_is_cause(s);
	const bool failed = s->state == STATE_ABORTING || starved; /* and was ended for that: a clean exit is no success */
	bool clean = run->reported && run->upstream_runs && !failed && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	char text[400];

	if (run->failure.stage != SANDBOX_STAGE_NONE) {
		sandbox_failure_text(&run->failure, text, sizeof(text));
		service_say(s, "failed", "%s", text);
		return instance_error_event(run->failure.error);
	}
	if (run->lost[0]) {
		service_say(s, "failed", "%s", run->lost);
		return p->restart == RESTART_NO ? EVENT_GONE_FAILED : EVENT_GONE_AGAIN;
	}
	if (run->no_main) {
		service_say(s, run->stop_asked ? "note" : "failed", "%s exited and left no process that %s names", p->command.v[0],
			p->pid_file);
		return p->restart == RESTART_NO ? EVENT_GONE_FAILED : EVENT_GONE_AGAIN;
	}
	if (run->exec_failed) {
		bool setup = run->reported_step >= 0 && (size_t)run->reported_step < run->n_setup;
		const char *key = setup ? "setup" : "command";
		struct profile_where where =
			setup ? p->setup.where[run->reported_step] : profile_where(p, "service", key);
		service_say(s, "failed", "%s:%u: %s: cannot execute %s inside its root: %s%s", where.file, where.line, key,
			setup ? p->setup.v[run->reported_step].v[0] : p->command.v[0], strerror(run->exec_errno),
			run->exec_errno == ENOEXEC ? ": no program of this machine (one of i386 needs a kernel with IA32 emulation)" : "");
		return instance_error_event(run->exec_errno);
	}
	reap_text(status, text, sizeof(text));
	if (run->reported && run->reported_step >= 0 && (size_t)run->reported_step < run->n_setup)
		service_say(s, run->stop_asked ? "note" : "failed", "%ssetup step %d (%s) %s", starved ? "out of memory: " : "", run->reported_step + 1,
			p->setup.v[run->reported_step].v[0], text);
	else
		service_say(s, clean || run->stop_asked ? "note" : "failed", "%s%s %s%s%s%s", starved ? "out of memory: " : "", p->command.v[0], text,
			s->state == STATE_STARTING && !run->stop_asked && p->ready != READY_EXIT ? " before it was ready" : "",
			run->says_error ? "; its own word (ERRNO): " : "", run->says_error ? strerror(run->says_error) : "");
	if (p->ready == READY_EXIT && clean && s->state == STATE_STARTING) {
		s->worked = trp_now_seconds();
		service_event(s, EVENT_READY);
	}
	if (p->restart == RESTART_ALWAYS || (p->restart == RESTART_ON_FAILURE && !clean))
		return EVENT_GONE_AGAIN;
	if (!clean)
		return EVENT_GONE_FAILED;
	return p->start == START_ON_DEMAND || s->timed.armed ? EVENT_GONE_IDLE : EVENT_GONE_DONE;
}
