/* SPDX-License-Identifier: ISC */
/* handoff.h: the message that carries a client's socket from the router to a service. doc/protocol.md
 * has it field by field. One SOCK_SEQPACKET message = one struct trp_handoff (only its first size
 * bytes) with exactly one descriptor. Native byte order: it never leaves the machine.
 *
 * The socket in it is as accept() made it: nothing was read, SO_RCVLOWAT is 1, O_NONBLOCK is as flags say.
 * Pure functions; compile freestanding. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#define TRP_HANDOFF_MAGIC    0x31505254u /* "TRP1" */
#define TRP_HANDOFF_VERSION  1
#define TRP_HANDOFF_NAME_MAX 253 /* RFC 1035 section 2.3.4, as text */

enum trp_protocol {
	TRP_PROTO_NONE = 0, /* not looked at, or not known */
	TRP_PROTO_HTTP1 = 1,
	TRP_PROTO_TLS = 2,
	TRP_PROTO_SSH = 3,
	TRP_PROTO_POSTGRES = 4,
	TRP_PROTO_H2C = 5, /* HTTP/2 without TLS, by prior knowledge */
	TRP_PROTO_MINECRAFT = 6,
	TRP_PROTO_XMPP = 7,        /* of a client */
	TRP_PROTO_XMPP_SERVER = 8, /* of another server */
	TRP_PROTO_COUNT
};

/* An address as the socket's own family has it (a dual-stack listener: IPv4 peers are v4-mapped). */
struct trp_addr {
	uint16_t family; /* AF_INET6, AF_INET, or 0: not recorded, ask the socket */
	uint16_t port;   /* network byte order */
	uint32_t scope_id;
	uint8_t ip[16]; /* AF_INET: the first four */
};

/* flags; a receiver ignores those that it does not know */
#define TRP_HANDOFF_ECH 1u /* TLS: the client offers Encrypted Client Hello; name is the outer one (or GREASE) */
/* peer and local are those that a trusted load balancer told (PROXY protocol): the socket's own are the balancer's */
#define TRP_HANDOFF_PROXIED 2u
/* O_NONBLOCK is set on the socket, else it is clear. Only to receivers of which it is known that they look at this */
#define TRP_HANDOFF_NONBLOCK 4u

struct trp_handoff {
	uint32_t magic;
	uint8_t version;
	uint8_t protocol; /* enum trp_protocol */
	uint16_t size;    /* bytes of this message: offsetof(name) + name_len */
	uint32_t flags;   /* TRP_HANDOFF_* */
	uint32_t listener;
	uint64_t accepted_ns; /* CLOCK_MONOTONIC, nanoseconds */
	struct trp_addr peer;
	struct trp_addr local; /* family 0 unless the router had to know it */
	uint8_t reserved[7];   /* 0 */
	uint8_t name_len;
	char name[TRP_HANDOFF_NAME_MAX + 2]; /* as matched: lower case, no port; not terminated on the wire */
};

#define TRP_HANDOFF_MIN offsetof(struct trp_handoff, name)

/* Fills in magic, version, size and name (lower case already, at most TRP_HANDOFF_NAME_MAX bytes; a
 * longer one is cut). The other fields are the caller's. Returns the number of bytes to send. */
size_t trp_handoff_seal(struct trp_handoff *h, const char *name, size_t name_len);

/* Is msg (len bytes as received) a handoff of a version that we understand? Terminates name.
 * Returns 0 or -EBADMSG. */
int trp_handoff_check(struct trp_handoff *h, size_t len);

void trp_addr_from_sockaddr(struct trp_addr *out, const struct sockaddr *sa);

/* Writes addr as a struct sockaddr of family want (AF_INET or AF_INET6; 0 = its own): a v4-mapped
 * address becomes AF_INET and back. Returns its length, 0 if it cannot be expressed so. */
size_t trp_addr_to_sockaddr(const struct trp_addr *addr, int want, struct sockaddr_storage *out);
