/* SPDX-License-Identifier: ISC */
/* What a service answers to a health check. */
#include "base/answer.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int status = 0, alert = -2;
	enum trp_answer http = trp_answer_http(data, size, &status), tls = trp_answer_tls(data, size, &alert);

	if (http == TRP_ANSWER_FOUND ? status < 100 || status > 999 : status != 0)
		abort();
	if (tls == TRP_ANSWER_FOUND ? alert < -1 || alert > 255 : alert != -2)
		abort();
	if (size >= TRP_ANSWER_MAX && (http == TRP_ANSWER_NEED || tls == TRP_ANSWER_NEED))
		abort();
	return 0;
}
