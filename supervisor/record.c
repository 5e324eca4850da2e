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

#define VERSION    1
#define RECORD_MAX (64 * 1024)

enum kind { BOOL, UNSIGNED, INT, REAL, TEXT };

/* Both ways by one table, so that nothing is written that is not read. An older daemon may not have written all: a field that is not
 * there stays as it was, but for those without which a run cannot be told. */
#define ROW(name, kind, at, must, most) {name, kind, offsetof(struct service, at), sizeof(((struct service *)0)->at), must, most}
#define FIELD(name, kind, at) ROW(name, kind, at, false, UINT_MAX)
#define MUST(name, kind, at)  ROW(name, kind, at, true, UINT_MAX)
#define UPTO(name, at, most)  ROW(name, UNSIGNED, at, false, most)
static const struct field {
	const char *name;
	enum kind kind;
	size_t at, size;
	bool must;
	unsigned most; /* of UNSIGNED: a newer daemon may know more */
} fields[] = {
	UPTO("number", number, LEDGER_SERVICES - 1),
	FIELD("wanted", BOOL, wanted),
	FIELD("stop_after_dependents", BOOL, stop_after_dependents),
	FIELD("is_to_stop", BOOL, stop_asked),
	FIELD("frozen", BOOL, frozen),
	FIELD("frozen_idle", BOOL, doze.on),
	FIELD("key", TEXT, key),
	UPTO("place", place, PLACE_CHANNELS),
	FIELD("waiting", UNSIGNED, waiting.id),
	FIELD("since", REAL, since),
	FIELD("changed", REAL, changed),
	FIELD("worked", REAL, worked),
	FIELD("timer_armed", BOOL, timed.armed),
	FIELD("timer_due", REAL, timed.due.real),
	FIELD("timer_due_boot", REAL, timed.due.boot),
	FIELD("timer_last", REAL, timed.last),
	FIELD("timer_since_boot", BOOL, timed.since_boot),
	FIELD("timer_ended", REAL, timed.ended),
	UPTO("timer_result", timed.result, TIMER_STOPPED),
	FIELD("timer_passed_over", UNSIGNED, timed.passed_over),
	FIELD("timer_why", TEXT, timed.why),
	FIELD("up_since", REAL, up_since),
	UPTO("reload", reload, RELOAD_FAILED),
	FIELD("reload_seen", BOOL, reload_seen),
	FIELD("message", TEXT, message),
	FIELD("restarts", UNSIGNED, restarts),
	FIELD("failures_in_a_row", UNSIGNED, failures_in_a_row),
	FIELD("window_start", REAL, window_start),
	FIELD("window_failures", UNSIGNED, window_failures),
	MUST("uid_base", UNSIGNED, uid_base),
	ROW("adapter", UNSIGNED, adapter, true, ADAPTER_LOOPBACK),
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
	UPTO("health", health.count.state, HEALTH_UNHEALTHY),
	FIELD("health_failures", UNSIGNED, health.count.failures),
	FIELD("health_successes", UNSIGNED, health.count.successes),
	FIELD("health_since", REAL, health.since),
	FIELD("health_last", TEXT, health.last),
	FIELD("oom_seen", UNSIGNED, run.oom.seen),
	FIELD("oom_kills", UNSIGNED, run.oom.kills),
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

int record_boot(const char **ret)
{
	static char id[64];
	cleanup_free char *text = NULL;
	int r = id[0] ? 0 : trp_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", sizeof(id) - 1, &text, NULL);

	if (text)
		snprintf(id, sizeof(id), "%.*s", (int)strcspn(text, "\n"), text);
	*ret = id;
	return r;
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
	const json_int_t n = json_integer_value(v);
	void *at = (char *)s + f->at;

	switch (f->kind) {
	case BOOL:
		*(bool *)at = json_is_true(v);
		return json_is_boolean(v) ? 0 : -EBADMSG;
	case UNSIGNED:
		if (!json_is_integer(v) || n < 0 || n > f->most)
			return -EBADMSG;
		*(unsigned *)at = (unsigned)n;
		return 0;
	case INT:
		if (!json_is_integer(v) || n < INT_MIN || n > INT_MAX)
			return -EBADMSG;
		*(int *)at = (int)n;
		return 0;
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
			c->family == AF_INET ? 4 : 6, "listened", c->listened, "several", c->several, "nonblock", c->nonblock));
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

static json_t *keys_to_json(const struct strv *keys)
{
	json_t *list = json_array();

	for (size_t i = 0; i < keys->n; i++)
		json_array_append_new(list, json_string(keys->v[i]));
	return list;
}

/* One by which another instance is being started waits again if its daemon is killed, as that instance ends then. */
static const struct profile *to_come(const struct service *s)
{
	if (s->pending)
		return s->pending;
	return s->overlap == OVERLAP_GOING && s->beside ? s->beside->profile : NULL;
}

static int to_text(const struct service *s, char **ret)
{
	const struct profile *pending = to_come(s);
	const char *boot;
	int r = record_boot(&boot);
	json_t *o = r < 0 ? NULL : json_pack("{s:i,s:s,s:s,s:s,s:b,s:s,s:o}", "version", VERSION, "boot", boot, "service", s->name, "state",
		service_state_name(s->state), "daemon_stops", s->d->stopping, "profile", s->profile->text_hash, "channels",
		channels_to_json(s));

	if (!o)
		return r < 0 ? r : -ENOMEM;
	add_fields(o, s);
	if (pending)
		json_object_set_new(o, "pending", json_string(pending->text_hash));
	if (s->live_keys.n > 0) {
		json_object_set_new(o, "live", keys_to_json(&s->live_keys));
		json_object_set_new(o, "live_text", json_string(s->live_text));
	}
	if (s->beside && s->beside->outgoing)
		json_object_set_new(o, "beside", beside_to_json(s->beside));
	*ret = json_dumps(o, JSON_INDENT(1));
	json_decref(o);
	return *ret ? 0 : -ENOMEM;
}

static void file_name(const char *service, char out[NAME_MAX + 1])
{
	snprintf(out, NAME_MAX + 1, "%.200s.json", service);
}

/* Somebody has removed the directory: another one, with all of them. */
static void begin_anew(struct daemon *d, const struct service *but)
{
	int before = d->records;

	if (record_open(d) < 0) {
		d->records = before;
		return;
	}
	close(before);
	log_warn("the records for the next trpsupd were removed; they are written again");
	for (struct service *o = d->services; o; o = o->next)
		if (o != but)
			record_save(o);
}

static int write_record(struct service *s)
{
	cleanup_free char *text = NULL;
	char name[NAME_MAX + 1];
	int r;

	record_keep_missed(s);
	file_name(s->name, name);
	r = to_text(s, &text);
	return r == 0 ? trp_write_whole(s->d->records, name, text, strlen(text), 0600) : r;
}

void record_save(struct service *s)
{
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
	r = write_record(s);
	if (r == -ENOENT && trp_is_removed(s->d->records)) {
		begin_anew(s->d, s);
		r = write_record(s);
	}
	if (r < 0 && !said)
		log_error("%s: its record for the next trpsupd cannot be written: %s", s->name, strerror(-r));
	said = r < 0;
}

void record_remove_of(struct daemon *d, const char *service)
{
	char name[NAME_MAX + 1];

	if (d->records < 0)
		return;
	file_name(service, name);
	unlinkat(d->records, name, 0);
}

void record_remove(struct service *s)
{
	record_remove_of(s->d, s->name);
}

static bool is_ours(const json_t *o, const char *boot)
{
	const char *said = json_string_value(json_object_get(o, "boot"));

	return json_integer_value(json_object_get(o, "version")) == VERSION && said && strcmp(said, boot) == 0;
}

/* 0, and NULL: it is of another version or boot, or none at all. -errno: it cannot be read now. */
static int read_record(int dir, const char *file, json_t **ret)
{
	cleanup_free char *text = NULL;
	const char *boot;
	size_t len;
	json_t *o;
	int r;

	*ret = NULL;
	r = trp_read_file(dir, file, RECORD_MAX, &text, &len);
	if (r == 0)
		r = record_boot(&boot);
	if (r < 0)
		return r;
	o = json_loadb(text, len, 0, NULL);
	if (is_ours(o, boot))
		*ret = o;
	else
		json_decref(o);
	return 0;
}

int record_profile_of(struct daemon *d, const char *service, const char *hash, struct profile **ret, struct profile_errors *errors)
{
	struct profile_sources texts = {0};
	int r = d->records < 0 || !hash ? -ENOENT : record_read_texts(d, service, hash, &texts);

	if (r == -EBADMSG) {
		log_warn("%s: what was kept of its profile is damaged: its files are read", service);
		if (d->adopting) /* not where it is only asked */
			record_drop_texts(d, service, hash);
		r = -ENOENT;
	}
	if (r == 0)
		r = profile_load_again(&d->paths, service, &texts, ret, errors);
	profile_sources_free(&texts);
	return r;
}

/* A record of an older daemon does not say it: then they were of the pending one. */
static const char *live_text(const json_t *json)
{
	const char *hash = json_string_value(json_object_get(json, "live_text"));

	return hash ? hash : json_string_value(json_object_get(json, "pending"));
}

static int keys_from_json(const json_t *json, struct strv *ret)
{
	const json_t *list = json_object_get(json, "live"), *o;
	size_t i;
	int r = 0;

	json_array_foreach((json_t *)list, i, o)
		if (r == 0 && json_is_string(o))
			r = strv_push(ret, json_string_value(o));
	return r;
}

int record_live_keys(const json_t *json, struct service *s)
{
	const char *hash = live_text(json);

	if (!hash)
		return 0;
	strv_free(&s->live_keys);
	snprintf(s->live_text, sizeof(s->live_text), "%s", json_object_get(json, "live") ? hash : "");
	return keys_from_json(json, &s->live_keys);
}

static int take_live(struct daemon *d, const char *service, const json_t *json, const struct profile_sources *texts, struct profile *p)
{
	struct profile_errors errors = {0};
	struct profile *from = NULL;
	struct strv keys = {0};
	int r = keys_from_json(json, &keys);

	if (r == 0 && keys.n > 0)
		r = profile_load_again(&d->paths, service, texts, &from, &errors);
	if (r == 0 && from)
		r = profile_take_live(p, from, &keys);
	profile_free(from);
	profile_errors_free(&errors);
	strv_free(&keys);
	return r;
}

/* Beside the one that it was started with: those that a reload brought, mostly of one text, which is read once. Without them the service is
 * taken over all the same. */
static void read_reloaded(struct daemon *d, const char *service, const json_t *json, struct profile *p, struct profile **ret_pending)
{
	const char *pending = json_string_value(json_object_get(json, "pending")), *live = live_text(json);
	struct profile_sources texts = {0};
	struct profile_errors errors = {0};
	int r = 0;

	if (json_object_get(json, "live")) {
		r = live ? record_read_texts(d, service, live, &texts) : -ENOENT;
		if (r == 0)
			r = take_live(d, service, json, &texts, p);
		else
			profile_sources_free(&texts);
		if (r < 0)
			log_warn("%s: what a reload has put in force of its profile is not in force any more: %s", service, strerror(-r));
	}
	if (pending && ret_pending) {
		r = texts.n > 0 && strcmp(pending, live) == 0 ? 0 : -ENOENT;
		if (r < 0) {
			profile_sources_free(&texts);
			r = record_read_texts(d, service, pending, &texts);
		}
		if (r == 0)
			r = profile_load_again(&d->paths, service, &texts, ret_pending, &errors);
		if (r < 0)
			log_warn("%s: the profile that waits for its next start cannot be read: %s", service, strerror(-r));
	}
	profile_errors_free(&errors);
	profile_sources_free(&texts);
}

int record_profile(struct daemon *d, const char *service, struct profile **ret, struct profile **ret_pending, struct profile_errors *errors)
{
	char name[NAME_MAX + 1];
	json_t *o;
	int r;

	if (d->records < 0)
		return -ENOENT;
	file_name(service, name);
	(void)read_record(d->records, name, &o);
	r = record_profile_of(d, service, json_string_value(json_object_get(o, "profile")), ret, errors);
	if (r == 0)
		read_reloaded(d, service, o, *ret, ret_pending);
	json_decref(o);
	return r;
}

static bool names_texts(const json_t *record, const char *which, const char *text)
{
	const char *hash = json_string_value(json_object_get(record, which));

	return hash && strncmp(text, hash, 16) == 0;
}

/* Half written when a daemon was killed, or the texts of a profile of which nothing is in force or to come. */
static bool is_rubbish(struct daemon *d, const char *name)
{
	size_t len = strlen(name);
	char service[NAME_MAX + 1], record[NAME_MAX + 1], hash[17];
	bool rubbish;
	json_t *o;
	int r;

	if (len < sizeof(RECORD_TEXTS_SUFFIX) + 17 || strcmp(name + len - strlen(RECORD_TEXTS_SUFFIX), RECORD_TEXTS_SUFFIX) != 0)
		return name[0] != '.' || len > 2;
	len -= strlen(RECORD_TEXTS_SUFFIX) + 17;
	snprintf(service, sizeof(service), "%.*s", (int)len, name);
	snprintf(hash, sizeof(hash), "%.16s", name + len + 1);
	if (record_needs_text(service_find(d, service), hash))
		return false;
	file_name(service, record);
	r = read_record(d->records, record, &o);
	if (r < 0 && r != -ENOENT) /* for want of descriptors, say: it may well name them */
		return false;
	rubbish = !names_texts(o, "profile", hash) && !names_texts(o, "pending", hash) && !names_texts(o, "live_text", hash);
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
			if (clean && is_rubbish(d, entry->d_name))
				unlinkat(d->records, entry->d_name, 0);
			continue;
		}
		snprintf(service, sizeof(service), "%.*s", (int)(len - 5), entry->d_name);
		(void)read_record(d->records, entry->d_name, &o);
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

/* An earlier version wrote the time of day there, and no "changed". */
static void restore_clocks(const json_t *json, struct service *s)
{
	double *all[] = {&s->changed, &s->up_since, &s->worked, &s->window_start};
	const double now = trp_now_seconds(), ahead = ev_time() - now;

	if (json_object_get(json, "changed"))
		return;
	s->changed = s->since;
	if (s->timed.result == TIMER_RUNS && s->worked < s->timed.last)
		s->worked = 0;
	s->timed.since_boot = timers_since_boot(s->timed.last);
	for (size_t i = 0; i < TRP_ARRAY_SIZE(all); i++) {
		double at = *all[i] - ahead;
		if (*all[i] > 0)
			*all[i] = at > now ? now : at > 0 ? at : 1e-9; /* 0 would be never */
	}
}

/* It names directories, a control group and what trp-keeper has. */
static bool is_key(const struct service *s, const json_t *v)
{
	const char *key = json_string_value(v);
	char other[sizeof(s->key)];

	overlap_other_key(s->name, s->name, other, sizeof(other));
	return !v || (key && (strcmp(key, s->name) == 0 || strcmp(key, other) == 0));
}

int record_restore(const json_t *json, struct service *s)
{
	int r = is_key(s, json_object_get(json, "key")) ? restore_state(json, s) : -EBADMSG;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(fields) && r == 0; i++) {
		const json_t *value = json_object_get(json, fields[i].name);
		if (value || fields[i].must)
			r = field_from_json(value, s, &fields[i]);
	}
	restore_clocks(json, s);
	return r;
}
