/* SPDX-License-Identifier: ISC */
/* pidfile.h: the process id that a program wrote into a file. The file is a tenant's: it may be anything. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Pure: the first line as a process id: decimal digits, 2 to 4194304 (1 is nobody's but init's), blanks around them. A line
 * that does not end within len bytes counts as ended. 0 or -EINVAL. Fuzzed. */
int trp_pidfile_parse(const char *text, size_t len, pid_t *ret);

/* The same of a file, of which only the first bytes are read. Never blocks: what is no regular file of a real file system
 * (a fifo, a device, a symbolic link, something of /proc) is -EINVAL or -ELOOP. 0 or -errno. */
int trp_pidfile_read(const char *path, pid_t *ret);
