/* SPDX-License-Identifier: ISC */
/* endpoint.h: a TCP address, or a unix socket's, as people write it. Literal addresses only: no name is ever looked up.
 * Pure. */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* "192.0.2.7:80", "[2001:db8::7]:80"; the port may be left out: it is 0 then. An address that
 * nobody can connect to (0.0.0.0, ::, multicast, broadcast) and one with a scope is refused, a v4-mapped one
 * becomes IPv4. Or "unix:/path", at most 107 bytes of path: AF_UNIX. 0, -EINVAL, or -ERANGE (the port). ret is untouched on failure. */
int trp_parse_endpoint(const char *text, struct sockaddr_storage *ret);

/* "[2001:db8::7]:80" */
#define TRP_ENDPOINT_TEXT 128
void trp_endpoint_text(const struct sockaddr_storage *sa, char out[TRP_ENDPOINT_TEXT]);

socklen_t trp_endpoint_len(const struct sockaddr_storage *sa);
/* Host byte order; both for TCP only. */
uint16_t trp_endpoint_port(const struct sockaddr_storage *sa);
void trp_endpoint_set_port(struct sockaddr_storage *sa, uint16_t port);
