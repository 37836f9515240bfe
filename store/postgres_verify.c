/* SPDX-License-Identifier: MIT */
/*
 * The audit: group by group, some messages at a time, and then what single
 * statements find. All in one view.
 */
#include "store/postgres.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/json.h"
#include "lib/text.h"

enum { PROBLEMS_MAX = 100 };

/* One audit, and the group at hand. */
struct audit {
	struct postgres_store *s;
	struct store_verify *v;
	struct err *err;
	size_t problems;
	uint64_t group_id;
	struct str name;
	uint64_t next_seq; /* what the next message must have */
	uint64_t next_off;
	uint64_t next_jsonl;
	uint64_t last_ms;
	PGresult *segments; /* of the group */
	int segment;	    /* the next of them */
	uint64_t bucket;    /* of the message before */
};

static bool is_full(const struct audit *a)
{
	return a->problems >= PROBLEMS_MAX;
}

static void problem(struct audit *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void problem(struct audit *a, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (is_full(a))
		return;
	a->problems++;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	a->v->problem(a->v->data, text);
}

/* The message's line in messages.jsonl. */
static void check_json_line(struct audit *a, const struct wire_message *m)
{
	int len = (int)a->name.len;
	const char *name = a->name.data;

	if (m->jsonl_off != a->next_jsonl)
		problem(a,
			"Group %.*s: the JSON of message %" PRIu64
			" begins at byte %" PRIu64 ", not %" PRIu64,
			len, name, m->seq, m->jsonl_off, a->next_jsonl);
	if (m->jsonl_len != json_message_line_len(m))
		problem(a,
			"Group %.*s: the JSON of message %" PRIu64
			" has %zu bytes, not %" PRIu64,
			len, name, m->seq, json_message_line_len(m),
			m->jsonl_len);
	a->next_jsonl = m->jsonl_off + m->jsonl_len;
}

/* The first message of a day is where a segment begins. */
static void check_segment(struct audit *a, const struct wire_message *m)
{
	uint64_t bucket = m->time_ms / PG_DAY_MS;
	int row = a->segment;

	if (bucket == a->bucket)
		return;
	a->bucket = bucket;
	if (row < PQntuples(a->segments) &&
	    pg_column(a->segments, row, 0) == bucket &&
	    pg_column(a->segments, row, 1) == m->seq &&
	    pg_column(a->segments, row, 2) == m->off &&
	    pg_column(a->segments, row, 3) == m->jsonl_off &&
	    pg_column(a->segments, row, 4) == m->time_ms) {
		a->segment++;
		return;
	}
	problem(a,
		"Group %.*s: the segment of day %" PRIu64
		" does not begin with message %" PRIu64,
		(int)a->name.len, a->name.data, bucket, m->seq);
	if (row < PQntuples(a->segments))
		a->segment++;
}

static void check_message(struct audit *a, const struct wire_message *m,
			  uint64_t version)
{
	int len = (int)a->name.len;
	const char *name = a->name.data;

	if (m->seq != a->next_seq)
		problem(a,
			"Group %.*s: message %" PRIu64 " follows %" PRIu64
			": there is a gap",
			len, name, m->seq, a->next_seq - 1);
	if (m->off != a->next_off)
		problem(a,
			"Group %.*s: message %" PRIu64
			" begins at byte %" PRIu64 ", not %" PRIu64,
			len, name, m->seq, m->off, a->next_off);
	if (version != TEXT_RENDER_VERSION)
		problem(a,
			"Group %.*s: message %" PRIu64
			" is of the unknown form %" PRIu64,
			len, name, m->seq, version);
	else if (m->len != text_render_len(m))
		problem(a,
			"Group %.*s: the line of message %" PRIu64
			" has %zu bytes, not %" PRIu64,
			len, name, m->seq, text_render_len(m), m->len);
	check_json_line(a, m);
	if (m->time_ms < a->last_ms)
		problem(a,
			"Group %.*s: the time of message %" PRIu64 " goes back",
			len, name, m->seq);
	check_segment(a, m);
	a->next_seq = m->seq + 1;
	a->next_off = m->off + m->len;
	a->last_ms = m->time_ms;
	a->v->messages++;
}

static int check_log(struct audit *a)
{
	uint64_t after = a->next_seq - 1;
	int count = 1;

	/* Fewer than were asked for may be the mark of a gap. */
	while (!is_full(a) && count > 0) {
		PGresult *r;

		count = pg_read_log(a->s, a->group_id, after, PG_AUDIT_MESSAGES,
				    PG_NUMBER_MAX, &r, a->err);
		for (int row = 0; row < count; row++) {
			struct wire_message m;

			pg_read_message(r, row, &m);
			check_message(a, &m, pg_column(r, row, PG_MESSAGE_RV));
			after = m.seq;
		}
		PQclear(r);
	}
	if (count >= 0 && !is_full(a) && a->segment < PQntuples(a->segments))
		problem(a, "Group %.*s: there are segments without messages",
			(int)a->name.len, a->name.data);
	return count < 0 ? count : 0;
}

/* Where the group says that its log ends: row of ALL_GROUPS. */
static void check_end(struct audit *a, const PGresult *r, int row)
{
	const uint64_t ends[] = { a->next_seq - 1, a->next_off, a->next_jsonl };
	static const char *const of[] = { "its last message is",
					  "its log ends at byte",
					  "its JSON ends at byte" };

	for (int i = 0; i < 3; i++) {
		uint64_t said = pg_column(r, row, 5 + i);

		if (said != ends[i])
			problem(a, "Group %.*s: %s %" PRIu64 ", not %" PRIu64,
				(int)a->name.len, a->name.data, of[i], ends[i],
				said);
	}
	if (a->last_ms > 0 && (pg_column(r, row, 8) != a->last_ms ||
			       pg_column(r, row, 9) != a->bucket))
		problem(a,
			"Group %.*s: it has another time than its last "
			"message",
			(int)a->name.len, a->name.data);
}

struct member_count {
	struct audit *a;
	uint64_t count;
	uint64_t admins;
};

static int check_member(void *data, const struct wire_port_member *m)
{
	struct member_count *c = data;

	c->count++;
	c->admins += m->role == ROLE_ADMIN;
	if (m->last_read_seq >= c->a->next_seq)
		problem(c->a,
			"Group %.*s: the read pointer of %.*s is behind the "
			"end",
			(int)c->a->name.len, c->a->name.data, (int)m->name.len,
			m->name.data);
	return is_full(c->a);
}

static int check_members(struct audit *a, uint64_t member_count)
{
	struct member_count c = { .a = a };
	int rc = pg_export_members(&a->s->base, a->group_id, str_of(""),
				   check_member, &c, a->err);

	if (rc < 0 || is_full(a))
		return rc;
	if (c.count != member_count)
		problem(a,
			"Group %.*s: it has %" PRIu64
			" members, but counts %" PRIu64,
			(int)a->name.len, a->name.data, c.count, member_count);
	if (c.admins == 0)
		problem(a, "Group %.*s: it has no admin", (int)a->name.len,
			a->name.data);
	return 0;
}

static int check_group(void *data, const PGresult *r, int row)
{
	struct audit *a = data;
	struct pg_call c;
	int rc;

	if (is_full(a))
		return 1;
	a->group_id = pg_column(r, row, 0);
	a->name = pg_column_str(r, row, 1);
	a->next_seq = pg_column(r, row, 2);
	a->next_off = pg_column(r, row, 3);
	a->next_jsonl = pg_column(r, row, 4);
	a->last_ms = 0;
	a->segment = 0;
	a->bucket = UINT64_MAX;
	a->v->groups++;
	pg_use(&c, PG_SEGMENTS);
	pg_add(&c, a->group_id);
	rc = pg_run(a->s, &c, &a->segments, a->err);
	if (rc >= 0)
		rc = check_log(a);
	PQclear(a->segments);
	if (rc < 0)
		return rc;
	check_end(a, r, row);
	return check_members(a, pg_column(r, row, 10));
}

static int count_rows(struct audit *a, enum pg_statement which, uint64_t *count)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, which);
	rc = pg_run(a->s, &c, &r, a->err);
	*count = rc > 0 ? pg_column(r, 0, 0) : 0;
	PQclear(r);
	return rc < 0 ? rc : 0;
}

static int check_strays(struct audit *a)
{
	uint64_t all;
	uint64_t imported;
	int rc = count_rows(a, PG_COUNT_MESSAGES, &all);

	if (rc == 0)
		rc = count_rows(a, PG_COUNT_IMPORTED, &imported);
	if (rc == 0 && !is_full(a) && all != a->v->messages + imported)
		problem(a, "%" PRIu64 " messages belong to no group",
			all - a->v->messages - imported);
	return rc;
}

/* Whether the message of a row of ALL_MEDIA is the one that brought it. */
static bool is_message_of_media(const PGresult *r, int row)
{
	struct buf url = { 0 };
	bool is;

	text_media_url(&url, pg_column_str(r, row, 1));
	is = !pg_is_null(r, row, 6) && pg_column(r, row, 6) == MESSAGE_MEDIA &&
	     str_eq(pg_column_str(r, row, 7), buf_str(&url)) &&
	     pg_column(r, row, 8) == pg_column(r, row, 3) &&
	     str_eq(pg_column_str(r, row, 9), pg_column_str(r, row, 5));
	is = is || url.failed;
	buf_release(&url);
	return is;
}

static int check_media(void *data, const PGresult *r, int row)
{
	struct audit *a = data;
	struct str name = pg_column_str(r, row, 1);

	if (!is_message_of_media(r, row))
		problem(a,
			"Media file %" PRIu64 " (%.*s): message %" PRIu64
			" is not what brought it",
			pg_column(r, row, 0), (int)name.len, name.data,
			pg_column(r, row, 2));
	if (pg_column_str(r, row, 4).len != STORE_HASH)
		problem(a, "Media file %" PRIu64 ": its hash is damaged",
			pg_column(r, row, 0));
	return is_full(a);
}

static int walk(struct audit *a, enum pg_statement which, pg_row_fn fn)
{
	struct pg_call c;

	pg_use(&c, which);
	pg_add(&c, 0);
	return pg_walk(a->s, &c, fn, a, a->err);
}

/* What there must be none of: how many, and what. */
static int check_none(struct audit *a)
{
	static const enum pg_statement which[] = {
#define AUDIT_STATEMENT(ENUM, ms, sql) PG_##ENUM,
		PG_AUDIT_NONE(AUDIT_STATEMENT)
#undef AUDIT_STATEMENT
	};
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < sizeof(which) / sizeof(which[0]);
	     i++) {
		struct pg_call c;
		PGresult *r;

		pg_use(&c, which[i]);
		rc = pg_run(a->s, &c, &r, a->err);
		if (rc > 0 && pg_column(r, 0, 0) > 0) {
			struct str words = pg_column_str(r, 0, 1);

			problem(a, "%" PRIu64 " %.*s", pg_column(r, 0, 0),
				(int)words.len, words.data);
		}
		PQclear(r);
	}
	return rc < 0 ? rc : 0;
}

static int verify(struct audit *a)
{
	int rc = walk(a, PG_ALL_GROUPS, check_group);

	if (rc == 0)
		rc = check_strays(a);
	if (rc == 0)
		rc = walk(a, PG_ALL_MEDIA, check_media);
	return rc < 0 ? rc : check_none(a);
}

int pg_verify(struct store *base, struct store_verify *v, struct err *err)
{
	struct audit a = { .s = pg_of(base), .v = v, .err = err };
	bool has_view = base->in_transaction || base->in_snapshot;
	int rc = 0;

	if (!has_view) {
		rc = base->ops->snapshot(base, err);
		base->in_snapshot = rc == 0;
	}
	if (rc == 0)
		rc = verify(&a);
	if (!has_view && base->in_snapshot) {
		base->ops->release(base);
		base->in_snapshot = false;
	}
	return rc;
}
