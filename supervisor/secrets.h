/* SPDX-License-Identifier: ISC */
/* secrets.h: random values that the daemon makes at the first start and hands to services as files:
 * STATE_DIR/secrets/SERVICE/NAME, root's, 0600. Never in a profile, an argument or an environment. */
#pragma once

#include <stddef.h>

#define SECRET_LEN 43 /* 256 bits in base64url without padding, RFC 4648 section 5 */

/* Reads the secret of a service, making it first if it is not there. out: SECRET_LEN + 1 bytes. 0 or -errno. */
int secret_get(const char *state_dir, const char *service, const char *name, char *out);
