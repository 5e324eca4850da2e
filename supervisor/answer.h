/* SPDX-License-Identifier: ISC */
/* answer.h: what several methods of the control protocol have in common. Each answers the call with an error. */
#pragma once

#include "supervisor/control.h"
#include "supervisor/service.h"

void answer_invalid(struct control_call *call, const char *parameter);
/* The same for what a person wrote: value (NULL: nothing), and what was expected in its place. */
void answer_unusable(struct control_call *call, const char *parameter, const char *value, const char *expected);
/* text: may be cut off within a character. */
void answer_failed(struct control_call *call, const char *text);
void answer_no_such(struct control_call *call, const char *service, const char *text);
/* load_service() failed with error. */
void answer_bad_profile(struct control_call *call, const char *name, int error, const struct profile_errors *errors);

#define ANSWER_SERVICES_MAX 256

/* The "services" of a call: at least one valid name, as they were written. False: answered with an error; ret is empty. */
bool answer_names(struct control_call *call, const json_t *params, struct strv *ret);
/* The same with the members of groups in their place; each that was written has a profile, or the daemon knows it. */
bool answer_services(struct control_call *call, const json_t *params, struct daemon *d, struct strv *ret);
/* ... or may have one later. */
bool answer_future_services(struct control_call *call, const json_t *params, struct daemon *d, struct strv *ret);
/* Does the daemon know a service of that name? False: answered with an error. */
bool answer_known(struct control_call *call, struct daemon *d, const char *name);
/* The one "service" of a call, known to the daemon. NULL: answered with an error. */
struct service *answer_service(struct control_call *call, const json_t *params, struct daemon *d);
