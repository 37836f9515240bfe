/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "daemon/ctl/migrate.h"

enum {
	FEW = 256,		/* rows that go to the store at once */
	VERB_BYTES = 512 << 10, /* records of one verb */
	COMMIT_BYTES = 4 << 20, /* of one transaction */
	GROUP_BYTES = 200	/* what a group weighs without its records */
};

/* Transactions. */

static int begin(struct migration *m)
{
	m->weight = 0;
	return store_begin(m->to, &m->err);
}

static int commit_heavy(struct migration *m, uint64_t limit)
{
	int rc;

	if (m->weight < limit)
		return 0;
	rc = store_commit(m->to, &m->err);
	return rc < 0 ? rc : begin(m);
}

/* What belongs to no group. */

struct loose {
	struct migration *m;
	struct store_loose rows[FEW];
	char users[FEW][WIRE_USER_MAX + 1];
	size_t count;
};

static int flush_loose(struct loose *l)
{
	struct migration *m = l->m;
	int rc = 0;

	if (l->count > 0)
		rc = store_move_loose(m->to, l->rows, l->count, &m->err);
	m->weight += l->count * sizeof(l->rows[0]);
	l->count = 0;
	return rc < 0 ? rc : commit_heavy(m, COMMIT_BYTES);
}

static int take_loose(void *data, const struct store_loose *row)
{
	struct loose *l = data;
	int rc = l->count == FEW ? flush_loose(l) : 0;
	struct store_loose *kept = &l->rows[l->count];

	if (rc < 0)
		return rc;
	*kept = *row;
	(void)str_to_cstr(row->user, l->users[l->count], sizeof(l->users[0]));
	kept->user = str_of(l->users[l->count]);
	l->count++;
	return 0;
}

/* A content that no group has any more is garbage there: it came with an
 * import that had no end. */
static int take_content(void *data, const uint8_t hash[STORE_HASH],
			uint64_t size)
{
	struct loose *l = data;
	struct store_loose row = { .kind = STORE_GARBAGE };
	bool used;
	int rc = store_hash_used(l->m->to, hash, &used, &l->m->err);

	(void)size;
	if (rc < 0 || used)
		return rc;
	memcpy(row.hash, hash, STORE_HASH);
	return take_loose(l, &row);
}

static int copy_loose(struct migration *m, enum store_loose_kind kind)
{
	struct loose l = { .m = m };
	int rc = store_list_loose(m->from, kind, take_loose, &l, &m->err);

	if (rc == 0 && kind == STORE_GARBAGE)
		rc = store_list_contents(m->from, take_content, &l, &m->err);
	return rc < 0 ? rc : flush_loose(&l);
}

/* One group. */

struct copying {
	struct migration *m;
	uint64_t import_id;
	struct buf records;
	size_t count;
	int (*give)(struct store *s, const struct store_import *op,
		    struct err *err);
	bool counts; /* messages, for the progress */
};

static int flush(struct copying *c)
{
	struct migration *m = c->m;
	const struct store_import op = { .import_id = c->import_id,
					 .records = buf_str(&c->records) };
	int rc = 0;

	if (c->records.failed)
		return err_set(&m->err, ERR_UNAVAILABLE, "Out of memory");
	if (c->count > 0)
		rc = c->give(m->to, &op, &m->err);
	if (c->counts) {
		m->done += c->count;
		progress_set(&m->progress, m->done);
	}
	m->weight += c->records.len;
	c->count = 0;
	buf_clear(&c->records);
	return rc < 0 ? rc : commit_heavy(m, COMMIT_BYTES);
}

static int flush_full(struct copying *c)
{
	c->count++;
	return c->count == FEW * 2 || c->records.len >= VERB_BYTES ? flush(c)
								   : 0;
}

static int take_member(void *data, const struct wire_port_member *member)
{
	struct copying *c = data;

	wire_put(&c->records, &wire_schema_port_member, member);
	return flush_full(c);
}

static int take_message(void *data, const struct wire_message *message)
{
	struct copying *c = data;

	wire_put(&c->records, &wire_schema_message, message);
	return flush_full(c);
}

/* A verb takes one file. */
static int take_media(void *data, const struct wire_media *media)
{
	struct copying *c = data;

	wire_put(&c->records, &wire_schema_media, media);
	c->count++;
	return flush(c);
}

static int copy_records(struct migration *m, uint64_t id, uint64_t first_seq)
{
	struct copying c = { .m = m, .import_id = id };
	int rc;

	c.give = store_import_members;
	rc = store_export_members(m->from, id, str_of(""), take_member, &c,
				  &m->err);
	if (rc == 0)
		rc = flush(&c);
	c.give = store_import_messages;
	c.counts = true;
	if (rc == 0)
		rc = store_scan(m->from, id, first_seq - 1, take_message, &c,
				&m->err);
	if (rc == 0)
		rc = flush(&c);
	c.give = store_import_media;
	c.counts = false;
	if (rc == 0)
		rc = store_list_media(m->from, id, str_of(""), take_media, &c,
				      &m->err);
	buf_release(&c.records);
	return rc;
}

/* What a retry is known by. */

struct keys {
	struct migration *m;
	uint64_t import_id;
	struct store_key keys[FEW];
	char users[FEW][WIRE_USER_MAX + 1];
	char ids[FEW][WIRE_KEY_MAX];
	size_t count;
};

static int flush_keys(struct keys *k)
{
	struct migration *m = k->m;
	int rc = 0;

	if (k->count > 0)
		rc = store_move_keys(m->to, k->import_id, k->keys, k->count,
				     &m->err);
	m->weight += k->count * sizeof(k->keys[0]);
	k->count = 0;
	return rc < 0 ? rc : commit_heavy(m, COMMIT_BYTES);
}

static int take_key(void *data, const struct store_key *key)
{
	struct keys *k = data;
	int rc = k->count == FEW ? flush_keys(k) : 0;
	size_t i = k->count;

	if (rc < 0)
		return rc;
	if (key->id.len > WIRE_KEY_MAX)
		return err_set(&k->m->err, ERR_UNAVAILABLE,
			       "The old store is damaged: verify it");
	k->keys[i] = *key;
	(void)str_to_cstr(key->user, k->users[i], sizeof(k->users[0]));
	k->keys[i].user = str_of(k->users[i]);
	memcpy(k->ids[i], key->id.data, key->id.len);
	k->keys[i].id = str_make(k->ids[i], key->id.len);
	k->count++;
	return 0;
}

static int copy_keys(struct migration *m, uint64_t id)
{
	struct keys k = { .m = m, .import_id = id };
	int rc = store_list_keys(m->from, id, take_key, &k, &m->err);

	return rc < 0 ? rc : flush_keys(&k);
}

static int copy_group(struct migration *m, const struct migrated_group *g)
{
	const struct wire_port_group port = {
		.group_id = g->group.group_id,
		.name = g->group.name,
		.description = g->info.description,
		.avatar_url = g->info.avatar_url,
		.created_by = g->group.created_by,
		.created_ms = g->group.created_ms,
		.max_members = g->info.max_members,
		.first_seq = g->group.first_seq,
		.last_seq = g->group.last_seq,
		.first_off = g->group.first_off,
		.first_jsonl_off = g->group.first_jsonl_off,
		.settings = g->info.settings
	};
	struct store_import_end end = { .name = g->group.name,
					.key = g->key,
					.kept = &g->group };
	uint64_t id;
	int rc = store_import_begin(m->to, &port, &id, &m->err);

	if (rc == 0)
		rc = copy_records(m, id, g->group.first_seq);
	if (rc == 0)
		rc = copy_keys(m, id);
	end.import_id = id;
	if (rc == 0)
		rc = store_import_end(m->to, &end, &m->err);
	m->weight += GROUP_BYTES + g->info.settings.len;
	if (rc < 0)
		return err_wrap(&m->err, "group %.*s", (int)g->group.name.len,
				g->group.name.data);
	return commit_heavy(m, COMMIT_BYTES);
}

/* All groups. */

/* The strs of one answer go with the next question. */
static void hold(struct migrated_group *g, struct str *const *strs,
		 size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_append_str(&g->held, *strs[i]);
}

static int load_texts(struct store *s, struct migrated_group *g,
		      struct err *err)
{
	struct str *const strs[] = { &g->key,
				     &g->group.name,
				     &g->group.created_by,
				     &g->info.name,
				     &g->info.created_by,
				     &g->info.settings,
				     &g->info.description,
				     &g->info.avatar_url };
	uint64_t id = g->group.group_id;
	const char *at;
	int rc;

	hold(g, strs, 1);
	rc = store_find_group(s, id, str_of(""), str_of(""), &g->group, err);
	if (rc == 0) {
		hold(g, strs + 1, 2);
		rc = store_get_info(s, id, str_of(""), &g->info, err);
	}
	if (rc < 0)
		return rc;
	hold(g, strs + 3, 5);
	if (g->held.failed)
		return err_set(err, ERR_UNAVAILABLE, "Out of memory");
	at = g->held.data;
	for (size_t i = 0; i < sizeof(strs) / sizeof(strs[0]); i++) {
		strs[i]->data = at;
		at += strs[i]->len;
	}
	return 1;
}

int migrate_load_group(struct store *s, uint64_t after_id,
		       struct migrated_group *g, struct err *err)
{
	int rc;

	buf_clear(&g->held);
	rc = store_next_group(s, after_id, &g->group.group_id, &g->key, err);
	return rc <= 0 ? rc : load_texts(s, g, err);
}

void migrated_group_release(struct migrated_group *g)
{
	buf_release(&g->held);
}

/* The last group that is there: all before it are too. */
static int find_last(struct migration *m, uint64_t *last)
{
	struct store_numbers numbers;
	struct str key;
	uint64_t id;
	uint64_t high;
	int rc = store_get_numbers(m->from, &numbers, &m->err);

	*last = 0;
	high = numbers.group_id;
	/* None is above high, one is at *last or it is 0. */
	while (rc >= 0 && *last < high) {
		uint64_t middle = *last + (high - *last) / 2;

		rc = store_next_group(m->to, middle, &id, &key, &m->err);
		if (rc > 0)
			*last = id;
		else
			high = middle;
	}
	return rc < 0 ? rc : 0;
}

static int copy_groups(struct migration *m)
{
	struct migrated_group g = { 0 };
	uint64_t after = 0;
	int rc = find_last(m, &after);

	if (rc < 0)
		return rc;
	while ((rc = migrate_load_group(m->from, after, &g, &m->err)) > 0) {
		rc = copy_group(m, &g);
		if (rc < 0)
			break;
		after = g.group.group_id;
	}
	migrated_group_release(&g);
	return rc;
}

/* One group that was not there to its end. */
static int drop_imports(struct migration *m)
{
	uint64_t id;
	int rc = begin(m);

	while (rc == 0 &&
	       (rc = store_next_import(m->to, 0, &id, &m->err)) > 0) {
		rc = store_import_drop(m->to, id, &m->err);
		if (rc >= 0)
			rc = store_commit(m->to, &m->err);
		if (rc == 0)
			rc = begin(m);
	}
	return rc < 0 ? rc : store_commit(m->to, &m->err);
}

int migrate_copy(struct migration *m)
{
	int rc = drop_imports(m);

	if (rc == 0)
		rc = begin(m);
	if (rc == 0)
		rc = copy_loose(m, STORE_USER);
	if (rc == 0)
		rc = copy_loose(m, STORE_TOKEN);
	if (rc == 0)
		rc = copy_groups(m);
	if (rc == 0)
		rc = copy_loose(m, STORE_GARBAGE);
	if (rc == 0)
		return store_commit(m->to, &m->err);
	store_rollback(m->to);
	return rc;
}
