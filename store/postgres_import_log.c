/* SPDX-License-Identifier: MIT */
/*
 * The messages of an import: checked one after the other, stored together.
 */
#include "store/postgres.h"

#include "lib/json.h"
#include "lib/text.h"
#include "store/import.h"

/* The columns of what is stored, in the order of their statements. */
enum {
	BUCKET,
	SEQ,
	OFF,
	LEN,
	JSONL_OFF,
	JSONL_LEN,
	TIME_MS,
	REPLY_TO,
	TYPE,
	NUMBERS,
	SENDER = NUMBERS,
	MEDIA_URL,
	MENTIONS,
	CLIENT_ID,
	CONTENT,
	COLUMNS
};
enum { SEG_BUCKET, SEG_SEQ, SEG_OFF, SEG_JSONL_OFF, SEG_MS, SEG_COLUMNS };
enum { KEY_NAME, KEY_KEY, KEY_SEQ, KEY_OFF, KEY_MS, KEY_COLUMNS };
enum { AT_NAME, AT_SEQ, AT_SENDER, AT_COLUMNS };

struct rows {
	struct pg_array log[COLUMNS];
	struct pg_array segments[SEG_COLUMNS];
	struct pg_array keys[KEY_COLUMNS];
	struct pg_array at[AT_COLUMNS];
	struct buf key;
};

static const enum pg_type key_types[KEY_COLUMNS] = {
	PG_TYPE_TEXT, PG_TYPE_BYTEA, PG_TYPE_BIGINT, PG_TYPE_BIGINT,
	PG_TYPE_BIGINT
};
static const enum pg_type at_types[AT_COLUMNS] = { PG_TYPE_TEXT, PG_TYPE_BIGINT,
						   PG_TYPE_TEXT };

static void begin_rows(struct rows *rows)
{
	for (size_t i = 0; i < COLUMNS; i++)
		pg_array_begin(&rows->log[i], i < NUMBERS     ? PG_TYPE_BIGINT
					      : i < CLIENT_ID ? PG_TYPE_TEXT
							      : PG_TYPE_BYTEA);
	for (size_t i = 0; i < SEG_COLUMNS; i++)
		pg_array_begin(&rows->segments[i], PG_TYPE_BIGINT);
	for (size_t i = 0; i < KEY_COLUMNS; i++)
		pg_array_begin(&rows->keys[i], key_types[i]);
	for (size_t i = 0; i < AT_COLUMNS; i++)
		pg_array_begin(&rows->at[i], at_types[i]);
}

static void release_arrays(struct pg_array *arrays, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pg_array_release(&arrays[i]);
}

static void release_rows(struct rows *rows)
{
	release_arrays(rows->log, COLUMNS);
	release_arrays(rows->segments, SEG_COLUMNS);
	release_arrays(rows->keys, KEY_COLUMNS);
	release_arrays(rows->at, AT_COLUMNS);
	buf_release(&rows->key);
}

static void add_message(struct rows *rows, const struct wire_message *m,
			uint64_t bucket)
{
	const uint64_t numbers[NUMBERS] = {
		bucket,	      m->seq,	  m->off,      m->len,	m->jsonl_off,
		m->jsonl_len, m->time_ms, m->reply_to, m->type,
	};

	for (size_t i = 0; i < NUMBERS; i++)
		pg_array_add(&rows->log[i], numbers[i]);
	pg_array_add_str(&rows->log[SENDER], m->sender);
	pg_array_add_str(&rows->log[MEDIA_URL], m->media_url);
	pg_array_add_str(&rows->log[MENTIONS], m->mentions);
	pg_array_add_str(&rows->log[CLIENT_ID], m->client_id);
	pg_array_add_blob(&rows->log[CONTENT], m->content);
}

static void add_segment(struct rows *rows, const struct wire_message *m,
			uint64_t bucket)
{
	const uint64_t numbers[SEG_COLUMNS] = { bucket, m->seq, m->off,
						m->jsonl_off, m->time_ms };

	for (size_t i = 0; i < SEG_COLUMNS; i++)
		pg_array_add(&rows->segments[i], numbers[i]);
}

static void add_key(struct rows *rows, const struct wire_message *m)
{
	buf_clear(&rows->key);
	buf_append_char(&rows->key, 'i');
	buf_append_str(&rows->key, m->client_id);
	pg_array_add_str(&rows->keys[KEY_NAME], m->sender);
	pg_array_add_blob(&rows->keys[KEY_KEY], buf_str(&rows->key));
	pg_array_add(&rows->keys[KEY_SEQ], m->seq);
	pg_array_add(&rows->keys[KEY_OFF], m->off);
	pg_array_add(&rows->keys[KEY_MS], m->time_ms);
}

/* An empty name is everyone: then those who are named are meant, too. */
static void add_mention(struct rows *rows, const struct wire_message *m,
			struct str name)
{
	pg_array_add_str(&rows->at[AT_NAME], name);
	pg_array_add(&rows->at[AT_SEQ], m->seq);
	pg_array_add_str(&rows->at[AT_SENDER], m->sender);
}

static void add_mentions(struct rows *rows, const struct wire_message *m)
{
	struct str names = m->mentions;
	struct str name;

	while (text_next_word(&names, &name)) {
		if (str_eq(name, str_of("everyone"))) {
			add_mention(rows, m, str_of(""));
			return;
		}
	}
	names = m->mentions;
	while (text_next_word(&names, &name))
		add_mention(rows, m, name);
}

/* Whether its client_id is remembered here: who moves a store brings what is
 * remembered of it by itself. */
static bool is_remembered(const struct pg_importing *i,
			  const struct wire_message *m)
{
	const struct store *base = &i->s->base;

	return m->client_id.len > 0 && !base->moving &&
	       import_is_recent(m->time_ms, i->now_ms,
				base->options.dedupe_window_ms);
}

static struct import_point point_of(const struct pg_importing *i)
{
	return (struct import_point){ .next_seq = i->last_seq + 1,
				      .last_seq = i->group.last_seq,
				      .after_ms = i->last_ms,
				      .now_ms = i->now_ms,
				      .max_content =
					      i->s->base.options.max_content };
}

/* Checks one, and moves the end of the log behind it. */
static int take_message(struct pg_importing *i, const struct wire_message *in,
			struct rows *rows, struct err *err)
{
	struct import_point point;
	struct wire_message m = *in;
	uint64_t bucket = in->time_ms / PG_DAY_MS;
	int rc;

	point = point_of(i);
	rc = import_check_message(in, &point, err);
	if (rc < 0)
		return rc;
	m.off = i->last_off;
	m.jsonl_off = i->last_jsonl_off;
	m.len = text_render_len(&m);
	m.jsonl_len = json_message_line_len(&m);
	add_message(rows, &m, bucket);
	if (bucket != i->last_bucket)
		add_segment(rows, &m, bucket);
	if (is_remembered(i, &m))
		add_key(rows, &m);
	if (m.mentions.len > 0)
		add_mentions(rows, &m);
	i->last_seq = m.seq;
	i->last_off = m.off + m.len;
	i->last_jsonl_off = m.jsonl_off + m.jsonl_len;
	i->last_ms = m.time_ms;
	i->last_bucket = bucket;
	return 0;
}

/* Adds the arrays to the call: false without memory. */
static bool add_arrays(struct pg_call *c, struct pg_array *arrays, size_t count)
{
	bool failed = false;

	for (size_t k = 0; k < count; k++) {
		pg_add_array(c, &arrays[k]);
		failed = failed || arrays[k].buf.failed;
	}
	return !failed;
}

static int run_arrays(const struct pg_importing *i, struct pg_call *c,
		      struct pg_array *arrays, size_t count, PGresult **r,
		      struct err *err)
{
	if (r != NULL)
		*r = NULL;
	if (!add_arrays(c, arrays, count))
		return pg_no_memory(i->s, err);
	return pg_run(i->s, c, r, err);
}

/* The refusal of the n-th key, from 1: its record is the one of its seq. */
static int refuse_key(const struct pg_importing *i, uint64_t n, uint64_t seq,
		      struct err *err)
{
	struct str records = i->op->records;
	struct wire_message m;

	for (uint64_t line = 0;
	     wire_next(&records, &wire_schema_message, &m) > 0; line++) {
		if (!is_remembered(i, &m) || --n > 0)
			continue;
		import_refuse_client_id(m.sender, seq, err);
		return import_at_line(i->op, line, err);
	}
	return import_refuse_list(err);
}

static int store_keys(const struct pg_importing *i, struct rows *rows,
		      struct err *err)
{
	struct pg_call c;
	PGresult *r;
	uint64_t generation;
	uint64_t from;
	int rc;

	if (rows->keys[KEY_SEQ].count == 0)
		return 0;
	rc = pg_need_room(i->s, err);
	if (rc < 0)
		return rc;
	generation = pg_generation(i->s, i->now_ms, &from);
	pg_use(&c, PG_IMPORT_KEYS);
	pg_add(&c, i->op->import_id);
	pg_add(&c, generation);
	pg_add(&c, from);
	rc = run_arrays(i, &c, rows->keys, KEY_COLUMNS, &r, err);
	if (rc > 0)
		rc = refuse_key(i, pg_column(r, 0, 0), pg_column(r, 0, 1), err);
	PQclear(r);
	return rc;
}

/* Partitions for the days that are new. */
static int make_room(const struct pg_importing *i, struct err *err)
{
	struct str records = i->op->records;
	struct wire_message m;
	uint64_t last = UINT64_MAX;
	int rc = 0;

	while (rc == 0 && wire_next(&records, &wire_schema_message, &m) > 0) {
		if (m.time_ms / PG_DAY_MS != last)
			rc = pg_need_room_at(i->s, m.time_ms, err);
		last = m.time_ms / PG_DAY_MS;
	}
	return rc;
}

static int store_rows(const struct pg_importing *i, struct rows *rows,
		      struct err *err)
{
	uint64_t id = i->op->import_id;
	struct pg_call c;
	int rc = make_room(i, err);

	if (rc < 0)
		return rc;
	pg_use(&c, PG_IMPORT_MESSAGES);
	pg_add(&c, id);
	pg_add(&c, TEXT_RENDER_VERSION);
	rc = run_arrays(i, &c, rows->log, COLUMNS, NULL, err);
	if (rc >= 0 && rows->segments[SEG_SEQ].count > 0) {
		pg_use(&c, PG_IMPORT_SEGMENTS);
		pg_add(&c, id);
		rc = run_arrays(i, &c, rows->segments, SEG_COLUMNS, NULL, err);
	}
	if (rc >= 0 && rows->at[AT_SEQ].count > 0) {
		pg_use(&c, PG_IMPORT_MENTIONS);
		pg_add(&c, id);
		rc = run_arrays(i, &c, rows->at, AT_COLUMNS, NULL, err);
	}
	if (rc < 0)
		return rc;
	pg_use(&c, PG_IMPORT_TAIL);
	pg_add(&c, id);
	pg_add(&c, i->last_seq);
	pg_add(&c, i->last_off);
	pg_add(&c, i->last_jsonl_off);
	pg_add(&c, i->last_ms);
	pg_add(&c, i->last_bucket);
	return pg_run(i->s, &c, NULL, err);
}

/* The line that is told is that of the first fault: ids that are known, among
 * the records before the first that is bad by itself, come first. */
static int import_messages(struct pg_importing *i, struct err *err)
{
	struct str records = i->op->records;
	struct rows rows = { 0 };
	struct wire_message m;
	struct err why;
	uint64_t n = 0;
	int bad = 0;
	int rc;

	begin_rows(&rows);
	while ((rc = wire_next(&records, &wire_schema_message, &m)) > 0) {
		bad = take_message(i, &m, &rows, &why);
		if (bad < 0)
			break;
		n++;
	}
	rc = rc < 0 ? import_refuse_list(err) : store_keys(i, &rows, err);
	if (rc == 0 && bad < 0) {
		*err = why;
		rc = import_at_line(i->op, n, err);
	}
	if (rc == 0 && n > 0)
		rc = store_rows(i, &rows, err);
	release_rows(&rows);
	return rc < 0 ? rc : 0;
}

int pg_import_messages(struct store *base, const struct store_import *op,
		       struct err *err)
{
	return pg_run_import(base, op, import_messages, err);
}
