/* SPDX-License-Identifier: ISC */
/* file.c: files of the host, and files that give rights. */
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a program that it runs prints, or its errno. */
static struct outcome run(const char *path, const char *want, const char *what)
{
	char text[64] = "";
	int p[2], status, error = 0;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return refused(errno);
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execl(path, path, "-u", NULL);
		_exit(errno);
	}
	close(p[1]);
	if (read(p[0], text, sizeof(text) - 1) < 0)
		error = errno;
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) && !text[0])
		error = WEXITSTATUS(status);
	if (error)
		return refused(error);
	return strncmp(text, want, strlen(want)) == 0 ? succeeded("%s", what) : refused_silently();
}

/* This program with the bit, root's. */
static struct outcome setuid_file(int sock)
{
	(void)sock;
	if (geteuid() == 0)
		return absent("it is root already");
	return job("setuid") ? run(job("setuid"), "0\n", "is root") : absent("no setuid file");
}

static struct outcome noexec(int sock)
{
	(void)sock;
	return job("noexec") ? run(job("noexec"), "ran", "executed it") : absent("no directory without execution");
}

static struct outcome write_read_only(int sock)
{
	(void)sock;
	return job("read-only") ? judge(open(job("read-only"), O_WRONLY | O_APPEND), "wrote a file of the host's")
				: absent("no read-only file");
}

/* The supervisor's own descriptors, or what it was started with. */
static struct outcome inherited(int sock)
{
	const char *name = job("canary");

	(void)sock;
	if (!name)
		return absent("no canary");
	name = strrchr(name, '/') + 1;
	for (int fd = 3; fd < 1024; fd++) {
		int file = openat(fd, name, O_RDONLY);
		struct outcome o = file < 0 ? refused(errno) : judge_canary(file);
		if (o.verdict == SUCCEEDED)
			return o;
		if (file < 0 && errno == EACCES)
			return o; /* it is there, and something else refuses it */
	}
	return refused_silently();
}

/* /dev/zero's numbers: harmless, and not what is at the path otherwise. */
static struct outcome device(int sock)
{
	char zero = 'x';
	int fd;

	(void)sock;
	unlink("/tmp/hostile-device");
	if (mknod("/tmp/hostile-device", S_IFCHR | 0600, makedev(1, 5)) < 0)
		return refused(errno);
	fd = open("/tmp/hostile-device", O_RDONLY);
	return judge(fd < 0 || read(fd, &zero, 1) < 0 ? -1 : 0, "has a device of its choice");
}

static struct outcome by_handle(int sock)
{
	union {
		struct file_handle h;
		char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = {.h.handle_bytes = MAX_HANDLE_SZ};
	int mount_id, dir = open("/usr", O_RDONLY | O_DIRECTORY);

	(void)sock;
	if (dir < 0)
		return absent("no /usr");
	if (name_to_handle_at(dir, "bin", &u.h, &mount_id, 0) < 0)
		return errno == EOPNOTSUPP ? absent("no file handles here") : refused(errno);
	return judge(open_by_handle_at(dir, &u.h, O_RDONLY), "opens any file of the file system");
}

/* A directory that the supervisor mounts for us at the next start becomes a link to the host's. */
static struct outcome plant_link(const char *dir)
{
	char aside[512];

	snprintf(aside, sizeof(aside), "%s-aside", dir);
	char *of_canary = strdup(job("canary"));
	*strrchr(of_canary, '/') = '\0';
	if (rename(dir, aside) < 0 || symlink(of_canary, dir) < 0)
		return refused(errno);
	return absent("planted a link"); /* what it is worth, the next start tells */
}

static struct outcome follow_link(int sock)
{
	const char *dir = job("plant"), *at = job("planted");

	(void)sock;
	if (dir)
		return plant_link(dir);
	return at ? judge_canary(open(at, O_RDONLY)) : absent("no link was planted");
}

static struct outcome terminal(int sock)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY);

	(void)sock;
	if (!job("terminal"))
		return absent("the supervisor has no terminal");
	return judge(fd < 0 ? fd : ioctl(fd, TIOCSTI, "x"), "typed into the supervisor's terminal");
}

#define F "file"
static const struct attack attacks[] = {
	{"setuid-file", F, setuid_file, "nosuid no-new-privs", "silently", 0},
	{"exec-noexec", F, noexec, "noexec landlock", "EACCES", 0},
	{"write-read-only", F, write_read_only, "read-only landlock", "EROFS", 0},
	{"inherited-directory", F, inherited, "descriptors landlock", "silently", 0},
	{"device-node", F, device, "landlock nodev capabilities userns", "EPERM EACCES", 0},
	{"open-by-handle", F, by_handle, "seccomp capabilities userns", "ENOSYS", 0},
	{"planted-link", F, follow_link, "source-links state-links", "not started", 0},
	{"type-into-terminal", F, terminal, "seccomp session", "ENXIO ENOSYS", 0},
};
const struct table file_attacks = TABLE(attacks);
