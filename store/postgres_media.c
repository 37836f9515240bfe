/* SPDX-License-Identifier: MIT */
/*
 * Media files. Several machines add files and delete groups at once, so what
 * is done about a hash is done under its row in `garbage`: who adds a file
 * puts the hash there, which waits for all others who do something about it,
 * and takes it out again; who drops files puts theirs there, and takes out
 * again what somebody else has. Before a commit nobody sees any of it.
 */
#include "store/postgres.h"

#include <string.h>

#include "store/input.h"

static int run_with_hash(struct postgres_store *s, enum pg_statement which,
			 const uint8_t hash[STORE_HASH], struct err *err)
{
	struct pg_call c;

	pg_use(&c, which);
	pg_add_hash(&c, hash);
	return pg_run(s, &c, NULL, err);
}

int pg_check_media_name(struct postgres_store *s, const struct store_media *op,
			struct err *err)
{
	struct pg_call c;
	int rc;

	pg_use(&c, PG_MEDIA_BY_NAME);
	pg_add(&c, op->group_id);
	pg_add_blob(&c, op->name);
	rc = pg_run(s, &c, NULL, err);
	return rc > 0 ? input_refuse_media_name(op->name, err) : rc;
}

int pg_insert_media(struct postgres_store *s, struct store_media *op,
		    uint64_t seq, uint64_t time_ms, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc = run_with_hash(s, PG_LOCK_HASH, op->hash, err);

	if (rc < 0)
		return rc;
	pg_use(&c, PG_INSERT_MEDIA);
	pg_add(&c, op->group_id);
	pg_add_blob(&c, op->name);
	pg_add(&c, seq);
	pg_add(&c, time_ms);
	pg_add(&c, op->size);
	pg_add_hash(&c, op->hash);
	pg_add_text(&c, op->user);
	if (op->media_id != 0)
		pg_add(&c, op->media_id);
	else
		pg_add_null(&c);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0)
		op->media_id = pg_column(r, 0, 0);
	PQclear(r);
	return rc < 0 ? rc : pg_drop_garbage(&s->base, op->hash, err);
}

/* The file of a message that was sent before. */
static int find_sent(struct postgres_store *s, struct store_media *op,
		     uint64_t seq, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_MEDIA_OF_SEQ);
	pg_add(&c, op->group_id);
	pg_add(&c, seq);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0)
		op->media_id = pg_column(r, 0, 0);
	PQclear(r);
	return rc < 0 ? rc : 0;
}

/* Whether he is a member, and has sent it before; then message says how. */
static int ask_known(struct store *base, struct store_append *message,
		     struct err *err)
{
	bool only_known = message->only_known;
	int rc;

	message->only_known = true;
	rc = base->ops->append(base, message, 1, err);
	message->only_known = only_known;
	return rc;
}

int pg_add_media(struct store *base, struct store_media *op,
		 struct store_append *message, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	uint64_t unused;
	int rc = pg_lock_group(s, op->group_id, &unused, err);

	if (rc == 0)
		rc = ask_known(base, message, err);
	if (rc < 0)
		return rc;
	if (message->sent.duplicate)
		return find_sent(s, op, message->sent.first_seq, err);
	if (op->only_known)
		return 0;
	rc = pg_check_media_name(s, op, err);
	if (rc == 0)
		rc = base->ops->append(base, message, 1, err);
	if (rc == 0)
		rc = pg_insert_media(s, op, message->sent.first_seq,
				     message->sent.time_ms, err);
	return rc;
}

static struct wire_media read_media(const PGresult *r, int row)
{
	return (struct wire_media){ .name = pg_column_str(r, row, 0),
				    .media_id = pg_column(r, row, 1),
				    .group_id = pg_column(r, row, 2),
				    .seq = pg_column(r, row, 3),
				    .time_ms = pg_column(r, row, 4),
				    .size = pg_column(r, row, 5),
				    .sender = pg_column_str(r, row, 6),
				    .hash = pg_column_str(r, row, 7) };
}

/* 1: *out is filled. 0: there is none. */
static int find_media(struct postgres_store *s, uint64_t media_id,
		      uint64_t group_id, struct str name,
		      struct wire_media *out, struct err *err)
{
	struct str *const strs[] = { &out->name, &out->sender, &out->hash };
	struct pg_call c;
	PGresult *r;
	int rc;

	if (media_id > PG_NUMBER_MAX ||
	    (media_id == 0 && group_id > PG_NUMBER_MAX))
		return 0;
	pg_use(&c, media_id != 0 ? PG_MEDIA_BY_ID : PG_MEDIA_BY_NAME);
	pg_add(&c, media_id != 0 ? media_id : group_id);
	if (media_id == 0)
		pg_add_blob(&c, name);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0) {
		*out = read_media(r, 0);
		rc = pg_hold(s, strs, sizeof(strs) / sizeof(strs[0]), err);
		rc = rc < 0 ? rc : 1;
	}
	PQclear(r);
	return rc;
}

int pg_find_media(struct store *base, uint64_t media_id, uint64_t group_id,
		  struct str name, struct str user, struct wire_media *out,
		  struct err *err)
{
	enum role role = ROLE_NONE;
	int found = find_media(pg_of(base), media_id, group_id, name, out, err);
	int rc = found < 0 ? found : 0;

	if (found > 0)
		group_id = out->group_id;
	/* What an unknown id would belong to is no group of the user either. */
	if (rc == 0 && user.len > 0 && (found > 0 || media_id == 0))
		rc = pg_role(base, group_id, user, &role, err);
	if (rc == 0 && user.len > 0 && role == ROLE_NONE)
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (rc < 0 || found <= 0)
		*out = (struct wire_media){ 0 };
	return rc < 0 ? rc : found;
}

struct files {
	store_media_fn fn;
	void *data;
};

static int give_media(void *data, const PGresult *r, int row)
{
	const struct files *f = data;
	const struct wire_media m = read_media(r, row);

	return f->fn(f->data, &m);
}

int pg_list_media(struct store *base, uint64_t group_id, struct str after,
		  store_media_fn fn, void *data, struct err *err)
{
	struct files f = { fn, data };
	struct pg_call c;

	if (group_id > PG_NUMBER_MAX)
		return 0;
	pg_use(&c, PG_MEDIA_OF);
	pg_add_blob(&c, after);
	pg_add(&c, group_id);
	return pg_walk(pg_of(base), &c, give_media, &f, err);
}

/* Takes the lock on a hash. 1: it is garbage. */
static int hold_hash(struct postgres_store *s, const uint8_t hash[STORE_HASH],
		     struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, PG_HOLD_HASH);
	pg_add_hash(&c, hash);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0)
		rc = pg_column(r, 0, 0) != 0;
	PQclear(r);
	return rc;
}

/* Its row is what locks it, also when it goes again. */
int pg_hash_used(struct store *base, const uint8_t hash[STORE_HASH], bool *used,
		 struct err *err)
{
	struct postgres_store *s = pg_of(base);
	bool garbage = true;
	int rc = 0;

	*used = false;
	if (base->in_transaction) {
		rc = hold_hash(s, hash, err);
		garbage = rc > 0;
	}
	if (rc >= 0)
		rc = run_with_hash(s, PG_HASH_USED, hash, err);
	if (rc < 0)
		return rc;
	*used = rc > 0;
	return garbage ? 0 : pg_drop_garbage(base, hash, err);
}

/* In a transaction it stays garbage until the end: nobody adds it meanwhile. */
int pg_next_garbage(struct store *base, const uint8_t *after,
		    uint8_t hash[STORE_HASH], struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r;
	int rc;

	pg_use(&c, base->in_transaction ? PG_TAKE_GARBAGE : PG_GARBAGE);
	pg_add_blob(&c, str_make((const char *)after,
				 after == NULL ? 0 : (size_t)STORE_HASH));
	rc = pg_run(s, &c, &r, err);
	if (rc > 0) {
		struct str found = pg_column_str(r, 0, 0);

		if (found.len == STORE_HASH)
			memcpy(hash, found.data, found.len);
		else
			rc = pg_corrupt(s, "a hash has another length", err);
	}
	PQclear(r);
	return rc;
}

int pg_drop_garbage(struct store *base, const uint8_t hash[STORE_HASH],
		    struct err *err)
{
	int rc = run_with_hash(pg_of(base), PG_DROP_GARBAGE, hash, err);

	return rc < 0 ? rc : 0;
}
