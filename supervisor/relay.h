/* SPDX-License-Identifier: ISC */
/* relay.h: the sandbox of a service with adapter = relay. */
#pragma once

struct service;

/* As spawn_sandbox(). */
int relay_spawn(struct service *s, const int out_err[2], int control);
