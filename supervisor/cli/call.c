/* SPDX-License-Identifier: ISC */
#include "call.h"
#include "show.h"
#include "base/fdpass.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define REPLY_MAX (64 * 1024 * 1024) /* a table of as many services as there can be */

struct connection {
	int fd;
	const struct call *call;
	char *buf;
	size_t len, size;
};

static void connection_close(struct connection *c)
{
	trp_close(&c->fd);
	free(c->buf);
}

/* 0 or -errno */
static int connection_open(const char *path, const struct call *call, struct connection *ret)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	cleanup_close int fd = -1;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	*ret = (struct connection){.fd = trp_steal_fd(&fd), .call = call};
	return 0;
}

/* One message with its NUL, or -errno. */
static int send_call(struct connection *c, const char *text)
{
	size_t len = strlen(text) + 1;

	while (len > 0) {
		ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int make_room(struct connection *c)
{
	size_t size = c->size ? c->size * 2 : 16384;
	char *grown;

	if (c->len < c->size)
		return 0;
	if (size > REPLY_MAX)
		return -EMSGSIZE;
	grown = realloc(c->buf, size);
	if (!grown)
		return -ENOMEM;
	c->buf = grown;
	c->size = size;
	return 0;
}

/* recv(2), with the descriptors that may come. */
static ssize_t receive(struct connection *c)
{
	const struct call *call = c->call;
	size_t had = call->fds ? *call->n_fds : 0, n_fds = 0;
	ssize_t n = trp_fd_recv_upto(
		c->fd, c->buf + c->len, c->size - c->len, call->fds ? call->fds + had : NULL, call->fds ? CALL_FDS_MAX - had : 0, &n_fds, 0);

	if (call->fds)
		*call->n_fds = had + n_fds;
	return n;
}

/* The next message, which the caller frees. -ECONNRESET: the daemon closed the connection. */
static int next_reply(struct connection *c, char **ret)
{
	size_t searched = 0;

	for (;;) {
		char *end = c->len > searched ? memchr(c->buf + searched, '\0', c->len - searched)
					      : NULL;
		ssize_t n;
		int r;

		if (end) {
			size_t whole = (size_t)(end - c->buf) + 1;
			*ret = strdup(c->buf);
			if (!*ret)
				return -ENOMEM;
			c->len -= whole;
			memmove(c->buf, c->buf + whole, c->len);
			return 0;
		}
		searched = c->len;
		r = make_room(c);
		if (r < 0)
			return r;
		n = receive(c);
		if (n <= 0)
			return n < 0 ? (int)n : -ECONNRESET;
		c->len += (size_t)n;
	}
}

static bool is_absent(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED;
}

static void say_absent(const struct cli *cli, int error)
{
	if (is_absent(error) && cli->conf)
		cli_error("trpsupd is not running: nobody answers at %s. Start it with 'trpsup -c "
			  "%s daemon'",
			cli->socket, cli->conf);
	else if (is_absent(error))
		cli_error("trpsupd is not running: nobody answers at %s. Start it with 'systemctl "
			  "start trpsup', or in "
			  "the foreground with 'trpsup daemon'",
			cli->socket);
	else if (error == -EACCES || error == -EPERM)
		cli_error("%s: permission denied: only root and the user that trpsupd runs as may "
			  "give it orders; try sudo",
			cli->socket);
	else
		cli_error("%s: %s", cli->socket, strerror(-error));
}

/* Errors that have an exit code of their own, or no text of their own. */
static const struct known_error {
	const char *error;
	int code;
	const char *before, *parameter, *after;
} known_errors[] = {
	{"trpsup.NoSuchService", CLI_NO_SUCH_SERVICE, "there is no service ", "service", ""},
	{"trpsup.Busy", CLI_FAILED, "trpsupd is busy with ", "service", "; try again"},
	{"org.varlink.service.MethodNotFound", CLI_FAILED, "trpsupd does not know ", "method",
		": is it older than this program?"},
	{"org.varlink.service.InvalidParameter", CLI_FAILED,
		"trpsupd does not accept the parameter ", "parameter", ""},
};

static const struct known_error *find_error(const char *error)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(known_errors); i++)
		if (strcmp(error, known_errors[i].error) == 0)
			return &known_errors[i];
	return NULL;
}

static void say_error(const char *error, const json_t *params)
{
	const struct known_error *known = find_error(error);
	const json_t *lines = json_object_get(params, "errors"), *line;
	const char *text = json_string_value(json_object_get(params, "text"));
	cleanup_free char *shown = NULL;
	size_t i;

	json_array_foreach (lines, i, line) {
		show_text(stderr, json_string_value(line));
		fputc('\n', stderr);
	}
	if (text) {
		const char *service = json_string_value(json_object_get(params, "service"));
		cleanup_free char *name = show_escape(service);
		bool named = !service || strstr(text, service);
		shown = show_escape(text);
		cli_error("%s%s%s", named ? "" : name, named ? "" : ": ", shown);
	} else if (known) {
		shown = show_escape(json_string_value(json_object_get(params, known->parameter)));
		cli_error("%s%s%s", known->before, shown, known->after);
	} else if (json_array_size(lines) == 0) {
		shown = show_escape(error);
		cli_error("%s", shown);
	}
}

/* One reply. Returns true if it was the last; *code and *ret_last then say how it went. */
static bool take_reply(const struct cli *cli, const struct call *call, const char *text, int *code,
	json_t **ret_last)
{
	json_t *object = json_loads(text, 0, NULL);
	json_t *params = json_object_get(object, "parameters");
	const char *error = json_string_value(json_object_get(object, "error"));
	bool heard = call->quiet || (error && call->except && strcmp(error, call->except) == 0), print = cli->json && !heard, last = true;

	*code = CLI_OK;
	if (!json_is_object(object) || (params && !json_is_object(params))) {
		cli_error("the daemon sent what is no reply");
		*code = CLI_FAILED;
		json_decref(object);
		return true;
	}
	if (print) {
		cleanup_free char *shown = show_json_text(text);
		puts(shown);
		fflush(stdout);
	}
	if (error) {
		*code = find_error(error) ? find_error(error)->code : CLI_FAILED;
		if (json_is_integer(json_object_get(params, "exit_code")))
			*code = (int)json_integer_value(json_object_get(params, "exit_code"));
		if (!print && !heard)
			say_error(error, params);
	} else if (json_is_true(json_object_get(object, "continues"))) {
		last = false;
		if (call->each && !print)
			call->each(params, call->data);
	} else if (ret_last) {
		*ret_last = params ? json_incref(params) : json_object();
	}
	json_decref(object);
	return last;
}

static int exchange(const struct cli *cli, const struct call *call, struct connection *c,
	const char *text, json_t **ret_last)
{
	int r = send_call(c, text), code = CLI_OK;
	bool last = false;

	if (r == -EPIPE) /* it has closed the connection, and said why before */
		r = 0;
	while (r == 0 && !last) {
		cleanup_free char *reply = NULL;
		r = next_reply(c, &reply);
		if (r == 0)
			last = take_reply(cli, call, reply, &code, ret_last);
	}
	if (r == 0)
		return code;
	cli_error("the connection to trpsupd broke: %s",
		r == -ECONNRESET || r == -EPIPE ? "it was closed" : strerror(-r));
	return CLI_FAILED;
}

int cli_call(struct cli *cli, const struct call *call, json_t **ret_last)
{
	json_t *object =
		json_pack("{s:s, s:o}", "method", call->method, "parameters", call->params);
	cleanup_free char *text = NULL;
	struct connection c = {.fd = -1};
	int r;

	if (object && call->each)
		json_object_set_new(object, "more", json_true());
	text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	if (!text) {
		cli_error("an argument is not valid UTF-8");
		return CLI_USAGE;
	}
	if (cli_config(cli) != CLI_OK)
		return CLI_FAILED;
	r = connection_open(cli->socket, call, &c);
	if (r < 0) {
		if (call->absent != CLI_OK)
			say_absent(cli, r);
		return is_absent(r) || call->absent == CLI_OK ? call->absent : CLI_FAILED;
	}
	r = exchange(cli, call, &c, text, ret_last);
	connection_close(&c);
	return r;
}
