/* SPDX-License-Identifier: ISC */
/* control.h: the daemon's side of the control protocol: Varlink's framing and conventions over a
 * unix stream socket. One NUL-terminated JSON object for a call:
 * {"method":"trpsup.Start","parameters":{...},"more":true}; each reply
 * {"parameters":{...},"continues":true} or {"error":"trpsup.NoSuchService","parameters":{...}}.
 *
 * The server checks SO_PEERCRED (root or the daemon's own uid; others are refused and logged),
 * bounds a message (CONTROL_MESSAGE_MAX), the clients (CONTROL_CLIENTS_MAX) and what waits to be
 * written to one (CONTROL_OUTPUT_MAX, or one reply: a client that does not read is dropped), and
 * answers org.varlink.service.GetInfo itself. It never blocks the loop. */
#pragma once

#include "base/util.h"
#include <ev.h>
#include <jansson.h>

#define CONTROL_MESSAGE_MAX (64 * 1024)
#define CONTROL_CLIENTS_MAX 256
#define CONTROL_OUTPUT_MAX  (1024 * 1024)
#define CONTROL_OUTPUT_LOW  (64 * 1024)
#define CONTROL_FDS_MAX     4

struct control;
/* One call that is being answered. Valid until its last reply was given or its client went away
 * (then gone() is called). */
struct control_call;

struct control_verb {
	const char *method; /* "trpsup.Start" */
	/* params: a JSON object, borrowed. Answers now or later by control_reply()/control_error(),
	 * exactly once with continues false (or an error). */
	void (*run)(struct control_call *call, const json_t *params, void *user);
	const char *help;
};

/* verbs and user are borrowed until control_close(). path becomes a socket of mode 0600; what a
 * dead daemon left there is replaced. -EADDRINUSE: somebody answers at path; -EEXIST: path is
 * something else than a socket; -ENAMETOOLONG. */
int control_open(struct ev_loop *loop, const char *path, const struct control_verb *verbs,
	size_t n_verbs, void *user, struct control **ret);
/* The same with a socket that listens at path already, which is taken over: of the program that was executed before this one. */
int control_adopt(struct ev_loop *loop, const char *path, int fd, const struct control_verb *verbs, size_t n_verbs, void *user, struct control **ret);
/* The listening socket, and that of a call's client: borrowed. */
int control_fd(const struct control *c);
int control_call_fd(const struct control_call *call);
/* Answers all calls but keep (NULL: all) with trpsup.Failed and text, and lets go their clients. Not from inside of run() or gone(). */
void control_end_others(struct control *c, const struct control_call *keep, const char *text);
/* A client of before, which waits for an answer: it is given by control_reply(). fd is taken over. NULL: no memory. */
struct control_call *control_resume(struct control *c, int fd);
/* Not from inside of run() or gone(). Calls that are still open get their gone(); the socket file
 * is removed. NULL is fine. */
void control_close(struct control *c);

/* parameters: reference is taken over; NULL = {}. A reply with continues to a call without "more"
 * is dropped. */
void control_reply(struct control_call *call, json_t *parameters, bool continues);
void control_error(struct control_call *call, const char *error, json_t *parameters);
/* With n descriptors (at most CONTROL_FDS_MAX), which go beside the first byte of the message (SCM_RIGHTS): borrowed. Only the first of a call's
 * replies may have some. */
void control_reply_fds(struct control_call *call, json_t *parameters, bool continues, const int *fds, size_t n);
bool control_wants_more(const struct control_call *call);
/* gone(data) is called if the client leaves before the last reply (from the loop or
 * control_close(), never from inside of control_reply()); call is dead then and gone() may not
 * answer it. One at a time; NULL clears. */
void control_on_gone(struct control_call *call, void (*gone)(void *data), void *data);
/* Bytes that wait to be written to this call's client, so that a stream can hold back. */
size_t control_pending(const struct control_call *call);
/* drained(data) is called from the loop each time that the waiting bytes have fallen below
 * CONTROL_OUTPUT_LOW again. A stream that stops at that mark and goes on here is never dropped. One
 * at a time; NULL clears. */
void control_on_drain(struct control_call *call, void (*drained)(void *data), void *data);
