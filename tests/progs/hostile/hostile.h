/* SPDX-License-Identifier: ISC */
/* hostile.h: the attack suite's program: a tenant that tries everything. It runs as a service, or in another program's sandbox, and
 * is told what to attack by a job (main.c). Each attack is a function of one of the tables below; it runs in a process of its own
 * and says whether it was refused. In the form that is harmless when it succeeds: that must happen, in the build that leaves the
 * attack's controls out (sandbox/weaken.h), or its refusal proves nothing. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum verdict {
	VERDICT_NONE, /* the attack ended before it said anything */
	REFUSED,
	SUCCEEDED,
	ABSENT, /* what it attacks is not there: not in this kernel, or not given by the job */
};

struct outcome {
	enum verdict verdict;
	char text[160]; /* of REFUSED: the errno's name, or "silently" */
};

struct attack {
	const char *name, *group;
	struct outcome (*run)(int sock); /* sock: a passed socket of its own, or -1 */
	/* Names of controls (tests/weaken.c), each of which refuses it without the others. */
	const char *controls;
	const char *expected; /* what it is refused with in a sandbox that has all of them: texts of REFUSED */
	int socket;           /* 4 or 6: it needs a client's socket of that family */
};

struct table {
	const struct attack *attacks;
	size_t n;
};
#define TABLE(array) {array, sizeof(array) / sizeof((array)[0])}

extern const struct table passed_attacks, network_attacks, process_attacks, proc_attacks, mount_attacks, file_attacks,
	kernel_attacks;

struct outcome refused(int error);
struct outcome refused_silently(void);
struct outcome absent(const char *what);
struct outcome succeeded(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Of a system call: -1 is refused. */
struct outcome judge(long r, const char *what);

/* A line of the job, or NULL. */
const char *job(const char *key);
long job_number(const char *key); /* 0 if it is not there */
/* The router's channel, -1 in other sandboxes. */
int job_channel(void);
/* A client of the host is to try that port of the host's now. */
void say_listening(uint16_t port);
/* Is the file's beginning the host's canary? */
struct outcome judge_canary(int fd);
