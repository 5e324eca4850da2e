/* SPDX-License-Identifier: ISC */
#include "supervisor/adopt.h"
#include "base/log.h"
#include "base/parse.h"
#include "supervisor/box/box.h"
#include "supervisor/exec.h"
#include "supervisor/live.h"
#include "supervisor/load.h"
#include "supervisor/observer.h"
#include "supervisor/reap.h"
#include "supervisor/record.h"
#include "supervisor/statedisk.h"
#include "supervisor/timeout.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM_EACH (2 + CGROUP_V1_MAX) /* descriptors of a service that is taken over, beside what the keeper has: its control groups, and what tells of kills there */
#define ROOM_OWN  100 /* what the daemon itself takes: for routers, to start a service, for clients of ours */

/* Without a record, or with one that is no use: what its sandbox's init is called in the keeper is enough to end all of it. True: there was one. */
static bool end_instance(struct daemon *d, const char *key)
{
	int fd = keep_take(d->keep, key, "init", 0);

	if (fd < 0)
		return false;
	reap_kill(fd, SIGKILL);
	reap_await(fd);
	keep_drop(d->keep, key, "init", 0);
	trp_close(&fd);
	return true;
}

/* The same with what there may be beside it. What was taken over is not there any more. */
static bool end_run(struct daemon *d, const char *service)
{
	char key[sizeof(((struct service *)0)->key)];
	bool one = end_instance(d, service);

	overlap_other_key(service, service, key, sizeof(key));
	return end_instance(d, key) || one;
}

static void note_number(void *data, const char *service, const json_t *json)
{
	struct daemon *d = data;

	(void)service;
	ledgers_number_used(d->ledgers, (uint32_t)json_integer_value(json_object_get(json, "number")));
}

int adopt_channels(struct service *s, const json_t *json)
{
	const json_t *list = json_object_get(json, "channels");
	const json_t *o;
	size_t i;
	int r = 0;

	json_array_foreach((json_t *)list, i, o)
	{
		struct channel c = {.id = (uint32_t)json_integer_value(json_object_get(o, "id")),
			.port = (uint16_t)json_integer_value(json_object_get(o, "port")),
			.family = json_integer_value(json_object_get(o, "family")) == 4 ? AF_INET : AF_INET6,
			/* an older daemon's "listened" may be that of the run before */
			.listened = json_is_true(json_object_get(o, "listened")) && !json_is_false(json_object_get(o, "taken")),
			.several = json_is_true(json_object_get(o, "several")),
			.nonblock = json_is_true(json_object_get(o, "nonblock"))};
		int e = route_adopt(s, &c);
		r = r < 0 ? r : e;
	}
	return r;
}

/* Why what runs cannot be taken over, or NULL: it was. */
static const char *adopt_run(struct service *s, const json_t *json)
{
	const char *hash = json_string_value(json_object_get(json, "profile"));
	bool in_group = s->has_cgroup;

	s->has_cgroup = false; /* it is not open yet */
	if (!hash || !hash[0] || strcmp(hash, s->profile->text_hash) != 0)
		return "its profile is not the one that was in force";
	if (s->learning.on)
		return "it was being learnt from";
	if (prepare_adopt(s) < 0)
		return s->message;
	if (in_group && (!s->d->cgroups || cgroup_adopt(s->d->cgroups, s->key, &s->cgroup) < 0))
		return "its control group is not where it should be";
	exec_adopt(s);
	if (instance_adopt(s) < 0) {
		if (in_group && cgroup_destroy(s->d->cgroups, &s->cgroup) < 0)
			cgroup_close(&s->cgroup);
		return "a descriptor of it is missing";
	}
	s->has_cgroup = in_group;
	oom_adopt(s);
	return NULL;
}

static bool has_a_run(enum service_state state)
{
	return state == STATE_STARTING || state == STATE_READY || state == STATE_RELOADING || state == STATE_LEAVING ||
		state == STATE_STOPPING || state == STATE_RESTARTING || state == STATE_ABORTING || state == STATE_RESTING;
}

/* Nothing of it runs. Its clients wait in its channels if it is started again. */
static void run_is_lost(struct service *s, const char *why)
{
	bool goes_on = s->state != STATE_STOPPING;

	strv_push(&s->d->lost, s->name);
	log_warn("%s: cannot be taken over from an earlier trpsupd: %s; %s", s->name, why, goes_on ? "started anew" : "ended");
	logs_note(s->logs, "cannot be taken over from an earlier trpsupd: %s", why);
	end_instance(s->d, s->key);
	s->has_cgroup = false;
	instance_none(s);
	s->frozen = s->doze.on = false;
	s->state = s->state == STATE_RESTING ? STATE_IDLE : goes_on ? STATE_BACKOFF : STATE_STOPPED;
}

static void restore(struct service *s, const json_t *json)
{
	const char *why = NULL;
	int r;

	instance_none(s);
	r = record_restore(json, s);
	observer_service(s->d->observer, s);
	if (r < 0) {
		s->state = STATE_BACKOFF;
		run_is_lost(s, "its record is not whole");
		end_run(s->d, s->name);
		return;
	}
	sdnotify_adopt(s);
	hold_adopt(s);
	if (adopt_channels(s, json) < 0)
		why = "a descriptor of its channels is missing";
	renew_adopt(s);
	if (!why && s->run.running && has_a_run(s->state))
		why = adopt_run(s, json);
	else if (!why && (s->run.running || has_a_run(s->state)))
		why = "it was being started or ended";
	if (why) {
		run_is_lost(s, why);
	} else if (s->run.running) {
		timeout_again(s);
		s->d->taken_over++;
		log_info("%s: taken over from an earlier trpsupd (pid %d, %s)", s->name, s->run.box.pid, service_state_name(s->state));
		logs_note(s->logs, "taken over from an earlier trpsupd");
	} else {
		s->has_cgroup = false; /* its group goes with what is left */
		if (service_is_active(s))
			s->state = STATE_BACKOFF;
	}
	if (json_object_get(json, "beside"))
		overlap_adopt(s, json_object_get(json, "beside"));
	end_run(s->d, s->name); /* one that was still to take its place */
	s->learning.on = false;
	s->restored = !json_is_true(json_object_get(json, "daemon_stops"));
}

/* s->pending waits for its next start, which may be at once if it could not be taken over. */
static void drop_pending(struct service *s)
{
	struct profile *pending = trp_steal_ptr(&s->pending);

	if (pending)
		record_let_go(s, pending->text_hash);
	profile_free(pending);
	live_forget(s);
}

/* Nothing is known of it but that it ran. */
static void start_anew(struct daemon *d, const char *name)
{
	struct profile_errors errors = {0};
	struct service *s = NULL;

	strv_push(&d->lost, name);
	if (load_service(d, name, false, &s, &errors) == 0) {
		logs_note(s->logs, "cannot be taken over from an earlier trpsupd: there is no record of it that can be read");
		instance_none(s);
		s->wanted = true;
		s->state = STATE_BACKOFF;
	} else {
		load_log_errors(&errors);
	}
	profile_errors_free(&errors);
}

static void without_record(struct daemon *d, const char *name)
{
	bool ran = end_run(d, name);

	record_remove_of(d, name);
	log_warn("%s: a record of it cannot be read, or is of another boot or version%s", name, ran ? "; started anew" : "");
	if (ran)
		start_anew(d, name);
}

/* It could not be written when it was started, or somebody has removed it. */
static void adopt_unrecorded(void *data, const char *name)
{
	struct daemon *d = data;

	if (name[0] == '@' || !end_run(d, name))
		return;
	log_warn("%s: there is no record of it; started anew", name);
	start_anew(d, name);
}

static void adopt_one(void *data, const char *name, const json_t *json)
{
	struct profile_errors errors = {0};
	struct daemon *d = data;
	struct service *s = NULL;
	int r;

	if (!json || !trp_valid_service_name(name)) {
		without_record(d, name);
		return;
	}
	r = load_service(d, name, false, &s, &errors);
	if (r == 0) {
		(void)record_live_keys(json, s);
		restore(s, json);
		if (!service_is_active(s))
			drop_pending(s); /* it is read anew then */
	} else {
		load_log_errors(&errors);
		strv_push(&d->lost, name);
		log_error("%s: ended: its profile cannot be read, so that it cannot be taken over", name);
		end_run(d, name);
		record_remove_of(d, name);
	}
	profile_errors_free(&errors);
}

static bool runs_in(const struct service *s, const char *key)
{
	return s && s->run.running && strcmp(s->key, key) == 0;
}

static void clear_group(struct daemon *d, const struct service *s, const char *name, const char *key)
{
	if (d->cgroups && !runs_in(s, key) && !runs_in(s ? s->beside : NULL, key) && cgroup_clear(d->cgroups, key) > 0)
		log_warn("%s: ended what was left of it by an earlier daemon", name);
}

static void clear_notify_group(struct daemon *d, const struct service *s, const char *name)
{
	cleanup_free char *group = sdnotify_group(name);

	if (d->cgroups && group && !(s && sdnotify_pid(s) > 0))
		cgroup_clear(d->cgroups, group);
}

/* What a daemon that was killed has left, and nobody took over: processes in our groups, mounts of published directories. */
static void clear_leftover(void *data, const char *name)
{
	struct daemon *d = data;
	struct service *s = name[0] == '@' ? NULL : service_find(d, name);
	cleanup_free char *publish = prepare_publish_dir(d, name), *image = statedisk_image(d->config->state_dir, name);
	cleanup_free char *state = box_state_dir(d->config->state_dir, name);
	char other[sizeof(s->key)];

	if (name[0] == '@')
		return; /* routers and the like take care of their own */
	clear_group(d, s, name, name);
	overlap_other_key(name, name, other, sizeof(other));
	clear_group(d, s, name, other);
	clear_notify_group(d, s, name);
	if (s && (s->run.running || s->beside))
		return;
	if (publish)
		umount2(publish, MNT_DETACH | UMOUNT_NOFOLLOW);
	if (state && image && access(image, F_OK) == 0) /* else somebody else has mounted it */
		statedisk_unmount(state);
	if (s)
		s->publish_mounted = s->has_disk = false;
}

static void count_record(void *data, const char *service, const json_t *json)
{
	size_t *n = data;

	(void)service;
	*n += json_is_true(json_object_get(json, "running"));
}

int adopt_check_room(struct daemon *d)
{
	cleanup_close int next = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0); /* as many are open, or a few more */
	struct rlimit nofile = {0};
	rlim_t need;
	size_t n = 0;

	record_each(d, false, count_record, &n);
	need = (rlim_t)(next < 0 ? 0 : next) + ROOM_OWN + n * ROOM_EACH;
	if (!keep_found(d->keep) || (next >= 0 && getrlimit(RLIMIT_NOFILE, &nofile) == 0 && nofile.rlim_cur >= need))
		return 0;
	log_error("too few descriptors to take over what runs: raise RLIMIT_NOFILE of trpsupd, which is %llu, to %llu at least",
		(unsigned long long)nofile.rlim_cur, (unsigned long long)need);
	return -EMFILE;
}

/* The last close(2) of one with clients in it would be theirs, too. Service and client can have it take as long as they like (SO_LINGER), and it would be trp-keeper's. */
static void empty_channel(const char *what, int fd)
{
	if (strcmp(what, "channel-service") == 0 || strcmp(what, "waiting-service") == 0 || strcmp(what, "channel-before") == 0)
		channel_let_go(fd);
}

void adopt_all(struct daemon *d)
{
	record_each(d, true, note_number, d);
	d->adopting = true;
	record_each(d, true, adopt_one, d);
	d->adopting = false;
	ids_each(d->ids, adopt_unrecorded, d);
	ids_each(d->ids, clear_leftover, d);
	keep_let_go_rest(d->keep, empty_channel);
	route_resync(d);
	for (struct service *s = d->services, *next; s; s = next) {
		next = s->next;
		hold_update(s);
		doze_adopt(s);
		demand_update(s);
		health_update(s);
		if (s->state == STATE_BACKOFF)
			service_event(s, EVENT_START);
		else
			record_save(s);
	}
	routerproc_listen(d->router);
}
