/* SPDX-License-Identifier: ISC */
/* expand.c: ${variables}. */
#include "load.h"
#include "base/io.h"
#include "base/parse.h"

#include <stdio.h>
#include <string.h>

/* Upper bound of an expanded value, so that a profile cannot make itself huge. */
#define EXPANDED_MAX (64 * 1024)

enum variable {
	VAR_NAME,
	VAR_INSTANCE,
	VAR_SERVICE,
	VAR_ID,
	VAR_STATE,
	VAR_RUNTIME,
	VAR_PUBLISH,
	VAR_PROFILE,
	VAR_SECRETS,
	VAR_CREDENTIALS,
	VAR_PUBLIC_HTTP,
	VAR_PUBLIC_TLS,
	VAR_LIBEXEC,
	VARIABLES
};

const struct profile_variable profile_variables[] = {
	[VAR_NAME] = {"name", "the profile's name: blog of blog@chess"},
	[VAR_INSTANCE] = {"instance", "the instance: chess of blog@chess"},
	[VAR_SERVICE] = {"service", "the service's name: blog@chess"},
	[VAR_ID] = {"id", "the same with - in place of @: blog-chess"},
	[VAR_STATE] = {"state", "/trp/state, the directory that is kept"},
	[VAR_RUNTIME] = {"runtime", "/run/ID, gone when the service stops"},
	[VAR_PUBLISH] = {"publish", "/trp/publish, for sockets that other services use"},
	[VAR_PROFILE] = {"profile", "/trp/profile, the directory NAME/ beside the profile's file"},
	[VAR_SECRETS] = {"secrets", "/trp/secrets, with a file for each secret"},
	[VAR_CREDENTIALS] = {"credentials", "/trp/credentials, with a file for each credential"},
	[VAR_PUBLIC_HTTP] = {"public.http", "the port on which clients reach HTTP"},
	[VAR_PUBLIC_TLS] = {"public.tls", "the port on which clients reach TLS"},
	[VAR_LIBEXEC] = {"libexec", "the directory of trpsup's own helper programs"},
};
const size_t profile_n_variables = TRP_ARRAY_SIZE(profile_variables);

_Static_assert((int)VARIABLES <= VAR_USES, "struct profile_loading has a place for each");

static int unknown(const struct lang_value *v, const char *name)
{
	const char *names[VARIABLES], *near;

	for (size_t i = 0; i < VARIABLES; i++)
		names[i] = profile_variables[i].name;
	near = trp_nearest(name, names, VARIABLES);
	if (near)
		return lang_refuse(v, "unknown variable ${%s}; did you mean ${%s}?", name, near);
	return lang_refuse(v, "unknown variable ${%s}", name);
}

static int public_port(
	const struct lang_value *v, enum trp_protocol protocol, char *out, size_t size)
{
	const struct profile_loading *l = v->lang->user;

	if (l->paths->public_port[protocol] == 0)
		return lang_refuse(v,
			"${public.%s} has no value: trpsup.conf has no listener with protocols = "
			"%s",
			trp_protocol_words[protocol], trp_protocol_words[protocol]);
	snprintf(out, size, "%u", l->paths->public_port[protocol]);
	return 0;
}

static int no_instance(const struct lang_value *v, const struct profile *p)
{
	return lang_refuse(v,
		"${instance} has no value: this profile is loaded without an instance, expected a "
		"name such as %s@1",
		p->name);
}

static int no_files_dir(const struct lang_value *v, const struct profile *p)
{
	return lang_refuse(v, "${profile} has no value: there is no directory %s/ beside %s",
		p->name, p->file);
}

/* The value as text: borrowed, or written into out. */
static int value_of(
	const struct lang_value *v, enum variable var, char *out, size_t size, const char **ret)
{
	const struct profile_loading *l = v->lang->user;
	const struct profile *p = l->p;
	const char *const values[VARIABLES] = {
		[VAR_NAME] = p->name,
		[VAR_INSTANCE] = p->instance,
		[VAR_SERVICE] = p->service,
		[VAR_ID] = p->id,
		[VAR_STATE] = "/trp/state",
		[VAR_RUNTIME] = out,
		[VAR_PUBLISH] = "/trp/publish",
		[VAR_PROFILE] = "/trp/profile",
		[VAR_SECRETS] = "/trp/secrets",
		[VAR_CREDENTIALS] = "/trp/credentials",
		[VAR_PUBLIC_HTTP] = out,
		[VAR_PUBLIC_TLS] = out,
		[VAR_LIBEXEC] = l->paths->libexec,
	};

	*ret = values[var];
	if (var == VAR_INSTANCE && !p->instance[0])
		return no_instance(v, p);
	if (var == VAR_PROFILE && !p->files_dir)
		return no_files_dir(v, p);
	if (var == VAR_LIBEXEC && !l->paths->libexec)
		return lang_refuse(v, "${libexec} has no value here");
	if (var == VAR_PUBLIC_HTTP || var == VAR_PUBLIC_TLS)
		return public_port(v, var == VAR_PUBLIC_HTTP ? TRP_PROTO_HTTP1 : TRP_PROTO_TLS, out, size);
	if (var == VAR_RUNTIME)
		snprintf(out, size, "/run/%s", p->id);
	return 0;
}

/* The variable at *p (behind "${"), appended to f. */
static int one_variable(const struct lang_value *v, const char **p, FILE *f)
{
	struct profile_loading *l = v->lang->user;
	const char *end = strchr(*p, '}'), *value;
	cleanup_free char *name = end ? strndup(*p, (size_t)(end - *p)) : NULL;
	char buf[256];
	int r;

	if (!end)
		return lang_refuse(v, "'${' without '}'; a literal $ is written as $$");
	if (!name)
		return -ENOMEM;
	*p = end + 1;
	for (unsigned i = 0; i < VARIABLES; i++) {
		if (strcmp(name, profile_variables[i].name) != 0)
			continue;
		if (!l->used[i].file)
			l->used[i] = v->where;
		r = value_of(v, i, buf, sizeof(buf), &value);
		if (r == 0)
			fputs(value, f);
		return r;
	}
	return unknown(v, name);
}

struct profile_where expand_used(const struct profile_loading *l, const char *name)
{
	for (size_t i = 0; i < VARIABLES; i++)
		if (strcmp(name, profile_variables[i].name) == 0)
			return l->used[i];
	return (struct profile_where){0};
}

int expand_variables(const struct lang_value *v, const char *text, char **ret)
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);
	int r = f ? 0 : -ENOMEM;

	while (r == 0 && *text) {
		size_t plain = strcspn(text, "$");
		fwrite(text, 1, plain, f);
		text += plain;
		if (!*text)
			break;
		if (text[1] == '$') {
			fputc('$', f);
			text += 2;
		} else if (text[1] == '{') {
			text += 2;
			r = one_variable(v, &text, f);
		} else {
			r = lang_refuse(v, "a single $ means nothing here; a literal $ is written "
					   "as $$, a variable as ${name}");
		}
	}
	if (f && fclose(f) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0 && size > EXPANDED_MAX)
		r = lang_refuse(
			v, "longer than %d bytes when its variables are expanded", EXPANDED_MAX);
	if (r < 0) {
		free(out);
		return r;
	}
	*ret = out;
	return 0;
}
