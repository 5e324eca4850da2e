/* SPDX-License-Identifier: ISC */
/* logpack.h: compressing a log file, so that gzip's own tools can read it. */
#pragma once

/* All of in, from where it stands, into out. 0 or -errno; what is in out then is of no use. */
int logpack(int in, int out);
