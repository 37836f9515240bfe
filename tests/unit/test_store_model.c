/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a back end and on the reference (memory): both must
 * answer the same, word for word, and hold the same in the end.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/json.h"
#include "lib/text.h"
#include "tests/support/store_fixture.h"

/* One random operation on one store; what came of it, as text. */
struct model_step {
	unsigned what;
	unsigned number;
	uint64_t group_id;
	char user[8];
	char other[8];
	uint64_t seq;
};

static void note_sent(struct buf *out, const struct store_append *op)
{
	const struct wire_body_sent *s = &op->sent;

	buf_printf(out,
		   " %" PRIu64 "-%" PRIu64 "@%" PRIu64 "..%" PRIu64 " %" PRIu64
		   " %" PRIu64 " %" PRIu64,
		   s->first_seq, s->last_seq, s->offset, op->end_off,
		   s->time_ms, s->duplicate, s->warnings);
}

static void random_append(struct store_fixture *f, const struct model_step *m,
			  struct buf *out)
{
	static const char *const texts[16] = {
		"hi",	   "@u1 @u2 \n@u9", "",	    "@everyone",
		"\x1b[2J", "@u3",	    "\"",   "\\",
		"@u4 @u5", "[media ",	    ">1 x", "a",
		"b",	   "c\td",	    "e",    "\xff"
	};
	struct store_append op = { .group_id = m->group_id,
				   .user = str_of(m->user) };
	struct buf items = { 0 };
	char id[16] = "";
	int rc;

	for (unsigned i = 0; i <= m->number % 3; i++) {
		if (m->number % 2 == 0)
			snprintf(id, sizeof(id), "c%u",
				 (m->number / 8 + i) % 20);
		fixture_item(&items, texts[(m->number / 2 + i) % 16],
			     m->number % 5 == 0 ? m->seq : 0, id);
	}
	if (m->number % 4 == 0) {
		snprintf(id, sizeof(id), "b%u", m->number / 8 % 20);
		op.batch_id = str_of(id);
	}
	op.items = buf_str(&items);
	rc = store_append(f->s, &op, &f->err);
	buf_printf(out, "append %d", rc);
	note_sent(out, &op);
	buf_release(&items);
}

static void random_edit(struct store_fixture *f, const struct model_step *m,
			struct buf *out)
{
	struct store_edit op = { .group_id = m->group_id,
				 .by = str_of(m->user) };
	struct buf edits = { 0 };
	int rc;

	fixture_edit(&edits, m->number % 4, m->other);
	if (m->number % 3 == 0)
		fixture_edit(&edits, m->number / 4 % 4, m->user);
	op.edits = buf_str(&edits);
	rc = store_edit_members(f->s, &op, &f->err);
	buf_printf(out, "edit %d", rc);
	for (size_t i = 0; i < op.count; i++)
		buf_printf(out, " %d %d %s %" PRIu64, op.changes[i].change,
			   op.changes[i].role, op.changes[i].user,
			   op.changes[i].last_read_seq);
	free(op.changes);
	buf_release(&edits);
}

static void random_group(struct store_fixture *f, const struct model_step *m,
			 struct buf *out)
{
	struct store_create op = { .creator = str_of(m->user) };
	struct buf edits = { 0 };
	char name[16];
	int rc;

	snprintf(name, sizeof(name), "g%u", m->number % 12);
	op.name = str_of(name);
	op.key = str_of(m->number % 2 ? "key" : "");
	fixture_edit(&edits, m->number % 3 ? EDIT_ADD : EDIT_ADMIN, m->other);
	op.members = buf_str(&edits);
	rc = store_create_group(f->s, &op, &f->err);
	buf_printf(out, "create %d %" PRIu64 " %d", rc, op.group_id,
		   op.existed);
	buf_release(&edits);
}

static void note_str(struct buf *out, struct str s)
{
	buf_append_char(out, ' ');
	buf_append_str(out, s);
}

static void random_media(struct store_fixture *f, const struct model_step *m,
			 struct buf *out)
{
	static const char *const captions[] = { "", "@u1", "@everyone",
						"@u2 @u0" };
	struct store_media op = { .group_id = m->group_id,
				  .user = str_of(m->user),
				  .content = str_of(captions[m->number % 4]),
				  .size = m->number };
	char name[16];
	char id[16];
	int rc;

	snprintf(name, sizeof(name), "%sf %u", m->number % 50 ? "" : ".",
		 m->number / 16 % 30);
	op.name = str_of(name);
	memset(op.hash, (int)(m->number / 8 % 16), sizeof(op.hash));
	snprintf(id, sizeof(id), "b%u", m->number / 8 % 20);
	if (m->number % 3 == 0)
		op.batch_id = str_of(id);
	rc = store_add_media(f->s, &op, &f->err);
	buf_printf(out,
		   "media %d %" PRIu64 " %" PRIu64 "@%" PRIu64 " %" PRIu64
		   " %" PRIu64 " %" PRIu64,
		   rc, op.media_id, op.sent.first_seq, op.sent.offset,
		   op.sent.time_ms, op.sent.duplicate, op.sent.warnings);
}

static void random_info(struct store_fixture *f, const struct model_step *m,
			struct buf *out)
{
	static const char *const settings[] = {
		"",
		"{\"retention\":{\"messages\":20}}",
		"{\"a\":[1]}",
		"{\"retention\":{\"days\":1,\"bytes\":900}}",
		"{\"retention\":{\"weeks\":1}}",
		"[]"
	};
	struct store_set_info op = { .group_id = m->group_id,
				     .by = str_of(m->user),
				     .set = m->number % 16,
				     .description = str_of(m->other),
				     .avatar_url = str_of(m->user),
				     .settings = str_of(
					     settings[m->number / 16 % 6]),
				     .max_members = m->number / 64 % 12 };
	struct wire_info info;
	int rc = store_set_info(f->s, &op, &f->err);

	buf_printf(out, "set_info %d", rc);
	rc = store_get_info(f->s, m->group_id, str_of(m->other), &info,
			    &f->err);
	buf_printf(out, " info %d %" PRIu64 " %" PRIu64 " %" PRIu64, rc,
		   info.created_ms, info.info_ms, info.max_members);
	note_str(out, info.name);
	note_str(out, info.description);
	note_str(out, info.avatar_url);
	note_str(out, info.created_by);
	note_str(out, info.settings);
}

static int note_media(void *data, const struct wire_media *m)
{
	buf_printf(data,
		   "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		   " %d",
		   m->media_id, m->group_id, m->seq, m->time_ms, m->size,
		   m->hash.data[0]);
	note_str(data, m->name);
	note_str(data, m->sender);
	return 0;
}

static void random_find_media(struct store_fixture *f,
			      const struct model_step *m, struct buf *out)
{
	uint8_t hash[STORE_HASH];
	struct wire_media media;
	bool used;
	int rc = store_find_media(f->s, m->number % 2 ? m->seq : 0, m->group_id,
				  str_of("f 7"), str_of(m->user), &media,
				  &f->err);

	buf_printf(out, "find_media %d ", rc);
	if (rc > 0)
		note_media(out, &media);
	store_list_media(f->s, m->group_id, str_of("f 2"), note_media, out,
			 &f->err);
	memset(hash, (int)(m->number / 8 % 16), sizeof(hash));
	store_hash_used(f->s, hash, &used, &f->err);
	rc = store_next_garbage(f->s, NULL, hash, &f->err);
	buf_printf(out, " used %d garbage %d %d", used, rc, hash[0]);
	if (m->number % 5 == 0)
		store_drop_garbage(f->s, hash, &f->err);
}

/* A page of at most four. */
static int note_mention(void *data, const struct wire_mention *m)
{
	buf_printf(data, "%" PRIu64 " %" PRIu64 " %" PRIu64, m->group_id,
		   m->seq, m->jsonl_off);
	note_str(data, m->group);
	note_str(data, m->content);
	buf_append_str(data, str_of("; "));
	return m->seq % 4 == 0;
}

static void random_find(struct store_fixture *f, const struct model_step *m,
			struct buf *out)
{
	struct wire_group g;
	uint64_t seq = 0;
	uint64_t off = 0;
	int rc = store_find_group(f->s, m->group_id, str_of(""),
				  str_of(m->user), &g, &f->err);

	buf_printf(out,
		   "find %d %.*s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		   " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		   " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		   " %.*s",
		   rc, (int)g.name.len, g.name.len > 0 ? g.name.data : "",
		   g.role, g.last_seq, g.size, g.mtime_ms, g.last_read_seq,
		   g.read_off, g.mentions, g.member_count, g.jsonl_size,
		   g.info_ms, g.members_ms, g.first_seq, g.first_off,
		   g.first_jsonl_off, (int)g.created_by.len,
		   g.created_by.len > 0 ? g.created_by.data : "");
	rc = store_seek(f->s, m->group_id, LOG_TEXT, m->number, &seq, &off,
			&f->err);
	buf_printf(out, " seek %d %" PRIu64 " %" PRIu64, rc, seq, off);
	rc = store_seek(f->s, m->group_id, LOG_JSONL, m->number / 2, &seq, &off,
			&f->err);
	buf_printf(out, " jsonl %d %" PRIu64 " %" PRIu64, rc, seq, off);
}

static int note_overdue(void *data, uint64_t group_id)
{
	buf_printf(data, " overdue %" PRIu64, group_id);
	return group_id % 5 == 0;
}

static void random_trim(struct store_fixture *f, const struct model_step *m,
			struct buf *out)
{
	struct store_trim op = { .group_id = m->group_id,
				 .limit = 1 + m->number % 9 };
	uint64_t after = m->number % 3;
	int rc;

	if (m->number % 4 == 1)
		op.keep.messages = 1 + m->number % 40;
	if (m->number % 4 == 2)
		op.keep.bytes = 1 + m->number % 3000;
	if (m->number % 4 == 3)
		op.keep.age_ms = 1 + m->number % 300 * UINT64_C(1000000);
	rc = store_list_overdue(f->s, &op.keep, 4, &after, note_overdue, out,
				&f->err);
	buf_printf(out, " next %d %" PRIu64, rc, after);
	rc = store_trim(f->s, &op, &f->err);
	buf_printf(out,
		   " trim %d %" PRIu64 "@%" PRIu64 " %" PRIu64 " %" PRIu64
		   " left %" PRIu64,
		   rc, op.first_seq, op.first_off, op.first_jsonl_off,
		   op.trimmed, op.left);
}

static int note_message(void *data, const struct wire_message *m)
{
	text_render(data, m);
	json_put_message_line(data, m);
	buf_printf(data, "%" PRIu64 " %" PRIu64 "\n", m->jsonl_off,
		   m->jsonl_len);
	return 0;
}

static int note_group(void *data, const struct wire_group *g)
{
	buf_printf(data, "%.*s %" PRIu64 " %" PRIu64 "; ", (int)g->name.len,
		   g->name.data, g->last_read_seq, g->mentions);
	return 0;
}

static int note_member(void *data, const struct wire_member *m)
{
	buf_printf(data, "%.*s %" PRIu64 " %" PRIu64 "; ", (int)m->name.len,
		   m->name.data, m->role, m->joined_ms);
	return 0;
}

/* In PostgreSQL, a number that was rolled back is given to nobody; in the
 * reference, to the next one. So that both give the same, it is told to begin
 * again where the last commit has left it. */
static char numbers_of_commit[256];

static void note_numbers(struct store_fixture *f)
{
	if (store_is_shared(f->s))
		snprintf(numbers_of_commit, sizeof(numbers_of_commit), "%s",
			 postgres_run(f->url, "SELECT format('SELECT "
					      "setval(''group_ids'',%s,%L),"
					      "setval(''media_ids'',%s,%L)',"
					      "g.last_value,g.is_called,"
					      "m.last_value,m.is_called) "
					      "FROM group_ids g,media_ids m"));
}

static void take_numbers_back(struct store_fixture *f)
{
	if (store_is_shared(f->s))
		postgres_run(f->url, numbers_of_commit);
}

/* Which nobody is to notice. */
static void archive_old(struct store_fixture *f)
{
	if (!store_is_shared(f->s))
		return;
	postgres_run(f->url, "UPDATE partitions SET used='2000-01-01'");
	fixture_archive(f, f->now_ms - UINT64_C(43200000), 3);
}

static void take_step(struct store_fixture *f, const struct model_step *m,
		      struct buf *out)
{
	uint64_t stored = 0;
	int rc;

	if (m->what < 3) {
		random_trim(f, m, out);
	} else if (m->what < 36) {
		random_append(f, m, out);
	} else if (m->what < 44) {
		random_media(f, m, out);
	} else if (m->what < 56) {
		random_edit(f, m, out);
	} else if (m->what < 60) {
		random_info(f, m, out);
	} else if (m->what < 65) {
		random_group(f, m, out);
	} else if (m->what < 70) {
		random_find_media(f, m, out);
	} else if (m->what < 74) {
		store_list_mentions(f->s, str_of(m->user),
				    str_of(m->number % 2 ? "g3" : ""),
				    m->number % 2 ? m->seq : 0, note_mention,
				    out, &f->err);
	} else if (m->what < 80) {
		rc = store_set_read(f->s, m->group_id, str_of(m->user),
				    m->number % 9 ? m->seq : WIRE_READ_ALL,
				    &stored, &f->err);
		buf_printf(out, "read %d %" PRIu64, rc, rc < 0 ? 0 : stored);
	} else if (m->what < 90) {
		random_find(f, m, out);
	} else if (m->what < 93) {
		store_list_groups(f->s, str_of(m->user), str_of("g1"),
				  note_group, out, &f->err);
		store_list_members(f->s, m->group_id, str_of("u1"), note_member,
				   out, &f->err);
	} else if (m->what < 95) {
		rc = store_delete_group(f->s, m->group_id, str_of(m->user),
					&f->err);
		buf_printf(out, "delete %d", rc);
	} else if (m->what < 98) {
		fixture_commit(f);
		note_numbers(f);
		archive_old(f);
		fixture_begin(f);
	} else {
		store_rollback(f->s);
		take_numbers_back(f);
		fixture_begin(f);
	}
}

static void note_all(struct store_fixture *f, struct buf *out)
{
	for (uint64_t g = 1; g < 200; g++) {
		store_scan(f->s, g, 0, note_message, out, &f->err);
		store_list_members(f->s, g, str_of(""), note_member, out,
				   &f->err);
		store_list_media(f->s, g, str_of(""), note_media, out, &f->err);
	}
}

/* Mostly a group that there is. */
static uint64_t random_id(struct store_fixture *f)
{
	struct wire_group g;
	char name[16];
	long n = random() % 12;

	if (random() % 16 == 0)
		return (uint64_t)random() % 24;
	g.group_id = 0;
	for (long i = 0; i < 12 && g.group_id == 0; i++) {
		snprintf(name, sizeof(name), "g%ld", (n + i) % 12);
		store_find_group(f->s, 0, str_of(name), str_of(""), &g,
				 &f->err);
	}
	return g.group_id;
}

static struct model_step random_step(struct store_fixture *f)
{
	struct model_step m = { .what = (unsigned)random() % 100,
				.number = (unsigned)random() % 5000,
				.group_id = random_id(f),
				.seq = (uint64_t)random() % 40 };

	/* u9 is never added. */
	snprintf(m.user, sizeof(m.user), "u%d",
		 (int)(random() % (random() % 2 ? 3 : 9)));
	snprintf(m.other, sizeof(m.other), "u%d", (int)(random() % 10));
	return m;
}

/* pace: how fast time goes. */
static void compare_to_model(const char *scheme, uint64_t seal, unsigned seed,
			     unsigned steps, unsigned pace)
{
	struct store_fixture real;
	struct store_fixture memory;
	struct buf a = { 0 };
	struct buf b = { 0 };

	fixture_init(&real, scheme);
	real.seal = seal;
	fixture_init(&memory, "memory");
	fixture_users(&real, "u0 u1 u2 u3 u4 u5 u6 u7 u8");
	fixture_users(&memory, "u0 u1 u2 u3 u4 u5 u6 u7 u8");
	srandom(seed);
	note_numbers(&real);
	fixture_begin(&real);
	fixture_begin(&memory);
	for (unsigned i = 0; i < steps; i++) {
		struct model_step m = random_step(&memory);

		buf_clear(&a);
		buf_clear(&b);
		real.err.code = memory.err.code = ERR_NONE;
		real.now_ms += (uint64_t)m.number * pace;
		memory.now_ms = real.now_ms;
		take_step(&real, &m, &a);
		take_step(&memory, &m, &b);
		if (!str_eq(buf_str(&a), buf_str(&b)) ||
		    real.err.code != memory.err.code)
			fail_msg("seed %u step %u (%u):\n %s %s (%s)\n"
				 " memory %s (%s)",
				 seed, i, m.what, scheme, buf_cstr(&a),
				 real.err.text, buf_cstr(&b), memory.err.text);
	}
	fixture_commit(&real);
	fixture_commit(&memory);
	note_all(&real, &a);
	note_all(&memory, &b);
	assert_true(str_eq(buf_str(&a), buf_str(&b)));
	fixture_verify(&real);
	fixture_verify(&memory);
	fixture_release(&real);
	fixture_release(&memory);
	buf_release(&a);
	buf_release(&b);
}

static void sqlite_gives_what_the_reference_gives(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 16; seed++)
		compare_to_model("sqlite", 0, seed, 2000, 2000);
}

/* Its messages are in one tier, in both, or in the other. */
static void sqlite_does_while_it_seals(void **state)
{
	static const uint64_t seals[] = { UINT64_MAX, 1, 2, 7 };

	(void)state;
	for (unsigned seed = 17; seed <= 28; seed++)
		compare_to_model("sqlite", seals[seed % 4], seed, 2000, 500);
}

/* Each step is a round trip at least. All happens within one window: when an id
 * that is older is forgotten, each back end may choose. */
static void postgres_gives_what_the_reference_gives(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 4; seed++)
		compare_to_model("postgres", 0, seed, 1000, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sqlite_gives_what_the_reference_gives),
		cmocka_unit_test(sqlite_does_while_it_seals),
		cmocka_unit_test(postgres_gives_what_the_reference_gives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
