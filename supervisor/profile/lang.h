/* SPDX-License-Identifier: ISC */
/* lang.h: the language of profiles and of trpsup.conf, internal to supervisor/profile/. INI as
 * libinih reads it; what a key means is one row of a table.
 *
 *   file.c     a file, checked and cut into lines, given to libinih  -> lang_apply() for each value
 *   lang.c     finds the row, splits and expands the value           -> the row's parser
 *   values.c   parsers of values (and values_profile.c)              -> a field of the struct
 *   foreign.c  the hint for a key that other programs have
 *
 * Every problem becomes a line in errors and reading goes on, so that a run shows all of them. */
#pragma once

#include "supervisor/profile/profile.h"

#define LANG_FILE_MAX (64 * 1024)
#define LANG_WORD_MAX                                                                              \
	49 /* bytes of a key or of a section's name; libinih cuts longer ones without a word */
#define LANG_INCLUDE_MAX 8   /* files deep, the first one not counted */
#define LANG_FILES_MAX   128 /* files of one profile, with all that they include */
#define LANG_KEYS_MAX    128 /* rows of one table */

struct lang;
struct lang_key;

/* One value on its way to a parser. */
struct lang_value {
	struct lang *lang;
	const struct lang_key *key; /* NULL for free names */
	const char *name;           /* as written: the key, or the free name */
	struct profile_where where;
	bool continued;   /* written on an indented line */
	const char *text; /* LANG_SCALAR, LANG_LIST: expanded, one word of a list. NULL: reset the
			     list */
	const struct strv *words; /* LANG_LINE, LANG_LINES: expanded. NULL: reset */
};

/* Puts a value into base (the struct that the section fills). 0; -EINVAL: not what the key expects;
 * -ERANGE: out of the key's range (for both the caller writes the message); -EBADMSG: refused, the
 * message is written; -ENOMEM. */
typedef int (*lang_parser)(const struct lang_value *v, void *base);

enum lang_kind {
	LANG_SCALAR, /* one value; twice in a file is an error; another file replaces it */
	LANG_LINE,   /* a scalar of words (a command line); indented lines add words */
	LANG_LIST,   /* words; every assignment adds; an empty one resets */
	LANG_LINES,  /* every assignment (or indented line) is one item of several words; an empty
			one resets */
};

/* A row of a table. */
struct lang_key {
	const char *section, *name;
	enum lang_kind kind;
	lang_parser parse;
	size_t offset, size;
	bool live; /* a new value counts for a service that runs; else when it is started the next time */
	uint64_t min, max; /* for numbers; max 0 = no range */
	uint64_t most; /* the largest number beside "unlimited", which is max then; 0: any */
	const char *const
		*words;       /* the words permitted, NULL-terminated, in the order of the enum */
	const char *expects;  /* "a size such as 64M"; the type in the manual */
	const char *fallback; /* default, as it would be written; NULL: none */
	const char *unset;    /* in the manual: what holds when there is no fallback */
	const char *example;  /* a value that is right */
	const char *help;     /* one line */
};

struct lang_section {
	const char *name;
	bool named;             /* [name WORD] */
	lang_parser free_names; /* any key, to this parser as LANG_SCALAR; indented lines are joined
				   by a blank */
};

/* What others call a key. */
struct lang_foreign {
	const char *theirs, *section, *name; /* theirs NULL: the end */
};

struct lang {
	const struct lang_foreign *foreign; /* NULL: none */
	const struct lang_key *keys;
	size_t n_keys;
	const struct lang_section *sections;
	size_t n_sections;
	const struct lang_section *others; /* of the other language, whose files are called others_are; NULL: there is none */
	size_t n_others;
	const char *others_are;
	struct profile_errors *errors;
	void *base;                  /* what the sections fill */
	struct profile_where *where; /* by row: the last assignment */
	unsigned *serial;            /* by row: number of the file of the last assignment, 0 none */
	char **texts;                /* by row: the value as written, expanded; NULL: none. Items of lists are on lines of their own */
	unsigned n_files;            /* number of the newest file */
	struct strv files;           /* every file read; messages point into it */
	const struct profile_sources *source; /* instead of the files; NULL: they are read */
	struct profile_sources *copy;  /* where what is read is put, or NULL */
	const struct profile_stand_in *stand_in; /* NULL: none */
	bool include;                /* "include = PATH" is part of this language */
	bool oom;
	bool lost;  /* lines could not be used: do not complain about what is missing */
	void *user; /* of the hooks */
	/* Expands the variables of text. The hook writes its messages: -EBADMSG. NULL: there are
	 * none. */
	int (*expand)(const struct lang_value *v, const char *text, char **ret);
	/* A [name WORD] section begins: what it fills, or NULL when refused (message written). */
	void *(*open_section)(struct lang *l, const char *word, struct profile_where where);
	/* A value of a free name is continued. NULL where no section has free names. */
	lang_parser free_continued;
};

/* Takes memory for where and serial, and fills base with the fallbacks of all scalars. */
int lang_init(struct lang *l);
/* Lists that are still empty get their fallback: after all files. */
int lang_finish(struct lang *l);
void lang_free(struct lang *l);

/* Reads a file, which must be regular, owned by root or the caller, not writable by others, at most
 * LANG_FILE_MAX bytes of UTF-8 without control characters. 0 also when errors were found (they are
 * in l->errors); -ENOENT: no such file, no message written; -ENOMEM. */
int lang_read(struct lang *l, const char *path);
/* The same for bytes in memory; path is for messages and for the directory of includes. */
int lang_read_buffer(struct lang *l, const char *path, const char *buf, size_t len);

/* A file that is being read. */
struct lang_file {
	struct lang *lang;
	const struct lang_file *parent; /* that includes this one */
	unsigned depth;
	uint64_t dev, ino;
	const char *path; /* in lang->files */
	unsigned serial;
	const char *next, *end; /* what is not read yet */
	unsigned line;
	int kind;                           /* of the line: enum line_kind of file.c */
	bool handled;                       /* libinih gave the line to lang_apply() */
	bool has_key;                       /* there is a key that an indented line can continue */
	bool skip_continued, skip_section;  /* an error made what follows meaningless */
	const struct lang_section *section; /* NULL: before the first */
	void *base;
};

int lang_open_section(struct lang_file *f, const char *name);
void lang_apply(struct lang_file *f, const char *name, const char *value, bool continued);
int lang_include(struct lang_file *f, const char *path);

/* Writes a message at the value's place; returns -EBADMSG. */
int lang_refuse(const struct lang_value *v, const char *fmt, ...) TRP_PRINTF(2, 3);

const struct lang_section *lang_find_section(const struct lang *l, const char *name, size_t len);
const struct lang_key *lang_find_key(const struct lang *l, const char *section, const char *name);
/* foreign.c */
extern const struct lang_foreign profile_foreign[];
const struct lang_foreign *lang_find_foreign(const struct lang *l, const char *name);
struct profile_where lang_where(const struct lang *l, const char *section, const char *name);

/* file.c. Who could have written this file, or put another in this directory? A profile decides what runs as whom. NULL: root or the
 * caller alone; else why it is refused. */
struct stat;
const char *lang_check_owner(const struct stat *st);
/* Is it UTF-8 without control characters but tab and line end? False with a message at the first that is not. */
bool lang_check_text(struct profile_errors *errors, const char *path, const char *text, size_t len);

/* words.c. Splits a line into words: blanks separate; '...' and "..." group; a backslash takes the
 * next character as it is (in
 * "..." only before " and \). Returns 0, -ENOMEM, or -EINVAL with the reason in *why. */
int words_split(const char *line, struct strv *ret, const char **why);
/* The first word of a line that words_split() takes which is not quoted and for a shell only, as |, >>file and &&. NULL: there is none;
 * *len is its length. */
const char *words_for_shell(const char *line, size_t *len);
/* A line that words_split() makes these words of, in fresh memory; NULL: no memory. */
char *words_join(const struct strv *words);
