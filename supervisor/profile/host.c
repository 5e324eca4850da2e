/* SPDX-License-Identifier: ISC */
/* host.c: a host name as people write it. On the wire there are only A-labels, so this is the only place that knows of
 * others: "bücher.example" in a profile is "xn--bcher-kva.example" everywhere else. */
#include "values.h"
#include "base/parse.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>

static bool is_ascii(const char *text)
{
	while (*text && !(*text & 0x80))
		text++;
	return *text == '\0';
}

/* IDNA 2008 with the mappings of UTS 46, non-transitional, as browsers do it */
static int to_a_labels(const struct lang_value *v, const char *name, char **ret)
{
	int r = idn2_to_ascii_8z(name, ret, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);

	if (r == IDN2_MALLOC)
		return -ENOMEM;
	return r == IDN2_OK ? 0 : lang_refuse(v, "'%s' is not an internationalized name: %s", v->text, idn2_strerror(r));
}

int value_canonical_host(const struct lang_value *v, char ret[254])
{
	const bool wildcard = strncmp(v->text, "*.", 2) == 0;
	char *ascii = NULL, name[256];
	int r;

	if (is_ascii(v->text))
		return trp_canonical_route(v->text, ret);
	r = to_a_labels(v, v->text + (wildcard ? 2 : 0), &ascii);
	if (r < 0)
		return r;
	r = strlen(ascii) > 253 ? -EINVAL : 0;
	if (r == 0) {
		stpcpy(stpcpy(name, wildcard ? "*." : ""), ascii);
		r = trp_canonical_host(name, true, ret);
	}
	idn2_free(ascii);
	return r;
}
