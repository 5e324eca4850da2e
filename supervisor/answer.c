/* SPDX-License-Identifier: ISC */
#include "supervisor/answer.h"
#include "base/io.h"
#include "base/parse.h"
#include "supervisor/controlmsg.h"
#include "supervisor/group.h"

#include <stdio.h>
#include <string.h>

void answer_invalid(struct control_call *call, const char *parameter)
{
	control_error(call, "org.varlink.service.InvalidParameter", json_pack("{s:s}", "parameter", parameter));
}

void answer_unusable(struct control_call *call, const char *parameter, const char *value, const char *expected)
{
	cleanup_free char *text = NULL;
	int n = value ? asprintf(&text, "%s: '%s' is not %s", parameter, value, expected) : asprintf(&text, "%s: missing: %s", parameter, expected);

	control_error(call, "org.varlink.service.InvalidParameter",
		n < 0 ? json_pack("{s:s}", "parameter", parameter)
		      : json_pack("{s:s,s:o}", "parameter", parameter, "text", controlmsg_string(text, (size_t)n)));
}

void answer_failed(struct control_call *call, const char *text)
{
	control_error(call, "trpsup.Failed", json_pack("{s:o}", "text", controlmsg_string(text, strlen(text))));
}

void answer_no_such(struct control_call *call, const char *service, const char *text)
{
	control_error(call, "trpsup.NoSuchService", json_pack("{s:s,s:s}", "service", service, "text", text));
}

/* Is there a service of that name, or one that could be started? False: the call was answered, with the nearest name that there is. */
static bool answer_exists(struct control_call *call, struct daemon *d, const char *name)
{
	struct profile_errors errors = {0};
	struct profile *p = NULL;
	int r = 0;

	if (!service_find(d, name) && !(d->seen && strcmp(d->seen->service, name) == 0))
		r = profile_load(&d->paths, name, &p, &errors);
	if (r == -ENOENT)
		answer_bad_profile(call, name, r, &errors);
	profile_errors_free(&errors);
	profile_free(p);
	return r != -ENOENT;
}

bool answer_known(struct control_call *call, struct daemon *d, const char *name)
{
	if (service_find(d, name))
		return true;
	if (answer_exists(call, d, name))
		answer_no_such(call, name, "it has not been started since the daemon started");
	return false;
}

struct service *answer_service(struct control_call *call, const json_t *params, struct daemon *d)
{
	const char *name = json_string_value(json_object_get(params, "service"));

	if (!name) {
		answer_invalid(call, "service");
		return NULL;
	}
	return answer_known(call, d, name) ? service_find(d, name) : NULL;
}

bool answer_names(struct control_call *call, const json_t *params, struct strv *ret)
{
	const json_t *list = json_object_get(params, "services");
	struct strv names = {0};
	size_t i;
	json_t *word;

	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > ANSWER_SERVICES_MAX) {
		answer_invalid(call, "services");
		return false;
	}
	json_array_foreach((json_t *)list, i, word)
	{
		const char *name = json_string_value(word);
		if (name && trp_valid_service_name(name) && strv_push(&names, name) == 0)
			continue;
		answer_no_such(call, name ? name : "", "not a service name");
		strv_free(&names);
		return false;
	}
	*ret = names;
	return true;
}

static bool take_services(struct control_call *call, const json_t *params, struct daemon *d, bool must_exist, struct strv *ret)
{
	struct strv names = {0}, all = {0};
	struct profile_errors errors = {0};
	bool ok = answer_names(call, params, &names);

	for (size_t i = 0; ok && i < names.n; i++) {
		int r = group_expand(d, names.v[i], ANSWER_SERVICES_MAX, &all, &errors);
		if (r < 0)
			answer_bad_profile(call, names.v[i], r, &errors);
		ok = r == 0 && (!must_exist || answer_exists(call, d, names.v[i]));
	}
	profile_errors_free(&errors);
	strv_free(&names);
	if (ok)
		*ret = all;
	else
		strv_free(&all);
	return ok;
}

bool answer_services(struct control_call *call, const json_t *params, struct daemon *d, struct strv *ret)
{
	return take_services(call, params, d, true, ret);
}

bool answer_future_services(struct control_call *call, const json_t *params, struct daemon *d, struct strv *ret)
{
	return take_services(call, params, d, false, ret);
}

void answer_bad_profile(struct control_call *call, const char *name, int error, const struct profile_errors *errors)
{
	json_t *lines = json_array();
	char text[200];

	for (size_t i = 0; i < errors->n; i++)
		json_array_append_new(lines, json_string(errors->v[i]));
	if (errors->n == 0) {
		snprintf(text, sizeof(text), "%s: %s", name, strerror(-error));
		json_array_append_new(lines, json_string(text));
	}
	if (error == -ENOENT) {
		answer_no_such(call, name, errors->n ? errors->v[0] : "no such profile");
		json_decref(lines);
		return;
	}
	control_error(call, "trpsup.BadProfile", json_pack("{s:o}", "errors", lines));
}
