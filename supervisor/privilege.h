/* SPDX-License-Identifier: ISC */
/* privilege.h: what trpsupd keeps of being root. */
#pragma once

/* Once, at start: drops every capability that the daemon and what it executes do not need, from all sets and for ever, and sets
 * no_new_privs. Raises the hard RLIMIT_CORE to what each child needs. Ends the program if the kernel does not do it, or if something that needs a dropped one can be done all the same. */
void privilege_drop(void);
