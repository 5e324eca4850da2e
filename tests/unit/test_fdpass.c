/* SPDX-License-Identifier: ISC */
/* wrap: recvmsg sendmsg */
/* Descriptor passing: what is asked for arrives, and nothing else ever stays open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fdpass.h"
#include "base/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int interruptions; /* EINTR this often before the real call */

ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
	if (interruptions > 0) {
		interruptions--;
		errno = EINTR;
		return -1;
	}
	return __real_recvmsg(fd, m, flags);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (interruptions > 0) {
		interruptions--;
		errno = EINTR;
		return -1;
	}
	return __real_sendmsg(fd, m, flags);
}

static int open_count(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -3; /* ".", ".." and the directory itself */

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

struct fixture {
	int s[2];
	int payload;
	int open_before;
};

static int setup(void **state)
{
	static struct fixture f;

	interruptions = 0;
	f.payload = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(f.payload >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, f.s), 0);
	f.open_before = open_count();
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_count(), f->open_before); /* no test leaves a descriptor behind */
	close(f->payload);
	close(f->s[0]);
	close(f->s[1]);
	return 0;
}

static void send_n(struct fixture *f, size_t n)
{
	int fds[TRP_FDPASS_MAX];

	for (size_t i = 0; i < TRP_FDPASS_MAX; i++)
		fds[i] = f->payload;
	assert_int_equal(trp_fd_send(f->s[0], "hello", 5, fds, n, 0), 0);
}

static void expect_passed(struct fixture *f, int fd, int cloexec)
{
	struct stat a, b;

	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstat(f->payload, &b), 0);
	assert_int_equal(a.st_rdev, b.st_rdev);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, cloexec);
	close(fd);
}

static void one_arrives(void **state)
{
	struct fixture *f = *state;
	char buf[16];
	int fd = -1;

	send_n(f, 1);
	assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, 0), 5);
	assert_memory_equal(buf, "hello", 5);
	expect_passed(f, fd, FD_CLOEXEC);
}

static void the_most_arrive(void **state)
{
	struct fixture *f = *state;
	int fds[TRP_FDPASS_MAX];
	size_t n = 0;
	char buf[16];

	send_n(f, TRP_FDPASS_MAX);
	assert_int_equal(trp_fd_recv_upto(f->s[1], buf, sizeof(buf), fds, TRP_FDPASS_MAX, &n, 0), 5);
	assert_int_equal(n, TRP_FDPASS_MAX);
	for (size_t i = 0; i < n; i++)
		expect_passed(f, fds[i], FD_CLOEXEC);
	assert_int_equal(trp_fd_send(f->s[0], "x", 1, fds, TRP_FDPASS_MAX + 1, 0), -EINVAL);
}

static void another_number_is_refused(void **state)
{
	struct fixture *f = *state;
	int fds[TRP_FDPASS_MAX] = {-7, -7};
	size_t n = 99;
	char buf[16];

	for (size_t sent = 0; sent <= 3; sent++)
		for (size_t wanted = 0; wanted <= 3; wanted++) {
			if (sent == wanted)
				continue;
			send_n(f, sent);
			assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), fds, wanted, 0), -EBADMSG);
			assert_int_equal(fds[0], -7);
			assert_int_equal(open_count(), f->open_before);
		}
	send_n(f, 2);
	assert_int_equal(trp_fd_recv_upto(f->s[1], buf, sizeof(buf), fds, 1, &n, 0), -EBADMSG);
	assert_int_equal(n, 99);
}

static void truncation_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = -7;
	char buf[4];

	send_n(f, 1);
	assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, 0), -EMSGSIZE);
	assert_int_equal(fd, -7);
}

/* More than the control buffer holds: the kernel drops the rest and says so. */
static void flood_of_descriptors_is_refused(void **state)
{
	struct fixture *f = *state;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 200)];
	} control;
	struct iovec iov = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);
	int fd = -7;
	char buf[4];

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * 200);
	for (int i = 0; i < 200; i++)
		memcpy(CMSG_DATA(c) + sizeof(int) * (size_t)i, &f->payload, sizeof(int));
	assert_int_equal(__real_sendmsg(f->s[0], &hdr, 0), 1);
	assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, 0), -EMSGSIZE);
	assert_int_equal(fd, -7);
}

static void empty_message_is_no_end_of_file(void **state)
{
	struct fixture *f = *state;
	char buf[4];
	size_t n = 99;
	int fd = -7;

	assert_int_equal(trp_fd_send(f->s[0], "", 0, &f->payload, 1, 0), 0);
	assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, 0), -EBADMSG);
	assert_int_equal(trp_fd_send(f->s[0], "", 0, &f->payload, 1, 0), 0);
	assert_int_equal(trp_fd_recv_upto(f->s[1], buf, sizeof(buf), &fd, 1, &n, 0), -EBADMSG);
	assert_int_equal(fd, -7);
	assert_int_equal(n, 99);
	assert_int_equal(open_count(), f->open_before);
}

/* One without a descriptor is told from it by its sender's name: the ends of channels have one. */
static void empty_message_of_a_bound_end(void **state)
{
	const struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0trpsup-test-fdpass"};
	int s[2], fd = -7;
	char buf[4];
	size_t n = 99;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
	assert_int_equal(bind(s[0], (const struct sockaddr *)&name, sizeof(name)), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(send(s[0], "", 0, 0), 0);
	assert_int_equal(trp_fd_recv_once(s[1], buf, sizeof(buf), &fd, MSG_PEEK), -EBADMSG);
	assert_int_equal(trp_fd_recv(s[1], buf, sizeof(buf), &fd, 1, 0), -EBADMSG);
	assert_int_equal(trp_fd_recv_upto(s[1], buf, sizeof(buf), &fd, 1, &n, 0), -EBADMSG);
	shutdown(s[0], SHUT_WR);
	assert_int_equal(trp_fd_recv_once(s[1], buf, sizeof(buf), &fd, 0), -EBADMSG);
	assert_int_equal(trp_fd_recv_once(s[1], buf, sizeof(buf), &fd, 0), 0);
	assert_int_equal(trp_fd_recv_upto(s[1], buf, sizeof(buf), &fd, 1, &n, 0), 0);
	assert_int_equal(n, 0);
	close(s[0]);
	close(s[1]);
}

static void end_of_file_and_errors(void **state)
{
	struct fixture *f = *state;
	int fd = -7, a[2];
	char buf[4];

	assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, a), 0);
	close(a[0]);
	assert_int_equal(trp_fd_recv(a[1], buf, sizeof(buf), &fd, 1, 0), 0);
	assert_int_equal(trp_fd_send(a[1], "x", 1, NULL, 0, 0), -EPIPE); /* and no SIGPIPE */
	close(a[1]);
	assert_int_equal(trp_fd_recv(-1, buf, sizeof(buf), &fd, 1, 0), -EBADF);
	assert_int_equal(fd, -7);
}

static void full_queue_is_eagain(void **state)
{
	struct fixture *f = *state;
	int r, sent = 0, fd;
	char buf[8];

	while ((r = trp_fd_send(f->s[0], "hello", 5, &f->payload, 1, MSG_DONTWAIT)) == 0)
		sent++;
	assert_int_equal(r, -EAGAIN);
	assert_true(sent > 5);
	while (sent-- > 0) {
		assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, MSG_DONTWAIT), 5);
		close(fd);
	}
}

/* In their order, and to the last that fits. */
static void many_are_sent_as_far_as_they_fit(void **state)
{
	struct fixture *f = *state;
	struct trp_fd_msg msgs[TRP_FDPASS_MAX + 1];
	char texts[TRP_FDPASS_MAX], buf[8];
	int small = 4608, sent, n, fd = -1;

	for (int i = 0; i <= TRP_FDPASS_MAX; i++)
		msgs[i] = (struct trp_fd_msg){&texts[i % TRP_FDPASS_MAX], 1, f->payload};
	for (int i = 0; i < TRP_FDPASS_MAX; i++)
		texts[i] = (char)i;
	assert_int_equal(trp_fd_send_many(f->s[0], msgs, 0, MSG_DONTWAIT), -EINVAL);
	assert_int_equal(trp_fd_send_many(f->s[0], msgs, TRP_FDPASS_MAX + 1, MSG_DONTWAIT), -EINVAL);
	assert_int_equal(trp_fd_send_many(f->s[0], msgs, 1, MSG_DONTWAIT), 1);
	assert_int_equal(trp_fd_send_many(f->s[0], msgs + 1, TRP_FDPASS_MAX - 1, MSG_DONTWAIT), TRP_FDPASS_MAX - 1);
	for (n = 0; n < TRP_FDPASS_MAX; n++) {
		assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, MSG_DONTWAIT), 1);
		assert_int_equal(buf[0], n);
		expect_passed(f, fd, FD_CLOEXEC);
	}
	assert_int_equal(setsockopt(f->s[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	sent = trp_fd_send_many(f->s[0], msgs, TRP_FDPASS_MAX, MSG_DONTWAIT);
	assert_in_range(sent, 2, TRP_FDPASS_MAX - 1);
	assert_int_equal(trp_fd_send_many(f->s[0], msgs + sent, 2, MSG_DONTWAIT), -EAGAIN);
	for (n = 0; n < sent; n++) {
		assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, MSG_DONTWAIT), 1);
		assert_int_equal(buf[0], n);
		close(fd);
	}
	assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, MSG_DONTWAIT), -EAGAIN);
}

static void signals_are_ridden_out(void **state)
{
	struct fixture *f = *state;
	int fd = -7;
	char buf[8];

	interruptions = 3;
	send_n(f, 1);
	assert_int_equal(interruptions, 0);
	interruptions = 3;
	assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, 0), 5);
	close(fd);
}

static void once_is_like_accept(void **state)
{
	struct fixture *f = *state;
	int fd = -7;
	char buf[8];

	send_n(f, 1);
	interruptions = 1;
	assert_int_equal(trp_fd_recv_once(f->s[1], buf, sizeof(buf), &fd, 0), -EINTR);
	assert_int_equal(fd, -7);
	assert_int_equal(trp_fd_recv_once(f->s[1], buf, sizeof(buf), &fd, 0), 5);
	expect_passed(f, fd, 0);
	send_n(f, 1);
	assert_int_equal(trp_fd_recv_once(f->s[1], buf, sizeof(buf), &fd, MSG_CMSG_CLOEXEC), 5);
	expect_passed(f, fd, FD_CLOEXEC);
}

/* The kernel takes the message and drops its descriptor: that must not look like a message without one. */
static void no_free_descriptor_is_truncation(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, tight;
	int fd = -7, highest = dup(0);
	char buf[8];
	ssize_t n;

	close(highest);
	send_n(f, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)highest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	n = trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(n, -EMSGSIZE);
	assert_int_equal(fd, -7);
}

/* Whoever shares our end (a service has that of its channels) can have the kernel make a descriptor of the sender for each message. */
static void the_sender_is_closed(void **state)
{
	struct fixture *f = *state;
	const int yes = 1;
	char buf[16];
	int fd;

	if (setsockopt(f->s[1], SOL_SOCKET, 76 /* SO_PASSPIDFD, Linux 6.5 */, &yes, sizeof(yes)) < 0) {
		print_message("no SO_PASSPIDFD here\n");
		return;
	}
	assert_int_equal(setsockopt(f->s[1], SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)), 0);
	for (int i = 0; i < 10; i++) {
		send_n(f, 1);
		assert_int_equal(trp_fd_recv(f->s[1], buf, sizeof(buf), &fd, 1, 0), 5);
		expect_passed(f, fd, FD_CLOEXEC);
		assert_int_equal(open_count(), f->open_before);
		send_n(f, 1);
		assert_int_equal(trp_fd_recv(f->s[1], buf, 1, &fd, 1, 0), -EMSGSIZE);
		assert_int_equal(open_count(), f->open_before);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_sender_is_closed), TEST(one_arrives),
		TEST(the_most_arrive),
		TEST(another_number_is_refused),
		TEST(truncation_is_refused),
		TEST(flood_of_descriptors_is_refused),
		TEST(empty_message_is_no_end_of_file),
		TEST(empty_message_of_a_bound_end),
		TEST(end_of_file_and_errors),
		TEST(full_queue_is_eagain),
		TEST(many_are_sent_as_far_as_they_fit),
		TEST(signals_are_ridden_out),
		TEST(once_is_like_accept),
		TEST(no_free_descriptor_is_truncation),
	};

	return cmocka_run_group_tests_name("fdpass", tests, NULL, NULL);
}
