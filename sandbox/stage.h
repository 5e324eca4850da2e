/* SPDX-License-Identifier: ISC */
/* stage.h: where setting a sandbox up can fail. stage.c has one sentence for each (static_assert). */
#pragma once

enum sandbox_stage {
	SANDBOX_STAGE_NONE,
	SANDBOX_STAGE_CLONE,
	SANDBOX_STAGE_USERNS,  /* uid_map, gid_map */
	SANDBOX_STAGE_CGROUP,
	SANDBOX_STAGE_SYNC,
	SANDBOX_STAGE_NETNS,   /* lo up, sysctl */
	SANDBOX_STAGE_HOSTNAME,
	SANDBOX_STAGE_ROOT,    /* the new root's tmpfs */
	SANDBOX_STAGE_MOUNT,   /* bind, tmpfs, data, dir, symlink: detail = target */
	SANDBOX_STAGE_PROC,
	SANDBOX_STAGE_DEV,
	SANDBOX_STAGE_PIVOT,
	SANDBOX_STAGE_FDS,
	SANDBOX_STAGE_RLIMIT,
	SANDBOX_STAGE_IDS,     /* setgroups, setresgid, setresuid */
	SANDBOX_STAGE_CAPS,
	SANDBOX_STAGE_SESSION, /* setsid, signals, umask, dumpable, cwd */
	SANDBOX_STAGE_LANDLOCK,
	SANDBOX_STAGE_SECCOMP,
	SANDBOX_STAGE_EXEC,
	SANDBOX_STAGE_ADDRESSES, /* every address is lo's */
	SANDBOX_STAGE_SYSCTL,    /* detail = its file */
	SANDBOX_STAGE_MDWE,
	SANDBOX_STAGE_ENTER,    /* a sandbox that runs */
	SANDBOX_STAGE_TERMINAL,
	SANDBOX_STAGE_COUNT
};

const char *sandbox_stage_name(enum sandbox_stage stage); /* "userns" */
