/* SPDX-License-Identifier: ISC */
#include "cli.h"
#include "base/io.h"

#include <limits.h>
#include <string.h>

/* Beside this program (a build tree), in ../sbin (installed anywhere), or where it was configured
 * to be installed. */
static char *find_daemon(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash, *path;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (int i = 0; i < 3; i++) {
		if (i == 2)
			path = strdup(TRP_LIBEXECDIR "/../../sbin/trpsupd");
		else
			path = slash ? trp_asprintf(
					       "%s/%s", self, i ? "../sbin/trpsupd" : "trpsupd")
				     : NULL;
		if (path && access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

int verb_daemon(struct cli *cli, char **args, size_t n)
{
	cleanup_free char *path = find_daemon();
	char *argv[4] = {(char *)"trpsupd", NULL};

	(void)args;
	(void)n;
	if (!path) {
		cli_error("trpsupd is not installed: it is neither beside this program nor in "
			  "../sbin");
		return CLI_FAILED;
	}
	if (cli->conf) {
		argv[1] = (char *)"-c";
		argv[2] = (char *)cli->conf;
	}
	execv(path, argv);
	cli_error("%s: %s", path, strerror(errno));
	return CLI_FAILED;
}
