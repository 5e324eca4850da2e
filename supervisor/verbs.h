/* SPDX-License-Identifier: ISC */
/* verbs.h: the methods of the control protocol (doc/protocol.md). */
#pragma once

#include "supervisor/control.h"

const struct control_verb *verbs_table(size_t *ret_n); /* their user pointer is the struct daemon */
