/* SPDX-License-Identifier: ISC */
/* forker.h: inside sandbox/ only: the process that makes the processes of sandboxes.
 *
 * Were the daemon to do it, its memory would be copied page table by page table, and each page that daemon and child write to afterwards would be
 * copied once more: that took longer than all else at a start. So there is a copy of the daemon, made once, in whose memory the child goes its way
 * until execve(2) (CLONE_VM, CLONE_VFORK): nothing is copied, and no child has the memory of the daemon as it is now, with what it knows of
 * other services. The forker stands still meanwhile, so that one goes after the other; it knows of one order at a time, and wipes it. Who is born among
 * processes that could make it slow (birth.among_tenants) has a copy of the forker's memory instead: the next one need not wait for what they do.
 *
 * The child is the daemon's own all the same (CLONE_PARENT): it is reaped by it, and outlives the forker. Its number is in a page that daemon and forker
 * share before it runs, so the daemon never waits for the child: neither for one in a group that stands still, nor for one whose forker was killed.
 *
 * The forker has the daemon's privileges, no descriptor but the two below, and ends with the daemon. All but birth() runs IN THE DAEMON,
 * which has one thread. */
#pragma once

#include "sandbox/order.h"

/* Has a child made; makes the forker if there is none, or one that is not free in time, and once more if that does not get to it. Closes birth.sync and
 * birth.status. 0; or -errno: what failed is then to be read from the status pipe, if anything. -ECHILD: two forkers were killed, or stopped. */
int forker_bear(struct order_parts *parts, pid_t *ret_pid, int *ret_pidfd);
int forker_start(void);
void forker_stop(void);
/* Ends and reaps a child of ours, the forker or one that it has made; *pidfd becomes -1. */
void forker_end_child(int *pidfd);

/* IN THE FORKER: birth.c. The child's number, which is at its execve(2) or has ended, if it has our memory; or -errno, and what failed went to its status
 * pipe. *born becomes its number before it runs. */
pid_t birth(struct order *o, pid_t *born, void *stack, size_t stack_size);
/* IN THE FORKER: its end of the socket, and the network namespace of the daemon. The child closes both. */
#define FORKER_SOCKET 0
#define FORKER_HOME   1
/* What the child says there in the place of a number, if it has our memory: we stand still. */
#define FORKER_BORN   0
