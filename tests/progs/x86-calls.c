/* SPDX-License-Identifier: ISC */
/* x86-calls: makes i386 system calls, without a C library. Built twice: as an i386 program, and (x86-calls-64) as a 64-bit one that makes
 * them all the same, by int 0x80. Its data are at addresses of 32 bits in both.
 *
 * hello: a program that does no harm. serve: a server at port 8000. attack: what a filter that knows native numbers only would let through. Each
 * line: name, answer, what it should be. passed NAME PORT: descriptor 0 is a client's socket that was passed, of IPv6; one attack on it, with
 * the host's port. "result 0" if it succeeded, else the errno; "listening PORT" where it waits for a client of the host. */
#define NR(name, nr) enum { I386_##name = (nr) }

NR(exit, 1); NR(write, 4); NR(getpid, 20); NR(mount, 21); NR(ptrace, 26); NR(umount, 22); NR(close, 6); NR(read, 3);
NR(ioctl, 54); NR(reboot, 88); NR(old_mmap, 90); NR(socketcall, 102); NR(iopl, 110); NR(vm86old, 113); NR(ipc, 117); NR(clone, 120);
NR(modify_ldt, 123); NR(vm86, 166); NR(poll, 168); NR(prctl, 172); NR(mmap2, 192); NR(fcntl64, 221); NR(keyctl, 288); NR(unshare, 310);
NR(perf_event_open, 336); NR(setns, 346); NR(process_vm_readv, 347); NR(bpf, 357); NR(socket, 359); NR(bind, 361); NR(connect, 362);
NR(listen, 363); NR(accept4, 364); NR(getsockopt, 365); NR(setsockopt, 366); NR(getsockname, 367); NR(sendmsg, 370); NR(userfaultfd, 374);
NR(clock_gettime64, 403); NR(io_uring_setup, 425); NR(clone3, 435);

enum { EPERM_ = 1, EINPROGRESS_ = 115, ENOSYS_ = 38, ETIMEDOUT_ = 110, AF_INET_ = 2, AF_INET6_ = 10, AF_PACKET_ = 17, AF_ALG_ = 38, AF_VSOCK_ = 40 };

struct address6 {
	unsigned short family, port; /* network order */
	unsigned flow, address[4], scope;
};

static int call(int nr, long a, long b, long c, long d, long e)
{
	int r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory"
#if defined(__x86_64__)
			 , "r8", "r9", "r10", "r11"
#endif
	);
	return r;
}

#define CALL(nr, ...)          CALL_(nr, __VA_ARGS__, 0, 0, 0, 0, 0)
#define CALL_(nr, a, b, c, d, e, ...) call(I386_##nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

static char line[128];

static char *put(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	return to;
}

static char *put_number(char *to, int n)
{
	if (n < 0) {
		*to++ = '-';
		n = -n;
	}
	if (n >= 10)
		to = put_number(to, n / 10);
	*to++ = (char)('0' + n % 10);
	return to;
}

static void say(const char *text)
{
	char *to = put(line, text);

	*to++ = '\n';
	CALL(write, 1, line, to - line);
}

static void say_number(const char *text, int n)
{
	char *to = put_number(put(line, text), n);

	*to++ = '\n';
	CALL(write, 1, line, to - line);
}

static void tell(const char *name, int r, int wanted)
{
	char *to = put(line, name);

	*to++ = ' ';
	to = put_number(to, -r);
	*to++ = ' ';
	to = put_number(to, wanted);
	*to++ = '\n';
	CALL(write, 2, line, to - line);
}

static void hello(void)
{
	static long long now[2];
	int page = CALL(mmap2, 0, 4096, 3, 0x22, -1);

	if (page < 0 && page > -4096)
		say("mmap2 failed");
	else if (CALL(getpid, 0) <= 0 || CALL(clock_gettime64, 0, now) < 0 || CALL(socket, AF_INET_, 1, 0) < 0)
		say("a call failed");
	else if (CALL(ipc, 23, 0, 4096, 0600) < 0) /* shmget */
		say("ipc failed");
	else
		say("i386 works");
}

static unsigned short swapped(unsigned port)
{
	return (unsigned short)(port >> 8 | port << 8);
}

static void serve(void)
{
	static struct address6 any = {.family = AF_INET6_};
	static char request[4096], answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nfrom i386\n";
	int listener = CALL(socket, AF_INET6_, 1, 0);

	any.port = swapped(8000);
	if (listener < 0 || CALL(bind, listener, &any, sizeof(any)) < 0 || CALL(listen, listener, 16) < 0) {
		say("cannot listen");
		return;
	}
	for (;;) {
		int client = CALL(accept4, listener, 0, 0, 0);
		if (client < 0)
			return;
		CALL(read, client, request, sizeof(request));
		CALL(write, client, answer, sizeof(answer) - 1);
		CALL(close, client);
	}
}

static unsigned number_of(const char *text)
{
	unsigned n = 0;

	while (*text >= '0' && *text <= '9')
		n = n * 10 + (unsigned)(*text++ - '0');
	return n;
}

static struct address6 loopback = {.family = AF_INET6_, .address = {0, 0, 0xffff0000u, 0x0100007fu}}, nothing; /* ::ffff:127.0.0.1 */

/* All that is passed has an address of 32 bits: nothing of it is on the stack. */
static int one = 1, size;
static char room[256];

/* A call of its own, or socketcall(2), which hides its arguments in memory. */
static int hidden;

static int sock(int nr, int number, long a, long b, long c, long d)
{
	static int args[5];

	if (!hidden)
		return call(nr, 0, a, b, c, d);
	args[0] = 0;
	args[1] = (int)a;
	args[2] = (int)b;
	args[3] = (int)c;
	args[4] = (int)d;
	return CALL(socketcall, number, args);
}

static int sock_connect(const struct address6 *to)
{
	return sock(I386_connect, 3, (long)to, sizeof(*to), 0, 0);
}

/* Does it become readable within some seconds? */
static int readable(void)
{
	static struct { int fd; short events, revents; } p = {0, 1, 0};

	return CALL(poll, &p, 1, 5000) > 0;
}

static int wanted_connection(int r)
{
	if (r < 0 && r != -EINPROGRESS_)
		return r;
	if (readable() && CALL(read, 0, room, sizeof(room)) > 0) /* the host's server greets */
		return 0;
	r = 0;
	size = sizeof(one);
	one = 0;
	CALL(getsockopt, 0, 1, 4, &one, &size); /* SO_ERROR */
	return one ? -one : -ETIMEDOUT_;
}

static void disconnect(void)
{
	CALL(fcntl64, 0, 4, 04000); /* O_NONBLOCK: an answer may never come */
	sock_connect(&nothing);
}

static int attack_connect(void)
{
	disconnect();
	return wanted_connection(sock_connect(&loopback));
}

static int attack_fastopen(void)
{
	static unsigned bytes[2] = {0, 1}, message[7] = {0, sizeof(loopback), 0, 1}; /* struct iovec and msghdr of i386 */

	disconnect();
	bytes[0] = (unsigned)(long)room;
	message[0] = (unsigned)(long)&loopback;
	message[2] = (unsigned)(long)bytes;
	return wanted_connection(CALL(sendmsg, 0, message, 0x20000000));
}

static int listening(void)
{
	static struct address6 self;
	int r = sock(I386_listen, 4, 16, 0, 0, 0);

	size = sizeof(self);
	if (r < 0 || CALL(getsockname, 0, &self, &size) < 0)
		return r;
	say_number("listening ", swapped(self.port));
	return readable() ? CALL(accept4, 0, 0, 0, 0) : -ETIMEDOUT_;
}

static int attack_bind(void)
{
	static struct address6 any = {.family = AF_INET6_};
	int r;

	disconnect();
	r = sock(I386_bind, 2, (long)&any, sizeof(any), 0, 0);
	return r < 0 ? r : listening();
}

static int attack_listen(void)
{
	disconnect();
	return listening();
}

static int option(int level, int name, const void *value, int len)
{
	return sock(I386_setsockopt, 14, level, name, (long)value, len);
}

static int attack_detach(void) { return option(1, 27, &one, sizeof(one)); }
static int attack_device(void) { return option(1, 25, "lo", 3); }
static int attack_mark(void) { return option(1, 36, &one, sizeof(one)); }
static int attack_repair(void) { return option(6, 19, &one, sizeof(one)); }
static int attack_force_buffer(void) { return option(1, 32, &one, sizeof(one)); }
static int attack_transparent(void) { return option(41, 75, &one, sizeof(one)); }

static int attack_cookie(void)
{
	size = 8;
	return sock(I386_getsockopt, 15, 1, 71, (long)room, (long)&size);
}

static int attack_ifconf(void)
{
	static int conf[2] = {sizeof(room)}; /* struct ifconf of i386 */
	int r;

	conf[1] = (int)(long)room;
	r = CALL(ioctl, 0, 0x8912, conf);
	return r < 0 ? r : conf[0] > 0 ? 0 : -ENOSYS_;
}

static int attack_ifname(void)
{
	room[16] = 1; /* struct ifreq: the index of lo */
	return CALL(ioctl, 0, 0x8910, room);
}

static int attack_netns(void) { return CALL(ioctl, 0, 0x894c); }

static const struct attack {
	const char *name;
	int (*run)(void);
	int hidden;
} attacks[] = {
	{"connect", attack_connect, 0}, {"socketcall-connect", attack_connect, 1}, {"fastopen", attack_fastopen, 0},
	{"bind-listen", attack_bind, 0}, {"socketcall-bind-listen", attack_bind, 1},
	{"autobind-listen", attack_listen, 0}, {"socketcall-autobind-listen", attack_listen, 1},
	{"detach-filter", attack_detach, 0}, {"socketcall-detach-filter", attack_detach, 1},
	{"bind-to-device", attack_device, 0}, {"socketcall-bind-to-device", attack_device, 1},
	{"mark", attack_mark, 0}, {"repair", attack_repair, 0}, {"force-buffer", attack_force_buffer, 0}, {"transparent", attack_transparent, 0},
	{"netns-cookie", attack_cookie, 0}, {"ifconf", attack_ifconf, 0}, {"ifname", attack_ifname, 0}, {"netns-of-socket", attack_netns, 0},
};

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void attack_passed(const char *name)
{
	for (unsigned i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
		if (same(attacks[i].name, name)) {
			int r;
			hidden = attacks[i].hidden;
			r = attacks[i].run();
			say_number("result ", r < 0 ? -r : 0);
			return;
		}
	say("no such attack");
}

static void attack_kernel(void)
{
	static int zero[32];

	tell("socket-alg", CALL(socket, AF_ALG_, 5, 0), ENOSYS_);
	tell("socket-packet", CALL(socket, AF_PACKET_, 3, 0), ENOSYS_);
	tell("socket-vsock", CALL(socket, AF_VSOCK_, 1, 0), ENOSYS_);
	tell("socket-raw", CALL(socket, AF_INET_, 3, 1), EPERM_);
	tell("old-mmap", CALL(old_mmap, zero), ENOSYS_);
	tell("ipc-unknown", CALL(ipc, 5, 0), ENOSYS_);
	tell("unshare", CALL(unshare, 0x10000000), ENOSYS_);
	tell("clone", CALL(clone, 0x10000011, 0), ENOSYS_);
	tell("clone3", CALL(clone3, zero, 64), ENOSYS_);
	tell("setns", CALL(setns, 0, 0), ENOSYS_);
	tell("mount", CALL(mount, "none", "/tmp", "tmpfs", 0, 0), ENOSYS_);
	tell("umount", CALL(umount, "/tmp"), ENOSYS_);
	tell("ptrace", CALL(ptrace, 0, 0), ENOSYS_);
	tell("process-vm-readv", CALL(process_vm_readv, 1, zero, 1, zero, 1), ENOSYS_);
	tell("bpf", CALL(bpf, 0, zero, 64), ENOSYS_);
	tell("perf", CALL(perf_event_open, zero, 0, -1, -1, 0), ENOSYS_);
	tell("userfaultfd", CALL(userfaultfd, 0), ENOSYS_);
	tell("io-uring", CALL(io_uring_setup, 8, zero), ENOSYS_);
	tell("keyctl", CALL(keyctl, 0, -3, 0), ENOSYS_);
	tell("modify-ldt", CALL(modify_ldt, 0, zero, 16), ENOSYS_);
	tell("vm86", CALL(vm86, 0, zero), ENOSYS_);
	tell("vm86old", CALL(vm86old, zero), ENOSYS_);
	tell("iopl", CALL(iopl, 3), ENOSYS_);
	tell("reboot", CALL(reboot, 0), ENOSYS_);
	tell("prctl-seccomp", CALL(prctl, 22, 1), 22 /* EINVAL */);
}

__attribute__((used, noreturn)) static void run(char *const *stack)
{
	char *const *argv = stack + 1;
	const char what = *(const long *)stack > 1 ? argv[1][0] : 'h';

	if (what == 's') {
		serve();
	} else if (what == 'a') {
		attack_kernel();
	} else if (what == 'p') {
		loopback.port = swapped(number_of(argv[3]));
		attack_passed(argv[2]);
	} else {
		hello();
	}
	for (;;)
		CALL(exit, 0);
}

__asm__(".globl _start\n_start:\n"
#if defined(__x86_64__)
	"mov %rsp, %rdi\n xor %ebp, %ebp\n and $-16, %rsp\n call run\n"
#else
	"mov %esp, %eax\n xor %ebp, %ebp\n and $-16, %esp\n sub $12, %esp\n push %eax\n call run\n"
#endif
);
