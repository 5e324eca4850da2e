/* SPDX-License-Identifier: ISC */
/* foreign.c: what other supervisors and servers call the keys of a profile, for the hint of an unknown one. */
#include "lang.h"

#include <ctype.h>
#include <string.h>

/* In lower case, without - and _. */
const struct lang_foreign profile_foreign[] = {
	/* systemd, supervisord, docker compose, s6 */
	{"execstart", "service", "command"},
	{"exec", "service", "command"},
	{"cmd", "service", "command"},
	{"run", "service", "command"},
	{"entrypoint", "service", "command"},
	{"execstartpre", "service", "setup"},
	{"execstop", "service", "pre-stop"},
	{"execstoppre", "service", "pre-stop"},
	{"type", "service", "ready"},
	{"dependson", "service", "requires"},
	{"directory", "service", "working-directory"},
	{"cwd", "service", "working-directory"},
	{"workdir", "service", "working-directory"},
	{"envfile", "service", "environment-file"},
	{"restartsec", "service", "restart-delay"},
	{"timeoutstartsec", "service", "start-timeout"},
	{"timeoutstopsec", "service", "stop-timeout"},
	{"stopwaitsecs", "service", "stop-timeout"},
	{"watchdogsec", "service", "watchdog"},
	{"killsignal", "service", "stop-signal"},
	{"filedescriptorstoremax", "service", "keep-descriptors"},
	{"memorymax", "limits", "memory"},
	{"memlimit", "limits", "memory"},
	{"tasks", "limits", "processes"},
	{"tasksmax", "limits", "processes"},
	{"pids", "limits", "processes"},
	{"pidslimit", "limits", "processes"},
	{"cpuquota", "limits", "cpu"},
	{"cpus", "limits", "cpu"},
	{"limitnofile", "limits", "open-files"},
	{"nofile", "limits", "open-files"},
	{"volumes", "sandbox", "bind"},
	{"mount", "sandbox", "bind"},
	{"bindpaths", "sandbox", "bind"},
	{"bindreadonlypaths", "sandbox", "bind"},
	{"systemcallfilter", "sandbox", "syscalls"},
	{"rootdirectory", "sandbox", "root"},
	{"image", "sandbox", "packages"},
	{"loadcredential", "sandbox", "credential"},
	{"oncalendar", "timer", "calendar"},
	{"onbootsec", "timer", "delay-after-boot"},
	{"randomizeddelaysec", "timer", "random-delay"},
	/* web servers and proxies */
	{"domain", "route", "host"},
	{"servername", "route", "host"},
	{"https", "route", "tls"},
	{"ssl", "route", "tls"},
	{"port", "route", "http"},
	{NULL, NULL, NULL},
};

static bool is_called(const char *written, const char *plain)
{
	for (; *written; written++) {
		if (*written == '-' || *written == '_')
			continue;
		if (tolower((unsigned char)*written) != *plain++)
			return false;
	}
	return !*plain;
}

const struct lang_foreign *lang_find_foreign(const struct lang *l, const char *name)
{
	for (const struct lang_foreign *f = l->foreign; f && f->theirs; f++)
		if (is_called(name, f->theirs))
			return f;
	return NULL;
}
