/* SPDX-License-Identifier: ISC */
#include "supervisor/record.h"
#include "base/io.h"
#include "base/log.h"
#include "supervisor/controlmsg.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VERSION     1
#define RECORD_MAX  (64 * 1024)
#define TEXTS_MAX   (16 << 20)
#define TEXTS_SUFFIX ".profile"

enum kind { BOOL, UNSIGNED, INT, REAL, TEXT };

/* Both ways by one table, so that nothing is written that is not read. An older daemon may not have written all: a field that is not
 * there stays as it was, but for those without which a run cannot be told. */
#define ROW(name, kind, at, must) {name, kind, offsetof(struct service, at), sizeof(((struct service *)0)->at), must}
#define FIELD(name, kind, at) ROW(name, kind, at, false)
#define MUST(name, kind, at)  ROW(name, kind, at, true)
static const struct field {
	const char *name;
	enum kind kind;
	size_t at, size;
	bool must;
} fields[] = {
	FIELD("number", UNSIGNED, number),
	FIELD("wanted", BOOL, wanted),
	FIELD("stop_after_dependents", BOOL, stop_after_dependents),
	FIELD("is_to_stop", BOOL, stop_asked),
	FIELD("frozen", BOOL, frozen),
	FIELD("key", TEXT, key),
	FIELD("place", UNSIGNED, place),
	FIELD("waiting", UNSIGNED, waiting.id),
	FIELD("since", REAL, since),
	FIELD("worked", REAL, worked),
	FIELD("timer_armed", BOOL, timed.armed),
	FIELD("timer_due", REAL, timed.due.real),
	FIELD("timer_due_boot", REAL, timed.due.boot),
	FIELD("timer_last", REAL, timed.last),
	FIELD("timer_ended", REAL, timed.ended),
	FIELD("timer_result", UNSIGNED, timed.result),
	FIELD("timer_passed_over", UNSIGNED, timed.passed_over),
	FIELD("timer_why", TEXT, timed.why),
	FIELD("up_since", REAL, up_since),
	FIELD("reload", UNSIGNED, reload),
	FIELD("reload_seen", BOOL, reload_seen),
	FIELD("message", TEXT, message),
	FIELD("restarts", UNSIGNED, restarts),
	FIELD("failures_in_a_row", UNSIGNED, failures_in_a_row),
	FIELD("window_start", REAL, window_start),
	FIELD("window_failures", UNSIGNED, window_failures),
	MUST("uid_base", UNSIGNED, uid_base),
	MUST("adapter", UNSIGNED, adapter),
	FIELD("adapter_why", TEXT, adapter_why),
	MUST("has_cgroup", BOOL, has_cgroup),
	FIELD("has_disk", BOOL, has_disk),
	FIELD("publish_mounted", BOOL, publish_mounted),
	FIELD("routes_told", BOOL, routes_told),
	FIELD("learning", BOOL, learning.on),
	MUST("running", BOOL, run.running),
	MUST("pid", INT, run.box.pid),
	FIELD("owner", UNSIGNED, run.box.owner),
	FIELD("last_step", INT, run.last_step),
	FIELD("upstream_runs", BOOL, run.upstream_runs),
	FIELD("reported", BOOL, run.reported),
	FIELD("reported_step", INT, run.reported_step),
	FIELD("reported_status", INT, run.reported_status),
	FIELD("exec_failed", BOOL, run.exec_failed),
	FIELD("exec_errno", INT, run.exec_errno),
	FIELD("stop_asked", BOOL, run.stop_asked),
	FIELD("pre_stop", BOOL, run.pre_stop),
	FIELD("last_stop", INT, run.last_stop),
	FIELD("last_stop_end", INT, run.last_stop_end),
	FIELD("lost", TEXT, run.lost),
	FIELD("says", TEXT, run.says),
	FIELD("says_error", INT, run.says_error),
	FIELD("says_ready", BOOL, run.says_ready),
	FIELD("never_ready", BOOL, run.never_ready),
	FIELD("health", UNSIGNED, health.count.state),
	FIELD("health_failures", UNSIGNED, health.count.failures),
	FIELD("health_successes", UNSIGNED, health.count.successes),
	FIELD("health_since", REAL, health.since),
	FIELD("health_last", TEXT, health.last),
	FIELD("main_known", BOOL, run.main_known),
	FIELD("no_main", BOOL, run.no_main),
	FIELD("main_inside", INT, run.main_inside),
	FIELD("notifier", INT, run.notifier.pid),
	FIELD("relay", INT, run.loopback.box.pid),
	FIELD("relay_stop_signal", INT, run.loopback.stop_signal),
	FIELD("relay_lingers", BOOL, run.loopback.lingering),
};
_Static_assert(sizeof(int) == sizeof(pid_t) && sizeof(unsigned) == sizeof(uint32_t), "INT and UNSIGNED");

static char *directory(const struct daemon *d)
{
	return trp_asprintf("%s/records", d->config->run_dir);
}

static const char *boot_id(void)
{
	static char id[64];
	cleanup_free char *text = NULL;

	if (!id[0] && trp_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", sizeof(id) - 1, &text, NULL) == 0)
		snprintf(id, sizeof(id), "%.*s", (int)strcspn(text, "\n"), text);
	return id;
}

int record_open(struct daemon *d)
{
	cleanup_free char *dir = directory(d);
	int r = dir ? trp_mkdir_p(dir, 0700) : -ENOMEM;

	if (r < 0)
		return r;
	d->records = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return d->records < 0 ? -errno : 0;
}

void record_close(struct daemon *d)
{
	cleanup_free char *dir = directory(d);

	if (d->records < 0)
		return;
	trp_close(&d->records);
	if (dir)
		trp_remove_tree(AT_FDCWD, dir);
}

/* "web.0123456789abcdef.profile": what is in force and what is to come are of two names. */
static void texts_name(const char *service, const char *hash, char out[NAME_MAX + 1])
{
	snprintf(out, NAME_MAX + 1, "%.200s.%.16s" TEXTS_SUFFIX, service, hash);
}

void record_keep_sources(struct daemon *d, struct profile *p)
{
	cleanup_free char *text = NULL;
	json_t *list = json_array();
	char name[NAME_MAX + 1];

	texts_name(p->service, p->text_hash, name);
	for (size_t i = 0; i < p->sources.n; i++)
		json_array_append_new(list, json_pack("{s:s,s:s%,s:b}", "path", p->sources.v[i].path, "text", p->sources.v[i].text,
			p->sources.v[i].len, "own", p->sources.v[i].own));
	text = d->records < 0 || faccessat(d->records, name, F_OK, 0) == 0 ? NULL : json_dumps(list, JSON_COMPACT);
	if (text && trp_write_whole(d->records, name, text, strlen(text), 0600) < 0)
		log_warn("%s: its profile cannot be kept for the next trpsupd: %m", p->service);
	json_decref(list);
	profile_sources_free(&p->sources);
}

void record_drop_sources(struct daemon *d, const struct profile *p)
{
	char name[NAME_MAX + 1];

	if (!p || d->records < 0)
		return;
	texts_name(p->service, p->text_hash, name);
	unlinkat(d->records, name, 0);
}

static int read_texts(struct daemon *d, const char *service, const char *hash, struct profile_sources *ret)
{
	cleanup_free char *text = NULL;
	char name[NAME_MAX + 1];
	const json_t *o;
	size_t len, i;
	json_t *list;
	int r;

	texts_name(service, hash, name);
	r = trp_read_file(d->records, name, TEXTS_MAX, &text, &len);
	list = r < 0 ? NULL : json_loadb(text, len, 0, NULL);
	json_array_foreach(list, i, o)
	{
		const json_t *path = json_object_get(o, "path"), *said = json_object_get(o, "text");
		if (r == 0 && json_is_string(path) && json_is_string(said))
			r = profile_sources_add(ret, json_string_value(path), json_string_value(said), json_string_length(said),
				json_is_true(json_object_get(o, "own")));
	}
	json_decref(list);
	return r;
}

static json_t *field_to_json(const struct service *s, const struct field *f)
{
	const void *at = (const char *)s + f->at;

	switch (f->kind) {
	case BOOL:
		return json_boolean(*(const bool *)at);
	case UNSIGNED:
		return json_integer(*(const unsigned *)at);
	case INT:
		return json_integer(*(const int *)at);
	case REAL:
		return json_real(*(const double *)at);
	case TEXT:
		return controlmsg_string(at, strlen(at));
	}
	return NULL;
}

static int field_from_json(const json_t *v, struct service *s, const struct field *f)
{
	void *at = (char *)s + f->at;

	switch (f->kind) {
	case BOOL:
		*(bool *)at = json_is_true(v);
		return json_is_boolean(v) ? 0 : -EBADMSG;
	case UNSIGNED:
		*(unsigned *)at = (unsigned)json_integer_value(v);
		return json_is_integer(v) ? 0 : -EBADMSG;
	case INT:
		*(int *)at = (int)json_integer_value(v);
		return json_is_integer(v) ? 0 : -EBADMSG;
	case REAL:
		*(double *)at = json_number_value(v);
		return json_is_number(v) ? 0 : -EBADMSG;
	case TEXT:
		snprintf(at, f->size, "%s", json_is_string(v) ? json_string_value(v) : "");
		return json_is_string(v) ? 0 : -EBADMSG;
	}
	return -EBADMSG;
}

static json_t *channels_to_json(const struct service *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_channels; i++) {
		const struct channel *c = &s->channels[i];
		json_array_append_new(list, json_pack("{s:i,s:i,s:i,s:b,s:b,s:b}", "id", (int)c->id, "port", c->port, "family",
			c->family == AF_INET ? 4 : 6, "listened", c->listened, "taken", c->taken, "several", c->several));
	}
	return list;
}

static void add_fields(json_t *o, const struct service *s)
{
	for (size_t i = 0; i < TRP_ARRAY_SIZE(fields); i++)
		json_object_set_new(o, fields[i].name, field_to_json(s, &fields[i]));
}

/* One that was replaced; one that is still to be ready is ended with its daemon. */
static json_t *beside_to_json(const struct service *n)
{
	json_t *o = json_pack("{s:s,s:o}", "state", service_state_name(n->state), "channels", channels_to_json(n));

	if (o)
		add_fields(o, n);
	return o;
}

static char *to_text(const struct service *s)
{
	json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:b,s:s,s:o}", "version", VERSION, "boot", boot_id(), "service", s->name, "state",
		service_state_name(s->state), "daemon_stops", s->d->stopping, "profile", s->profile->text_hash, "channels",
		channels_to_json(s));
	char *text;

	if (!o)
		return NULL;
	add_fields(o, s);
	if (s->beside && s->beside->outgoing)
		json_object_set_new(o, "beside", beside_to_json(s->beside));
	text = json_dumps(o, JSON_INDENT(1));
	json_decref(o);
	return text;
}

static void file_name(const char *service, char out[NAME_MAX + 1])
{
	snprintf(out, NAME_MAX + 1, "%.200s.json", service);
}

void record_save(struct service *s)
{
	cleanup_free char *text = NULL;
	char name[NAME_MAX + 1];
	static bool said;
	int r;

	if (s->shadow) /* one file for both, so that it is never one without the other */
		s = s->beside;
	if (s->d->records < 0 || !s->profile)
		return;
	if (s->d->stopping && !service_is_active(s)) { /* not of its own: the next daemon starts it as ever */
		record_remove(s);
		return;
	}
	file_name(s->name, name);
	text = to_text(s);
	r = text ? trp_write_whole(s->d->records, name, text, strlen(text), 0600) : -ENOMEM;
	if (r < 0 && !said)
		log_error("%s: its record for the next trpsupd cannot be written: %s", s->name, strerror(-r));
	said = r < 0;
}

void record_remove(struct service *s)
{
	char name[NAME_MAX + 1];

	if (s->d->records < 0)
		return;
	file_name(s->name, name);
	unlinkat(s->d->records, name, 0);
}

static json_t *read_record(int dir, const char *file)
{
	cleanup_free char *text = NULL;
	size_t len;
	json_t *o;

	if (trp_read_file(dir, file, RECORD_MAX, &text, &len) < 0)
		return NULL;
	o = json_loadb(text, len, 0, NULL);
	if (o && json_integer_value(json_object_get(o, "version")) == VERSION && json_is_string(json_object_get(o, "boot")) &&
		strcmp(json_string_value(json_object_get(o, "boot")), boot_id()) == 0)
		return o;
	json_decref(o);
	return NULL;
}

int record_profile(struct daemon *d, const char *service, struct profile **ret, struct profile_errors *errors)
{
	struct profile_sources texts = {0};
	char name[NAME_MAX + 1];
	const char *hash;
	json_t *o;
	int r = -ENOENT;

	if (d->records < 0)
		return -ENOENT;
	file_name(service, name);
	o = read_record(d->records, name);
	hash = json_string_value(json_object_get(o, "profile"));
	if (hash)
		r = read_texts(d, service, hash, &texts);
	if (r == 0)
		r = profile_load_again(&d->paths, service, &texts, ret, errors);
	profile_sources_free(&texts);
	json_decref(o);
	return r;
}

/* Half written when a daemon was killed, or the texts of a profile that is in force no more. */
static bool is_rubbish(int dir, const char *name)
{
	size_t len = strlen(name);
	char service[NAME_MAX + 1], record[NAME_MAX + 1];
	const char *hash;
	bool rubbish = true;
	json_t *o;

	if (len < sizeof(TEXTS_SUFFIX) + 17 || strcmp(name + len - strlen(TEXTS_SUFFIX), TEXTS_SUFFIX) != 0)
		return name[0] != '.' || len > 2;
	len -= strlen(TEXTS_SUFFIX) + 17;
	snprintf(service, sizeof(service), "%.*s", (int)len, name);
	file_name(service, record);
	o = read_record(dir, record);
	hash = json_string_value(json_object_get(o, "profile"));
	if (hash)
		rubbish = strncmp(name + len + 1, hash, 16) != 0;
	json_decref(o);
	return rubbish;
}

void record_each(struct daemon *d, bool clean, void (*each)(void *data, const char *service, const json_t *json), void *data)
{
	int fd = d->records < 0 ? -1 : openat(d->records, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char service[NAME_MAX + 1];
		size_t len = strlen(entry->d_name);
		json_t *o;
		if (len < 6 || strcmp(entry->d_name + len - 5, ".json") != 0) {
			if (clean && is_rubbish(d->records, entry->d_name))
				unlinkat(d->records, entry->d_name, 0);
			continue;
		}
		snprintf(service, sizeof(service), "%.*s", (int)(len - 5), entry->d_name);
		o = read_record(d->records, entry->d_name);
		each(data, service, o);
		json_decref(o);
	}
	if (dir)
		closedir(dir);
}

static int restore_state(const json_t *json, struct service *s)
{
	const char *state = json_string_value(json_object_get(json, "state"));

	for (int i = 0; state && i < STATE_COUNT; i++)
		if (strcmp(service_state_name((enum service_state)i), state) == 0) {
			s->state = (enum service_state)i;
			return 0;
		}
	return -EBADMSG;
}

int record_restore(const json_t *json, struct service *s)
{
	int r = restore_state(json, s);

	for (size_t i = 0; i < TRP_ARRAY_SIZE(fields) && r == 0; i++) {
		const json_t *value = json_object_get(json, fields[i].name);
		if (value || fields[i].must)
			r = field_from_json(value, s, &fields[i]);
	}
	return r;
}
