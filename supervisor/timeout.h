/* SPDX-License-Identifier: ISC */
/* timeout.h: how long a service may take for what it does now, or how long is waited before the next of that. It has one timer, and its
 * state says what for: EVENT_TIMEOUT comes when it is over. */
#pragma once

#include "supervisor/service.h"

/* In so long, counted from now; 0 and UINT64_MAX: never. */
void timeout_set(struct service *s, uint64_t ms);
/* The same for something that the service is to do itself: it may ask for more. */
void timeout_grant(struct service *s, uint64_t ms);
/* It asks: not sooner than us microseconds from now, within what its profile allows. */
void timeout_extend(struct service *s, uint64_t us);
/* What its state has begins anew: an earlier daemon had it in this one, or a part of it is over. */
void timeout_again(struct service *s);
/* Its profile has other times than old had: what it does now has so much more or less. */
void timeout_profile(struct service *s, const struct profile *old);
