/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/text.h"
#include "store/sqlite_log.h"

enum {
	PROBLEMS_MAX = 100,
	/* The byte that SQLite locks lies in it, and nothing else. */
	LOCK_PAGE = 0x40000000 / SQ_PAGE + 1,
	TRIES = 20,
	TRY_AGAIN_MS = 10,
	PAGES_A_SIGN = 4096
};

/* One audit, and the group at hand. */
struct audit {
	struct sqlite_store *s;
	struct store_verify *v;
	size_t problems;
	uint64_t group_id;
	struct str name;
	uint64_t next_seq; /* what the next message must have */
	uint64_t next_off;
	uint64_t next_jsonl;
	uint64_t last_ms;
	uint64_t sealed; /* messages, of all groups */
	uint64_t hot;
	struct sq_tail
		tail; /* of the group: where messages end, then its log */
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

/* 1: the row is there, of a statement by group, name and message. */
static int has_row(struct audit *a, enum sq_statement which, struct str name,
		   uint64_t seq, struct err *err)
{
	sqlite3_stmt *st = sq_use(a->s, which);
	int rc;

	sq_bind(st, 1, a->group_id);
	sq_bind_text(st, 2, name);
	sq_bind(st, 3, seq);
	rc = sq_step(a->s, st, err);
	sqlite3_reset(st);
	return rc;
}

/* 1: he has been a member since before the message. */
static int was_member(struct audit *a, struct str name, uint64_t seq,
		      struct err *err)
{
	sqlite3_stmt *st = sq_use(a->s, SQ_JOINED);
	int rc;

	sq_bind(st, 1, a->group_id);
	sq_bind_text(st, 2, name);
	rc = sq_step(a->s, st, err);
	if (rc > 0)
		rc = sq_column(st, 0) < seq;
	sqlite3_reset(st);
	return rc;
}

static bool says_everyone(struct str names)
{
	struct str name;

	while (text_next_word(&names, &name)) {
		if (str_eq(name, str_of("everyone")))
			return true;
	}
	return false;
}

/* Each that a message says is recorded: everyone's alone, or those of its
 * members. */
static int check_mentions(struct audit *a, const struct wire_message *m,
			  struct err *err)
{
	struct str names = m->mentions;
	struct str name;
	int rc = 0;

	if (says_everyone(names)) {
		rc = has_row(a, SQ_HAS_EVERYONE, m->sender, m->seq, err);
		if (rc == 0)
			problem(a,
				"Group %.*s: that message %" PRIu64
				" mentions everyone is not recorded",
				(int)a->name.len, a->name.data, m->seq);
		return rc < 0 ? rc : 0;
	}
	while (rc >= 0 && text_next_word(&names, &name)) {
		rc = was_member(a, name, m->seq, err);
		if (rc <= 0)
			continue;
		rc = has_row(a, SQ_HAS_MENTION, name, m->seq, err);
		if (rc == 0)
			problem(a,
				"Group %.*s: that message %" PRIu64
				" mentions %.*s is not recorded",
				(int)a->name.len, a->name.data, m->seq,
				(int)name.len, name.data);
	}
	return rc < 0 ? rc : 0;
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
	if (m->reply_to >= m->seq)
		problem(a,
			"Group %.*s: message %" PRIu64 " is a reply to %" PRIu64
			", which comes later",
			len, name, m->seq, m->reply_to);
	if (!text_is_user_name(m->sender))
		problem(a, "Group %.*s: message %" PRIu64 " has no sender", len,
			name, m->seq);
	a->next_seq = m->seq + 1;
	a->next_off = m->off + m->len;
	a->last_ms = m->time_ms;
	a->v->messages++;
}

/* What is said of the end is what the last message says, if there is one. */
static void check_end(struct audit *a, const char *what)
{
	if (a->next_seq != a->tail.seq + 1 || a->next_off != a->tail.off ||
	    a->next_jsonl != a->tail.jsonl_off || a->last_ms > a->tail.time_ms)
		problem(a,
			"Group %.*s: %s is said to end with message %" PRIu64
			" at byte %" PRIu64 ", not %" PRIu64 " at %" PRIu64,
			(int)a->name.len, a->name.data, what, a->tail.seq,
			a->tail.off, a->next_seq - 1, a->next_off);
}

/* Each tier by itself: messages may hold more than the group's row says. */
static int check_tier(struct audit *a, struct sq_walk *w, uint64_t *count,
		      struct err *err)
{
	struct wire_message m;
	int rc = 0;

	while (!is_full(a) && (rc = sq_walk_next(w, err)) > 0) {
		sq_read_message(w->st, &m);
		check_message(a, &m, sq_column(w->st, SQ_MESSAGE_RV));
		++*count;
		rc = check_mentions(a, &m, err);
		if (rc < 0)
			break;
	}
	sq_walk_end(w);
	return rc < 0 ? rc : 0;
}

static int check_log(struct audit *a, struct err *err)
{
	struct sq_walk cold = { .s = a->s,
				.cold = SQ_SCAN,
				.hot = SQ_HOT_SCAN,
				.group_id = a->group_id,
				.sealed = SQ_SEQ_MAX,
				.to = SQ_SEQ_MAX };
	struct sq_walk hot = cold;
	uint64_t before = a->sealed;
	int rc;

	hot.sealed = a->tail.seq;
	hot.seq = a->tail.seq + 1 < a->next_seq ? a->next_seq : a->tail.seq + 1;
	rc = check_tier(a, &cold, &a->sealed, err);
	/* All of that may be trimmed, and more. */
	if (rc == 0 && (a->sealed > before || a->next_seq <= a->tail.seq + 1))
		check_end(a, "what is sealed of it");
	if (rc == 0)
		rc = check_tier(a, &hot, &a->hot, err);
	if (rc == 0)
		rc = sq_tail(a->s, a->group_id, &a->tail, err);
	if (rc == 0)
		check_end(a, "it");
	return rc;
}

static int check_members(struct audit *a, uint64_t member_count,
			 struct err *err)
{
	sqlite3_stmt *st = sq_use(a->s, SQ_ALL_MEMBERS);
	uint64_t count = 0;
	uint64_t admins = 0;
	int rc;

	sq_bind(st, 1, a->group_id);
	while ((rc = sq_step(a->s, st, err)) > 0) {
		struct str name = sq_column_str(st, 0);

		count++;
		admins += sq_column(st, 1) == ROLE_ADMIN;
		if (sq_column(st, 2) >= a->next_seq)
			problem(a,
				"Group %.*s: the read pointer of %.*s is "
				"behind the end",
				(int)a->name.len, a->name.data, (int)name.len,
				name.data);
		if (sq_column(st, 3) >= a->next_seq)
			problem(a,
				"Group %.*s: %.*s is said to have joined "
				"behind the end",
				(int)a->name.len, a->name.data, (int)name.len,
				name.data);
		if (!text_is_user_name(name))
			problem(a, "Group %.*s: a member has no name",
				(int)a->name.len, a->name.data);
	}
	if (rc < 0)
		return rc;
	if (count != member_count)
		problem(a,
			"Group %.*s: it has %" PRIu64
			" members, but counts %" PRIu64,
			(int)a->name.len, a->name.data, count, member_count);
	if (admins == 0)
		problem(a, "Group %.*s: it has no admin", (int)a->name.len,
			a->name.data);
	return 0;
}

static int check_groups(struct audit *a, struct err *err)
{
	sqlite3_stmt *st = sq_use(a->s, SQ_ALL_GROUPS);
	int rc = 0;

	while (!is_full(a) && (rc = sq_step(a->s, st, err)) > 0) {
		a->group_id = sq_column(st, 0);
		a->name = sq_column_str(st, 1);
		a->next_seq = sq_column(st, 2);
		a->next_off = sq_column(st, 3);
		a->next_jsonl = sq_column(st, 4);
		a->last_ms = 0;
		a->tail = (struct sq_tail){ .seq = sq_column(st, 5),
					    .off = sq_column(st, 6),
					    .jsonl_off = sq_column(st, 7),
					    .time_ms = sq_column(st, 8) };
		a->v->groups++;
		if (!text_is_group_name(a->name))
			problem(a, "Group %" PRIu64 " has no name",
				a->group_id);
		rc = check_log(a, err);
		if (rc == 0)
			rc = check_members(a, sq_column(st, 9), err);
		if (rc < 0)
			break;
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

/* Of the imports that are under way. */
static int count_imported(struct audit *a, uint64_t *count, struct err *err)
{
	uint64_t id = 0;
	int rc;

	while ((rc = sq_next_import(&a->s->base, id, &id, err)) > 0) {
		sqlite3_stmt *st = sq_use(a->s, SQ_COUNT_MESSAGES);

		sq_bind(st, 1, sq_id(id, 0));
		sq_bind(st, 2, sq_id(id, SQ_SEQ_MAX));
		rc = sq_step(a->s, st, err);
		if (rc < 0)
			break;
		*count += sq_column(st, 0);
		sqlite3_reset(st);
	}
	return rc;
}

/* The number that a statement without parameters says. */
static int count_of(struct audit *a, enum sq_statement which, uint64_t *all,
		    struct err *err)
{
	sqlite3_stmt *st = sq_use(a->s, which);
	int rc = sq_step(a->s, st, err);

	if (rc < 0)
		return rc;
	*all = sq_column(st, 0);
	sqlite3_reset(st);
	return 0;
}

/* What the walks have found by the index is what there is. */
static int check_hot_count(struct audit *a, struct err *err)
{
	uint64_t all;
	int rc = count_of(a, SQ_HOT_COUNT, &all, err);

	if (rc < 0)
		return rc;
	if (!is_full(a) && all != a->hot)
		problem(a,
			"%" PRIu64 " messages are not sealed, of which %" PRIu64
			" are found",
			all, a->hot);
	return 0;
}

static int check_strays(struct audit *a, struct err *err)
{
	uint64_t known = a->sealed;
	uint64_t all;
	int rc = count_of(a, SQ_ALL_MESSAGES, &all, err);

	if (rc < 0)
		return rc;
	rc = count_imported(a, &known, err);
	if (rc == 0 && !is_full(a) && all != known)
		problem(a, "%" PRIu64 " messages belong to no group",
			all - known);
	return rc < 0 ? rc : check_hot_count(a, err);
}

/* Whether m is what brought the file of a row of SQ_ALL_MEDIA. */
static bool is_message_of_media(sqlite3_stmt *st, const struct wire_message *m,
				struct buf *url)
{
	buf_clear(url);
	text_media_url(url, sq_column_str(st, 1));
	return m->type == MESSAGE_MEDIA && str_eq(m->media_url, buf_str(url)) &&
	       m->time_ms == sq_column(st, 3) &&
	       str_eq(m->sender, sq_column_str(st, 5));
}

/* 1: it is there, and did; 0: not. The file of an import that is under way lies
 * beside its messages. */
static int find_message_of(struct audit *a, sqlite3_stmt *st, struct buf *url,
			   struct err *err)
{
	bool is_group = sqlite3_column_type(st, 7) != SQLITE_NULL;
	const struct sq_at at = { sq_column(st, 6),
				  is_group ? sq_column(st, 7) : SQ_SEQ_MAX,
				  sq_column(st, 2) };
	struct wire_message m;
	sqlite3_stmt *row;
	int rc = sq_row(a->s, SQ_MESSAGE, SQ_HOT_MESSAGE, &at, &row, err);

	if (rc <= 0)
		return rc;
	sq_read_message(row, &m);
	rc = is_message_of_media(st, &m, url);
	sqlite3_reset(row);
	return rc;
}

static int check_media(struct audit *a, struct err *err)
{
	sqlite3_stmt *st = sq_use(a->s, SQ_ALL_MEDIA);
	struct buf url = { 0 };
	int rc = 0;

	while (!is_full(a) && (rc = sq_step(a->s, st, err)) > 0) {
		struct str name = sq_column_str(st, 1);

		rc = find_message_of(a, st, &url, err);
		if (rc < 0)
			break;
		if (rc == 0)
			problem(a,
				"Media file %" PRIu64
				" (%.*s): message %" PRIu64
				" is not what brought it",
				sq_column(st, 0), (int)name.len, name.data,
				sq_column(st, 2));
		if (sq_column_str(st, 4).len != STORE_HASH)
			problem(a,
				"Media file %" PRIu64 ": its hash is damaged",
				sq_column(st, 0));
	}
	sqlite3_reset(st);
	if (rc >= 0 && url.failed)
		rc = sq_no_memory(a->s, err);
	buf_release(&url);
	return rc < 0 ? rc : 0;
}

/* Rows of which there must be none. */
static int check_none(struct audit *a, enum sq_statement which,
		      const char *what, struct err *err)
{
	uint64_t there;
	int rc = count_of(a, which, &there, err);

	if (rc < 0)
		return rc;
	if (there > 0)
		problem(a, "%" PRIu64 " %s", there, what);
	return 0;
}

static int check_file(struct audit *a, struct err *err)
{
	sqlite3_stmt *st = sq_use(a->s, SQ_INTEGRITY);
	int rc = 0;

	while (!is_full(a) && (rc = sq_step(a->s, st, err)) > 0) {
		struct str text = sq_column_str(st, 0);

		if (!str_eq(text, str_of("ok")))
			problem(a, "SQLite: %.*s", (int)text.len, text.data);
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

/* What is in the log is read from there: the file may have nothing in its place
 * (a checkpoint under a reader leaves out what was written behind his view). A
 * page that is being written from the log while it is read is sound a moment
 * later. */
static int check_page(struct audit *a, const char *log, uint64_t n)
{
	int result = SQLITE_OK;

	for (int i = 0; i < TRIES; i++) {
		result = sq_checksum_read(a->s->db, n);
		if (result != SQLITE_IOERR_DATA)
			return result;
		if (sq_log_has_page(log, n))
			return SQLITE_OK;
		sqlite3_sleep(TRY_AGAIN_MS);
	}
	return result;
}

/* Every page of the file, whatever it holds. */
static int check_pages(struct audit *a, struct err *err)
{
	struct buf log = { 0 };
	uint64_t pages;
	int result = sq_checksum_pages(a->s->db, &pages);

	buf_printf(&log, "%s-wal", buf_cstr(&a->s->path));
	if (log.failed) {
		buf_release(&log);
		return sq_no_memory(a->s, err);
	}
	for (uint64_t n = 1; result == SQLITE_OK && n <= pages; n++) {
		if (n == LOCK_PAGE)
			continue;
		result = check_page(a, buf_cstr(&log), n);
		if (result == SQLITE_IOERR_DATA) {
			problem(a,
				"Page %" PRIu64 " of the database is damaged",
				n);
			result = SQLITE_OK;
		}
		if (n % PAGES_A_SIGN == 0 && a->s->base.options.alive != NULL)
			a->s->base.options.alive(a->s->base.options.alive_data);
	}
	buf_release(&log);
	return result == SQLITE_OK ? 0 : sq_fail(a->s, result, err);
}

int sq_verify(struct store *base, struct store_verify *v, struct err *err)
{
	struct audit a = { .s = sq_of(base), .v = v };
	int rc = sq_view_enter(a.s, err);

	if (rc < 0)
		return rc;
	rc = check_pages(&a, err);
	/* What they hold says nothing then, or is refused. */
	if (rc < 0 || a.problems > 0) {
		sq_view_leave(a.s);
		return rc;
	}
	rc = check_groups(&a, err);
	if (rc == 0)
		rc = check_strays(&a, err);
	if (rc == 0)
		rc = check_media(&a, err);
	if (rc == 0)
		rc = check_none(&a, SQ_MISCOUNTED, "mentions are miscounted",
				err);
	/* What is used must never be thrown away. */
	if (rc == 0)
		rc = check_none(&a, SQ_USED_GARBAGE,
				"media files are used and garbage", err);
	if (rc == 0)
		rc = check_none(&a, SQ_MISCOUNTED_ROWS,
				"kinds of rows are miscounted", err);
	if (rc == 0)
		rc = sq_verify_rows(a.s, v, &a.problems, err);
	if (rc == 0)
		rc = check_file(&a, err);
	sq_view_leave(a.s);
	return rc;
}
