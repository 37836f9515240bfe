/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "lib/json.h"
#include "lib/text.h"
#include "store/input.h"

/* One append under way. */
struct append {
	struct sqlite_store *s;
	struct store_append *op;
	struct store_media *media; /* the file that comes with it, or NULL */
	struct sq_sender sender;
	struct sq_tail tail; /* of the log as it grows */
	uint64_t now_ms;     /* of all its messages */
	size_t count;	     /* items there are */
	size_t n;	     /* the item at hand, from 1 */
	size_t stored;	     /* items that were no duplicates */
	size_t duplicates;
	bool named; /* the last of them has the batch_id */
	bool bulk;  /* they go to messages at once: they come in order */
};

static struct sq_key key_of(const struct append *a, enum hot_key kind,
			    struct str id)
{
	return (struct sq_key){ .group_id = a->op->group_id,
				.user = a->op->user,

				.kind = kind,
				.id = id };
}

int sq_find_member(struct sqlite_store *s, uint64_t group_id, struct str user,
		   struct sq_member *out, struct err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (group_id > SQ_GROUP_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	st = sq_use(s, SQ_MEMBER_GROUP);
	sq_bind(st, 1, group_id);
	sq_bind_text(st, 2, user);
	rc = sq_step(s, st, err);
	if (rc == 0)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (rc < 0)
		return rc;
	out->role = sq_column(st, 0) == ROLE_ADMIN ? ROLE_ADMIN : ROLE_MEMBER;
	out->stored_read_seq = sq_column(st, 1);
	out->epoch = sq_column(st, 2);
	out->member_count = sq_column(st, 3);
	out->first_seq = sq_column(st, 4);
	out->sealed = sq_column(st, 5);
	out->tail.seq = out->sealed;
	out->tail.off = sq_column(st, 6);
	out->tail.jsonl_off = sq_column(st, 7);
	out->tail.time_ms = sq_column(st, 8);
	out->max_members = sq_column(st, 9);
	out->joined_seq = sq_column(st, 10);
	sqlite3_reset(st);
	return sq_tail(s, group_id, &out->tail, err);
}

int sq_role(struct sqlite_store *s, uint64_t group_id, struct str user,
	    enum role *role, struct err *err)
{
	sqlite3_stmt *st;
	int rc;

	*role = ROLE_NONE;
	if (group_id > SQ_GROUP_MAX || user.len == 0)
		return 0;
	st = sq_use(s, SQ_ROLE);
	sq_bind(st, 1, group_id);
	sq_bind_text(st, 2, user);
	rc = sq_step(s, st, err);
	if (rc > 0) {
		*role = sq_column(st, 0) == ROLE_ADMIN ? ROLE_ADMIN
						       : ROLE_MEMBER;
		sqlite3_reset(st);
	}
	return rc < 0 ? rc : 0;
}

int sq_insert_message(struct sqlite_store *s, uint64_t group_id,
		      const struct wire_message *m, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_INSERT_MESSAGE);

	sq_bind(st, 1, sq_id(group_id, m->seq));
	sq_bind(st, 2, m->off);
	sq_bind(st, 3, m->len);
	sq_bind(st, 4, m->jsonl_off);
	sq_bind(st, 5, m->jsonl_len);
	sq_bind(st, 6, TEXT_RENDER_VERSION);
	sq_bind(st, 7, m->time_ms);
	sq_bind(st, 8, m->type);
	sq_bind(st, 9, m->reply_to);
	sq_bind_text(st, 10, m->sender);
	sq_bind_text(st, 11, m->media_url);
	sq_bind_text(st, 12, m->mentions);
	sq_bind_bytes(st, 13, m->client_id);
	sq_bind_blob(st, 14, m->content);
	return sq_run(s, st, err);
}

/* Puts what is known of one item, new or not, into the answer. */
static void note_item(struct append *a, const struct sq_known *d,
		      bool duplicate)
{
	struct wire_body_sent *sent = &a->op->sent;
	/* New messages count; duplicates only where nothing is new. */
	bool first =
		duplicate ? a->stored + a->duplicates == 0 : a->stored == 0;

	if (first) {
		sent->first_seq = d->first_seq;
		sent->offset = d->off;
		sent->time_ms = d->time_ms;
	}
	if (!duplicate || a->stored == 0)
		sent->last_seq = d->last_seq;
	sent->warnings |= d->warnings;
	if (duplicate)
		a->duplicates++;
	else
		a->stored++;
}

static struct sq_known known_batch(const struct append *a)
{
	const struct wire_body_sent *sent = &a->op->sent;

	return (struct sq_known){ .first_seq = sent->first_seq,
				  .last_seq = sent->last_seq,
				  .off = sent->offset,
				  .time_ms = sent->time_ms,
				  .warnings = sent->warnings };
}

/* Where it will stay. */
static int put_bulk(struct append *a, const struct wire_message *m,
		    const struct sq_known *known, struct err *err)
{
	const struct sq_key key = key_of(a, HOT_ITEM, m->client_id);
	int rc = sq_insert_message(a->s, a->op->group_id, m, err);

	if (rc == 0 && m->client_id.len > 0)
		rc = sq_put_known(a->s, &key, known, a->now_ms, err);
	return rc;
}

/* At the end of hot. Its batch_id goes with the last message that is new. */
static int put_message(struct append *a, const struct wire_message *m,
		       uint64_t warnings, struct err *err)
{
	const struct sq_known batch = known_batch(a);
	struct sq_hot_row row = { .group_id = a->op->group_id,
				  .m = m,
				  .warnings = warnings };
	int rc = 0;

	if (a->n == a->count && a->op->batch_id.len > 0) {
		row.batch_id = a->op->batch_id;
		row.batch = &batch;
		a->named = true;
	}
	if (m->client_id.len > 0 || a->op->batch_id.len > 0)
		rc = sq_turn_known(a->s, a->now_ms, err);
	return rc < 0 ? rc : sq_hot_insert(a->s, &row, err);
}

static int store_item(struct append *a, const struct wire_item *item,
		      struct err *err)
{
	struct wire_message m = {
		.seq = a->tail.seq + 1,
		.off = a->tail.off,
		.jsonl_off = a->tail.jsonl_off,
		.time_ms = a->now_ms,
		.type = item->type,
		.reply_to = item->reply_to,
		.sender = a->op->user,
		.content = item->content,
		.media_url = item->media_url,
		.client_id = item->client_id,
	};
	struct sq_known d = { .first_seq = m.seq,
			      .last_seq = m.seq,
			      .off = m.off,
			      .time_ms = m.time_ms };
	int rc = sq_record_mentions(a->s, a->op, &a->sender, m.seq, item,
				    &d.warnings, err);

	if (rc < 0)
		return rc;
	m.mentions = buf_str(&a->s->names);
	a->op->mentions = a->op->mentions || m.mentions.len > 0;
	m.len = text_render_len(&m);
	m.jsonl_len = json_message_line_len(&m);
	note_item(a, &d, false);
	rc = a->bulk ? put_bulk(a, &m, &d, err)
		     : put_message(a, &m, d.warnings, err);
	if (rc < 0)
		return rc;
	a->tail.seq = m.seq;
	a->tail.off = m.off + m.len;
	a->tail.jsonl_off = m.jsonl_off + m.jsonl_len;
	a->tail.time_ms = m.time_ms;
	return 0;
}

/* All refusals come before the first write: one item alone needs no
 * savepoint. */
static int append_item(struct append *a, const struct wire_item *item,
		       struct err *err)
{
	struct sq_known d;
	int rc;

	a->n++;
	if (item->client_id.len > 0) {
		const struct sq_key key = key_of(a, HOT_ITEM, item->client_id);

		rc = sq_find_known(a->s, &key, &d, err);
		if (rc > 0)
			note_item(a, &d, true);
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
	if (item->reply_to > a->tail.seq ||
	    (item->reply_to > 0 && item->reply_to < a->sender.first_seq))
		return input_refuse_reply(item->reply_to, a->n, a->count, err);
	if (a->tail.seq == SQ_SEQ_MAX)
		return err_set(err, ERR_GROUP_FULL,
			       "This group has as many messages as one can "
			       "have");
	return store_item(a, item, err);
}

static int set_pointer(struct sqlite_store *s, uint64_t group_id,
		       struct str user, uint64_t seq, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_POINTER);

	sq_bind(st, 1, group_id);
	sq_bind_text(st, 2, user);
	sq_bind(st, 3, seq);
	return sq_run(s, st, err);
}

/* A batch of which nothing is new has no message to go with; nor has one whose
 * last message is not new, but then there is a row. */
static int put_batch(struct append *a, struct err *err)
{
	const struct sq_key key = key_of(a, HOT_BATCH, a->op->batch_id);
	const struct sq_known known = known_batch(a);
	const struct wire_message sender = { .sender = a->op->user };
	const struct sq_hot_row row = { .group_id = a->op->group_id,
					.m = &sender,
					.batch_id = a->op->batch_id,
					.batch = &known };

	return a->stored > 0 && !a->bulk
		       ? sq_hot_set_batch(a->s, &row, err)
		       : sq_put_known(a->s, &key, &known, a->now_ms, err);
}

/* What the group has in hot comes before it, and is not to be more than it. */
static int begin_bulk(struct append *a, struct err *err)
{
	struct sq_floor f;
	int rc;

	if (a->count < HOT_BULK)
		return 0;
	rc = sq_floor(a->s, a->op->group_id, &f, err);
	if (rc <= 0)
		return rc;
	a->bulk = f.tail.seq - f.sealed <= a->count;
	return a->bulk ? sq_seal_group(a->s, a->op->group_id, err) : 0;
}

static int end_bulk(struct append *a, struct err *err)
{
	int rc = 0;

	if (a->bulk && a->stored > 0)
		rc = sq_set_sealed(a->s, a->op->group_id, &a->tail, err);
	if (rc == 0 && a->bulk && a->stored > 0)
		rc = set_pointer(a->s, a->op->group_id, a->op->user,
				 a->tail.seq, err);
	return rc;
}

static int append_items(struct append *a, struct err *err)
{
	struct wire_body_sent *sent = &a->op->sent;
	struct str items = a->op->items;
	struct wire_item item;
	int rc = begin_bulk(a, err);

	while (rc == 0 && wire_next(&items, &wire_schema_item, &item) > 0)
		rc = append_item(a, &item, err);
	if (rc == 0)
		rc = end_bulk(a, err);
	if (rc < 0)
		return rc;
	sent->duplicate = a->stored == 0;
	if (a->op->batch_id.len > 0 && !a->named)
		rc = put_batch(a, err);
	return rc;
}

/* 1: this batch was stored before, and op->sent says how. */
static int find_batch(struct append *a, struct err *err)
{
	struct wire_body_sent *sent = &a->op->sent;
	const struct sq_key key = key_of(a, HOT_BATCH, a->op->batch_id);
	struct sq_known d;
	int rc;

	if (a->op->batch_id.len == 0)
		return 0;
	rc = sq_find_known(a->s, &key, &d, err);
	if (rc <= 0)
		return rc;
	sent->first_seq = d.first_seq;
	sent->last_seq = d.last_seq;
	sent->offset = d.off;
	sent->time_ms = d.time_ms;
	sent->warnings = d.warnings;
	sent->duplicate = 1;
	return 1;
}

/* All items, and the file that comes with one; a file is refused before the
 * first write too. */
static int append_new(struct append *a, struct err *err)
{
	int rc = 0;

	if (a->media != NULL)
		rc = sq_check_media_name(a->s, a->media, err);
	if (rc == 0 && a->count > 1)
		rc = sq_save(a->s, err);
	if (rc < 0)
		return rc;
	rc = append_items(a, err);
	if (a->count > 1)
		rc = sq_end_save(a->s, rc, err);
	if (rc == 0 && a->media != NULL)
		rc = sq_insert_media(a->s, a->media, &a->op->sent, err);
	return rc;
}

/* Whether each item was stored before: then they are all noted. */
static int find_items(struct append *a, struct err *err)
{
	struct wire_body_sent *sent = &a->op->sent;
	struct str items = a->op->items;
	struct wire_item item;
	struct sq_known d;
	int rc = 1;

	while (rc > 0 && wire_next(&items, &wire_schema_item, &item) > 0) {
		rc = 0;
		if (item.client_id.len > 0) {
			const struct sq_key key =
				key_of(a, HOT_ITEM, item.client_id);

			rc = sq_find_known(a->s, &key, &d, err);
		}
		if (rc > 0)
			note_item(a, &d, true);
	}
	if (rc > 0)
		sent->duplicate = 1;
	else
		*sent = (struct wire_body_sent){ 0 };
	return rc < 0 ? rc : 0;
}

/* `no_such_group` when he is no member. */
static int find_sender(struct append *a, struct err *err)
{
	struct sq_senders *known = a->s->senders;
	const struct store_append *op = a->op;
	struct sq_member m;
	int rc;

	if (sq_senders_find(known, op->group_id, op->user, &a->sender))
		return 0;
	rc = sq_find_member(a->s, op->group_id, op->user, &m, err);
	if (rc < 0)
		return rc;
	a->sender = (struct sq_sender){ .role = m.role,
					.epoch = m.epoch,
					.member_count = m.member_count,
					.first_seq = m.first_seq,
					.tail = m.tail };
	sq_senders_put(known, op->group_id, op->user, &a->sender);
	return 0;
}

static int append(struct append *a, struct err *err)
{
	struct store_append *op = a->op;
	int rc = find_sender(a, err);

	if (rc < 0)
		return rc;
	a->tail = a->sender.tail;
	a->now_ms = env_now_ms(a->s->base.options.env);
	if (a->now_ms < a->tail.time_ms)
		a->now_ms = a->tail.time_ms;
	rc = find_batch(a, err);
	if (rc == 0)
		rc = op->only_known ? find_items(a, err) : append_new(a, err);
	else if (rc > 0 && a->media != NULL)
		rc = sq_find_sent_media(a->s, a->media, &op->sent, err);
	if (rc < 0) {
		/* What was undone may have turned the generations. */
		sq_known_undone(a->s);
		op->sent = (struct wire_body_sent){ 0 };
		return rc;
	}
	sq_senders_grow(a->s->senders, op->group_id, &a->tail);
	op->sent.epoch = a->sender.epoch;
	op->end_off = a->tail.off;
	return 0;
}

int sq_append(struct store *base, struct store_append *op, size_t count,
	      struct err *err)
{
	struct append a = { .s = sq_of(base), .op = op, .count = count };

	return append(&a, err);
}

int sq_add_media(struct store *base, struct store_media *op,
		 struct store_append *message, struct err *err)
{
	struct append a = {
		.s = sq_of(base), .op = message, .media = op, .count = 1
	};

	return append(&a, err);
}

int sq_set_read(struct store *base, uint64_t group_id, struct str user,
		uint64_t seq, uint64_t *stored, struct err *err)
{
	struct sqlite_store *s = sq_of(base);
	struct sq_member m;
	uint64_t now;
	int rc = sq_find_member(s, group_id, user, &m, err);

	if (rc < 0)
		return rc;
	now = m.stored_read_seq;
	rc = sq_pointer(s, group_id, user, m.joined_seq, &now, err);
	if (rc < 0)
		return rc;
	if (now + 1 < m.first_seq)
		now = m.first_seq - 1;
	if (seq == WIRE_READ_ALL)
		seq = m.tail.seq;
	if (seq > m.tail.seq)
		return err_set(err, ERR_BAD_REQUEST,
			       "There is no message %" PRIu64
			       " yet: the last is %" PRIu64,
			       seq, m.tail.seq);
	*stored = seq > now ? seq : now;
	if (seq <= now)
		return 0;
	rc = set_pointer(s, group_id, user, seq, err);
	return rc < 0 ? rc : 1;
}
