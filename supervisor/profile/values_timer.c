/* SPDX-License-Identifier: ISC */
/* values_timer.c: calendar of [timer]. */
#include "values.h"

#include <string.h>

int value_calendar(const struct lang_value *v, void *base)
{
	struct profile *p = base;
	struct profile_calendar c = {.text = NULL}, *grown;
	char text[200] = "";
	time_t t;

	if (!v->words) {
		while (p->calendars.n > 0)
			free(p->calendars.v[--p->calendars.n].text);
		return 0;
	}
	for (size_t i = 0; i < v->words->n; i++) {
		if (strlen(text) + strlen(v->words->v[i]) + 2 > sizeof(text))
			return lang_refuse(v, "is too long");
		if (i > 0)
			strcat(text, " ");
		strcat(text, v->words->v[i]);
	}
	if (trp_calendar_parse(text, &c.when) < 0)
		return lang_refuse(v, "'%s' is not valid, expected %s", text, v->key->expects);
	if (trp_calendar_next(&c.when, 0, &t) < 0)
		return lang_refuse(v, "'%s' never comes", text);
	grown = reallocarray(p->calendars.v, p->calendars.n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->calendars.v = grown;
	c.text = strdup(text);
	if (!c.text)
		return -ENOMEM;
	grown[p->calendars.n++] = c;
	return 0;
}
