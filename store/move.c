/* SPDX-License-Identifier: MIT */
#include "store/move.h"

#include <assert.h>

#include "store/backend.h"
#include "store/import.h"
#include "store/input.h"

int move_refuse_open(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE,
		       "This store is not complete: another one is being moved "
		       "into it. Call 'groupctl migrate' again, until it says "
		       "that it is done");
}

int move_check_open(struct store *s, struct err *err)
{
	uint64_t from = 0;
	int rc;

	if (s->options.moving)
		return 0;
	rc = s->ops->moved_from(s, &from, err);
	return rc < 0 || from == 0 ? rc : move_refuse_open(err);
}

/* Reading. */

int store_list_loose(struct store *s, enum store_loose_kind kind,
		     store_loose_fn fn, void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	return rc < 0 ? rc : s->ops->list_loose(s, kind, fn, data, err);
}

int store_next_group(struct store *s, uint64_t after_id, uint64_t *group_id,
		     struct str *key, struct err *err)
{
	int rc = store_check_alive(s, err);

	*group_id = 0;
	*key = str_of("");
	return rc < 0 ? rc
		      : s->ops->next_group(s, after_id, group_id, key, err);
}

int store_list_keys(struct store *s, uint64_t group_id, store_key_fn fn,
		    void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	return rc < 0 ? rc : s->ops->list_keys(s, group_id, fn, data, err);
}

int store_get_numbers(struct store *s, struct store_numbers *out,
		      struct err *err)
{
	int rc = store_check_alive(s, err);

	*out = (struct store_numbers){ 0 };
	return rc < 0 ? rc : s->ops->get_numbers(s, out, err);
}

int store_moved_from(struct store *s, uint64_t *identity, struct err *err)
{
	int rc = store_check_alive(s, err);

	*identity = 0;
	return rc < 0 ? rc : s->ops->moved_from(s, identity, err);
}

/* Beginning. */

static int find_loose(void *data, const struct store_loose *l)
{
	bool *found = data;

	(void)l;
	*found = true;
	return 1;
}

static int check_empty(struct store *s, struct err *err)
{
	static const enum store_loose_kind kinds[] = { STORE_USER, STORE_TOKEN,
						       STORE_GARBAGE };
	struct str key;
	uint64_t id = 0;
	bool found = false;
	int rc = store_next_group(s, 0, &id, &key, err);

	if (rc == 0)
		rc = store_next_import(s, 0, &id, err);
	found = rc > 0;
	for (size_t i = 0; rc == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		rc = store_list_loose(s, kinds[i], find_loose, &found, err);
	if (rc < 0 || !found)
		return rc;
	return err_set(err, ERR_BAD_REQUEST,
		       "The new store is not empty: it has groups, users or "
		       "tokens already");
}

int store_move_begin(struct store *s, uint64_t identity, bool *resumed,
		     struct err *err)
{
	uint64_t from = 0;
	int rc = store_check_writer(s, err);

	assert(s->options.moving && identity != 0);
	*resumed = false;
	if (rc == 0)
		rc = s->ops->moved_from(s, &from, err);
	if (rc < 0)
		return rc;
	if (from != 0 && from != identity)
		return err_set(
			err, ERR_BAD_REQUEST,
			"Another store than this one is being moved into "
			"the new store already");
	if (from == 0) {
		rc = check_empty(s, err);
		if (rc == 0)
			rc = s->ops->move_begin(s, identity, err);
	}
	if (rc < 0)
		return rc;
	*resumed = from != 0;
	s->moving = true;
	return 0;
}

/* Filling. */

static int check_moving(struct store *s, struct err *err)
{
	int rc = store_check_writer(s, err);

	if (rc == 0 && !s->moving)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "No store is being moved into this one");
	return rc;
}

int store_move_reset(struct store *s, struct err *err)
{
	int rc = check_moving(s, err);

	return rc < 0 ? rc : s->ops->move_reset(s, err);
}

int store_move_loose(struct store *s, const struct store_loose *rows,
		     size_t count, struct err *err)
{
	int rc = check_moving(s, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (rows[i].kind != STORE_GARBAGE)
			rc = input_check_user(rows[i].user, err);
	}
	return rc < 0 ? rc : s->ops->move_loose(s, rows, count, err);
}

int store_move_keys(struct store *s, uint64_t import_id,
		    const struct store_key *keys, size_t count, struct err *err)
{
	int rc = check_moving(s, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = input_check_user(keys[i].user, err);
		if (rc == 0 &&
		    (keys[i].id.len == 0 || keys[i].id.len > WIRE_KEY_MAX))
			rc = import_refuse_list(err);
	}
	return rc < 0 ? rc : s->ops->move_keys(s, import_id, keys, count, err);
}

int store_move_end(struct store *s, const struct store_numbers *numbers,
		   struct err *err)
{
	uint64_t id = 0;
	int rc = check_moving(s, err);

	if (rc == 0)
		rc = store_next_import(s, 0, &id, err);
	if (rc > 0)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "A group has not been moved to its end");
	if (rc == 0)
		rc = s->ops->move_end(s, numbers, err);
	if (rc == 0)
		s->moving = false;
	return rc;
}
