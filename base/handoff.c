/* SPDX-License-Identifier: ISC */
#include "handoff.h"

#include <errno.h>
#include <string.h>

static const uint8_t v4mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

size_t trp_handoff_seal(struct trp_handoff *h, const char *name, size_t name_len)
{
	if (name_len > TRP_HANDOFF_NAME_MAX)
		name_len = TRP_HANDOFF_NAME_MAX;
	h->magic = TRP_HANDOFF_MAGIC;
	h->version = TRP_HANDOFF_VERSION;
	h->name_len = (uint8_t)name_len;
	h->size = (uint16_t)(TRP_HANDOFF_MIN + name_len);
	memset(h->reserved, 0, sizeof(h->reserved));
	memcpy(h->name, name, name_len);
	return h->size;
}

int trp_handoff_check(struct trp_handoff *h, size_t len)
{
	if (len < TRP_HANDOFF_MIN || h->magic != TRP_HANDOFF_MAGIC ||
		h->version != TRP_HANDOFF_VERSION || h->size != len ||
		h->name_len > TRP_HANDOFF_NAME_MAX || len != TRP_HANDOFF_MIN + h->name_len)
		return -EBADMSG;
	h->name[h->name_len] = '\0';
	return 0;
}

void trp_addr_from_sockaddr(struct trp_addr *out, const struct sockaddr *sa)
{
	memset(out, 0, sizeof(*out));
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
		out->family = AF_INET6;
		out->port = in6->sin6_port;
		out->scope_id = in6->sin6_scope_id;
		memcpy(out->ip, &in6->sin6_addr, 16);
	} else if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;
		out->family = AF_INET;
		out->port = in->sin_port;
		memcpy(out->ip, &in->sin_addr, 4);
	}
}

size_t trp_addr_to_sockaddr(const struct trp_addr *addr, int want, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
	int mapped = addr->family == AF_INET6 && memcmp(addr->ip, v4mapped, sizeof(v4mapped)) == 0;

	if (!want)
		want = addr->family;
	memset(out, 0, sizeof(*out));
	if (want == AF_INET && (addr->family == AF_INET || mapped)) {
		in->sin_family = AF_INET;
		in->sin_port = addr->port;
		memcpy(&in->sin_addr, mapped ? addr->ip + 12 : addr->ip, 4);
		return sizeof(*in);
	}
	if (want != AF_INET6 || (addr->family != AF_INET && addr->family != AF_INET6))
		return 0;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = addr->port;
	in6->sin6_scope_id = addr->scope_id;
	if (addr->family == AF_INET) {
		memcpy(&in6->sin6_addr, v4mapped, sizeof(v4mapped));
		memcpy((uint8_t *)&in6->sin6_addr + 12, addr->ip, 4);
	} else {
		memcpy(&in6->sin6_addr, addr->ip, 16);
	}
	return sizeof(*in6);
}
