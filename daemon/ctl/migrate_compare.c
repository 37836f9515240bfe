/* SPDX-License-Identifier: MIT */
/*
 * What both stores say, put side by side: of each group its numbers, a digest
 * of each of its two logs, and of its members, files and keys; of each user
 * his groups; and what belongs to no group.
 */
#include <inttypes.h>
#include <string.h>

#include "daemon/ctl/checksum.h"
#include "daemon/ctl/migrate.h"
#include "lib/json.h"
#include "lib/text.h"

enum { DIFFERENCES_MAX = 20 };

static void differ(struct migration *m, const char *what, struct str name,
		   const char *part)
{
	if (m->differences++ < DIFFERENCES_MAX)
		buf_printf(&m->different, "%s %.*s: %s is not the same\n", what,
			   (int)name.len, name.data, part);
}

static int no_memory(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "Out of memory");
}

/* The digest of rows whose order does not count: the sum of theirs. */
struct tally {
	uint64_t sum[WIRE_HASH / sizeof(uint64_t)];
	uint64_t count;
	struct buf row; /* owned */
	struct err *err;
};

static int add_row(struct tally *t)
{
	struct checksum c = { 0 };
	uint64_t words[WIRE_HASH / sizeof(uint64_t)];
	uint8_t hash[WIRE_HASH];
	bool ok = !t->row.failed && checksum_start(&c) &&
		  checksum_add(&c, buf_str(&t->row));

	buf_clear(&t->row);
	if (!ok)
		checksum_release(&c);
	if (!ok || !checksum_end(&c, hash))
		return no_memory(t->err);
	memcpy(words, hash, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		t->sum[i] += words[i];
	t->count++;
	return 0;
}

static bool is_same(const struct tally *a, const struct tally *b)
{
	return a->count == b->count &&
	       memcmp(a->sum, b->sum, sizeof(a->sum)) == 0;
}

/* The rows. */

static int take_member(void *data, const struct wire_port_member *member)
{
	struct tally *t = data;

	wire_put(&t->row, &wire_schema_port_member, member);
	return add_row(t);
}

static int take_media(void *data, const struct wire_media *media)
{
	struct tally *t = data;

	wire_put(&t->row, &wire_schema_media, media);
	return add_row(t);
}

static int take_key(void *data, const struct store_key *k)
{
	struct tally *t = data;

	buf_printf(&t->row,
		   "%.*s %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		   " %" PRIu64 " ",
		   (int)k->user.len, k->user.data, k->batch, k->first_seq,
		   k->last_seq, k->off, k->time_ms, k->warnings);
	buf_append_str(&t->row, k->id);
	return add_row(t);
}

static int take_loose(void *data, const struct store_loose *l)
{
	struct tally *t = data;

	buf_printf(&t->row, "%d %.*s %" PRIu64 " %" PRIu64 " %" PRIu64 " ",
		   (int)l->kind, (int)l->user.len, l->user.data, l->token_id,
		   l->expires_ms, l->created_ms);
	buf_append(&t->row, (const char *)l->hash, sizeof(l->hash));
	return add_row(t);
}

static int take_group(void *data, const struct wire_group *g)
{
	struct tally *t = data;

	wire_put(&t->row, &wire_schema_group, g);
	return add_row(t);
}

/* Logs. */

struct digest {
	struct migration *m;
	struct checksum text;
	struct checksum json;
	struct buf line;
	bool counts; /* for the progress */
};

static int take_message(void *data, const struct wire_message *message)
{
	struct digest *d = data;
	bool ok;

	buf_clear(&d->line);
	buf_printf(&d->line, "%" PRIu64 " %" PRIu64 " ", message->off,
		   message->len);
	text_render(&d->line, message);
	ok = !d->line.failed && checksum_add(&d->text, buf_str(&d->line));
	buf_clear(&d->line);
	buf_printf(&d->line, "%" PRIu64 " %" PRIu64 " ", message->jsonl_off,
		   message->jsonl_len);
	json_put_message_line(&d->line, message);
	ok = ok && !d->line.failed && checksum_add(&d->json, buf_str(&d->line));
	if (!ok)
		return no_memory(&d->m->err);
	if (d->counts)
		progress_set(&d->m->progress, ++d->m->done);
	return 0;
}

struct digests {
	uint8_t text[WIRE_HASH];
	uint8_t json[WIRE_HASH];
};

static int digest_log(struct migration *m, struct store *s, uint64_t group_id,
		      struct digests *out)
{
	struct digest d = { .m = m, .counts = s == m->read };
	int rc = checksum_start(&d.text) && checksum_start(&d.json)
			 ? 0
			 : no_memory(&m->err);

	if (rc == 0)
		rc = store_scan(s, group_id, 0, take_message, &d, &m->err);
	if (rc == 0 && (!checksum_end(&d.text, out->text) ||
			!checksum_end(&d.json, out->json)))
		rc = no_memory(&m->err);
	checksum_release(&d.text);
	checksum_release(&d.json);
	buf_release(&d.line);
	return rc;
}

static int compare_logs(struct migration *m, const struct migrated_group *g)
{
	struct digests old, new;
	int rc = digest_log(m, m->from, g->group.group_id, &old);

	if (rc == 0)
		rc = digest_log(m, m->read, g->group.group_id, &new);
	if (rc < 0)
		return rc;
	if (memcmp(old.text, new.text, sizeof(old.text)) != 0)
		differ(m, "group", g->group.name, "messages");
	if (memcmp(old.json, new.json, sizeof(old.json)) != 0)
		differ(m, "group", g->group.name, "messages.jsonl");
	return 0;
}

/* Fills a tally of one store. */
typedef int (*list_fn)(struct migration *m, struct store *s, const void *which,
		       struct tally *t);

static int list_members(struct migration *m, struct store *s, const void *which,
			struct tally *t)
{
	const struct migrated_group *g = which;

	return store_export_members(s, g->group.group_id, str_of(""),
				    take_member, t, &m->err);
}

static int list_media(struct migration *m, struct store *s, const void *which,
		      struct tally *t)
{
	const struct migrated_group *g = which;

	return store_list_media(s, g->group.group_id, str_of(""), take_media, t,
				&m->err);
}

static int list_keys(struct migration *m, struct store *s, const void *which,
		     struct tally *t)
{
	const struct migrated_group *g = which;

	return store_list_keys(s, g->group.group_id, take_key, t, &m->err);
}

static int list_users(struct migration *m, struct store *s, const void *which,
		      struct tally *t)
{
	(void)which;
	return store_list_loose(s, STORE_USER, take_loose, t, &m->err);
}

static int list_tokens(struct migration *m, struct store *s, const void *which,
		       struct tally *t)
{
	(void)which;
	return store_list_loose(s, STORE_TOKEN, take_loose, t, &m->err);
}

static int list_groups(struct migration *m, struct store *s, const void *which,
		       struct tally *t)
{
	return store_list_groups(s, str_of(which), str_of(""), take_group, t,
				 &m->err);
}

static int compare(struct migration *m, list_fn list, const void *which,
		   const char *what, struct str name, const char *part)
{
	struct tally old = { .err = &m->err };
	struct tally new = { .err = &m->err };
	int rc = list(m, m->from, which, &old);

	if (rc == 0)
		rc = list(m, m->read, which, &new);
	if (rc == 0 && !is_same(&old, &new))
		differ(m, what, name, part);
	buf_release(&old.row);
	buf_release(&new.row);
	return rc;
}

/* Numbers and metadata, as both encode them. */
static int compare_numbers(struct migration *m, const struct migrated_group *a,
			   const struct migrated_group *b)
{
	struct buf old = { 0 };
	struct buf new = { 0 };
	int rc = 0;

	wire_put(&old, &wire_schema_group, &a->group);
	wire_put(&old, &wire_schema_info, &a->info);
	wire_put(&new, &wire_schema_group, &b->group);
	wire_put(&new, &wire_schema_info, &b->info);
	if (old.failed || new.failed)
		rc = no_memory(&m->err);
	else if (!str_eq(buf_str(&old), buf_str(&new)) ||
		 !str_eq(a->key, b->key))
		differ(m, "group", a->group.name, "what it is");
	buf_release(&old);
	buf_release(&new);
	return rc;
}

static int compare_group(struct migration *m, const struct migrated_group *a,
			 const struct migrated_group *b)
{
	struct str name = a->group.name;
	int rc = compare_numbers(m, a, b);

	if (rc == 0)
		rc = compare_logs(m, a);
	if (rc == 0)
		rc = compare(m, list_members, a, "group", name, "members");
	if (rc == 0)
		rc = compare(m, list_media, a, "group", name, "media");
	if (rc == 0)
		rc = compare(m, list_keys, a, "group", name,
			     "what a retry is known by");
	return rc;
}

static int compare_groups(struct migration *m)
{
	struct migrated_group a = { 0 };
	struct migrated_group b = { 0 };
	uint64_t after = 0;
	int rc = 0;

	while (rc == 0 && m->differences < DIFFERENCES_MAX) {
		int more;

		rc = migrate_load_group(m->from, after, &a, &m->err);
		if (rc < 0)
			break;
		more = rc;
		rc = migrate_load_group(m->read, after, &b, &m->err);
		if (rc < 0 || (more == 0 && rc == 0))
			break;
		if (more != rc || a.group.group_id != b.group.group_id) {
			differ(m, "the", str_of("store"),
			       "which groups it has");
			rc = 0;
			break;
		}
		after = a.group.group_id;
		rc = compare_group(m, &a, &b);
	}
	migrated_group_release(&a);
	migrated_group_release(&b);
	return rc;
}

static int take_name(void *data, struct str name)
{
	(void)str_to_cstr(name, data, WIRE_USER_MAX + 1);
	return 1;
}

/* What each user sees of his groups. */
static int compare_users(struct migration *m)
{
	char after[WIRE_USER_MAX + 1] = "";
	int rc = 0;

	while (rc == 0 && m->differences < DIFFERENCES_MAX) {
		char name[WIRE_USER_MAX + 1] = "";

		rc = store_list_users(m->from, str_of(after), take_name, name,
				      &m->err);
		if (rc < 0 || name[0] == '\0')
			break;
		memcpy(after, name, sizeof(after));
		rc = compare(m, list_groups, name, "user", str_of(name),
			     "what his groups are");
	}
	return rc;
}

int migrate_compare(struct migration *m)
{
	struct str store = str_of("store");
	int rc =
		compare(m, list_users, NULL, "the", store, "who its users are");

	if (rc == 0)
		rc = compare(m, list_tokens, NULL, "the", store,
			     "what its tokens are");
	if (rc == 0)
		rc = compare_groups(m);
	return rc == 0 ? compare_users(m) : rc;
}
