/* SPDX-License-Identifier: ISC */
/* weaken.h: where a control can be left out, so that a test sees that what it refuses succeeds without it: else a refusal
 * proves nothing. Everything here is nothing in a real build: constants that the compiler takes away. The second build that the
 * attack suite runs against (make weak, -DTRP_WEAKEN) has tests/weaken.c behind it, which is in no program that is installed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum weak_control {
	/* of a service, by its profile's environment */
	CONTROL_SECCOMP,
	CONTROL_LANDLOCK,
	CONTROL_CAPABILITIES,  /* it keeps all of its user namespace */
	CONTROL_NO_NEW_PRIVS,  /* takes seccomp and Landlock along: the kernel wants it for both */
	CONTROL_USERNS,        /* with its range of ids; the service's own id stays */
	CONTROL_PIDNS,
	CONTROL_NETNS,
	CONTROL_IPCNS,
	CONTROL_UTSNS,
	CONTROL_CGROUPNS,
	CONTROL_READ_ONLY,     /* mounts */
	CONTROL_NOSUID,
	CONTROL_NODEV,
	CONTROL_NOEXEC,
	CONTROL_MAX_USERNS,    /* user.max_user_namespaces inside */
	CONTROL_PROC_MASKS,
	CONTROL_PROC_READ_ONLY,
	CONTROL_PROC_SUBSET,   /* with proc = pid */
	CONTROL_MDWE,          /* with memory-deny-write-execute */
	CONTROL_KEYRING,
	CONTROL_SESSION,       /* setsid(2) */
	CONTROL_DESCRIPTORS,   /* closing what was inherited */
	CONTROL_RLIMITS,
	CONTROL_INIT_DUMPABLE,
	CONTROL_SOURCE_LINKS,  /* no link that a tenant can have made is followed */
	/* of the daemon, by its own environment */
	CONTROL_STATE_LINKS,   /* nor where directories of the state are made */
	CONTROL_FILTER,        /* of listeners */
	CONTROL_FILTER_LOCK,
	CONTROL_LISTENER_GROUP,  /* its connect and bind programs */
	CONTROL_LISTENER_RETIRE, /* the program of a group whose listener is closed */
	CONTROL_NO_REUSEPORT,
	CONTROL_CHANNEL_ONE_WAY,
	CONTROL_PASSRIGHTS,
	CONTROL_DAEMON_PRIVILEGE, /* what trpsupd takes from itself: nobody gets back what it has not */
	CONTROL_COUNT
};

struct child;
struct plan_step;

#ifdef TRP_WEAKEN

bool weakened(enum weak_control c);
/* By weaken_by(). */
bool weaken_any(void);
/* The next sandbox's are those of TRP_WEAKEN in envp too; NULL: no more. */
void weaken_by(const char *const *envp);
/* True if a step is not what it is: *ret is what came of it then. IN THE CHILD */
bool weaken_step(struct child *c, const struct plan_step *s, int *ret);
/* Flags of clone3(2) and of mount_setattr(2) that are left out. */
uint64_t weaken_namespaces(void);
uint64_t weaken_mount(void);

#else

static inline bool weakened(enum weak_control c) { (void)c; return false; }
static inline bool weaken_any(void) { return false; }
static inline void weaken_by(const char *const *envp) { (void)envp; }
static inline bool weaken_step(struct child *c, const struct plan_step *s, int *ret) { (void)c, (void)s, (void)ret; return false; }
static inline uint64_t weaken_namespaces(void) { return 0; }
static inline uint64_t weaken_mount(void) { return 0; }

#endif
