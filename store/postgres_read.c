/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/text.h"
#include "store/input.h"

enum {
	FIRST_PAGE = 64, /* messages: most ask for some fifty */
	PAGE = 1000,
	PAGE_BYTES = 1 << 20, /* of the log, and so about of content */
	GROUPS_PAGE = 500,
	UNREAD_BUCKET = 18, /* of PG_GROUP_COLUMNS */
	OFFSET_ARRAYS = 3   /* parameters of line_offs() */
};

/* A page of groups, and those of it whose first unread message's offset is not
 * known yet. */
struct page {
	struct wire_group *groups;
	size_t count;
	size_t *asked; /* indices of groups */
	size_t asked_count;
};

static void free_page(struct page *p)
{
	free(p->groups);
	free(p->asked);
}

/* Fills g from a row of PG_GROUP_COLUMNS, but for read_off where something is
 * unread; its strs are the row's. */
static void read_group(const PGresult *r, int row, struct wire_group *g)
{
	*g = (struct wire_group){ .group_id = pg_column(r, row, 0),
				  .name = pg_column_str(r, row, 1),
				  .epoch = pg_column(r, row, 2),
				  .first_seq = pg_column(r, row, 3),
				  .last_seq = pg_column(r, row, 4),
				  .first_off = pg_column(r, row, 5),
				  .size = pg_column(r, row, 6),
				  .first_jsonl_off = pg_column(r, row, 7),
				  .jsonl_size = pg_column(r, row, 8),
				  .mtime_ms = pg_column(r, row, 9),
				  .info_ms = pg_column(r, row, 10),
				  .members_ms = pg_column(r, row, 11),
				  .member_count = pg_column(r, row, 12),
				  .created_ms = pg_column(r, row, 13),
				  .created_by = pg_column_str(r, row, 14),
				  .role = ROLE_NONE };
	g->read_off = g->first_off;
	if (pg_is_null(r, row, 15))
		return;
	g->role = pg_column(r, row, 15);
	g->last_read_seq = pg_column(r, row, 16);
	g->mentions = pg_column(r, row, 17);
	if (g->last_read_seq >= g->last_seq)
		g->read_off = g->size;
}

/* Where the first unread messages of all of the page lie, at once. */
static int find_offsets(struct postgres_store *s, struct page *p,
			struct err *err)
{
	struct pg_array *arrays = s->items;
	struct pg_call c;
	PGresult *r;
	int rows;

	if (p->asked_count == 0)
		return 0;
	pg_use(&c, PG_LINE_OFFS);
	for (size_t i = 0; i < OFFSET_ARRAYS; i++)
		pg_add_array(&c, &arrays[i]);
	for (size_t i = 0; i < OFFSET_ARRAYS; i++) {
		if (arrays[i].buf.failed)
			return pg_no_memory(s, err);
	}
	rows = pg_run(s, &c, &r, err);
	for (int row = 0; row < rows; row++) {
		uint64_t i = pg_column(r, row, 0);

		assert(i >= 1 && i <= p->asked_count);
		p->groups[p->asked[i - 1]].read_off = pg_column(r, row, 1);
	}
	PQclear(r);
	return rows < 0 ? rows : 0;
}

static int read_page(struct postgres_store *s, const PGresult *r,
		     struct page *p, struct err *err)
{
	struct pg_array *arrays = s->items;
	int rows = PQntuples(r);

	p->count = (size_t)rows;
	p->groups = calloc(p->count + 1, sizeof(*p->groups));
	p->asked = calloc(p->count + 1, sizeof(*p->asked));
	if (p->groups == NULL || p->asked == NULL)
		return pg_no_memory(s, err);
	for (size_t i = 0; i < OFFSET_ARRAYS; i++)
		pg_array_begin(&arrays[i], PG_TYPE_BIGINT);
	for (int i = 0; i < rows; i++) {
		struct wire_group *g = &p->groups[i];

		read_group(r, i, g);
		if (pg_is_null(r, i, UNREAD_BUCKET))
			continue;
		p->asked[p->asked_count++] = (size_t)i;
		pg_array_add(&arrays[0], g->group_id);
		pg_array_add(&arrays[1], pg_column(r, i, UNREAD_BUCKET));
		pg_array_add(&arrays[2], g->last_read_seq + 1);
	}
	return find_offsets(s, p, err);
}

static int id_of_name(struct postgres_store *s, struct str name, uint64_t *id,
		      struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	*id = 0;
	if (!text_is_group_name(name))
		return 0;
	pg_use(&c, PG_GROUP_BY_NAME);
	pg_add_text(&c, name);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0)
		*id = pg_column(r, 0, 0);
	PQclear(r);
	return rc < 0 ? rc : 0;
}

/* The strs of a group stay good until the next. */
static void hold_group(struct postgres_store *s, struct wire_group *g)
{
	bool fits =
		str_to_cstr(g->name, s->group_name, sizeof(s->group_name)) &&
		str_to_cstr(g->created_by, s->group_creator,
			    sizeof(s->group_creator));

	assert(fits);
	g->name = str_of(s->group_name);
	g->created_by = str_of(s->group_creator);
}

static int find_group(struct postgres_store *s, uint64_t group_id,
		      struct str user, struct wire_group *out, struct err *err)
{
	struct page p = { 0 };
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_GROUP);
	pg_add(&c, group_id);
	pg_add_text(&c, user);
	rc = pg_run(s, &c, &r, err);
	if (rc == 0)
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (rc > 0)
		rc = read_page(s, r, &p, err);
	if (rc == 0 && user.len > 0 && p.groups[0].role == ROLE_NONE)
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (rc == 0) {
		*out = p.groups[0];
		hold_group(s, out);
	}
	free_page(&p);
	PQclear(r);
	return rc;
}

int pg_find_group(struct store *base, uint64_t group_id, struct str name,
		  struct str user, struct wire_group *out, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	int rc = 0;

	if (group_id == 0)
		rc = id_of_name(s, name, &group_id, err);
	if (rc < 0)
		return rc;
	if (group_id == 0 || group_id > PG_NUMBER_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	return find_group(s, group_id, user, out, err);
}

/* The groups with these ids, by name, to fn. 1: it ended the walk. */
static int give_groups(struct postgres_store *s, struct pg_array *ids,
		       struct str user, store_group_fn fn, void *data,
		       struct err *err)
{
	struct page p = { 0 };
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_GROUPS);
	pg_add_array(&c, ids);
	pg_add_text(&c, user);
	if (ids->buf.failed)
		return pg_no_memory(s, err);
	rc = pg_run(s, &c, &r, err);
	if (rc >= 0)
		rc = read_page(s, r, &p, err);
	for (size_t i = 0; rc == 0 && i < p.count; i++)
		rc = fn(data, &p.groups[i]);
	free_page(&p);
	PQclear(r);
	return rc;
}

/* One page of a user's groups behind `after`, which moves on. *ended: it was
 * the last. */
static int list_page(struct postgres_store *s, struct str user, char *after,
		     store_group_fn fn, void *data, bool *ended,
		     struct err *err)
{
	struct pg_array ids = { 0 };
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_MEMBERSHIPS);
	pg_add_text(&c, user);
	pg_add_blob(&c, str_of(after));
	pg_add(&c, GROUPS_PAGE);
	rc = pg_run(s, &c, &r, err);
	*ended = rc < GROUPS_PAGE;
	pg_array_begin(&ids, PG_TYPE_BIGINT);
	for (int i = 0; i < rc; i++)
		pg_array_add(&ids, pg_column(r, i, 0));
	if (rc > 0) {
		str_to_cstr(pg_column_str(r, rc - 1, 1), after, PG_AFTER_MAX);
		rc = give_groups(s, &ids, user, fn, data, err);
	}
	PQclear(r);
	pg_array_release(&ids);
	return rc;
}

int pg_list_groups(struct store *base, struct str user, struct str after,
		   store_group_fn fn, void *data, struct err *err)
{
	char from[PG_AFTER_MAX];
	struct pg_call unused;
	bool ended = !text_is_user_name(user);
	int rc = 0;

	pg_use(&unused, PG_MEMBERSHIPS);
	pg_add_after(&unused, after, from);
	from[unused.lengths[0]] = '\0';
	while (rc == 0 && !ended)
		rc = list_page(pg_of(base), user, from, fn, data, &ended, err);
	return rc < 0 ? rc : 0;
}

void pg_read_message(const PGresult *r, int row, struct wire_message *m)
{
	m->seq = pg_column(r, row, 0);
	m->off = pg_column(r, row, 1);
	m->len = pg_column(r, row, 2);
	m->jsonl_off = pg_column(r, row, 3);
	m->jsonl_len = pg_column(r, row, 4);
	m->time_ms = pg_column(r, row, 5);
	m->type = pg_column(r, row, 6);
	m->reply_to = pg_column(r, row, 7);
	m->sender = pg_column_str(r, row, 8);
	m->media_url = pg_column_str(r, row, 9);
	m->mentions = pg_column_str(r, row, 10);
	m->client_id = pg_column_str(r, row, 11);
	m->content = pg_column_str(r, row, 12);
}

int pg_read_log(struct postgres_store *s, uint64_t group_id, uint64_t after_seq,
		uint64_t limit, uint64_t end, PGresult **out, struct err *err)
{
	struct pg_call c;

	pg_use(&c, PG_READ_LOG);
	pg_add(&c, group_id);
	pg_add(&c, after_seq);
	pg_add(&c, limit);
	pg_add(&c, end);
	return pg_run(s, &c, out, err);
}

/* The first page is bounded by a number, the others by bytes: where the log
 * goes on is known then. */
int pg_scan(struct store *base, uint64_t group_id, uint64_t after_seq,
	    store_message_fn fn, void *data, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct wire_message m = { .seq = after_seq };
	uint64_t limit = FIRST_PAGE;
	uint64_t end = PG_NUMBER_MAX;
	int rc = 0;

	if (group_id > PG_NUMBER_MAX || after_seq >= PG_NUMBER_MAX)
		return 0;
	for (;;) {
		PGresult *r;
		int rows = pg_read_log(s, group_id, m.seq, limit, end, &r, err);

		for (int i = 0; rc == 0 && i < rows; i++) {
			pg_read_message(r, i, &m);
			rc = fn(data, &m);
		}
		PQclear(r);
		if (rows < 0)
			return rows;
		if (rc != 0 || rows == 0 ||
		    (limit == FIRST_PAGE && rows < FIRST_PAGE))
			return rc < 0 ? rc : 0;
		limit = PAGE;
		end = m.off + m.len + PAGE_BYTES;
	}
}

int pg_seek(struct store *base, uint64_t group_id, enum log_format format,
	    uint64_t off, uint64_t *seq, uint64_t *line_off, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	if (group_id > PG_NUMBER_MAX || off > PG_NUMBER_MAX)
		return -ENOENT;
	pg_use(&c, PG_SEEK_LOG);
	pg_add(&c, group_id);
	pg_add_bool(&c, format == LOG_JSONL);
	pg_add(&c, off);
	rc = pg_run(pg_of(base), &c, &r, err);
	if (rc > 0 && pg_is_null(r, 0, 1)) {
		rc = input_refuse_gone(pg_column(r, 0, 0), err);
	} else if (rc > 0) {
		*seq = pg_column(r, 0, 0);
		*line_off = pg_column(r, 0, 1);
	}
	PQclear(r);
	return rc == 0 ? -ENOENT : rc < 0 ? rc : 0;
}

int pg_role(struct store *base, uint64_t group_id, struct str user,
	    enum role *role, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	*role = ROLE_NONE;
	if (group_id > PG_NUMBER_MAX || !text_is_user_name(user))
		return 0;
	pg_use(&c, PG_ROLE);
	pg_add(&c, group_id);
	pg_add_text(&c, user);
	rc = pg_run(pg_of(base), &c, &r, err);
	if (rc > 0)
		*role = pg_column(r, 0, 0) == ROLE_ADMIN ? ROLE_ADMIN
							 : ROLE_MEMBER;
	PQclear(r);
	return rc < 0 ? rc : 0;
}

int pg_identity(struct store *base, uint64_t *identity, struct err *err)
{
	return pg_get_meta(pg_of(base), "identity", identity, err);
}
