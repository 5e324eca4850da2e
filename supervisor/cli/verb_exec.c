/* SPDX-License-Identifier: ISC */
/* trpsup exec: a command inside a sandbox. The daemon starts it and gives us the descriptors that lead to it (a pseudo-terminal's master, or
 * pipes) and a pidfd; what goes to and fro, window sizes and signals do not go through the daemon. */
#include "call.h"
#include "show.h"
#include "base/io.h"
#include "base/utf8.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>

#define CHUNK 16384

struct stream {
	int fd;           /* of the command; -1: it is over */
	const char *name; /* in JSON */
	int to;
	char held[4];     /* JSON: the beginning of a character whose rest has not come */
	size_t n_held;
};

struct session {
	bool json, terminal;
	int process;
	int input; /* to the command; -1: it is over, or there is none */
	struct stream out, err;
	char typed[CHUNK]; /* for input */
	size_t typed_at, typed_len;
	bool stdin_over;
	int fds[CALL_FDS_MAX];
	size_t n_fds;
};

static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};

static struct termios before; /* of our terminal */
static bool is_raw;

static void end_raw(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	is_raw = false;
}

/* Each key goes to the terminal inside, which makes lines and signals of them. */
static void begin_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return;
	raw = before;
	cfmakeraw(&raw);
	is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
	atexit(end_raw);
}

static void pass_size(const struct session *s)
{
	struct winsize size;

	if (s->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(s->out.fd, TIOCSWINSZ, &size);
}

/* How many bytes at the end are a character that is not whole yet. */
static size_t unfinished(const char *text, size_t len)
{
	for (size_t k = 1; k <= 3 && k <= len; k++) {
		unsigned char c = (unsigned char)text[len - k];
		size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
		if (c >= 0xc0)
			return whole > k ? k : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

/* Not by stdio, which loses what a non-blocking standard output has no room for. 0 or -errno */
static int print_line(const json_t *o)
{
	cleanup_free char *text = show_json(o, 0), *line = show_format("%s\n", text);

	return trp_write_all(STDOUT_FILENO, line, strlen(line));
}

/* 0 or -errno */
static int print_json(struct stream *st, const char *text, size_t len, bool last)
{
	char joined[CHUNK + sizeof(st->held)];
	cleanup_free char *escaped = NULL;
	json_t *o;
	int r;

	memcpy(joined, st->held, st->n_held);
	memcpy(joined + st->n_held, text, len);
	len += st->n_held;
	st->n_held = last ? 0 : unfinished(joined, len);
	len -= st->n_held;
	memcpy(st->held, joined + len, st->n_held);
	if (len == 0)
		return 0;
	escaped = trp_escape(joined, len, TRP_ESCAPE_INVALID);
	o = json_pack("{s:s, s:s*}", "stream", st->name, "text", escaped);
	r = print_line(o);
	json_decref(o);
	return r;
}

static void stream_end(struct session *s, struct stream *st)
{
	if (s->json)
		(void)print_json(st, "", 0, true);
	if (!s->terminal)
		trp_close(&st->fd);
	st->fd = -1;
}

/* Our terminal is closed, and so is the one inside, also for who ignores SIGHUP: what is read there has an end, what is written fails. */
static void hang_up(struct session *s)
{
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i] == s->out.fd)
			trp_close(&s->fds[i]);
	s->input = s->out.fd = -1;
}

/* The command will see that. */
static void nobody_reads(struct session *s, struct stream *st)
{
	if (s->terminal)
		hang_up(s);
	else
		stream_end(s, st);
}

/* False: nothing is there. */
static bool copy_out(struct session *s, struct stream *st)
{
	char buf[CHUNK];
	ssize_t n = st->fd < 0 ? -1 : read(st->fd, buf, sizeof(buf));

	if (st->fd < 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return false;
	if (n <= 0) { /* a terminal says EIO when nobody has its other end */
		stream_end(s, st);
		return false;
	}
	if ((s->json ? print_json(st, buf, (size_t)n, false) : trp_write_all(st->to, buf, (size_t)n)) < 0)
		nobody_reads(s, st);
	return true;
}

static void copy_in(struct session *s)
{
	ssize_t n;

	if (s->typed_len == 0 && !s->stdin_over) {
		n = read(STDIN_FILENO, s->typed, sizeof(s->typed));
		s->typed_at = 0;
		s->typed_len = n > 0 ? (size_t)n : 0;
		s->stdin_over = n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
	}
	if (s->typed_len > 0) {
		n = write(s->input, s->typed + s->typed_at, s->typed_len);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			s->stdin_over = true;
			s->typed_len = 0;
		}
		s->typed_at += n > 0 ? (size_t)n : 0;
		s->typed_len -= n > 0 ? (size_t)n : 0;
	}
	if (!s->stdin_over || s->typed_len > 0)
		return;
	if (s->terminal)
		hang_up(s);
	else
		trp_close(&s->input);
	s->input = -1;
}

static const struct session *volatile served; /* for on_signal(); NULL: it is over */

/* At once, wherever we are: we may wait for somebody to read what the command has written. When that has ended it is meant for us. */
static void on_signal(int signo)
{
	const struct session *s = served;
	int saved = errno;

	if (s && signo == SIGWINCH) {
		pass_size(s);
	} else if (s && syscall(SYS_pidfd_send_signal, s->process, signo, NULL, 0) < 0 && errno == ESRCH) {
		if (is_raw)
			tcsetattr(STDIN_FILENO, TCSANOW, &before); /* nobody may read there, either */
		signal(signo, SIG_DFL);
		raise(signo);
	}
	errno = saved;
}

/* Those that whoever started us has not had ignored (nohup(1)). */
static void begin_signals(const struct session *s)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before_us;

	served = s;
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(forwarded); i++)
		if (sigaction(forwarded[i], NULL, &before_us) == 0 && before_us.sa_handler != SIG_IGN)
			sigaction(forwarded[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void loop(struct session *s)
{
	bool ended = false;

	while (!ended) {
		struct pollfd p[] = {{.fd = s->process, .events = POLLIN},
			{.fd = s->out.fd, .events = POLLIN},
			{.fd = s->err.fd, .events = POLLIN},
			{.fd = s->input < 0 || s->typed_len > 0 || s->stdin_over ? -1 : STDIN_FILENO, .events = POLLIN},
			{.fd = s->typed_len > 0 ? s->input : -1, .events = POLLOUT}};
		if (poll(p, TRP_ARRAY_SIZE(p), -1) < 0)
			continue;
		if (p[1].revents)
			copy_out(s, &s->out);
		if (p[2].revents)
			copy_out(s, &s->err);
		if (p[3].revents || p[4].revents)
			copy_in(s);
		ended = p[0].revents != 0;
	}
	/* what it wrote last; not what others write that still have its pipes */
	for (int i = 0; i < 1024 && copy_out(s, &s->out); i++)
		;
	for (int i = 0; i < 1024 && copy_out(s, &s->err); i++)
		;
	stream_end(s, &s->out);
	stream_end(s, &s->err);
}

/* Which is which the reply says. False: it is not as we asked for. */
static bool take_descriptors(struct session *s, const json_t *names)
{
	const json_t *name;
	size_t i;

	if (json_array_size(names) != s->n_fds || s->n_fds == 0)
		return false;
	json_array_foreach((json_t *)names, i, name)
	{
		const char *word = json_string_value(name);
		int fd = s->fds[i];
		trp_set_nonblock(fd, true);
		if (word && strcmp(word, "process") == 0)
			s->process = fd;
		else if (word && strcmp(word, "terminal") == 0)
			s->input = s->out.fd = fd;
		else if (word && strcmp(word, "stdin") == 0)
			s->input = fd;
		else if (word && strcmp(word, "stdout") == 0)
			s->out.fd = fd;
		else if (word && strcmp(word, "stderr") == 0)
			s->err.fd = fd;
	}
	return s->process >= 0 && s->out.fd >= 0;
}

/* It runs: until it has ended. The daemon says then how. */
static void serve(const json_t *params, void *data)
{
	struct session *s = data;

	if (!take_descriptors(s, json_object_get(params, "descriptors"))) {
		cli_error("trpsupd did not pass what leads to the command");
		return;
	}
	begin_signals(s);
	pass_size(s);
	if (s->terminal && !s->stdin_over)
		begin_raw();
	loop(s);
	end_raw();
}

static int result(const struct cli *cli, const json_t *last)
{
	const json_t *code = json_object_get(last, "exit_code"), *signo = json_object_get(last, "signal");

	if (cli->json)
		(void)print_line(last);
	if (json_is_integer(code))
		return (int)json_integer_value(code);
	return json_is_integer(signo) ? 128 + (int)json_integer_value(signo) : CLI_EXEC_FAILED;
}

static json_t *make_params(const struct cli *cli, char **args, size_t n, bool terminal, bool input)
{
	static char shell[] = "sh";
	char *only[] = {shell}, **argv = args + 1;
	json_t *command = json_array();
	const char *term = getenv("TERM");
	struct winsize size = {0};
	size_t words = n - 1;

	if (words > 0 && strcmp(argv[0], "--") == 0) { /* as for programs whose options may be anywhere */
		argv++;
		words--;
	}
	if (words == 0) {
		argv = only;
		words = 1;
	}
	for (size_t i = 0; i < words; i++)
		json_array_append_new(command, json_string(argv[i]));
	if (json_array_size(command) != words) {
		json_decref(command);
		return NULL;
	}
	if (terminal)
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	return json_pack("{s:s, s:o, s:s?, s:s?, s:b, s:b, s:i, s:i}", "service", args[0], "command", command, "user", cli->user, "term",
		terminal && term && *term ? term : NULL, "terminal", terminal, "input", input, "rows", size.ws_row, "columns", size.ws_col);
}

int verb_exec(struct cli *cli, char **args, size_t n)
{
	bool on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	bool shell = n == 1 && on_terminal && !(cli->options & (CLI_INTERACTIVE | CLI_TTY)) && !cli->json;
	bool terminal = shell || (cli->options & CLI_TTY), input = shell || (cli->options & CLI_INTERACTIVE);
	struct cli plain = *cli;
	struct session s = {.json = cli->json,
		.terminal = terminal,
		.process = -1,
		.input = -1,
		.out = {.fd = -1, .name = "out", .to = STDOUT_FILENO},
		.err = {.fd = -1, .name = "err", .to = STDERR_FILENO},
		.stdin_over = !input};
	struct call call = {.method = "trpsup.Exec", .each = serve, .data = &s, .absent = CLI_FAILED, .fds = s.fds, .n_fds = &s.n_fds};
	json_t *last = NULL;
	int code;

	if (terminal && (cli->json || !on_terminal)) {
		cli_error(cli->json ? "a terminal's output is not for --json: leave -t away" : "-t: standard input and output are no terminal");
		return CLI_USAGE;
	}
	call.params = make_params(cli, args, n, terminal, input);
	plain.json = false; /* the output is the command's; print_json() */
	code = cli_call(&plain, &call, &last);
	cli->config = plain.config;
	cli->socket = plain.socket;
	served = NULL;
	for (size_t i = 0; i < s.n_fds && s.terminal; i++)
		trp_close(&s.fds[i]);
	if (code == CLI_OK)
		code = result(cli, last);
	else if (code != 126 && code != 127)
		code = CLI_EXEC_FAILED;
	json_decref(last);
	return code;
}
