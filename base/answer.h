/* SPDX-License-Identifier: ISC */
/* answer.h: the first bytes of a server's answer to a health check, of which nothing but this is ever looked at. Pure. Fuzzed. */
#pragma once

#include <stddef.h>

enum trp_answer {
	TRP_ANSWER_NEED, /* more bytes */
	TRP_ANSWER_FOUND,
	TRP_ANSWER_BAD   /* it is no such protocol */
};

#define TRP_ANSWER_MAX 16 /* after so many bytes it is not NEED */

/* "HTTP/1.1 200 ...": *ret_status is from 100 to 999. */
enum trp_answer trp_answer_http(const unsigned char *bytes, size_t len, int *ret_status);
/* *ret_alert is -1: a handshake record with a ServerHello; else the number of the alert that came instead. */
enum trp_answer trp_answer_tls(const unsigned char *bytes, size_t len, int *ret_alert);
