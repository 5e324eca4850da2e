/* SPDX-License-Identifier: ISC */
/* io-uring-server PORT: a server that accepts, reads and answers by io_uring alone, as no adapter in the way of its system calls could
 * serve it. Raw system calls, one operation at a time. Answers each client with "ADDRESS PORT\n" of its peer, as the accept operation gave them.
 * Exits with 2 where io_uring is not to be had. */
#include "base/util.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define ENTRIES 8

static struct {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

static void *map(size_t size, off_t what)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, what);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

static void set_up(void)
{
	struct io_uring_params p = {0};
	char *sq, *cq;

	ring.fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (ring.fd < 0) {
		perror("io_uring_setup");
		exit(2);
	}
	sq = map(p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	cq = map(p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	ring.sqes = map(p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.sq_tail = (unsigned *)(void *)(sq + p.sq_off.tail);
	ring.sq_mask = (unsigned *)(void *)(sq + p.sq_off.ring_mask);
	ring.sq_array = (unsigned *)(void *)(sq + p.sq_off.array);
	ring.cq_head = (unsigned *)(void *)(cq + p.cq_off.head);
	ring.cq_tail = (unsigned *)(void *)(cq + p.cq_off.tail);
	ring.cq_mask = (unsigned *)(void *)(cq + p.cq_off.ring_mask);
	ring.cqes = (struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes);
}

/* Submits one and waits for it. */
static int run(struct io_uring_sqe op)
{
	unsigned tail = *ring.sq_tail, head = *ring.cq_head;
	int r;

	ring.sqes[tail & *ring.sq_mask] = op;
	ring.sq_array[tail & *ring.sq_mask] = tail & *ring.sq_mask;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	if (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) == head)
		return -EAGAIN;
	r = ring.cqes[head & *ring.cq_mask].res;
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	return r;
}

static void serve(int client, const struct sockaddr_in6 *peer)
{
	char request[4096], who[INET6_ADDRSTRLEN], body[80], answer[200];
	int n;

	n = run((struct io_uring_sqe){
		.opcode = IORING_OP_RECV, .fd = client, .addr = (uintptr_t)request, .len = sizeof(request)});
	if (n > 0) {
		snprintf(body, sizeof(body), "%s %u\n", inet_ntop(AF_INET6, &peer->sin6_addr, who, sizeof(who)),
			ntohs(peer->sin6_port));
		n = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
			strlen(body), body);
		run((struct io_uring_sqe){
			.opcode = IORING_OP_SEND, .fd = client, .addr = (uintptr_t)answer, .len = (unsigned)n});
	}
	run((struct io_uring_sqe){.opcode = IORING_OP_CLOSE, .fd = client});
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6};
	int listener = socket(AF_INET6, SOCK_STREAM, 0), on = 1;

	if (argc != 2)
		return 1;
	set_up();
	sa.sin6_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(listener, 64) < 0) {
		perror("listen");
		return 1;
	}
	for (;;) {
		struct sockaddr_in6 peer = {0};
		socklen_t len = sizeof(peer);
		int client = run((struct io_uring_sqe){.opcode = IORING_OP_ACCEPT,
			.fd = listener,
			.addr = (uintptr_t)&peer,
			.addr2 = (uintptr_t)&len});
		if (client >= 0)
			serve(client, &peer);
		else if (client != -EINTR && client != -EAGAIN)
			return 1;
	}
}
