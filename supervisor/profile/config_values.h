/* SPDX-License-Identifier: ISC */
/* config_values.h: parsers of values that only trpsup.conf has. */
#pragma once

#include "supervisor/profile/config.h"
#include "supervisor/profile/lang.h"

int value_protocols(const struct lang_value *v, void *base); /* base: struct config_listener */
int value_uid_base(const struct lang_value *v, void *base);

/* config_listener.c; base: struct config_listener */
extern const char *const config_family_words[];
int value_listener_address(const struct lang_value *v, void *base);
int value_listener_family(const struct lang_value *v, void *base);
int value_listener_device(const struct lang_value *v, void *base);
int value_listener_trusted(const struct lang_value *v, void *base);
int value_listener_default(const struct lang_value *v, void *base);
extern const char *const config_missing_words[];
int value_listener_fd(const struct lang_value *v, void *base);
int value_listener_redirect(const struct lang_value *v, void *base);
/* What a profile and the defaults of listeners have against each other. */
void config_check_default(const struct config *c, const struct profile *p, struct profile_errors *errors);
void config_listener_free(struct config_listener *l);
/* complete: no value was refused, so what is not there is missing. */
void config_check_listeners(struct config *c, struct profile_errors *e, bool complete);
