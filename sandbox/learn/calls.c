/* SPDX-License-Identifier: ISC */
/* calls.c: tables of what system calls' arguments are. Those that this architecture does not have are left out. */
#include "learn.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define ALL 0xffffffffu
#define NAMESPACE_FLAGS                                                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define SOCK_TYPE_BITS 0xfu /* without SOCK_CLOEXEC and SOCK_NONBLOCK */

/* Calls of which filters allow some forms only. */
static const struct {
	int nr;
	unsigned n;
	struct {
		unsigned arg;
		uint32_t mask;
	} args[LEARN_ARGS];
} formed[] = {
	{SYS_socket, 3, {{0, ALL}, {1, SOCK_TYPE_BITS}, {2, ALL}}},
	{SYS_socketpair, 3, {{0, ALL}, {1, SOCK_TYPE_BITS}, {2, ALL}}},
	{SYS_ioctl, 1, {{1, ALL}}},
	{SYS_fcntl, 1, {{1, ALL}}},
	{SYS_prctl, 1, {{0, ALL}}},
	{SYS_personality, 1, {{0, ALL}}},
	{SYS_clone, 1, {{0, NAMESPACE_FLAGS}}},
	{SYS_unshare, 1, {{0, NAMESPACE_FLAGS}}},
	{SYS_getsockopt, 2, {{1, ALL}, {2, ALL}}},
	{SYS_setsockopt, 2, {{1, ALL}, {2, ALL}}},
	{SYS_seccomp, 2, {{0, ALL}, {1, ALL}}},
	{SYS_keyctl, 1, {{0, ALL}}},
	{SYS_ptrace, 1, {{0, ALL}}},
	{SYS_bpf, 1, {{0, ALL}}},
};

size_t calls_form(const struct learn_call *c, uint32_t ret[LEARN_ARGS])
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(formed); i++) {
		if (formed[i].nr != c->nr)
			continue;
		for (unsigned k = 0; k < formed[i].n; k++)
			ret[k] = (uint32_t)c->args[formed[i].args[k].arg] & formed[i].args[k].mask;
		return formed[i].n;
	}
	return 0;
}

/* Their result is a descriptor. */
static const int makers[] = {SYS_openat, SYS_openat2, SYS_socket, SYS_accept4, SYS_dup, SYS_dup3, SYS_epoll_create1, SYS_eventfd2,
	SYS_timerfd_create, SYS_signalfd4, SYS_memfd_create, SYS_pidfd_open, SYS_inotify_init1,
#ifdef SYS_open
	SYS_open, SYS_creat, SYS_dup2, SYS_epoll_create, SYS_eventfd, SYS_signalfd, SYS_inotify_init,
#endif
#ifdef SYS_accept
	SYS_accept,
#endif
};

/* Their first argument is one. */
static const int users[] = {SYS_read, SYS_readv, SYS_pread64, SYS_write, SYS_writev, SYS_pwrite64, SYS_close, SYS_fstat, SYS_lseek,
	SYS_sendto, SYS_sendmsg, SYS_recvfrom, SYS_recvmsg, SYS_bind, SYS_listen, SYS_connect, SYS_shutdown, SYS_setsockopt,
	SYS_getsockopt, SYS_getsockname, SYS_getpeername, SYS_ioctl, SYS_ftruncate, SYS_flock, SYS_epoll_ctl};

static bool has(const int *list, size_t n, int nr)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == nr)
			return true;
	return false;
}

static bool duplicates(const struct learn_call *c)
{
	return c->nr == SYS_fcntl && ((int)c->args[1] == F_DUPFD || (int)c->args[1] == F_DUPFD_CLOEXEC);
}

int calls_descriptor(const struct learn_call *c, long result)
{
	if (result < 0)
		return -1;
	if (duplicates(c) || has(makers, TRP_ARRAY_SIZE(makers), c->nr))
		return (int)result;
	return has(users, TRP_ARRAY_SIZE(users), c->nr) ? (int)c->args[0] : -1;
}

#define AT(call, use, dir_arg, name_arg)   {call, {.uses = use, .dir = dir_arg, .name = name_arg}}
#define CWD(call, use, name_arg)           AT(call, use, -1, name_arg)
#define OPENS(call, dir_arg, name_arg)     {call, {.dir = dir_arg, .name = name_arg, .opens = true}}
#define ADDRESS(call)                      {call, {.uses = LEARN_WRITE, .dir = -1, .name = 1, .is_address = true}}

/* One row for each path; those of one call in their order. */
static const struct path_row {
	int nr;
	struct learn_path path;
} path_rows[] = {
	OPENS(SYS_openat, 0, 1), OPENS(SYS_openat2, 0, 1), AT(SYS_newfstatat, LEARN_LOOK, 0, 1), AT(SYS_statx, LEARN_LOOK, 0, 1),
	AT(SYS_faccessat, LEARN_LOOK, 0, 1), AT(SYS_faccessat2, LEARN_LOOK, 0, 1), AT(SYS_readlinkat, LEARN_LOOK, 0, 1),
	AT(SYS_name_to_handle_at, LEARN_LOOK, 0, 1), CWD(SYS_statfs, LEARN_LOOK, 0), CWD(SYS_chdir, LEARN_LOOK, 0),
	CWD(SYS_inotify_add_watch, LEARN_LOOK, 1), CWD(SYS_getxattr, LEARN_LOOK, 0), CWD(SYS_lgetxattr, LEARN_LOOK, 0),
	CWD(SYS_listxattr, LEARN_LOOK, 0), CWD(SYS_llistxattr, LEARN_LOOK, 0), AT(SYS_mkdirat, LEARN_WRITE, 0, 1),
	AT(SYS_mknodat, LEARN_WRITE, 0, 1), AT(SYS_unlinkat, LEARN_WRITE, 0, 1), AT(SYS_fchmodat, LEARN_WRITE, 0, 1),
	AT(SYS_fchownat, LEARN_WRITE, 0, 1), AT(SYS_utimensat, LEARN_WRITE, 0, 1), AT(SYS_renameat2, LEARN_WRITE, 0, 1),
	AT(SYS_renameat2, LEARN_WRITE, 2, 3), AT(SYS_linkat, LEARN_READ, 0, 1), AT(SYS_linkat, LEARN_WRITE, 2, 3),
	AT(SYS_symlinkat, LEARN_WRITE, 1, 2), CWD(SYS_truncate, LEARN_WRITE, 0), CWD(SYS_setxattr, LEARN_WRITE, 0),
	CWD(SYS_lsetxattr, LEARN_WRITE, 0), CWD(SYS_removexattr, LEARN_WRITE, 0), CWD(SYS_execve, LEARN_EXEC, 0),
	AT(SYS_execveat, LEARN_EXEC, 0, 1), ADDRESS(SYS_connect), ADDRESS(SYS_bind),
#ifdef SYS_renameat
	AT(SYS_renameat, LEARN_WRITE, 0, 1), AT(SYS_renameat, LEARN_WRITE, 2, 3),
#endif
#ifdef SYS_open
	OPENS(SYS_open, -1, 0), OPENS(SYS_creat, -1, 0), CWD(SYS_stat, LEARN_LOOK, 0), CWD(SYS_lstat, LEARN_LOOK, 0),
	CWD(SYS_access, LEARN_LOOK, 0), CWD(SYS_readlink, LEARN_LOOK, 0), CWD(SYS_mkdir, LEARN_WRITE, 0),
	CWD(SYS_rmdir, LEARN_WRITE, 0), CWD(SYS_unlink, LEARN_WRITE, 0), CWD(SYS_mknod, LEARN_WRITE, 0),
	CWD(SYS_chmod, LEARN_WRITE, 0), CWD(SYS_chown, LEARN_WRITE, 0), CWD(SYS_lchown, LEARN_WRITE, 0),
	CWD(SYS_utime, LEARN_WRITE, 0), CWD(SYS_utimes, LEARN_WRITE, 0), AT(SYS_futimesat, LEARN_WRITE, 0, 1),
	CWD(SYS_rename, LEARN_WRITE, 0), CWD(SYS_rename, LEARN_WRITE, 1), CWD(SYS_link, LEARN_READ, 0),
	CWD(SYS_link, LEARN_WRITE, 1), CWD(SYS_symlink, LEARN_WRITE, 1),
#endif
	/* a library that is made executable memory */
	AT(SYS_mmap, LEARN_EXEC, 4, -1),
};

bool calls_path(const struct learn_call *c, size_t i, struct learn_path *ret)
{
	if (c->nr == SYS_mmap && (!(c->args[2] & PROT_EXEC) || c->args[3] & MAP_ANONYMOUS))
		return false;
	for (size_t k = 0; k < TRP_ARRAY_SIZE(path_rows); k++)
		if (path_rows[k].nr == c->nr && i-- == 0) {
			*ret = path_rows[k].path;
			return true;
		}
	return false;
}
