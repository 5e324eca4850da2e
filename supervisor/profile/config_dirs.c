/* SPDX-License-Identifier: ISC */
/* config_dirs.c: where the helper programs and the shipped profiles are: in a build tree, or
 * installed. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static bool has_init(const char *dir)
{
	char init[PATH_MAX + 16];

	snprintf(init, sizeof(init), "%s/trp-init", dir);
	return access(init, X_OK) == 0;
}

/* The directory of the running program. */
static bool program_dir(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	char *slash;

	if (n <= 0)
		return false;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (!slash || slash == out)
		return false;
	*slash = '\0';
	return true;
}

/* The directory of the running program if it is a build directory: one that holds trp-init too. */
static bool build_dir(char *out, size_t size)
{
	return program_dir(out, size) && strcmp(out, TRP_LIBEXECDIR) != 0 && has_init(out);
}

/* The running program lies in PREFIX/bin or PREFIX/sbin, with what was installed with it: that may be another PREFIX than it was built
 * with. */
static bool install_dir(const char *name, char *out, size_t size)
{
	char prefix[PATH_MAX], libexec[PATH_MAX];
	char *slash;

	if (!program_dir(prefix, sizeof(prefix)))
		return false;
	slash = strrchr(prefix, '/');
	*slash = '\0';
	return (size_t)snprintf(libexec, sizeof(libexec), "%s/lib/trpsup", prefix) < sizeof(libexec) && has_init(libexec) &&
		(size_t)snprintf(out, size, "%s/%s", prefix, name) < size;
}

const char *config_libexec(void)
{
	static char dir[PATH_MAX];

	if (!dir[0] && !build_dir(dir, sizeof(dir)) && !install_dir("lib/trpsup", dir, sizeof(dir)))
		snprintf(dir, sizeof(dir), "%s", TRP_LIBEXECDIR);
	return dir;
}

/* A build directory may lie deeper (make O=build/asan): the first directory above it that has a
 * Makefile is the top. */
static bool source_profiles(char *dir, char *out, size_t size)
{
	char path[PATH_MAX + 16], *slash;

	while ((slash = strrchr(dir, '/')) && slash != dir) {
		*slash = '\0';
		snprintf(path, sizeof(path), "%s/Makefile", dir);
		if (access(path, R_OK) == 0)
			return (size_t)snprintf(out, size, "%s/profiles", dir) < size;
	}
	return false;
}

const char *config_shipped_profiles(void)
{
	static char dir[PATH_MAX];
	char build[PATH_MAX];

	if (!dir[0] && (!build_dir(build, sizeof(build)) || !source_profiles(build, dir, sizeof(dir))) &&
		!install_dir("share/trpsup/profiles", dir, sizeof(dir)))
		snprintf(dir, sizeof(dir), "%s", TRP_DATADIR "/profiles");
	return dir;
}
