/* SPDX-License-Identifier: ISC */
/* lockdown.h: trp-router gives up everything that routing does not need, and tries the forbidden
 * things afterwards: no trust in return codes. Runs once, before the first client. */
#pragma once

#include "router/confine.h"

/* Was the process started inside a sandbox: no capability in any set, no_new_privs, a network
 * namespace with no interface up but loopback? To be called before lockdown_enter(). 0, or -1 and
 * *ret_failure. */
int lockdown_check_sandbox(struct confine_failure *ret_failure);

/* Sets no_new_privs and the system call filter, then proves it. The filter stays for the life of
 * the process. control_fd: the only descriptor on which recvmsg() stays possible. 0, or -1 and
 * *ret_failure. */
int lockdown_enter(int control_fd, bool may_wake, struct confine_failure *ret_failure);
