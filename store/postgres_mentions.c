/* SPDX-License-Identifier: MIT */
/*
 * What is unread and mentions a user. His groups come by pages; one question a
 * page says in which of them there is any, and only those are looked into.
 */
#include "store/postgres.h"

#include "lib/text.h"

enum { MENTIONS_FEW = 100 /* messages of one group at a time */ };

struct listing {
	struct postgres_store *s;
	struct str user;
	struct str after_group;
	uint64_t after_seq;
	store_mention_fn fn;
	void *data;
};

/* The messages of those numbers. */
static int give_messages(const struct listing *l, uint64_t group_id,
			 struct str group, const PGresult *seqs, int count,
			 struct err *err)
{
	struct pg_array list = { 0 };
	struct pg_call c;
	PGresult *r = NULL;
	int rc;

	pg_array_begin(&list, PG_TYPE_BIGINT);
	for (int row = 0; row < count; row++)
		pg_array_add(&list, pg_column(seqs, row, 0));
	pg_use(&c, PG_MENTIONING);
	pg_add(&c, group_id);
	pg_add_array(&c, &list);
	rc = list.buf.failed ? pg_no_memory(l->s, err)
			     : pg_run(l->s, &c, &r, err);
	pg_array_release(&list);
	count = rc;
	for (int row = 0; row < count; row++) {
		struct wire_mention mention;
		struct wire_message m;

		pg_read_message(r, row, &m);
		mention = store_mention_of(group_id, group, &m);
		rc = l->fn(l->data, &mention);
		if (rc != 0)
			break;
	}
	PQclear(r);
	return rc;
}

static int list_of_group(const struct listing *l, uint64_t group_id,
			 struct str group, uint64_t after_seq, struct err *err)
{
	int count = MENTIONS_FEW;
	int rc = 0;

	while (rc == 0 && count == MENTIONS_FEW) {
		struct pg_call c;
		PGresult *r;

		/* PostgreSQL's numbers are signed. */
		if (after_seq > PG_NUMBER_MAX)
			return 0;
		pg_use(&c, PG_MENTIONS_OF);
		pg_add(&c, group_id);
		pg_add_text(&c, l->user);
		pg_add(&c, after_seq);
		count = pg_run(l->s, &c, &r, err);
		rc = count < 0 ? count : 0;
		if (count > 0) {
			after_seq = pg_column(r, count - 1, 0);
			rc = give_messages(l, group_id, group, r, count, err);
		}
		PQclear(r);
	}
	return rc;
}

/* Of a page of his groups, rows of MENTION_GROUPS. */
static int list_of_groups(const struct listing *l, const PGresult *groups,
			  int count, struct err *err)
{
	struct pg_array ids = { 0 };
	struct pg_call c;
	PGresult *r = NULL;
	int rc;

	pg_array_begin(&ids, PG_TYPE_BIGINT);
	for (int row = 0; row < count; row++)
		pg_array_add(&ids, pg_column(groups, row, 1));
	pg_use(&c, PG_MENTIONED_IN);
	pg_add_text(&c, l->user);
	pg_add_array(&c, &ids);
	rc = ids.buf.failed ? pg_no_memory(l->s, err)
			    : pg_run(l->s, &c, &r, err);
	pg_array_release(&ids);
	count = rc;
	rc = count < 0 ? count : 0;
	for (int i = 0; rc == 0 && i < count; i++) {
		int row = (int)pg_column(r, i, 0) - 1;
		struct str group = pg_column_str(groups, row, 0);
		uint64_t from = pg_column(r, i, 1);

		if (str_eq(group, l->after_group) && l->after_seq > from)
			from = l->after_seq;
		rc = list_of_group(l, pg_column(groups, row, 1), group, from,
				   err);
	}
	PQclear(r);
	return rc;
}

/* The group to go on in comes first. */
static int list_first(const struct listing *l, struct str after,
		      struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_MENTION_GROUP);
	pg_add_blob(&c, after);
	pg_add_text(&c, l->user);
	rc = pg_run(l->s, &c, &r, err);
	if (rc > 0)
		rc = list_of_groups(l, r, rc, err);
	PQclear(r);
	return rc;
}

int pg_list_mentions(struct store *base, struct str user,
		     struct str after_group, uint64_t after_seq,
		     store_mention_fn fn, void *data, struct err *err)
{
	struct listing l = {
		pg_of(base), user, after_group, after_seq, fn, data
	};
	char room[PG_AFTER_MAX];
	struct pg_call c;
	PGresult *last = NULL;
	int count = PG_PAGE;
	int rc;

	if (!text_is_user_name(user))
		return 0;
	pg_use(&c, PG_MENTION_GROUPS);
	pg_add_after(&c, after_group, room);
	pg_add_text(&c, user);
	rc = list_first(&l, str_make(c.values[0], (size_t)c.lengths[0]), err);
	while (rc == 0 && count == PG_PAGE) {
		PGresult *r;

		count = pg_run(l.s, &c, &r, err);
		PQclear(last);
		last = r;
		rc = count < 0 ? count : 0;
		if (count > 0)
			rc = list_of_groups(&l, r, count, err);
		if (count == PG_PAGE) {
			c.values[0] = PQgetvalue(r, count - 1, 0);
			c.lengths[0] = PQgetlength(r, count - 1, 0);
		}
	}
	PQclear(last);
	return rc < 0 ? rc : 0;
}
