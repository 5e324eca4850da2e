/* SPDX-License-Identifier: ISC */
#include "router/relay/proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Both as addresses of one family, IPv4 where that is possible. AF_UNSPEC: there is none. */
static int common_family(const struct trp_addr *peer, const struct trp_addr *local,
	struct sockaddr_storage out[2])
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; peer && local && i < 2; i++)
		if (trp_addr_to_sockaddr(peer, families[i], &out[0]) &&
			trp_addr_to_sockaddr(local, families[i], &out[1]))
			return families[i];
	return AF_UNSPEC;
}

static const void *ip_of(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr
					: (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
}

static uint16_t port_of(const struct sockaddr_storage *sa) /* network byte order */
{
	return sa->ss_family == AF_INET ? ((const struct sockaddr_in *)(const void *)sa)->sin_port
					: ((const struct sockaddr_in6 *)(const void *)sa)->sin6_port;
}

static size_t text_header(int family, const struct sockaddr_storage sa[2], char *out)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	int n;

	if (family == AF_UNSPEC || !inet_ntop(family, ip_of(&sa[0]), from, sizeof(from)) ||
		!inet_ntop(family, ip_of(&sa[1]), to, sizeof(to)))
		n = snprintf(out, PROXY_HEADER_MAX, "PROXY UNKNOWN\r\n");
	else
		n = snprintf(out, PROXY_HEADER_MAX, "PROXY TCP%c %s %s %u %u\r\n",
			family == AF_INET ? '4' : '6', from, to, ntohs(port_of(&sa[0])),
			ntohs(port_of(&sa[1])));
	return (size_t)n;
}

static size_t binary_header(int family, const struct sockaddr_storage sa[2], char *out)
{
	static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	size_t ip_len = family == AF_INET ? 4 : 16, len = family == AF_UNSPEC ? 0 : 2 * ip_len + 4;
	uint16_t ports[2];

	memcpy(out, signature, sizeof(signature));
	out[12] = family == AF_UNSPEC ? 0x20 : 0x21; /* version 2: LOCAL, PROXY */
	out[13] = family == AF_INET ? 0x11 : family == AF_INET6 ? 0x21 : 0; /* and TCP */
	out[14] = 0;
	out[15] = (char)len;
	if (len == 0)
		return 16;
	memcpy(out + 16, ip_of(&sa[0]), ip_len);
	memcpy(out + 16 + ip_len, ip_of(&sa[1]), ip_len);
	ports[0] = port_of(&sa[0]);
	ports[1] = port_of(&sa[1]);
	memcpy(out + 16 + 2 * ip_len, ports, sizeof(ports));
	return 16 + len;
}

size_t proxy_header(enum proxy_version version, const struct trp_addr *peer,
	const struct trp_addr *local, char out[PROXY_HEADER_MAX])
{
	struct sockaddr_storage sa[2];
	int family = common_family(peer, local, sa);

	switch (version) {
	case PROXY_NO:
		return 0;
	case PROXY_V1:
		return text_header(family, sa, out);
	case PROXY_V2:
		return binary_header(family, sa, out);
	}
	return 0;
}
