/* SPDX-License-Identifier: ISC */
#include "supervisor/ids.h"
#include "base/io.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define IDS_FILE_MAX (4u << 20)

/* The file: {"version":1,"services":{"mariadb@wordpress":1879113728,...}}, first ids of the ranges. */
struct ids {
	int dir;
	uint64_t base, ranges;
	json_t *services; /* owned by root */
	json_t *root;
	bool *taken; /* of each range of the pool; the lowest that is free is given */
};

static bool in_pool(const struct ids *ids, json_int_t id)
{
	return id >= (json_int_t)ids->base && ((uint64_t)id - ids->base) % IDS_RANGE == 0 &&
		((uint64_t)id - ids->base) / IDS_RANGE < ids->ranges;
}

/* Of a range in the pool: which. Of another: ranges. */
static uint64_t place(const struct ids *ids, json_int_t id)
{
	return in_pool(ids, id) ? ((uint64_t)id - ids->base) / IDS_RANGE : ids->ranges;
}

static int compare(const void *a, const void *b)
{
	json_int_t x = json_integer_value(*(json_t *const *)a), y = json_integer_value(*(json_t *const *)b);

	return x < y ? -1 : x > y;
}

static const char *name_of(const struct ids *ids, const json_t *value)
{
	const char *name;
	json_t *other;

	json_object_foreach(ids->services, name, other)
	{
		if (other == value)
			return name;
	}
	return "?";
}

/* A file with one range under two names would let two tenants read each other's files: refused. */
static int check_twice(const struct ids *ids, char *err, size_t err_size)
{
	size_t n = 0;
	cleanup_free json_t **all = calloc(json_object_size(ids->services) + 1, sizeof(json_t *));
	json_t *value;
	const char *name;

	if (!all)
		return -ENOMEM;
	json_object_foreach(ids->services, name, value)
	{
		all[n++] = value;
	}
	qsort(all, n, sizeof(json_t *), compare);
	for (size_t i = 1; i < n; i++)
		if (json_equal(all[i - 1], all[i])) {
			snprintf(err, err_size, "uids.json: %s and %s have the same range", name_of(ids, all[i - 1]), name_of(ids, all[i]));
			return -EBADMSG;
		}
	return 0;
}

static int check(struct ids *ids, char *err, size_t err_size)
{
	json_t *value;
	const char *name;

	ids->services = json_object_get(ids->root, "services");
	if (json_integer_value(json_object_get(ids->root, "version")) != 1 ||
		!json_is_object(ids->services)) {
		snprintf(err, err_size, "uids.json: not a table of version 1");
		return -EBADMSG;
	}
	json_object_foreach(ids->services, name, value)
	{
		if (!json_is_integer(value) || json_integer_value(value) % IDS_RANGE != (json_int_t)(ids->base % IDS_RANGE)) {
			snprintf(err, err_size, "uids.json: %s: not the first id of a range", name);
			return -EBADMSG;
		}
		/* of the daemon's own programs, without which it cannot run; a service is refused when it is started */
		if (name[0] == '@' && !in_pool(ids, json_integer_value(value))) {
			snprintf(err, err_size, "uids.json: the range of %s is not in the pool of uid-base and uid-ranges: set them as they were, "
				"or remove the file if no service has files of its own", name);
			return -ERANGE;
		}
		ids->taken[place(ids, json_integer_value(value))] = true;
	}
	return check_twice(ids, err, err_size);
}

int ids_open(const char *state_dir, uint64_t base, uint64_t ranges, struct ids **ret, char *err,
	size_t err_size)
{
	struct ids *ids = calloc(1, sizeof(*ids));
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r;

	if (!ids)
		return -ENOMEM;
	ids->base = base;
	ids->ranges = ranges;
	ids->dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ids->taken = calloc(ranges + 1, sizeof(*ids->taken));
	r = ids->dir < 0 ? -errno : !ids->taken ? -ENOMEM : trp_read_file(ids->dir, "uids.json", IDS_FILE_MAX, &text, &len);
	if (r == 0) {
		ids->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
		r = ids->root ? check(ids, err, err_size) : -EBADMSG;
		if (!ids->root)
			snprintf(err, err_size, "uids.json: not JSON");
	} else if (r == -ENOENT && ids->dir >= 0) {
		ids->root = json_pack("{s:i,s:{}}", "version", 1, "services");
		ids->services = json_object_get(ids->root, "services");
		r = ids->root ? 0 : -ENOMEM;
	} else {
		snprintf(err, err_size, "uids.json: %s", strerror(-r));
	}
	if (r < 0) {
		ids_close(ids);
		return r;
	}
	*ret = ids;
	return 0;
}

void ids_close(struct ids *ids)
{
	if (!ids)
		return;
	trp_close(&ids->dir);
	json_decref(ids->root);
	free(ids->taken);
	free(ids);
}

int ids_get(struct ids *ids, const char *service, uint32_t *ret_base)
{
	json_t *known = json_object_get(ids->services, service);
	cleanup_free char *text = NULL;
	uint64_t id, at;
	int r;

	if (known && in_pool(ids, json_integer_value(known))) {
		*ret_base = (uint32_t)json_integer_value(known);
		return 0;
	}
	if (known)
		return -ERANGE; /* the pool in trpsup.conf was changed under existing files */
	for (at = 0; at < ids->ranges && ids->taken[at]; at++)
		;
	if (at == ids->ranges)
		return -ENOSPC;
	id = ids->base + at * IDS_RANGE;
	if (json_object_set_new(ids->services, service, json_integer((json_int_t)id)) < 0)
		return -ENOMEM;
	text = json_dumps(ids->root, JSON_INDENT(1) | JSON_SORT_KEYS);
	r = text ? trp_write_atomic(ids->dir, "uids.json", text, strlen(text), 0600) : -ENOMEM;
	if (r < 0) {
		json_object_del(ids->services, service);
		return r;
	}
	ids->taken[at] = true;
	*ret_base = (uint32_t)id;
	return 0;
}

void ids_each(const struct ids *ids, void (*each)(void *data, const char *service), void *data)
{
	json_t *value;
	const char *name;

	json_object_foreach(ids->services, name, value)
	{
		each(data, name);
	}
}
