/* SPDX-License-Identifier: ISC */
/* limits.c: what it can use up. */
#include "supervisor/score/tables.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB ((uint64_t)1024 * 1024)

static const struct plan_step *rlimit_step(const struct score_view *v, int resource)
{
	for (size_t i = 0; i < v->plan.n_steps; i++)
		if (v->plan.steps[i].op == PLAN_RLIMIT && v->plan.steps[i].resource == resource)
			return &v->plan.steps[i];
	return NULL;
}

/* It is not of our making, so without the step it has what the daemon has. */
static void judge_rlimit(const struct score_view *v, struct score_row *row, int resource, const char *unit)
{
	const struct plan_step *s = rlimit_step(v, resource);

	if (!s || s->number == RLIM_INFINITY)
		score_set(row, 100, "unlimited");
	else
		score_set(row, 0, "%" PRIu64 "%s", s->number, unit);
}

static void verify_rlimit(const struct score_view *v, const struct score_process *p, struct score_row *row, int resource, uint64_t has)
{
	const struct plan_step *s = rlimit_step(v, resource);

	if (s && p->role == SCORE_UPSTREAM && has > s->number)
		score_broken(row, "process %d may use %" PRIu64 ", not %" PRIu64, p->pid, has, s->number);
}

/* Whoever can take all of it takes it from the other services. */
static void starves(struct score_row *row)
{
	score_set(row, 100, "unlimited");
	row->least = SCORE_FLOOR_BAD;
}

static void judge_memory(const struct score_view *v, struct score_row *row)
{
	if (v->limits.memory == CGROUP_UNLIMITED)
		starves(row);
	else
		score_set(row, 0, "%" PRIu64 " MiB, with all that it keeps in /tmp", v->limits.memory / MIB);
}

static void judge_processes(const struct score_view *v, struct score_row *row)
{
	if (v->limits.pids == CGROUP_UNLIMITED)
		starves(row);
	else
		score_set(row, 0, "%" PRIu64, v->limits.pids);
}

static void judge_cpu(const struct score_view *v, struct score_row *row)
{
	if (v->limits.cpu_permille == CGROUP_UNLIMITED)
		score_set(row, 100, "unlimited; shared equally when others want it too");
	else
		score_set(row, 0, "%" PRIu64 "%%", v->limits.cpu_permille / 10);
}

/* Weights and requests bound no one who is alone, or who makes them large. */
static void judge_io(const struct score_view *v, struct score_row *row)
{
	const uint64_t *limit = v->limits.io.limit;

	if (!limit[CGROUP_IO_READ] && !limit[CGROUP_IO_WRITE])
		score_set(row, 100, "unlimited: it can keep a disk busy");
	else if (!limit[CGROUP_IO_READ] || !limit[CGROUP_IO_WRITE])
		score_set(row, 50, "%s only: %" PRIu64 " KiB/s", limit[CGROUP_IO_READ] ? "reading" : "writing",
			(limit[CGROUP_IO_READ] + limit[CGROUP_IO_WRITE]) / 1024);
	else if (strv_has(&v->profile->allow_missing, "io"))
		score_set(row, 50, "where the host can: the profile allows the limits to be missing");
	else
		score_set(row, 0, "%" PRIu64 " KiB/s read, %" PRIu64 " KiB/s written", limit[CGROUP_IO_READ] / 1024, limit[CGROUP_IO_WRITE] / 1024);
}

static void judge_locked(const struct score_view *v, struct score_row *row)
{
	judge_rlimit(v, row, RLIMIT_MEMLOCK, " bytes in each process");
}

static void verify_locked(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	verify_rlimit(v, p, row, RLIMIT_MEMLOCK, p->limit_locked);
}

static void judge_files(const struct score_view *v, struct score_row *row)
{
	judge_rlimit(v, row, RLIMIT_NOFILE, " in each process");
}

static void verify_files(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	verify_rlimit(v, p, row, RLIMIT_NOFILE, p->limit_files);
}

static void judge_file_size(const struct score_view *v, struct score_row *row)
{
	judge_rlimit(v, row, RLIMIT_FSIZE, " bytes");
}

static void verify_file_size(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	verify_rlimit(v, p, row, RLIMIT_FSIZE, p->limit_file_size);
}

static void judge_state(const struct score_view *v, struct score_row *row)
{
	const struct profile *p = v->profile;

	if (!p->state)
		score_set(row, 0, "none");
	else if (p->limit_state_size == UINT64_MAX)
		score_set(row, 100, "unlimited: it can fill the host's disk");
	else
		score_set(row, 0, "%" PRIu64 " MiB, a disk of its own", p->limit_state_size / MIB);
}

static void judge_core(const struct score_view *v, struct score_row *row)
{
	const struct plan_step *s = rlimit_step(v, RLIMIT_CORE);

	if (s && s->number == SANDBOX_NO_CORE)
		score_set(row, 0, "none");
	else
		score_set(row, 100, "to the host's core pattern");
}

static void verify_core(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	verify_rlimit(v, p, row, RLIMIT_CORE, p->limit_core);
}

/* Written memory is the control group's; without a limit there, only this one holds. */
static void judge_tmp(const struct score_view *v, struct score_row *row)
{
	uint64_t all = v->profile->tmp_size * 3;

	if (v->limits.memory != CGROUP_UNLIMITED || all <= 1024 * MIB)
		score_set(row, 0, "%" PRIu64 " MiB in each of three places", v->profile->tmp_size / MIB);
	else
		score_set(row, 100, "%" PRIu64 " MiB, and no limit on memory", all / MIB);
}

static void judge_oom(const struct score_view *v, struct score_row *row)
{
	if (v->spec->oom_score_adj > 0)
		score_set(row, 0, "it goes before the daemon and the router (%+d)", v->spec->oom_score_adj);
	else
		score_set(row, 100, "not before the daemon and the router");
}

static void verify_oom(const struct score_view *v, const struct score_process *p, struct score_row *row)
{
	/* a process may raise its own, and without CAP_SYS_RESOURCE not lower it below what it was given */
	if (p->oom_score_adj < v->spec->oom_score_adj)
		score_broken(row, "process %d has %d", p->pid, p->oom_score_adj);
}

static void judge_logs(const struct score_view *v, struct score_row *row)
{
	uint64_t all = v->profile->log_size * (v->profile->log_files + 1);

	score_set(row, all > 1024 * MIB ? 100 : 0, "%" PRIu64 " MiB at most", all / MIB);
}

static void judge_clients(const struct score_view *v, struct score_row *row)
{
	const struct profile *p = v->profile;

	if (!profile_is_routed(p))
		score_set(row, 0, "none");
	else if (p->max_connections)
		score_set(row, 0, "%" PRIu64 " connections at a time", p->max_connections);
	else
		score_set(row, p->route_interval_ns ? 50 : 100, p->route_interval_ns ? "a rate, but any number at a time" : "any number");
}

static void judge_restarts(const struct score_view *v, struct score_row *row)
{
	if (v->profile->start_limit_burst)
		score_set(row, 0, "%" PRIu64 " failed starts, then it stays down", v->profile->start_limit_burst);
	else
		score_set(row, 100, "for ever");
}

const struct score_control score_limit_controls[] = {
	{"memory", "Memory", 5, "limits", "memory", "a size", judge_memory, NULL, NULL},
	{"processes", "Processes and threads", 5, "limits", "processes", "a number", judge_processes, NULL, NULL},
	{"cpu", "Processor time", 3, "limits", "cpu", "a percentage; 100% is one processor", judge_cpu, NULL, NULL},
	{"io", "Time of the disks", 1, "limits", "io-write", "bytes in a second; and io-read", judge_io, NULL, NULL},
	{"locked-memory", "Locked memory", 1, "limits", "locked-memory", "a size", judge_locked, verify_locked, NULL},
	{"open-files", "Open files", 2, "limits", "open-files", "a number", judge_files, verify_files, NULL},
	{"file-size", "Size of a file", 2, "limits", "file-size", "a size", judge_file_size, verify_file_size, NULL},
	{"state-size", "Room for its state", 2, "limits", "state-size", "a size; or state = no", judge_state, NULL, NULL},
	{"core-dumps", "Core dumps", 3, NULL, NULL, NULL, judge_core, verify_core, NULL},
	{"temporary-files", "Temporary files", 2, "sandbox", "tmp-size", "less; or a limit on memory", judge_tmp, NULL, NULL},
	{"out-of-memory", "Who goes when the host's memory is used up", 1, NULL, NULL, NULL, judge_oom, verify_oom, NULL},
	{"logs", "Room for its log", 1, "service", "log-size", "less", judge_logs, NULL, NULL},
	{"clients", "Connections at a time", 1, "route", "max-connections", "a number", judge_clients, NULL, NULL},
	{"restarts", "Restarts", 1, "service", "start-limit-burst", "a number above 0", judge_restarts, NULL, NULL},
};
const size_t score_n_limit_controls = TRP_ARRAY_SIZE(score_limit_controls);
