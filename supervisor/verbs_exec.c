/* SPDX-License-Identifier: ISC */
#include "supervisor/verbs_exec.h"
#include "supervisor/answer.h"
#include "supervisor/exec.h"

#include <string.h>

#define WORDS_MAX 1024
#define TERM_MAX  64

/* False: one is no string, or there is none. */
static bool take_command(const json_t *params, struct strv *ret)
{
	const json_t *list = json_object_get(params, "command");
	const json_t *word;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > WORDS_MAX)
		return false;
	json_array_foreach((json_t *)list, i, word)
	{
		if (!json_is_string(word) || strv_push(ret, json_string_value(word)) < 0)
			return false;
	}
	return ret->v[0][0] != '\0';
}

static bool take_size(const json_t *params, const char *name, unsigned short *ret)
{
	const json_t *v = json_object_get(params, name);
	json_int_t n = v ? json_integer_value(v) : 0;

	if (n < 0 || n > UINT16_MAX || (v && !json_is_integer(v)))
		return false;
	*ret = (unsigned short)n;
	return true;
}

static bool valid_term(const char *term)
{
	size_t len = strlen(term);

	return len > 0 && len <= TERM_MAX &&
		strspn(term, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._") == len;
}

/* NULL; or the parameter that is wrong. */
static const char *take_wish(const json_t *params, struct exec_wish *w, struct strv *command)
{
	const json_t *user = json_object_get(params, "user"), *term = json_object_get(params, "term");

	if (!take_command(params, command))
		return "command";
	if (user && !json_is_null(user) && !json_is_string(user))
		return "user";
	if (term && !json_is_null(term) && (!json_is_string(term) || !valid_term(json_string_value(term))))
		return "term";
	if (!take_size(params, "rows", &w->rows))
		return "rows";
	if (!take_size(params, "columns", &w->columns))
		return "columns";
	w->command = command;
	w->user = json_string_value(user);
	w->term = json_string_value(term);
	w->terminal = json_is_true(json_object_get(params, "terminal"));
	w->input = json_is_true(json_object_get(params, "input"));
	return NULL;
}

void verb_exec(struct control_call *call, const json_t *params, void *user)
{
	struct service *s = answer_service(call, params, user);
	struct exec_wish wish = {0};
	struct strv command = {0};
	const char *wrong;
	char err[400];
	int r;

	if (!s)
		return;
	wrong = take_wish(params, &wish, &command);
	if (wrong) {
		answer_invalid(call, wrong);
	} else if (!control_wants_more(call)) {
		control_error(call, "org.varlink.service.ExpectedMore", NULL);
	} else {
		r = exec_start(s, &wish, call, err, sizeof(err));
		if (r < 0)
			answer_failed(call, err[0] ? err : strerror(-r));
	}
	strv_free(&command);
}
