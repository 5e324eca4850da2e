/* SPDX-License-Identifier: ISC */
#include "supervisor/hello.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

/* RFC 8446 section 4.1.2 and appendix B.3 */
enum { RECORD_HANDSHAKE = 22, CLIENT_HELLO = 1, EXT_SNI = 0, EXT_GROUPS = 10, EXT_POINTS = 11, EXT_SIGNATURES = 13, EXT_VERSIONS = 43, EXT_KEY_SHARE = 51 };

struct out {
	unsigned char *at;
	size_t len, size;
	bool over;
};

static void put(struct out *o, const void *bytes, size_t n)
{
	if (o->size - o->len < n) {
		o->over = true;
		return;
	}
	memcpy(o->at + o->len, bytes, n);
	o->len += n;
}

static void put16(struct out *o, unsigned v)
{
	const unsigned char bytes[] = {(unsigned char)(v >> 8), (unsigned char)v};

	put(o, bytes, sizeof(bytes));
}

static void put8(struct out *o, unsigned v)
{
	const unsigned char byte = (unsigned char)v;

	put(o, &byte, 1);
}

static void put_random(struct out *o, size_t n)
{
	unsigned char bytes[32];

	if (n > sizeof(bytes) || getrandom(bytes, n, GRND_NONBLOCK) != (ssize_t)n)
		o->over = true;
	else
		put(o, bytes, n);
}

static void put_list(struct out *o, unsigned type, const uint16_t *values, size_t n)
{
	put16(o, type);
	put16(o, (unsigned)(2 * n + 2));
	put16(o, (unsigned)(2 * n));
	for (size_t i = 0; i < n; i++)
		put16(o, values[i]);
}

static void put_extensions(struct out *o, const char *name)
{
	static const uint16_t groups[] = {0x001d, 0x0017}; /* x25519, secp256r1 */
	static const uint16_t signatures[] = {0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601};
	const unsigned len = (unsigned)strlen(name);

	put16(o, EXT_SNI);
	put16(o, len + 5);
	put16(o, len + 3);
	put8(o, 0); /* host_name */
	put16(o, len);
	put(o, name, len);
	put_list(o, EXT_GROUPS, groups, 2);
	put_list(o, EXT_SIGNATURES, signatures, sizeof(signatures) / sizeof(signatures[0]));
	put(o, "\0\013\0\002\001\0", 6); /* EXT_POINTS: uncompressed */
	put16(o, EXT_VERSIONS);
	put16(o, 5);
	put8(o, 4);
	put16(o, 0x0304);
	put16(o, 0x0303);
	put16(o, EXT_KEY_SHARE);
	put16(o, 38);
	put16(o, 36);
	put16(o, groups[0]);
	put16(o, 32);
	put_random(o, 32); /* any 32 bytes are a point of x25519; nobody computes with it */
}

static void set16(struct out *o, size_t at)
{
	size_t len = o->len - at - 2;

	o->at[at] = (unsigned char)(len >> 8);
	o->at[at + 1] = (unsigned char)len;
}

size_t hello_make(const char *name, unsigned char *out, size_t size)
{
	static const uint16_t ciphers[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0x009c, 0x009d};
	struct out o = {.at = out, .size = size};
	size_t extensions;

	put(&o, "\026\003\001\0\0\001\0\0\0\003\003", 11); /* record: handshake, 3.1, length; ClientHello, length; 3.3 */
	put_random(&o, 32);
	put8(&o, 32);
	put_random(&o, 32); /* session id: middleboxes like one */
	put16(&o, sizeof(ciphers));
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		put16(&o, ciphers[i]);
	put16(&o, 0x0100); /* one compression: none */
	extensions = o.len;
	put16(&o, 0);
	put_extensions(&o, name);
	if (o.over)
		return 0;
	set16(&o, extensions);
	set16(&o, 7); /* of 24 bits the lower */
	set16(&o, 3);
	return o.len;
}
