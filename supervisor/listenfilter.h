/* SPDX-License-Identifier: ISC */
/* listenfilter.h: the classic BPF program that a listener carries and that every socket accepted from it inherits: to
 * which destination segments must go to be seen at all. Pure. */
#pragma once

#include "supervisor/profile/config.h"
#include <linux/filter.h>

#define LISTENFILTER_MAX 24

/* What a listener is bound to. */
struct listenscope {
	uint16_t port;
	unsigned family; /* enum config_family */
	bool has_address;
	struct in6_addr ip; /* IPv4 as v4-mapped */
	int ifindex;        /* 0: any */
};

/* Returns the number of instructions. */
size_t listenfilter_make(const struct listenscope *s, struct sock_filter out[LISTENFILTER_MAX]);
