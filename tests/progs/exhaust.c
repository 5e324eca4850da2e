/* SPDX-License-Identifier: ISC */
/* exhaust: a hostile upstream that uses up what it can get, one kind of thing for each run, until it is ended.
 *	exhaust ATTACK
 * When it has come to a bound for the first time it says so, "ATTACK COUNT ERRNO" in a line: so many it has got, and why no more
 * ("none": there was no bound within what it tries). Then it keeps what it has and goes on trying. tests/system/test_exhaustion.py
 * says for each what the bound must be; tests/bench/exhaust.py measures what a neighbour feels of it. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB       (1024u * 1024u)
#define ENDLESS   100000000
#define STATE     "/trp/state"
#define SPREAD    24 /* processes, where one alone has too few descriptors */
#define PORT      8000

static const char *attack;

static void say(long count, int error)
{
	static bool said;

	if (said)
		return;
	said = true;
	printf("%s %ld %s\n", attack, count, error ? strerrorname_np(error) : "none");
	fflush(stdout);
}

static void rest(unsigned ms)
{
	usleep(ms * 1000);
}

static _Noreturn void stay(void)
{
	for (;;)
		pause();
}

/* take() again and again, at most limit times; -1 with errno is the bound. Then it keeps trying, at a hundred a second. */
static _Noreturn void take_all(int (*take)(long i), long limit)
{
	long n = 0;

	while (n < limit && take(n) >= 0)
		n++;
	say(n, n < limit ? errno : 0);
	for (;;) {
		rest(10);
		take(n);
	}
}

/* The same in SPREAD processes; the first one says what it met. */
static _Noreturn void take_in_many(int (*take)(long i), long limit)
{
	for (int i = 0; i < SPREAD; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			for (long n = 0; n < limit && take(n) >= 0; n++)
				;
			stay();
		}
	}
	take_all(take, limit);
}

/* processes */

static int take_process(long i)
{
	pid_t pid = fork();

	(void)i;
	if (pid == 0)
		stay();
	return pid;
}

static void fork_bomb(void)
{
	/* who meets the bound first may have made none itself, and may be ahead of all that it has made: those that run, or its own */
	long *running = mmap(NULL, sizeof(*running), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), own = 0, n;
	pid_t pid;
	int error;

	if (running == MAP_FAILED)
		exit(2);
	/* each child forks on, as fast as it can */
	while ((pid = fork()) >= 0)
		if (pid > 0)
			own++;
		else
			own = 0, __atomic_add_fetch(running, 1, __ATOMIC_SEQ_CST);
	error = errno;
	n = __atomic_load_n(running, __ATOMIC_SEQ_CST);
	say(n > own ? n : own, error);
	for (;;)
		if (fork() == 0)
			stay();
}

static void processes(void) { take_all(take_process, ENDLESS); }

static void *thread(void *arg)
{
	(void)arg;
	stay();
}

static int take_thread(long i)
{
	pthread_attr_t attr;
	pthread_t t;
	int r;

	(void)i;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	r = pthread_create(&t, &attr, thread, NULL);
	pthread_attr_destroy(&attr);
	errno = r;
	return r ? -1 : 0;
}

static void threads(void) { take_all(take_thread, ENDLESS); }

static int take_zombie(long i)
{
	pid_t pid = fork();

	(void)i;
	if (pid == 0)
		_exit(0);
	return pid;
}

static void zombies(void) { take_all(take_zombie, ENDLESS); }

static void *spinner(void *arg)
{
	for (volatile unsigned long i = 0;; i++)
		;
	return arg;
}

static void spin(void)
{
	pthread_t t;

	for (long i = 0; i < 4 * sysconf(_SC_NPROCESSORS_ONLN); i++)
		pthread_create(&t, NULL, spinner, NULL);
	say(1, 0);
	stay();
}

/* memory */

static int touch(char *at, size_t size)
{
	if (at == MAP_FAILED)
		return -1;
	memset(at, 1, size);
	return 0;
}

static int take_memory(long i)
{
	(void)i;
	return touch(mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MIB);
}

/* A child eats until it is killed, and another one. */
static _Noreturn void until_killed(int (*take)(long i))
{
	for (;;) {
		int status = 0;
		pid_t pid = fork();
		if (pid == 0) {
			for (long n = 0; n < ENDLESS; n++)
				if (take(n) < 0)
					_exit(errno);
			_exit(0);
		}
		if (pid > 0 && waitpid(pid, &status, 0) == pid)
			say(WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	}
}

static void memory(void) { until_killed(take_memory); }

static int take_memfd(long i)
{
	static char block[MIB];
	static int fd = -1;

	if (i == 0)
		fd = memfd_create("exhaust", 0x8 /* MFD_NOEXEC_SEAL: no other can be made */);
	return fd < 0 || write(fd, block, sizeof(block)) < 0 ? -1 : 0;
}

static void shared_memory(void) { until_killed(take_memfd); }

static int take_sysv(long i)
{
	int id = shmget(IPC_PRIVATE, MIB, IPC_CREAT | 0600);

	(void)i;
	return id < 0 ? -1 : touch(shmat(id, NULL, 0), MIB);
}

static void sysv(void) { until_killed(take_sysv); }

/* From the host's pool, which no control group's memory counts: anonymous, of a file in memory, or System V's. */
static int take_huge(long i)
{
	const size_t size = 2 * MIB;
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	int fd = at == MAP_FAILED ? memfd_create("exhaust", 0x8 | MFD_HUGETLB) : -1, id = -1;

	(void)i;
	if (fd >= 0)
		at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		id = shmget(IPC_PRIVATE, size, IPC_CREAT | SHM_HUGETLB | 0600);
	if (id >= 0)
		at = shmat(id, NULL, 0);
	return at == MAP_FAILED ? -1 : touch(at, size);
}

static void huge(void) { take_all(take_huge, 1024); }

/* Requests of io_setup(2): the kernel has one number of them for the whole host. */
static int take_aio(long i)
{
	unsigned long context = 0;

	(void)i;
	return syscall(SYS_io_setup, 1024, &context) < 0 ? -1 : 0;
}

static void aio(void) { take_all(take_aio, 1024); }

/* Each of them has a hundred KiB of the kernel's, most of which is counted for nobody; a descriptor keeps it. */
static int take_network(long i)
{
	static int own = -1;

	(void)i;
	if (own < 0 && (own = syscall(SYS_unshare, CLONE_NEWUSER)) < 0)
		return -1;
	return syscall(SYS_unshare, CLONE_NEWNET) < 0 ? -1 : open("/proc/self/ns/net", O_RDONLY);
}

static void networks(void) { take_in_many(take_network, ENDLESS); }

static int take_locked(long i)
{
	char *at = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)i;
	return at == MAP_FAILED ? -1 : mlock(at, 65536);
}

static void locked(void) { take_all(take_locked, 16384); }

static void page_cache(void)
{
	static char block[MIB];

	for (;;) {
		int fd = open(STATE "/cache", O_RDWR | O_CREAT | O_TRUNC, 0600);
		long n = 0;
		while (n < 192 && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
			n++;
		int error = n < 192 ? errno : 0;
		lseek(fd, 0, SEEK_SET);
		while (read(fd, block, sizeof(block)) > 0)
			;
		say(n, error);
		close(fd);
	}
}

/* kernel memory and descriptors */

static int take_null(long i)
{
	(void)i;
	return open("/dev/null", O_RDWR);
}

static void descriptors(void) { take_in_many(take_null, ENDLESS); }

static int fill(int fd)
{
	static char block[65536];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, block, sizeof(block)) > 0)
		;
	return 0;
}

static int take_sockets(long i)
{
	int pair[2];

	(void)i;
	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ? -1 : fill(pair[0]);
}

static void sockets(void) { take_in_many(take_sockets, ENDLESS); }

static int listen_to_itself(struct sockaddr_in *own)
{
	socklen_t size = sizeof(*own);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*own = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)own, sizeof(*own)) < 0 || listen(fd, 16) < 0)
		return -1;
	return getsockname(fd, (struct sockaddr *)own, &size) < 0 ? -1 : fd;
}

/* Both ends of a connection to itself. */
static int connect_to_itself(int end[2])
{
	static struct sockaddr_in own;
	static int listener = -1;

	if (listener < 0)
		listener = listen_to_itself(&own);
	end[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || end[0] < 0 || connect(end[0], (struct sockaddr *)&own, sizeof(own)) < 0)
		return -1;
	return end[1] = accept(listener, NULL, NULL);
}

/* Filled and never read. */
static int take_tcp(long i)
{
	int end[2];

	(void)i;
	return connect_to_itself(end) < 0 ? -1 : fill(end[0]);
}

static void tcp(void) { take_in_many(take_tcp, ENDLESS); }

static int take_pipe(long i)
{
	int p[2];

	(void)i;
	if (pipe(p) < 0)
		return -1;
	fcntl(p[1], F_SETPIPE_SZ, MIB);
	return fill(p[1]);
}

static void pipes(void) { take_in_many(take_pipe, ENDLESS); }

static int take_epoll(long i)
{
	static int null = -1;
	struct epoll_event e = {.events = EPOLLIN};
	int fd = epoll_create1(0);

	(void)i;
	if (null < 0)
		null = eventfd(0, 0);
	for (int k = 0; fd >= 0 && k < 4; k++)
		epoll_ctl(fd, EPOLL_CTL_ADD, dup(null), &e);
	return fd;
}

static void epolls(void) { take_in_many(take_epoll, ENDLESS); }

static int take_inotify(long i)
{
	int fd = inotify_init();

	(void)i;
	return fd < 0 ? -1 : inotify_add_watch(fd, "/tmp", IN_ALL_EVENTS);
}

static void inotifies(void) { take_all(take_inotify, ENDLESS); }

static int take_timer(long i)
{
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG};
	timer_t t;

	(void)i;
	return timer_create(CLOCK_MONOTONIC, &e, &t);
}

static void timers(void) { take_all(take_timer, ENDLESS); }

static int take_timerfd(long i)
{
	struct itimerspec often = {{0, 100000}, {0, 100000}};
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	(void)i;
	return fd < 0 ? -1 : timerfd_settime(fd, 0, &often, NULL);
}

static void timerfds(void) { take_in_many(take_timerfd, ENDLESS); }

static int take_queue(long i)
{
	struct mq_attr attr = {.mq_maxmsg = 10, .mq_msgsize = 8192};
	char name[32];

	snprintf(name, sizeof(name), "/exhaust%ld", i);
	return mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
}

static void queues(void) { take_all(take_queue, ENDLESS); }

static int take_pty(long i)
{
	(void)i;
	return posix_openpt(O_RDWR | O_NOCTTY);
}

static void ptys(void) { take_all(take_pty, ENDLESS); }

static int take_port(long i)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)i;
	return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&any, sizeof(any));
}

static void ports(void) { take_in_many(take_port, ENDLESS); }

/* Names that do not exist: the kernel remembers each. */
static int take_dentry(long i)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), STATE "/no-%ld-%d", i, getpid());
	return stat(name, &st) < 0 && errno == ENOENT ? 0 : -1;
}

static void dentries(void) { take_in_many(take_dentry, 20000); }

/* descriptors in flight */

static int send_fds(int sock, const int *fds, size_t n)
{
	char control[CMSG_SPACE(sizeof(int) * 64)] = {0}, byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	/* past an adapter */
	return (int)syscall(SYS_sendmsg, sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Sockets that carry each other, and their own ends: only the kernel's collector can find them. */
static int take_in_flight(long *sent)
{
	static int last = -1;
	int pair[2], fds[32];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	for (size_t k = 0; k < 32; k++)
		fds[k] = k % 2 == 0 ? pair[1] : last >= 0 ? last : pair[0];
	while (send_fds(pair[0], fds, 32) >= 0)
		*sent += 32;
	if (errno == ETOOMANYREFS)
		return -1;
	close(pair[0]);
	if (last >= 0)
		close(last);
	last = pair[1];
	return 0;
}

static void in_flight(void)
{
	long n = 0;

	while (take_in_flight(&n) >= 0)
		;
	say(n, errno);
	for (;;)
		take_in_flight(&n);
}

static int listening(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 4096) < 0)
		exit(3);
	return fd;
}

/* Its end of the channel: descriptors for the router to keep. */
static void channel(void)
{
	int fd = listening(), null = open("/dev/null", O_RDONLY);
	long n = 0;

	while (n < ENDLESS && send_fds(fd, &null, 1) >= 0)
		n++;
	say(n, errno);
	for (;;)
		if (send_fds(fd, &null, 1) < 0)
			sched_yield();
}

/* Who takes what lies in the channel, which is the daemon at last, gets a descriptor of its sender with each message (SO_PASSPIDFD). */
static void never_accepts(void)
{
	const int yes = 1;

	syscall(SYS_setsockopt, listening(), SOL_SOCKET, 76, &yes, sizeof(yes));
	say(1, 0);
	stay();
}

/* Descriptors are not taken there any more (SO_PASSRIGHTS), by nobody who has that end after us either. */
static void deaf(void)
{
	const int no = 0;

	say(1, syscall(SYS_setsockopt, listening(), SOL_SOCKET, 83, &no, sizeof(no)) < 0 ? errno : 0);
	stay();
}

/* disk */

static _Noreturn void fill_file(const char *path)
{
	static char block[MIB];
	long n = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	while (fd >= 0 && n < 4096 && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		n++;
	say(n, n < 4096 ? errno : 0);
	for (;;) {
		rest(1);
		(void)!write(fd, block, sizeof(block));
	}
}

static void state(void) { fill_file(STATE "/big"); }
static void tmp(void) { fill_file("/tmp/big"); }
static void shm(void) { fill_file("/dev/shm/big"); }

static int empty_file(const char *dir, long i)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/%ld", dir, i);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd >= 0)
		close(fd);
	return fd;
}

static int take_tmp_inode(long i) { return empty_file("/tmp", i); }
static int take_state_inode(long i) { return empty_file(STATE, i); }
static void inodes(void) { take_all(take_tmp_inode, ENDLESS); }
static void state_inodes(void) { take_all(take_state_inode, 100000); }

static void io(void)
{
	static char block[MIB];

	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			break;
	for (;;) {
		char path[64];
		snprintf(path, sizeof(path), STATE "/io-%d", getpid());
		int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
		for (int i = 0; i < 8 && write(fd, block, sizeof(block)) > 0; i++)
			fdatasync(fd);
		fsync(fd);
		close(fd);
		unlink(path);
		say(1, 0);
	}
}

/* Past the page cache, 64 MiB of it. */
static void direct(void)
{
	static char block[262144] __attribute__((aligned(4096)));
	int fd = open(STATE "/direct", O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	long n = 0;

	while (fd >= 0 && n < 256 && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		n++;
	say(n / 4, n < 256 ? errno : 0);
	stay();
}

/* the daemon */

static void log_flood(void)
{
	static char block[65536];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = i % 100 == 99 ? '\n' : 'x';
	say(1, 0);
	for (;;)
		(void)!write(1 + (rand() & 1), block, sizeof(block));
}

static void notify(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	static char big[200000];
	/* odd ones among them: empty, one too long, one with descriptors */
	static const size_t lengths[] = {0, 1, 30, 4095, 4096, 4097, sizeof(big)};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), null = open("/dev/null", O_RDONLY);
	int report = open(STATE "/sent", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char text[32];
	long sent = 0;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", getenv("NOTIFY_SOCKET"));
	memset(big, 'S', sizeof(big));
	memcpy(big, "STATUS=much\nMAINPID=7\nX", 23);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || send(fd, "READY=1", 7, 0) < 0)
		exit(3);
	for (long n = 0; n < ENDLESS; n++) {
		if (n % 100 == 99)
			sent += send_fds(fd, &null, 1) >= 0;
		else
			sent += send(fd, big, lengths[n % 7], MSG_NOSIGNAL) >= 0;
		if (n % 50 == 0)
			(void)!pwrite(report, text, (size_t)snprintf(text, sizeof(text), "%10ld\n", sent), 0);
		if (n == 1000)
			say(n, 0);
	}
}

/* Its init, by the socket that the adapters use. */
static void init_flood(void)
{
	long n = 0, refused = 0;

	listening();
	for (; n < ENDLESS; n++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
		if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 1) < 0)
			refused++;
		close(fd);
		if (n == 1000)
			say(n, 0);
	}
}

/* the rest */

static void arguments(void)
{
	enum { N = 64 };
	static char *argv[N + 2];
	long done = 0;
	int error = 0;

	for (int i = 0; i < N; i++) {
		argv[i] = malloc(120 * 1024);
		memset(argv[i], 'a', 120 * 1024 - 1);
		argv[i][120 * 1024 - 1] = '\0';
	}
	for (;; done++) {
		/* with 63 it is more than a quarter of the stack's limit, with 14 nearly that */
		pid_t pid = fork();
		if (pid == 0) {
			argv[done % 2 ? 14 : N - 1] = NULL;
			execve("/bin/true", argv, argv);
			_exit(errno);
		}
		int status = 0;
		if (pid > 0 && waitpid(pid, &status, 0) == pid && done % 2 == 0)
			error = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		if (done == 20)
			say(done, error);
	}
}

static int take_namespace(long i)
{
	static const int flags[] = {CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};
	static long made;

	for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++)
		made += unshare(flags[k]) == 0;
	return i < 1000 || made > 0 ? 0 : -1;
}

static void namespaces(void) { take_all(take_namespace, ENDLESS); }

/* Deaf to its stop signal, with parents that vfork(2) keeps asleep, stopped children, and a traced one. */
static void stubborn(void)
{
	for (int i = 1; i < 32; i++)
		signal(i, SIG_IGN);
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();
		if (pid != 0)
			continue;
		if (i % 3 == 0 && vfork() == 0)
			stay();
		if (i % 3 == 1)
			raise(SIGSTOP);
		if (i % 3 == 2 && ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
			raise(SIGTRAP);
		stay();
	}
	say(8, 0);
	stay();
}

/* Some of them lower the limit first: 0 starts the host's handler, if there is one. */
static void crashes(void)
{
	struct rlimit none = {0, 0};

	for (long n = 0;; n++) {
		pid_t pid = fork();
		if (pid == 0) {
			if (n % 3 == 1)
				syscall(SYS_setrlimit, RLIMIT_CORE, &none);
			if (n % 3 == 2)
				syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
			signal(SIGSEGV, SIG_DFL);
			raise(SIGSEGV);
		}
		waitpid(pid, NULL, 0);
		if (n == 20)
			say(n, 0);
		rest(5);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} attacks[] = {
	{"fork-bomb", fork_bomb}, {"processes", processes}, {"threads", threads}, {"zombies", zombies}, {"spin", spin},
	{"memory", memory}, {"shared-memory", shared_memory}, {"sysv-shm", sysv}, {"locked-memory", locked}, {"huge-pages", huge}, {"aio", aio}, {"networks", networks},
	{"page-cache", page_cache}, {"descriptors", descriptors}, {"sockets", sockets}, {"tcp", tcp}, {"pipes", pipes}, {"epoll", epolls},
	{"inotify", inotifies}, {"timers", timers}, {"timerfd", timerfds}, {"mqueue", queues}, {"pty", ptys}, {"ports", ports},
	{"dentries", dentries}, {"in-flight", in_flight}, {"channel", channel}, {"never-accepts", never_accepts}, {"deaf", deaf}, {"state", state},
	{"tmp", tmp}, {"shm", shm}, {"tmp-inodes", inodes}, {"state-inodes", state_inodes}, {"io", io}, {"direct", direct}, {"log", log_flood},
	{"notify", notify}, {"init", init_flood}, {"arguments", arguments}, {"namespaces", namespaces}, {"stubborn", stubborn},
	{"crashes", crashes},
};

int main(int argc, char **argv)
{
	attack = argc == 2 ? argv[1] : "";
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
		if (strcmp(attack, "list") == 0)
			puts(attacks[i].name);
		else if (strcmp(attack, attacks[i].name) == 0)
			attacks[i].run();
	return strcmp(attack, "list") == 0 ? 0 : 2;
}
