/* SPDX-License-Identifier: ISC */
/* logmsg.h: what trpsupd and trp-logger say to each other, over a SEQPACKET pair of which trpsupd holds both ends: what was sent
 * survives the logger's death and goes to the next one. The logger keeps nothing in mind that is not in each message. */
#pragma once

#include "supervisor/logger/logtext.h"

#define LOG_MAGIC   0x747a6c03u /* changes with everything here */
#define LOG_FD      3           /* the logger's end */
#define LOG_TEXT_MAX (64 * 1024) /* of lines in one message */
#define LOG_TAIL_MAX (8 * 1024)

/* Of one service; the last is that of all together. 0: none. */
struct log_limits {
	uint64_t size;  /* bytes of a file before it is rotated */
	uint64_t age;   /* microseconds from its first line until it is rotated */
	uint64_t keep;  /* microseconds for which a rotated file is kept */
	uint64_t total; /* bytes of all files */
	uint64_t all;   /* bytes of all services' files */
	uint32_t files; /* rotated files that are kept; here 0 means none */
	uint32_t compress;
	uint32_t to;    /* LOG_TO_...; 0: the file */
};

/* Where lines go. */
#define LOG_TO_FILE    1u
#define LOG_TO_SYSLOG  2u
#define LOG_TO_JOURNAL 4u
/* Sockets of those behind the file. The logger cannot connect: it has those that it was started with (LOG_FD + 1 and so on; /dev/null: there is
 * none), and gets others by LOG_SOCKET. */
enum log_socket { LOG_SYSLOG, LOG_JOURNAL, LOG_SOCKETS };
#define LOG_SOCKET_BIT(k) (LOG_TO_SYSLOG << (k))

enum log_type {
	LOG_LINES,  /* whole lines, as they are to be in the file; or nothing, to make the limits known */
	LOG_FINISH, /* ends when all before this is written */
	LOG_SOCKET, /* with one descriptor: for what socket says. Not answered */
};

struct log_msg {
	uint32_t magic;
	uint16_t type;
	uint16_t want_tail; /* the answer is to bring the last lines of the file as it was before */
	uint32_t socket;    /* enum log_socket */
	uint64_t seq;       /* counts up */
	struct log_limits limits;
	uint64_t unsaid[LOG_SOCKETS]; /* lines that were dropped before these: a line there is to say so */
	uint64_t unwritten;           /* lines that a logger before this one could not write, and not say either; */
	int32_t unwritten_error;      /* and why, -errno */
	char service[LOGTEXT_SERVICE];
};

/* To each LOG_LINES, in their order. The tail's bytes, whole lines, follow. */
struct log_ack {
	uint32_t magic;
	int32_t error; /* -errno, if lines could not be written */
	uint64_t seq;
	uint64_t lost; /* lines */
	uint64_t unwritten; /* ... and of those before, of which its file does not say yet that they are */
	uint64_t dropped[LOG_SOCKETS]; /* of these lines, those that were not taken there */
	uint64_t unsaid[LOG_SOCKETS];  /* with those before that still nobody was told of */
	uint32_t broken;               /* LOG_SOCKET_BIT(): there is no socket, or nobody at its other end */
};
