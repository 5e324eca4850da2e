/* SPDX-License-Identifier: ISC */
#include "base/answer.h"

#include <stdbool.h>
#include <string.h>

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9112 section 4: HTTP-version SP status-code SP */
enum trp_answer trp_answer_http(const unsigned char *bytes, size_t len, int *ret_status)
{
	static const char form[] = "HTTP/1.d ddd"; /* d: a digit */

	for (size_t i = 0; i < len && i < sizeof(form) - 1; i++)
		if (form[i] == 'd' ? !is_digit(bytes[i]) : bytes[i] != (unsigned char)form[i])
			return TRP_ANSWER_BAD;
	if (len > 9 && bytes[9] == '0')
		return TRP_ANSWER_BAD;
	if (len < sizeof(form))
		return TRP_ANSWER_NEED;
	if (!memchr(" \r\n", bytes[12], 3)) /* some leave out the blank before a phrase that they do not send */
		return TRP_ANSWER_BAD;
	*ret_status = (bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0');
	return TRP_ANSWER_FOUND;
}

/* RFC 8446 section 5.1: type, version (3, x), length; then the type of the handshake message, or level and number of an alert */
enum trp_answer trp_answer_tls(const unsigned char *bytes, size_t len, int *ret_alert)
{
	enum { ALERT = 21, HANDSHAKE = 22, SERVER_HELLO = 2 };

	if (len > 0 && bytes[0] != ALERT && bytes[0] != HANDSHAKE)
		return TRP_ANSWER_BAD;
	if (len > 1 && bytes[1] != 3)
		return TRP_ANSWER_BAD;
	if (len < 7)
		return TRP_ANSWER_NEED;
	if (bytes[0] == HANDSHAKE && bytes[5] != SERVER_HELLO)
		return TRP_ANSWER_BAD;
	*ret_alert = bytes[0] == ALERT ? bytes[6] : -1;
	return TRP_ANSWER_FOUND;
}
