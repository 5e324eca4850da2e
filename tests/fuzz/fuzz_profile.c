/* SPDX-License-Identifier: ISC */
/* The profile language on any bytes: it must end, with a whole profile or with at least one message, and never leak. What was
 * accepted must keep what profile.h promises. */

#include "supervisor/profile/load.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check(const struct profile *p)
{
	require(p->command.n > 0 && p->command.v[0][0] == '/' && !p->command.v[p->command.n]);
	require(p->user && p->syscalls.n > 0);
	require(p->root != ROOT_PACKAGES || p->packages.n > 0);
	require(p->root != ROOT_DIRECTORY || p->root_directory);
	require((p->hosts.n > 0 || p->default_route) == (p->port[TRP_PROTO_HTTP1] || p->port[TRP_PROTO_TLS]));
	for (size_t i = 0; i < p->hosts.n; i++)
		require(p->hosts.v[i][0] && strlen(p->hosts.v[i]) < 254 && p->host_where[i].line > 0);
	for (size_t i = 0; i < p->n_binds; i++)
		require(p->binds[i].source[0] == '/' && !strstr(p->binds[i].target, "/../"));
	for (size_t i = 0; i < p->n_secrets; i++)
		require(!strchr(p->secrets[i].name, '/'));
	for (size_t i = 0; i < p->n_credentials; i++)
		require(!strchr(p->credentials[i].name, '/') && !p->credentials[i].path == (p->credentials[i].command.n > 0));
	for (size_t i = 0; i < p->env.n; i++)
		require(!strchr(p->env.v[i].name, '=') && p->env.v[i].value && strcmp(p->env.v[i].name, "LD_PRELOAD") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct profile_paths paths = {.public_port = {[TRP_PROTO_HTTP1] = 80, [TRP_PROTO_TLS] = 443}, .libexec = "/usr/lib/trpsup"};
	struct profile_errors errors = {0};
	struct profile *p = NULL;
	int r = profile_load_buffer(&paths, "web@one", "/nonexistent/web.ini", (const char *)data, size, &p, &errors);

	require((r == 0) == (p != NULL) && (r == 0) == (errors.n == 0));
	if (p) {
		check(p);
		require(profile_check_set(&p, 1, &errors) == 0 || errors.n > 0);
	}
	profile_free(p);
	profile_errors_free(&errors);
	return 0;
}
