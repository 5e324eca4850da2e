/* SPDX-License-Identifier: ISC */
#include "parse.h"
#include "util.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define RATE_INTERVAL_MIN_NS 1000u /* 1,000,000 a second */

/* Digits at *p, advancing it. -EINVAL: none; -ERANGE: more than 64 bits. */
static int take_digits(const char **p, uint64_t *ret)
{
	uint64_t v = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, 10u, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	*p = s;
	*ret = v;
	return 0;
}

int trp_parse_u64(const char *text, uint64_t *ret)
{
	uint64_t v;
	int r = take_digits(&text, &v);

	if (r < 0)
		return r;
	if (*text)
		return -EINVAL;
	*ret = v;
	return 0;
}

int trp_parse_port(const char *text, uint16_t *ret)
{
	uint64_t v;
	int r = trp_parse_u64(text, &v);

	if (r < 0)
		return r;
	if (v < 1 || v > 65535)
		return -ERANGE;
	*ret = (uint16_t)v;
	return 0;
}

int trp_parse_bool(const char *text, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"yes", true}, {"no", false}, {"true", true}, {"false", false}, {"on", true},
		{"off", false}, {"1", true}, {"0", false}};

	for (size_t i = 0; i < TRP_ARRAY_SIZE(words); i++)
		if (strcmp(text, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	return -EINVAL;
}

/* whole * scale + frac / frac_div * scale */
static int take_scaled(uint64_t scale, uint64_t whole, uint64_t frac,
	uint64_t frac_div, uint64_t *ret)
{
	uint64_t v, part;

	if (__builtin_mul_overflow(whole, scale, &v) || __builtin_mul_overflow(frac, scale, &part) ||
		__builtin_add_overflow(v, part / frac_div, &v))
		return -ERANGE;
	*ret = v;
	return 0;
}

/* A decimal with at most three digits behind the point, into whole + frac/div. */
static int take_decimal(const char **p, uint64_t *whole, uint64_t *frac, uint64_t *div)
{
	int r = take_digits(p, whole);

	*frac = 0;
	*div = 1;
	if (r < 0 || **p != '.')
		return r;
	const char *start = ++*p;
	r = take_digits(p, frac);
	if (r < 0 || *p - start > 3)
		return -EINVAL;
	for (; start < *p; start++)
		*div *= 10;
	return 0;
}

struct unit {
	const char *name;
	uint64_t scale;
};

static const struct unit *find_unit(const struct unit *units, size_t n, const char **p)
{
	size_t len = 0;

	while (isalpha((unsigned char)(*p)[len]))
		len++;
	for (size_t i = 0; i < n; i++)
		if (strlen(units[i].name) == len && strncmp(units[i].name, *p, len) == 0) {
			*p += len;
			return &units[i];
		}
	return NULL;
}

int trp_parse_size(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {{"", 1}, {"B", 1}, {"K", 1ull << 10}, {"M", 1ull << 20},
		{"G", 1ull << 30}, {"T", 1ull << 40}};
	uint64_t whole, frac, div;
	const struct unit *u;
	int r = take_decimal(&text, &whole, &frac, &div);

	if (r < 0)
		return r;
	u = find_unit(units, TRP_ARRAY_SIZE(units), &text);
	if (!u || *text || (div > 1 && u->scale == 1))
		return -EINVAL;
	return take_scaled(u->scale, whole, frac, div, ret);
}

int trp_parse_duration(const char *text, uint64_t *ret_ms)
{
	static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"sec", 1000}, {"m", 60000},
		{"min", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
	uint64_t sum = 0, whole, frac, div, part;
	const struct unit *u;
	int r;

	if (strcmp(text, "0") == 0) {
		*ret_ms = 0;
		return 0;
	}
	do {
		r = take_decimal(&text, &whole, &frac, &div);
		if (r < 0)
			return r;
		u = find_unit(units, TRP_ARRAY_SIZE(units), &text);
		if (!u || (div > 1 && u->scale == 1)) /* it would be less than asked for, or 0, which is another thing */
			return -EINVAL;
		r = take_scaled(u->scale, whole, frac, div, &part);
		if (r < 0 || __builtin_add_overflow(sum, part, &sum))
			return -ERANGE;
		while (*text == ' ')
			text++;
	} while (*text);
	*ret_ms = sum;
	return 0;
}

int trp_parse_percent(const char *text, uint64_t *ret_permille)
{
	uint64_t whole, frac, div, v;
	int r = take_decimal(&text, &whole, &frac, &div);

	if (r < 0)
		return r;
	if (strcmp(text, "%") != 0)
		return -EINVAL;
	r = take_scaled(10, whole, frac, div, &v);
	if (r < 0)
		return r;
	*ret_permille = v;
	return 0;
}

int trp_parse_rate(const char *text, uint64_t *ret_interval_ns)
{
	static const struct unit units[] = {{"s", 1000000000}, {"sec", 1000000000}, {"m", 60000000000}, {"min", 60000000000},
		{"h", 3600000000000}};
	const struct unit *u;
	uint64_t n;
	int r = take_digits(&text, &n);

	if (r < 0)
		return r;
	if (*text != '/')
		return -EINVAL;
	text++;
	u = find_unit(units, TRP_ARRAY_SIZE(units), &text);
	if (!u || *text || n == 0)
		return -EINVAL;
	if (u->scale / n < RATE_INTERVAL_MIN_NS)
		return -ERANGE;
	*ret_interval_ns = u->scale / n;
	return 0;
}

int trp_parse_signal(const char *text, int *ret)
{
	static const struct {
		const char *name;
		int signo;
	} names[] = {{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},
		{"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},
		{"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CHLD", SIGCHLD}, {"CONT", SIGCONT},
		{"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},
		{"URG", SIGURG}, {"WINCH", SIGWINCH}, {"IO", SIGIO}, {"PWR", SIGPWR}};
	const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint64_t v;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i].name) == 0) {
			*ret = names[i].signo;
			return 0;
		}
	if (trp_parse_u64(text, &v) < 0 || v < 1 || v > 64)
		return -EINVAL;
	*ret = (int)v;
	return 0;
}

/* [a-z0-9][a-z0-9._-]* of 1 to 63 bytes */
static bool valid_label_word(const char *s, size_t len)
{
	if (len < 1 || len > 63)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool alnum = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
		if (!alnum && (i == 0 || !strchr("._-", s[i])))
			return false;
	}
	return true;
}

bool trp_valid_service_name(const char *text)
{
	const char *at = strchr(text, '@');

	if (!at)
		return valid_label_word(text, strlen(text));
	return valid_label_word(text, (size_t)(at - text)) && valid_label_word(at + 1, strlen(at + 1));
}

int trp_canonical_host(const char *text, bool wildcard, char ret[254])
{
	char out[254];
	size_t len = strlen(text), label = 0, i = 0;

	if (len > 0 && text[len - 1] == '.')
		len--;
	if (len < 1 || len > 253)
		return -EINVAL;
	if (wildcard && len > 2 && text[0] == '*' && text[1] == '.') {
		out[0] = '*';
		out[1] = '.';
		i = 2;
	}
	for (; i < len; i++) {
		char c = text[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		out[i] = c;
		if (c == '.') {
			if (label == 0)
				return -EINVAL;
			label = 0;
			continue;
		}
		/* a hyphen at a label's end is no host name (RFC 952), but clients and servers use such names */
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
			return -EINVAL;
		if (++label > 63)
			return -EINVAL;
	}
	if (label == 0)
		return -EINVAL;
	out[len] = '\0';
	memcpy(ret, out, len + 1);
	return 0;
}

int trp_canonical_literal(const char *text, char ret[254])
{
	size_t len = strlen(text);
	char inner[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (len < 4 || len - 2 >= sizeof(inner) || text[0] != '[' || text[len - 1] != ']')
		return -EINVAL;
	memcpy(inner, text + 1, len - 2);
	inner[len - 2] = '\0';
	if (inet_pton(AF_INET6, inner, &addr) != 1)
		return -EINVAL;
	inet_ntop(AF_INET6, &addr, inner, sizeof(inner));
	snprintf(ret, 254, "[%s]", inner);
	return 0;
}

int trp_canonical_route(const char *text, char ret[254])
{
	return text[0] == '[' ? trp_canonical_literal(text, ret) : trp_canonical_host(text, true, ret);
}

#define WORD_MAX 64

/* Levenshtein distance with two rows (words over WORD_MAX count as far away). */
static size_t edit_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[WORD_MAX + 1], diagonal, up;

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal +
				(tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
			up = row[j];
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = up;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *trp_nearest(const char *word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t best_distance = (size_t)-1, len = strlen(word);

	for (size_t i = 0; i < n; i++) {
		size_t d = edit_distance(word, candidates[i]);
		if (d < best_distance) {
			best_distance = d;
			best = candidates[i];
		}
	}
	return best && best_distance <= (len < 4 ? 1 : len / 3 + 1) ? best : NULL;
}

bool trp_path_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}
