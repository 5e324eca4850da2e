/* SPDX-License-Identifier: ISC */
/* paths.c: what of the host's files it sees, and where it can write. */
#include "base/parse.h"
#include "supervisor/profile/config.h"
#include "supervisor/score/tables.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

/* Places of a host, by what it means to show them. A path is judged by the deepest of these that it is a part of, and by all that it
 * shows, because they lie in it. */
static const struct grave {
	const char *path;
	bool inside; /* what lies in it is as grave */
	unsigned read, write;             /* percent */
	unsigned read_least, write_least; /* tenths */
	const char *why;
} graves[] = {
	{"/run/docker.sock", false, 100, 100, SCORE_FLOOR_HOST, SCORE_FLOOR_HOST, "who can connect to it is root of the host"},
	{"/run/containerd", true, 100, 100, SCORE_FLOOR_HOST, SCORE_FLOOR_HOST, "who can connect to it is root of the host"},
	{"/run/systemd", true, 80, 100, SCORE_FLOOR_GRAVE, SCORE_FLOOR_HOST, "the host's service manager"},
	{"/run/dbus", true, 80, 100, SCORE_FLOOR_GRAVE, SCORE_FLOOR_HOST, "the host's message bus"},
	{"/run/trpsup", true, 100, 100, SCORE_FLOOR_HOST, SCORE_FLOOR_HOST, "the daemon's own socket"},
	{"/var/lib/trpsup", true, 100, 100, SCORE_FLOOR_GRAVE, SCORE_FLOOR_HOST, "all services' secrets and state"},
	{"/etc/trpsup", true, 40, 100, 0, SCORE_FLOOR_HOST, "the profiles"},
	{"/etc/shadow", false, 100, 100, SCORE_FLOOR_GRAVE, SCORE_FLOOR_HOST, "the host's passwords"},
	{"/etc/gshadow", false, 100, 100, SCORE_FLOOR_GRAVE, SCORE_FLOOR_HOST, "the host's passwords"},
	{"/etc/sudoers", false, 60, 100, SCORE_FLOOR_BAD, SCORE_FLOOR_HOST, "who may become root"},
	{"/etc/ssl/private", true, 80, 100, SCORE_FLOOR_BAD, SCORE_FLOOR_GRAVE, "private keys"},
	{"/etc/letsencrypt", true, 60, 100, 0, SCORE_FLOOR_GRAVE, "private keys"},
	{"/etc/ssh", true, 80, 100, SCORE_FLOOR_BAD, SCORE_FLOOR_HOST, "the host's keys"},
	{"/root", true, 100, 100, SCORE_FLOOR_GRAVE, SCORE_FLOOR_HOST, "root's home"},
	{"/home", true, 60, 80, SCORE_FLOOR_BAD, SCORE_FLOOR_GRAVE, "people's homes"},
	{"/proc", true, 100, 100, SCORE_FLOOR_HOST, SCORE_FLOOR_HOST, "the host's processes"},
	{"/sys", true, 60, 100, SCORE_FLOOR_BAD, SCORE_FLOOR_HOST, "the host's devices and kernel settings"},
	{"/dev", true, 60, 100, SCORE_FLOOR_BAD, SCORE_FLOOR_HOST, "the host's devices"},
	{"/boot", true, 40, 100, 0, SCORE_FLOOR_HOST, "the kernel"},
	{"/usr", true, 10, 100, 0, SCORE_FLOOR_HOST, "the host's programs"},
	{"/etc", true, 20, 100, 0, SCORE_FLOOR_HOST, "the host's configuration"},
	{"/var/log", true, 50, 70, SCORE_FLOOR_BAD, SCORE_FLOOR_BAD, "what the host logs"},
	{"/run", true, 20, 50, 0, SCORE_FLOOR_BAD, "sockets of the host's daemons"},
	{"/tmp", true, 20, 40, 0, 0, "the host's /tmp"},
};

/* Is path a, or in the directory a? */
static bool within(const char *path, const char *a)
{
	return strcmp(a, "/") == 0 || trp_path_within(path, a);
}

/* What lies deepest above path: that it is a part of. NULL: nothing of the table. */
static const struct grave *part_of(const char *path)
{
	const struct grave *found = NULL;

	for (size_t i = 0; i < TRP_ARRAY_SIZE(graves); i++)
		if (graves[i].inside && within(path, graves[i].path) && (!found || strlen(graves[i].path) > strlen(found->path)))
			found = &graves[i];
	return found;
}

unsigned score_path_grave(const char *path, bool writable, unsigned *ret_least, const char **ret_why)
{
	unsigned most = writable ? 40 : 15; /* any other file of the host's */
	const struct grave *part;

	if (within(path, "/var/run"))
		path += strlen("/var");
	part = part_of(path);
	*ret_least = 0;
	*ret_why = "files of the host";
	if (part) {
		most = writable ? part->write : part->read;
		*ret_least = writable ? part->write_least : part->read_least;
		*ret_why = part->why;
	}
	for (size_t i = 0; i < TRP_ARRAY_SIZE(graves); i++) {
		const struct grave *g = &graves[i];
		unsigned exposure = writable ? g->write : g->read, least = writable ? g->write_least : g->read_least;
		if (!within(g->path, path) || (exposure <= most && least <= *ret_least))
			continue;
		most = exposure > most ? exposure : most;
		*ret_least = least > *ret_least ? least : *ret_least;
		*ret_why = g->why;
	}
	return most;
}

static const struct profile_bind *bind_at(const struct profile *p, const char *target, const char *source)
{
	for (size_t i = 0; i < p->n_binds; i++)
		if (strcmp(p->binds[i].target, target) == 0 && strcmp(p->binds[i].source, source) == 0)
			return &p->binds[i];
	return NULL;
}

/* Whose is what lies at source? */
static enum score_place_kind kind_of(const struct score_view *v, const struct score_place *place)
{
	const struct box_site *site = v->site;

	if (!place->source)
		return PLACE_MEMORY;
	if (within(place->source, config_libexec()) || (v->profile->files_dir && within(place->source, v->profile->files_dir)))
		return PLACE_FILES;
	if (place->bind)
		return PLACE_HOST;
	if (within(place->source, site->state_dir))
		return PLACE_STATE;
	if (within(place->source, site->run_dir))
		return strncmp(place->path, "/trp/use/", 9) == 0 || strcmp(place->path, "/trp/publish") == 0 ? PLACE_SHARED : PLACE_FILES;
	if (strv_has(&v->profile->host_files, place->path) || v->profile->adapter == ADAPTER_RELAY)
		return PLACE_HOST;
	return PLACE_SYSTEM;
}

void score_places(const struct score_view *v, void (*each)(void *data, const struct score_place *place), void *data)
{
	for (size_t i = 0; i < v->plan.n_steps; i++) {
		const struct plan_step *s = &v->plan.steps[i];
		struct score_place place = {.path = s->path, .noexec = s->noexec, .writable = true};

		if (s->stage == SANDBOX_STAGE_DEV && strcmp(s->path, "/dev/shm") != 0)
			continue;
		if (s->op == PLAN_TREE && s->source >= 0 && !v->plan.sources[s->source].from_root) {
			const struct plan_source *src = &v->plan.sources[s->source];
			place.source = src->path;
			place.writable = !(src->attr & MOUNT_ATTR_RDONLY);
			place.noexec = (src->attr & MOUNT_ATTR_NOEXEC) != 0;
			place.bind = bind_at(v->profile, s->path, src->path);
		} else if (s->op != PLAN_TMPFS) {
			continue;
		}
		place.kind = kind_of(v, &place);
		each(data, &place);
	}
}

/* The gravest one of a kind decides; the others are counted. */
struct worst {
	const struct score_view *v;
	struct score_row *row;
	bool writable;
	bool binds; /* else host-files */
	unsigned n;
	char path[200];
	const char *why;
};

/* The daemon's own directories, wherever trpsup.conf has them, are what they are where it says nothing. */
static unsigned grave_of(const struct score_view *v, const struct score_place *place, unsigned *ret_least, const char **ret_why)
{
	const struct {
		const char *path, *as;
	} own[] = {{v->site->run_dir, "/run/trpsup"}, {v->site->state_dir, "/var/lib/trpsup"}};
	unsigned most = score_path_grave(place->source, place->writable, ret_least, ret_why);

	for (size_t i = 0; i < TRP_ARRAY_SIZE(own); i++) {
		const char *why;
		unsigned least, exposure;
		if (!within(place->source, own[i].path) && !within(own[i].path, place->source))
			continue;
		exposure = score_path_grave(own[i].as, place->writable, &least, &why);
		if (exposure > most || least > *ret_least)
			*ret_why = why;
		most = exposure > most ? exposure : most;
		*ret_least = least > *ret_least ? least : *ret_least;
	}
	return most;
}

static void look_at(void *data, const struct score_place *place)
{
	struct worst *w = data;
	unsigned exposure, least;
	const char *why;
	bool worse;

	if (place->kind != PLACE_HOST || place->writable != w->writable || w->binds != (place->bind != NULL || w->v->profile->adapter == ADAPTER_RELAY))
		return;
	exposure = grave_of(w->v, place, &least, &why);
	worse = w->n++ == 0 || least > w->row->least || (least == w->row->least && exposure > w->row->exposure);
	/* another one may be less exposed, and nearer to giving the host away */
	w->row->exposure = exposure > w->row->exposure ? exposure : w->row->exposure;
	w->row->least = least > w->row->least ? least : w->row->least;
	if (!worse)
		return;
	if (place->bind)
		w->row->where = place->bind->where;
	snprintf(w->path, sizeof(w->path), "%.190s", place->source);
	w->why = why;
}

static void judge_worst(const struct score_view *v, struct score_row *row, bool writable, bool binds)
{
	struct worst w = {.v = v, .row = row, .writable = writable, .binds = binds};

	score_places(v, look_at, &w);
	if (w.n == 0)
		score_set(row, 0, "none");
	else if (w.n == 1)
		score_set(row, row->exposure, "%.150s: %s", w.path, w.why);
	else
		score_set(row, row->exposure, "%.150s: %s, and %u more", w.path, w.why, w.n - 1);
}

static void judge_bind_write(const struct score_view *v, struct score_row *row)
{
	judge_worst(v, row, true, true);
}

static void judge_bind_read(const struct score_view *v, struct score_row *row)
{
	judge_worst(v, row, false, true);
}

static void judge_host_files(const struct score_view *v, struct score_row *row)
{
	judge_worst(v, row, false, false);
}

struct executable {
	unsigned n, host;
	char first[160];
};

static void look_executable(void *data, const struct score_place *place)
{
	struct executable *e = data;

	if (!place->writable || place->noexec)
		return;
	/* a bind that is writable and executable: what it writes may be run by others, too */
	e->host += place->kind == PLACE_HOST;
	e->n++;
	if (e->n == 1)
		snprintf(e->first, sizeof(e->first), "%.150s", place->path);
}

static void judge_write_execute(const struct score_view *v, struct score_row *row)
{
	struct executable e = {0};

	score_places(v, look_executable, &e);
	if (e.n == 0)
		score_set(row, 0, "nothing that it can write can be executed");
	else
		score_set(row, e.host ? 100 : 50, "%s and %u more", e.first, e.n - 1);
}

const struct score_control score_path_controls[] = {
	{"host-writable", "Files of the host that it can change", 12, "sandbox", "bind", "without rw, or a directory that nothing else uses",
		judge_bind_write, NULL, NULL},
	{"host-readable", "Files of the host that it can read, beyond its system", 8, "sandbox", "bind", "only what it needs, as deep as possible",
		judge_bind_read, NULL, NULL},
	{"host-files", "The host's /etc", 4, "sandbox", "host-files", "files instead of directories; or root = packages", judge_host_files, NULL,
		NULL},
	{"write-execute", "Files that it can both write and execute", 4, "sandbox", "bind", "noexec", judge_write_execute, NULL, NULL},
};
const size_t score_n_path_controls = TRP_ARRAY_SIZE(score_path_controls);
