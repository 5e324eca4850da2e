/* SPDX-License-Identifier: ISC */
#include "endpoint.h"
#include "parse.h"
#include "util.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define UNIX_PREFIX "unix:"

static int parse_v4(const char *host, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
	uint32_t ip;

	in->sin_family = AF_INET;
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		return -EINVAL;
	ip = ntohl(in->sin_addr.s_addr);
	return ip >> 24 == 0 || ip >> 28 >= 14 ? -EINVAL : 0; /* RFC 1122 3.2.1.3, multicast, reserved */
}

static int parse_v6(const char *host, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;
	struct in6_addr ip;

	in6->sin6_family = AF_INET6;
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
		return -EINVAL;
	ip = in6->sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(&ip)) {
		char v4[INET_ADDRSTRLEN];
		memset(out, 0, sizeof(*out));
		return inet_ntop(AF_INET, &ip.s6_addr[12], v4, sizeof(v4)) ? parse_v4(v4, out) : -EINVAL;
	}
	return IN6_IS_ADDR_UNSPECIFIED(&ip) || IN6_IS_ADDR_MULTICAST(&ip) ? -EINVAL : 0;
}

static int parse_unix(const char *path, struct sockaddr_storage *ret)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)ret;

	if (path[0] != '/' || strlen(path) >= sizeof(un->sun_path))
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	return 0;
}

int trp_parse_endpoint(const char *text, struct sockaddr_storage *ret)
{
	bool v6 = text[0] == '[';
	const char *begin = text + v6, *end = begin + strcspn(begin, v6 ? "]" : ":");
	struct sockaddr_storage sa = {0};
	char host[INET6_ADDRSTRLEN];
	uint16_t port = 0;
	int r;

	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		return parse_unix(text + strlen(UNIX_PREFIX), ret);
	if ((size_t)(end - begin) >= sizeof(host) || (v6 && *end != ']'))
		return -EINVAL;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	end += v6;
	if (*end && *end != ':')
		return -EINVAL;
	r = v6 ? parse_v6(host, &sa) : parse_v4(host, &sa);
	if (r == 0 && *end == ':')
		r = trp_parse_port(end + 1, &port);
	if (r < 0)
		return r;
	trp_endpoint_set_port(&sa, port);
	*ret = sa;
	return 0;
}

void trp_endpoint_text(const struct sockaddr_storage *sa, char out[TRP_ENDPOINT_TEXT])
{
	const void *ip = sa->ss_family == AF_INET6
				 ? (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr
				 : (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	char host[INET6_ADDRSTRLEN] = "?";

	if (sa->ss_family == AF_UNIX) {
		snprintf(out, TRP_ENDPOINT_TEXT, UNIX_PREFIX "%s",
			((const struct sockaddr_un *)(const void *)sa)->sun_path);
		return;
	}
	inet_ntop(sa->ss_family, ip, host, sizeof(host));
	snprintf(out, TRP_ENDPOINT_TEXT, sa->ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
		trp_endpoint_port(sa));
}

socklen_t trp_endpoint_len(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_UNIX)
		return sizeof(struct sockaddr_un);
	return sa->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* sin_port and sin6_port lie at the same place */
_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port), "ports");

uint16_t trp_endpoint_port(const struct sockaddr_storage *sa)
{
	return ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
}

void trp_endpoint_set_port(struct sockaddr_storage *sa, uint16_t port)
{
	((struct sockaddr_in *)(void *)sa)->sin_port = htons(port);
}
