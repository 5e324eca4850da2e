/* SPDX-License-Identifier: ISC */
#include "controlmsg.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum controlmsg_frame controlmsg_frame(const char *buf, size_t len, size_t max, size_t *ret_len)
{
	const char *end = memchr(buf, '\0', len <= max ? len : max + 1);

	if (!end)
		return len > max ? CONTROLMSG_LONG : CONTROLMSG_NEED;
	*ret_len = (size_t)(end - buf);
	return CONTROLMSG_WHOLE;
}

/* A flag that is true, false or not there. */
static bool take_flag(const json_t *object, const char *name, bool *ret)
{
	const json_t *v = json_object_get(object, name);

	*ret = json_is_true(v);
	return !v || json_is_boolean(v);
}

static enum controlmsg_call take_call(struct controlmsg *m)
{
	const char *dot;
	bool upgrade;

	m->method = json_string_value(json_object_get(m->object, "method"));
	dot = m->method ? strrchr(m->method, '.') : NULL;
	if (!dot || dot == m->method || !dot[1])
		return CONTROLMSG_NO_METHOD;
	m->interface_len = (size_t)(dot - m->method);
	m->params = json_object_get(m->object, "parameters");
	if (!m->params || json_is_null(m->params)) {
		if (json_object_set_new(m->object, "parameters", json_object()) < 0)
			return CONTROLMSG_NO_MEMORY;
		m->params = json_object_get(m->object, "parameters");
	}
	if (!json_is_object(m->params))
		return CONTROLMSG_BAD_PARAMETERS;
	if (!take_flag(m->object, "more", &m->more) ||
		!take_flag(m->object, "oneway", &m->oneway) ||
		!take_flag(m->object, "upgrade", &upgrade))
		return CONTROLMSG_BAD_FLAG;
	return upgrade ? CONTROLMSG_UPGRADE : CONTROLMSG_OK;
}

enum controlmsg_call controlmsg_parse(const char *text, size_t len, struct controlmsg *ret)
{
	struct controlmsg m = {.object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL)};
	enum controlmsg_call r = CONTROLMSG_BAD_JSON;

	if (json_is_object(m.object))
		r = take_call(&m);
	if (r == CONTROLMSG_OK)
		*ret = m;
	else
		controlmsg_free(&m);
	return r;
}

void controlmsg_free(struct controlmsg *m)
{
	json_decref(m->object);
	m->object = NULL;
}

const char *controlmsg_text(enum controlmsg_call result)
{
	static const char *const texts[] = {
		[CONTROLMSG_OK] = "fine",
		[CONTROLMSG_NO_MEMORY] = "no memory",
		[CONTROLMSG_BAD_JSON] = "the message is not one JSON object",
		[CONTROLMSG_NO_METHOD] = "\"method\" must be a string of the form INTERFACE.Method",
		[CONTROLMSG_BAD_PARAMETERS] = "\"parameters\" must be an object",
		[CONTROLMSG_BAD_FLAG] =
			"\"more\", \"oneway\" and \"upgrade\" must be true or false",
		[CONTROLMSG_UPGRADE] = "no method here upgrades the connection",
	};

	return texts[result];
}

json_t *controlmsg_string(const char *text, size_t len)
{
	json_t *s = json_stringn(text, len);
	char *escaped;

	if (s && !memchr(text, '\0', len))
		return s;
	json_decref(s);
	escaped = trp_escape(text, len, TRP_ESCAPE_INVALID);
	s = escaped ? json_string(escaped) : NULL;
	free(escaped);
	return s;
}
