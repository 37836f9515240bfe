/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

int pg_walk(struct postgres_store *s, struct pg_call *c, pg_row_fn fn,
	    void *data, struct err *err)
{
	PGresult *last = NULL;
	int count = PG_PAGE;
	int rc = 0;

	while (rc == 0 && count == PG_PAGE) {
		PGresult *r;

		count = pg_run(s, c, &r, err);
		PQclear(last);
		last = r;
		if (count < 0)
			rc = count;
		for (int row = 0; rc == 0 && row < count; row++)
			rc = fn(data, r, row);
		if (count == PG_PAGE) {
			/* A value comes in the form in which it is sent. */
			c->values[0] = PQgetvalue(r, count - 1, 0);
			c->lengths[0] = PQgetlength(r, count - 1, 0);
		}
	}
	PQclear(last);
	return rc < 0 ? rc : 0;
}

int pg_find_user(struct store *base, struct str name, bool *found,
		 struct err *err)
{
	struct pg_call c;
	int rc;

	*found = false;
	if (!text_is_user_name(name))
		return 0;
	pg_use(&c, PG_USER);
	pg_add_text(&c, name);
	rc = pg_run(pg_of(base), &c, NULL, err);
	*found = rc > 0;
	return rc < 0 ? rc : 0;
}

/* At most PG_PAGE names as the first parameter; a name that is none is NULL. */
static int use_names(struct postgres_store *s, struct pg_call *c,
		     enum pg_statement which, const struct str *names,
		     size_t count, struct err *err)
{
	struct pg_array *list = &s->items[0];

	pg_array_begin(list, PG_TYPE_TEXT);
	for (size_t i = 0; i < count; i++)
		pg_array_add_str(list, text_is_user_name(names[i])
					       ? names[i]
					       : str_of(""));
	pg_use(c, which);
	pg_add_array(c, list);
	return list->buf.failed ? pg_no_memory(s, err) : 0;
}

static size_t page_of(size_t left)
{
	return left < PG_PAGE ? left : PG_PAGE;
}

int pg_find_users(struct store *base, const struct str *names, size_t count,
		  bool *found, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	int rc = 0;

	for (size_t at = 0; rc >= 0 && at < count; at += PG_PAGE) {
		size_t n = page_of(count - at);
		struct pg_call c;
		PGresult *r = NULL;

		rc = use_names(s, &c, PG_FIND_USERS, names + at, n, err);
		if (rc == 0)
			rc = pg_run(s, &c, &r, err);
		for (int row = 0; row < rc; row++) {
			uint64_t i = pg_column(r, row, 0);

			assert(i >= 1 && i <= n);
			found[at + i - 1] = true;
		}
		PQclear(r);
	}
	return rc < 0 ? rc : 0;
}

int pg_add_users(struct store *base, const struct str *names, size_t count,
		 uint64_t *added, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	int rc = 0;

	for (size_t at = 0; rc >= 0 && at < count; at += PG_PAGE) {
		struct pg_call c;

		rc = use_names(s, &c, PG_ADD_USERS, names + at,
			       page_of(count - at), err);
		pg_add(&c, env_now_ms(base->options.env));
		if (rc == 0)
			rc = pg_run(s, &c, NULL, err);
		if (rc > 0)
			*added += (uint64_t)rc;
	}
	return rc < 0 ? rc : 0;
}

int pg_add_user(struct store *base, struct str name, bool *added,
		struct err *err)
{
	struct pg_call c;
	int rc;

	pg_use(&c, PG_INSERT_USER);
	pg_add_text(&c, name);
	pg_add(&c, env_now_ms(base->options.env));
	rc = pg_run(pg_of(base), &c, NULL, err);
	if (rc >= 0)
		*added = rc > 0;
	return rc < 0 ? rc : 0;
}

struct users {
	store_name_fn fn;
	void *data;
};

static int give_user(void *data, const PGresult *r, int row)
{
	const struct users *u = data;

	return u->fn(u->data, pg_column_str(r, row, 0));
}

int pg_list_users(struct store *base, struct str after, store_name_fn fn,
		  void *data, struct err *err)
{
	struct users u = { fn, data };
	char room[PG_AFTER_MAX];
	struct pg_call c;

	pg_use(&c, PG_USERS);
	pg_add_after(&c, after, room);
	return pg_walk(pg_of(base), &c, give_user, &u, err);
}

int pg_create_token(struct store *base, struct str user,
		    const uint8_t hash[STORE_TOKEN_HASH], uint64_t expires_ms,
		    uint64_t *token_id, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	bool found;
	int rc = pg_find_user(base, user, &found, err);

	if (rc < 0)
		return rc;
	if (!found)
		return err_set(err, ERR_NO_SUCH_USER, "There is no user %.*s",
			       (int)user.len, user.data);
	pg_use(&c, PG_INSERT_TOKEN);
	pg_add_hash(&c, hash);
	pg_add_text(&c, user);
	pg_add(&c, env_now_ms(base->options.env));
	pg_add(&c, expires_ms);
	rc = pg_run(pg_of(base), &c, &r, err);
	if (rc > 0)
		*token_id = pg_column(r, 0, 0);
	PQclear(r);
	return rc < 0 ? rc : 0;
}

int pg_revoke_token(struct store *base, uint64_t token_id, struct str owner,
		    uint8_t hash_out[STORE_TOKEN_HASH], struct err *err)
{
	struct pg_call c;
	PGresult *r = NULL;
	int rc = 0;

	if (token_id <= PG_NUMBER_MAX &&
	    (owner.len == 0 || text_is_user_name(owner))) {
		pg_use(&c, PG_DELETE_TOKEN);
		pg_add(&c, token_id);
		pg_add_text(&c, owner);
		rc = pg_run(pg_of(base), &c, &r, err);
	}
	if (rc > 0) {
		struct str hash = pg_column_str(r, 0, 0);

		if (hash.len == STORE_TOKEN_HASH)
			memcpy(hash_out, hash.data, hash.len);
		else
			rc = pg_corrupt(pg_of(base),
					"a token's hash has another length",
					err);
	} else if (rc == 0) {
		rc = err_set(err, ERR_BAD_REQUEST, "There is no token %" PRIu64,
			     token_id);
	}
	PQclear(r);
	return rc < 0 ? rc : 0;
}

int pg_find_token(struct store *base, const uint8_t hash[STORE_TOKEN_HASH],
		  char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
		  struct err *err)
{
	struct pg_call c;
	PGresult *r;
	bool valid = false;
	int rc;

	pg_use(&c, PG_FIND_TOKEN);
	pg_add_hash(&c, hash);
	rc = pg_run(pg_of(base), &c, &r, err);
	if (rc > 0) {
		*expires_ms = pg_column(r, 0, 1);
		valid = str_to_cstr(pg_column_str(r, 0, 0), user,
				    WIRE_USER_MAX + 1) &&
			(*expires_ms == 0 ||
			 *expires_ms > env_now_ms(base->options.env));
	}
	PQclear(r);
	if (rc < 0)
		return rc;
	return valid ? 0 : err_set(err, ERR_UNAUTHENTICATED, NULL);
}

/* Marks those of count hashes that a row says are good. */
static void mark_good(const PGresult *r, int rows, uint64_t now_ms,
		      const uint8_t (*hashes)[STORE_TOKEN_HASH], size_t count,
		      bool *good)
{
	for (int row = 0; row < rows; row++) {
		struct str hash = pg_column_str(r, row, 0);
		uint64_t expires_ms = pg_column(r, row, 1);

		if (hash.len != STORE_TOKEN_HASH ||
		    (expires_ms != 0 && expires_ms <= now_ms))
			continue;
		for (size_t i = 0; i < count; i++) {
			if (memcmp(hashes[i], hash.data, STORE_TOKEN_HASH) == 0)
				good[i] = true;
		}
	}
}

int pg_list_gone_tokens(struct store *base,
			const uint8_t (*hashes)[STORE_TOKEN_HASH], size_t count,
			store_gone_fn fn, void *data, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	bool *good = calloc(count + 1, sizeof(*good));
	struct pg_array list = { 0 };
	PGresult *r = NULL;
	struct pg_call c;
	int rows;
	int rc = 0;

	pg_array_begin(&list, PG_TYPE_BYTEA);
	for (size_t i = 0; i < count; i++)
		pg_array_add_blob(&list, str_make((const char *)hashes[i],
						  STORE_TOKEN_HASH));
	pg_use(&c, PG_GOOD_TOKENS);
	pg_add_array(&c, &list);
	rows = good == NULL || list.buf.failed ? pg_no_memory(s, err)
					       : pg_run(s, &c, &r, err);
	if (rows >= 0)
		mark_good(r, rows, env_now_ms(base->options.env), hashes, count,
			  good);
	for (size_t i = 0; rows >= 0 && rc == 0 && i < count; i++)
		rc = good[i] ? 0 : fn(data, i);
	PQclear(r);
	pg_array_release(&list);
	free(good);
	return rows < 0 ? rows : rc < 0 ? rc : 0;
}

struct tokens {
	store_token_fn fn;
	void *data;
};

static int give_token(void *data, const PGresult *r, int row)
{
	const struct tokens *t = data;
	const struct wire_token_info token = {
		.token_id = pg_column(r, row, 0),
		.user = pg_column_str(r, row, 1),
		.created_ms = pg_column(r, row, 2),
		.expires_ms = pg_column(r, row, 3),
	};

	return t->fn(t->data, &token);
}

int pg_list_tokens(struct store *base, struct str user, uint64_t after_id,
		   store_token_fn fn, void *data, struct err *err)
{
	struct tokens t = { fn, data };
	struct pg_call c;

	if (after_id > PG_NUMBER_MAX ||
	    (user.len > 0 && !text_is_user_name(user)))
		return 0;
	pg_use(&c, user.len > 0 ? PG_TOKENS_OF : PG_TOKENS);
	pg_add(&c, after_id);
	if (user.len > 0)
		pg_add_text(&c, user);
	return pg_walk(pg_of(base), &c, give_token, &t, err);
}
