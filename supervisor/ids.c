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
};

static bool in_pool(const struct ids *ids, json_int_t id)
{
	return id >= (json_int_t)ids->base && ((uint64_t)id - ids->base) % IDS_RANGE == 0 &&
		((uint64_t)id - ids->base) / IDS_RANGE < ids->ranges;
}

/* A file with one range under two names would let two tenants read each other's files: refused. */
static int check(struct ids *ids, char *err, size_t err_size)
{
	json_t *value, *other;
	const char *name, *other_name;

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
		json_object_foreach(ids->services, other_name, other)
		{
			if (other != value && json_equal(other, value)) {
				snprintf(err, err_size, "uids.json: %s and %s have the same range", name,
					other_name);
				return -EBADMSG;
			}
		}
	}
	return 0;
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
	r = ids->dir < 0 ? -errno : trp_read_file(ids->dir, "uids.json", IDS_FILE_MAX, &text, &len);
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
		snprintf(err, err_size, "%s/uids.json: %s", state_dir, strerror(-r));
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
	free(ids);
}

static bool taken(const struct ids *ids, uint64_t id)
{
	json_t *value;
	const char *name;

	json_object_foreach(ids->services, name, value)
	{
		if ((uint64_t)json_integer_value(value) == id)
			return true;
	}
	return false;
}

int ids_get(struct ids *ids, const char *service, uint32_t *ret_base)
{
	json_t *known = json_object_get(ids->services, service);
	cleanup_free char *text = NULL;
	uint64_t id;
	int r;

	if (known && in_pool(ids, json_integer_value(known))) {
		*ret_base = (uint32_t)json_integer_value(known);
		return 0;
	}
	if (known)
		return -ERANGE; /* the pool in trpsup.conf was changed under existing files */
	for (id = 0; id < ids->ranges && taken(ids, ids->base + id * IDS_RANGE); id++)
		;
	if (id == ids->ranges)
		return -ENOSPC;
	id = ids->base + id * IDS_RANGE;
	if (json_object_set_new(ids->services, service, json_integer((json_int_t)id)) < 0)
		return -ENOMEM;
	text = json_dumps(ids->root, JSON_INDENT(1) | JSON_SORT_KEYS);
	r = text ? trp_write_atomic(ids->dir, "uids.json", text, strlen(text), 0600) : -ENOMEM;
	if (r < 0) {
		json_object_del(ids->services, service);
		return r;
	}
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
