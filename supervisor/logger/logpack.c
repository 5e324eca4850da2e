/* SPDX-License-Identifier: ISC */
#include "supervisor/logger/logpack.h"
#include "base/io.h"

#include <errno.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK       (64 * 1024)
#define GZIP_WINDOW (15 + 16) /* deflateInit2(): 16 more is gzip's format (RFC 1952) */

static int drain(z_stream *z, int out, int flush)
{
	static unsigned char buf[CHUNK];
	int r;

	do {
		z->next_out = buf;
		z->avail_out = sizeof(buf);
		if (deflate(z, flush) == Z_STREAM_ERROR)
			return -EIO;
		r = trp_write_all(out, buf, sizeof(buf) - z->avail_out);
	} while (r == 0 && z->avail_out == 0);
	return r;
}

int logpack(int in, int out)
{
	static unsigned char buf[CHUNK];
	z_stream z = {0};
	ssize_t n = 1;
	int r = 0;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	while (r == 0 && n > 0) {
		n = read(in, buf, sizeof(buf));
		if (n < 0) {
			r = -errno;
			break;
		}
		z.next_in = buf;
		z.avail_in = (uInt)n;
		r = drain(&z, out, n > 0 ? Z_NO_FLUSH : Z_FINISH);
	}
	deflateEnd(&z);
	if (r == 0 && fdatasync(out) < 0) /* what it was made of is removed then, and has long been on the disk */
		r = -errno;
	return r;
}
