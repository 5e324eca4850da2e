/* SPDX-License-Identifier: ISC */
/* join.c: paths as text. The bytes are a hostile program's. */
#include "learn.h"

#include <string.h>

struct out {
	char *text;
	size_t len;
};

static bool is_number(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return len > 0;
}

/* A process is itself: its number is another one each time. */
static bool is_process(const struct out *o, const char *s, size_t len)
{
	return is_number(s, len) && ((o->len == 5 && memcmp(o->text, "/proc", 5) == 0) ||
		(o->len == 15 && memcmp(o->text, "/proc/self/task", 15) == 0));
}

static int add(struct out *o, const char *s, size_t len)
{
	if (len == 0 || (len == 1 && s[0] == '.'))
		return 0;
	if (len == 2 && s[0] == '.' && s[1] == '.') {
		while (o->len > 0 && o->text[--o->len] != '/')
			;
		return 0;
	}
	if (is_process(o, s, len)) {
		s = "self";
		len = 4;
	}
	if (o->len + 1 + len + 1 > LEARN_PATH_MAX)
		return -ENAMETOOLONG;
	o->text[o->len++] = '/';
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return -EINVAL;
		o->text[o->len++] = s[i];
	}
	return 0;
}

static int add_all(struct out *o, const char *path)
{
	int r = 0;

	while (*path && r == 0) {
		size_t len = strcspn(path, "/");
		r = add(o, path, len);
		path += len + (path[len] == '/');
	}
	return r;
}

int learn_join(const char *base, const char *path, char ret[LEARN_PATH_MAX])
{
	struct out o = {.text = ret};
	int r = 0;

	if (path[0] != '/') {
		if (base[0] != '/')
			return -EINVAL;
		r = add_all(&o, base);
	}
	if (r == 0)
		r = add_all(&o, path);
	if (r < 0)
		return r;
	if (o.len == 0)
		ret[o.len++] = '/';
	ret[o.len] = '\0';
	return 0;
}
