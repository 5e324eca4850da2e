/* SPDX-License-Identifier: ISC */
#include "sandbox/sandbox.h"

#include <sys/prctl.h>

#define PR_GET_MDWE_ 66 /* Linux 6.3 */

bool sandbox_has_mdwe(void)
{
	return prctl(PR_GET_MDWE_, 0, 0, 0, 0) >= 0;
}
