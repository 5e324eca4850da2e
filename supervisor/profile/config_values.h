/* SPDX-License-Identifier: ISC */
/* config_values.h: parsers of values that only trpsup.conf has. */
#pragma once

#include "supervisor/profile/lang.h"

extern const char *const config_protocol_words[];
int value_protocols(const struct lang_value *v, void *base); /* base: struct config_listener */
int value_uid_base(const struct lang_value *v, void *base);
