/* SPDX-License-Identifier: ISC */
#include "learn.h"
#include "base/fdpass.h"

#include <string.h>

#define PATH_BUCKETS 8192 /* a power of two, twice LEARN_PATHS_MAX */

struct counts {
	uint64_t times, refused, missed, denied;
};

struct form {
	int nr;
	uint32_t args[LEARN_ARGS];
	struct counts counts;
};

static struct counts calls[LEARN_NR_MAX];
static struct form forms[LEARN_FORMS_MAX];
static size_t n_forms;
static uint64_t peaks[LEARN_PEAK_COUNT];
static struct {
	const char *path;
	unsigned uses;
} paths[PATH_BUCKETS];
static size_t n_paths;
static char path_bytes[LEARN_PATH_BYTES];
static size_t n_path_bytes;
static bool cut;
static int control = -1;

void record_open(int fd)
{
	control = fd;
}

/* The daemon reads what it is sent; when it is gone, the service lives on and nobody is told. */
static void tell(struct learn_msg *m, enum learn_type type)
{
	m->magic = LEARN_MAGIC;
	m->type = (uint16_t)type;
	if (control >= 0 && trp_fd_send(control, m, sizeof(*m), NULL, 0, 0) < 0)
		trp_close(&control);
}

static void tell_counts(enum learn_type type, int nr, const uint32_t args[LEARN_ARGS], const struct counts *c)
{
	struct learn_msg m = {
		.nr = nr, .times = c->times, .refused = c->refused, .missed = c->missed, .denied = c->denied};

	if (args)
		memcpy(m.args, args, sizeof(m.args));
	tell(&m, type);
}

void record_cut(void)
{
	if (!cut)
		tell(&(struct learn_msg){0}, LEARN_CUT);
	cut = true;
}

/* True if it is news: the first, or twice as many. */
static bool add(uint64_t *n, bool what)
{
	*n += what;
	return what && (*n & (*n - 1)) == 0;
}

static struct form *form_of(const struct learn_call *c)
{
	struct form f = {.nr = c->nr};

	if (calls_form(c, f.args) == 0)
		return NULL;
	for (size_t i = 0; i < n_forms; i++)
		if (forms[i].nr == f.nr && memcmp(forms[i].args, f.args, sizeof(f.args)) == 0)
			return &forms[i];
	if (n_forms == LEARN_FORMS_MAX) {
		record_cut();
		return NULL;
	}
	forms[n_forms] = f;
	return &forms[n_forms++];
}

static bool count(struct counts *n, bool refused, bool missed)
{
	bool news = add(&n->times, true);

	news |= add(&n->refused, refused);
	return add(&n->missed, missed) || news;
}

void record_entry(const struct learn_call *c, bool missed)
{
	struct form *f;

	if (c->nr < 0 || c->nr >= LEARN_NR_MAX) { /* of another architecture, or none at all */
		record_cut();
		return;
	}
	if (count(&calls[c->nr], c->refused, missed))
		tell_counts(LEARN_CALL, c->nr, NULL, &calls[c->nr]);
	f = form_of(c);
	if (f && count(&f->counts, c->refused, missed))
		tell_counts(LEARN_FORM, f->nr, f->args, &f->counts);
}

void record_exit(const struct learn_call *c, long result)
{
	int fd = calls_descriptor(c, result);
	struct form *f;

	if (fd >= 0)
		record_peak(LEARN_FILES, (uint64_t)fd + 1);
	if ((result != -EPERM && result != -EACCES) || c->nr < 0 || c->nr >= LEARN_NR_MAX)
		return;
	if (add(&calls[c->nr].denied, true))
		tell_counts(LEARN_CALL, c->nr, NULL, &calls[c->nr]);
	f = form_of(c);
	if (f && add(&f->counts.denied, true))
		tell_counts(LEARN_FORM, f->nr, f->args, &f->counts);
}

void record_peak(enum learn_peak peak, uint64_t value)
{
	if (value <= peaks[peak])
		return;
	peaks[peak] = value;
	tell(&(struct learn_msg){.nr = (int)peak, .times = value}, LEARN_PEAK);
}

static size_t bucket_of(const char *path)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a. Who makes them collide slows himself */

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 0x100000001b3u;
	return (size_t)(h ^ (h >> 32)) % PATH_BUCKETS;
}

void record_path(const char *path, unsigned uses)
{
	struct learn_msg m = {0};
	size_t len = strlen(path) + 1, i = bucket_of(path);

	while (paths[i].path && strcmp(paths[i].path, path) != 0)
		i = (i + 1) % PATH_BUCKETS;
	if (!paths[i].path) {
		if (n_paths == LEARN_PATHS_MAX || n_path_bytes + len > sizeof(path_bytes)) {
			record_cut();
			return;
		}
		paths[i].path = memcpy(path_bytes + n_path_bytes, path, len);
		n_path_bytes += len;
		n_paths++;
	}
	if ((paths[i].uses | uses) == paths[i].uses)
		return;
	paths[i].uses |= uses;
	m.uses = (uint16_t)paths[i].uses;
	memcpy(m.path, path, len);
	tell(&m, LEARN_PATH);
}

void record_end(void)
{
	for (int nr = 0; nr < LEARN_NR_MAX; nr++)
		if (calls[nr].times)
			tell_counts(LEARN_CALL, nr, NULL, &calls[nr]);
	for (size_t i = 0; i < n_forms; i++)
		tell_counts(LEARN_FORM, forms[i].nr, forms[i].args, &forms[i].counts);
	tell(&(struct learn_msg){0}, LEARN_END);
}
