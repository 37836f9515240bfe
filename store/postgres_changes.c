/* SPDX-License-Identifier: MIT */
/* What other machines did: where groups and users are, and their changes. */
#include "store/postgres.h"

#include "lib/text.h"

enum { CHANGES_PAGE = 1000 };

int pg_list_versions(struct store *base, const uint64_t *group_ids,
		     size_t count, store_version_fn fn, void *data,
		     struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_array ids = { 0 };
	struct pg_call c;
	PGresult *r = NULL;
	int rows;
	int rc = 0;

	pg_array_begin(&ids, PG_TYPE_BIGINT);
	for (size_t i = 0; i < count; i++) {
		if (group_ids[i] <= PG_NUMBER_MAX)
			pg_array_add(&ids, group_ids[i]);
	}
	pg_use(&c, PG_VERSIONS);
	pg_add_array(&c, &ids);
	rows = ids.buf.failed ? pg_no_memory(s, err) : pg_run(s, &c, &r, err);
	for (int i = 0; rc == 0 && i < rows; i++) {
		struct store_version v = { .group_id = pg_column(r, i, 0),
					   .last_seq = pg_column(r, i, 1),
					   .member_version = pg_column(r, i, 2),
					   .info_ms = pg_column(r, i, 3),
					   .first_seq = pg_column(r, i, 4),
					   .first_off = pg_column(r, i, 5),
					   .first_jsonl_off =
						   pg_column(r, i, 6) };

		rc = fn(data, &v);
	}
	PQclear(r);
	pg_array_release(&ids);
	if (rows < 0)
		return rows;
	return rc < 0 ? rc : 0;
}

int pg_list_user_versions(struct store *base, const struct str *users,
			  size_t count, store_user_version_fn fn, void *data,
			  struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_array names = { 0 };
	struct pg_call c;
	PGresult *r = NULL;
	int rows;
	int rc = 0;

	pg_array_begin(&names, PG_TYPE_TEXT);
	for (size_t i = 0; i < count; i++) {
		if (text_is_user_name(users[i]))
			pg_array_add_str(&names, users[i]);
	}
	pg_use(&c, PG_USER_VERSIONS);
	pg_add_array(&c, &names);
	rows = names.buf.failed ? pg_no_memory(s, err) : pg_run(s, &c, &r, err);
	for (int i = 0; rc == 0 && i < rows; i++)
		rc = fn(data, pg_column_str(r, i, 0), pg_column(r, i, 1));
	PQclear(r);
	pg_array_release(&names);
	if (rows < 0)
		return rows;
	return rc < 0 ? rc : 0;
}

/* One page of either list: how many rows, or what ended it (*ended). */
static int list_page(struct postgres_store *s, const struct pg_call *c,
		     uint64_t *version, store_member_change_fn fn, void *data,
		     bool *ended, struct err *err)
{
	PGresult *r;
	int rows = pg_run(s, c, &r, err);
	int rc = 0;

	for (int i = 0; rc == 0 && i < rows; i++) {
		struct store_member_change change = {
			.version = pg_column(r, i, 0),
			.change = (enum member_change)pg_column(r, i, 1),
			.role = (enum role)pg_column(r, i, 2),
			.user = pg_column_str(r, i, 3),
			.by = pg_column_str(r, i, 4),
			.last_read_seq = pg_column(r, i, 5),
			.group = pg_column_str(r, i, 6),
			.group_id = pg_column(r, i, 7),
		};

		*version = change.version;
		rc = fn(data, &change);
	}
	PQclear(r);
	*ended = rows < CHANGES_PAGE || rc != 0;
	if (rows < 0)
		return rows;
	return rc < 0 ? rc : 0;
}

int pg_list_changes(struct store *base, uint64_t group_id,
		    uint64_t after_version, store_member_change_fn fn,
		    void *data, struct err *err)
{
	struct pg_call c;
	bool ended = group_id > PG_NUMBER_MAX || after_version > PG_NUMBER_MAX;
	int rc = 0;

	while (rc == 0 && !ended) {
		pg_use(&c, PG_CHANGES);
		pg_add(&c, group_id);
		pg_add(&c, after_version);
		pg_add(&c, CHANGES_PAGE);
		rc = list_page(pg_of(base), &c, &after_version, fn, data,
			       &ended, err);
	}
	return rc;
}

int pg_list_user_changes(struct store *base, struct str user,
			 uint64_t after_version, store_member_change_fn fn,
			 void *data, struct err *err)
{
	struct pg_call c;
	bool ended = !text_is_user_name(user) || after_version > PG_NUMBER_MAX;
	int rc = 0;

	while (rc == 0 && !ended) {
		pg_use(&c, PG_USER_CHANGES);
		pg_add_text(&c, user);
		pg_add(&c, after_version);
		pg_add(&c, CHANGES_PAGE);
		rc = list_page(pg_of(base), &c, &after_version, fn, data,
			       &ended, err);
	}
	return rc;
}
