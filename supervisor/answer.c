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

struct service *answer_service(struct control_call *call, const json_t *params, struct daemon *d)
{
	const char *name = json_string_value(json_object_get(params, "service"));
	struct service *s;

	if (!name) {
		answer_invalid(call, "service");
		return NULL;
	}
	s = service_find(d, name);
	if (!s)
		answer_no_such(call, name, "it has not been started since the daemon started");
	return s;
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

bool answer_services(struct control_call *call, const json_t *params, struct daemon *d, struct strv *ret)
{
	struct strv names = {0}, all = {0};
	struct profile_errors errors = {0};
	bool ok = answer_names(call, params, &names);

	for (size_t i = 0; ok && i < names.n; i++) {
		int r = group_expand(d, names.v[i], ANSWER_SERVICES_MAX, &all, &errors);
		ok = r == 0;
		if (r < 0)
			answer_bad_profile(call, names.v[i], r, &errors);
	}
	profile_errors_free(&errors);
	strv_free(&names);
	if (ok)
		*ret = all;
	else
		strv_free(&all);
	return ok;
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
