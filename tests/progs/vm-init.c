/* SPDX-License-Identifier: ISC */
/* vm-init: the first program of the small virtual machine in which tests run what this machine's kernel cannot (tests/system/vm.py). Its
 * root is the host's, read-only, with memory above what is written. Runs /job with a shell, says how it ended, and switches the machine off. */
#include <fcntl.h>
#include <linux/reboot.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(const char *what)
{
	printf("\nvm-init: %s\n", what);
	fflush(stdout);
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	_exit(1);
}

static void must_mount(const char *source, const char *target, const char *type, const char *options)
{
	mkdir(target, 0755);
	if (mount(source, target, type, 0, options) < 0) {
		perror(target);
		end("cannot mount");
	}
}

/* /modules/00.ko and so on */
static void load_modules(void)
{
	char path[32];

	for (int i = 0;; i++) {
		snprintf(path, sizeof(path), "/modules/%02d.ko", i);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return;
		if (syscall(SYS_finit_module, fd, "", 0) < 0) {
			perror(path);
			end("cannot load a module");
		}
		close(fd);
	}
}

static void set_up_loopback(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &lo) < 0)
		end("no loopback interface");
	close(sock);
}

static void set_up_root(void)
{
	must_mount("host", "/host", "virtiofs", "");
	must_mount("tmpfs", "/above", "tmpfs", "size=512m,mode=755");
	mkdir("/above/new", 0755);
	mkdir("/above/work", 0755);
	must_mount("overlay", "/root", "overlay", "lowerdir=/host,upperdir=/above/new,workdir=/above/work");
	must_mount("proc", "/root/proc", "proc", "");
	must_mount("sysfs", "/root/sys", "sysfs", "");
	must_mount("devtmpfs", "/root/dev", "devtmpfs", "");
	must_mount("devpts", "/root/dev/pts", "devpts", "ptmxmode=666");
	must_mount("tmpfs", "/root/dev/shm", "tmpfs", "mode=1777");
	must_mount("tmpfs", "/root/run", "tmpfs", "mode=755");
	must_mount("tmpfs", "/root/tmp", "tmpfs", "mode=1777");
	must_mount("cgroup2", "/root/sys/fs/cgroup", "cgroup2", "");
}

int main(void)
{
	char job[4096] = "";
	int fd, status = -1;
	pid_t pid;

	load_modules();
	fd = open("/job", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, job, sizeof(job) - 1) <= 0)
		end("no job");
	set_up_root();
	set_up_loopback();
	if (chdir("/root") < 0 || mount("/root", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		end("cannot enter the host's root");
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", job, NULL);
		_exit(127);
	}
	while (waitpid(-1, &status, 0) != pid || !(WIFEXITED(status) || WIFSIGNALED(status)))
		;
	printf("\nvm-init: exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128);
	end("off");
}
