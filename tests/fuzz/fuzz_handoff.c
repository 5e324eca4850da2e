/* SPDX-License-Identifier: ISC */
/* A handoff message as a service's adapter receives it: checked, its addresses turned, and sealed again. */
#include "base/handoff.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const struct trp_addr *addr)
{
	static const int families[] = {0, AF_INET, AF_INET6};
	struct sockaddr_storage sa, again;
	struct trp_addr back;
	size_t len;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		len = trp_addr_to_sockaddr(addr, families[i], &sa);
		if (len == 0)
			continue;
		if (families[i] && sa.ss_family != families[i])
			abort();
		trp_addr_from_sockaddr(&back, (struct sockaddr *)&sa);
		if (trp_addr_to_sockaddr(&back, 0, &again) != len || memcmp(&sa, &again, len) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trp_handoff h, copy;

	if (size > sizeof(h))
		return 0;
	memset(&h, 0xee, sizeof(h));
	memcpy(&h, data, size);
	if (trp_handoff_check(&h, size) < 0)
		return 0;
	if (h.name_len > TRP_HANDOFF_NAME_MAX || h.name[h.name_len] != '\0' || h.size != size)
		abort();
	check_address(&h.peer);
	check_address(&h.local);
	copy = h;
	if (trp_handoff_seal(&copy, h.name, h.name_len) != size || trp_handoff_check(&copy, size) != 0)
		abort();
	return 0;
}
