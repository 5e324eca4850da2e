/* SPDX-License-Identifier: ISC */
#include "supervisor/box/users.h"
#include "base/io.h"
#include "base/parse.h"
#include "sandbox/openat2.h"
#include "supervisor/ids.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TABLE_MAX (1u << 20)

/* An image is not trusted to have no link to the host's files: resolved as if in a chroot. Nor to have a file there: the daemon would wait for
 * who writes into a fifo. */
static int read_in_root(const char *root, const char *path, char **ret)
{
	cleanup_close int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = -1;
	struct stat st;

	if (dir < 0)
		return -errno;
	fd = trp_openat2(dir, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	return trp_read_fd(fd, TABLE_MAX, ret, NULL);
}

/* Field n (0 = name) of the line "name:..." for this name, as a number below the range's size. */
static int lookup(const char *table, const char *name, int field, uint64_t *ret)
{
	size_t len = strlen(name);

	for (const char *line = table; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || line[len] != ':')
			continue;
		const char *p = line;
		for (int i = 0; i < field && p; i++) {
			p = strpbrk(p, ":\n");
			p = p && *p == ':' ? p + 1 : NULL;
		}
		if (!p)
			return -EBADMSG;
		cleanup_free char *word = strndup(p, strcspn(p, ":\n"));
		return word ? trp_parse_u64(word, ret) : -ENOMEM;
	}
	return -ENOENT;
}

static int resolve_one(const char *root, const char *file, const char *name, int field, uint64_t *ret)
{
	cleanup_free char *table = NULL;
	int r;

	if (!root)
		return -ENOENT;
	r = read_in_root(root, file, &table);
	return r < 0 ? r : lookup(table, name, field, ret);
}

int users_resolve(const char *root, const char *user, const char *group, uid_t *ret_uid, gid_t *ret_gid)
{
	uint64_t uid, gid;
	int r;

	if (trp_parse_u64(user, &uid) == 0) {
		gid = uid;
	} else {
		r = resolve_one(root, "etc/passwd", user, 2, &uid);
		if (r == 0)
			r = resolve_one(root, "etc/passwd", user, 3, &gid);
		if (r < 0)
			return r;
	}
	if (group && trp_parse_u64(group, &gid) < 0) {
		r = resolve_one(root, "etc/group", group, 2, &gid);
		if (r < 0)
			return r;
	}
	if (uid >= IDS_RANGE || gid >= IDS_RANGE)
		return -ERANGE;
	*ret_uid = (uid_t)uid;
	*ret_gid = (gid_t)gid;
	return 0;
}
