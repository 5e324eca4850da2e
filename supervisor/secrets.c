/* SPDX-License-Identifier: ISC */
#include "supervisor/secrets.h"
#include "base/io.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

static int make_secret(char out[SECRET_LEN + 1])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t raw[SECRET_LEN];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return -errno;
	for (size_t i = 0; i < SECRET_LEN; i++)
		out[i] = digits[raw[i] & 63];
	out[SECRET_LEN] = '\0';
	explicit_bzero(raw, sizeof(raw));
	return 0;
}

int secret_get(const char *state_dir, const char *service, const char *name, char *out)
{
	cleanup_free char *dir = trp_asprintf("%s/secrets/%s", state_dir, service);
	cleanup_free char *path = trp_asprintf("%s/secrets/%s/%s", state_dir, service, name);
	cleanup_free char *text = NULL;
	size_t len;
	int r;

	if (!dir || !path)
		return -ENOMEM;
	r = trp_read_file(AT_FDCWD, path, SECRET_LEN, &text, &len);
	if (r == 0) {
		if (len != SECRET_LEN)
			return -EBADMSG;
		memcpy(out, text, len + 1);
		explicit_bzero(text, len);
		return 0;
	}
	if (r != -ENOENT)
		return r;
	r = trp_mkdir_p(dir, 0700);
	if (r == 0)
		r = make_secret(out);
	if (r == 0)
		r = trp_write_atomic(AT_FDCWD, path, out, SECRET_LEN, 0600);
	return r;
}
