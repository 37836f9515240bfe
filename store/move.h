/* SPDX-License-Identifier: MIT */
/*
 * A whole store into another one, with all of its numbers: what the contract
 * of store.h has for `groupctl migrate`.
 *
 *   move_begin -> move_loose ... -> each group -> ... -> move_end
 *                                   \- import_begin, members, messages, media,
 *                                      move_keys, import_end
 *
 * Between the two, over as many transactions as it takes and over crashes, the
 * new store is nobody's: only options.moving opens it, to others it is
 * `unavailable` in words. What was committed stays; an import that was not
 * ended is found by store_next_import(). While a store is moved, import_* keep
 * what they are given, as it was stored once already:
 *
 *  - begin: group_id is the group's, above those of all groups before; a time
 *    may lie in the future; first_seq may be above 1.
 *  - messages: off and jsonl_off of the first one are where the log begins.
 *    A client_id is not remembered by itself: move_keys does that.
 *  - media: media_id is the file's.
 *  - end: `kept` is not NULL; a key is the group's, from when it was created.
 */
#ifndef GROUPFS_STORE_MOVE_H
#define GROUPFS_STORE_MOVE_H

#include "store/store.h"

/* Reader (any handle). */

/* What belongs to no group: users by name, tokens by id, garbage by hash. */
enum store_loose_kind { STORE_USER, STORE_TOKEN, STORE_GARBAGE };
struct store_loose {
	enum store_loose_kind kind;
	struct str user;	  /* a user's name, a token's owner */
	uint64_t token_id;	  /* of a token, as the next three */
	uint64_t expires_ms;	  /* 0: never */
	uint64_t created_ms;	  /* of a user too */
	uint8_t hash[STORE_HASH]; /* garbage has one too */
};
_Static_assert((int)STORE_TOKEN_HASH == (int)STORE_HASH,
	       "one field holds either");
typedef int (*store_loose_fn)(void *data, const struct store_loose *l);
int store_list_loose(struct store *s, enum store_loose_kind kind,
		     store_loose_fn fn, void *data, struct err *err);

/* 1: *group_id is the first group above after_id, and *key what it was created
 * with, or empty; 0: there is none. */
int store_next_group(struct store *s, uint64_t after_id, uint64_t *group_id,
		     struct str *key, struct err *err);

/* What a retry is known by: all that is remembered of a group, in any order. */
struct store_key {
	struct str user; /* the sender */
	struct str id;	 /* a batch_id or a client_id */
	bool batch;
	uint64_t first_seq;
	uint64_t last_seq;
	uint64_t off;
	uint64_t time_ms;
	uint64_t warnings; /* WARN_* */
};
typedef int (*store_key_fn)(void *data, const struct store_key *k);
int store_list_keys(struct store *s, uint64_t group_id, store_key_fn fn,
		    void *data, struct err *err);

/* Numbers of the store itself: its identity, and the last that was given to a
 * group (an import too), a media file and a token, which none gets again. */
struct store_numbers {
	uint64_t identity;
	uint64_t group_id;
	uint64_t media_id;
	uint64_t token_id;
};
int store_get_numbers(struct store *s, struct store_numbers *out,
		      struct err *err);

/* Which store is being moved into this one, 0: none is. */
int store_moved_from(struct store *s, uint64_t *identity, struct err *err);

/* Writer, opened with options.moving; inside a transaction. */

/* Begins to move the store of that identity into this one, which has nothing
 * yet, or goes on: *resumed. `bad_request` where it has something, or another
 * one is being moved. */
int store_move_begin(struct store *s, uint64_t identity, bool *resumed,
		     struct err *err);
/* Takes away all that was moved so far: begin holds, but begins anew. */
int store_move_reset(struct store *s, struct err *err);
/* Adds them; one that is there already (the same name, id or hash) becomes
 * what is given. Owners of tokens need not be there yet. */
int store_move_loose(struct store *s, const struct store_loose *rows,
		     size_t count, struct err *err);
/* Remembers keys of an import that was begun, for another dedupe window at
 * least. `bad_request` where one is remembered already. */
int store_move_keys(struct store *s, uint64_t import_id,
		    const struct store_key *keys, size_t count,
		    struct err *err);
/* All is there: with the commit the store is as the one of these numbers was,
 * and anybody opens it. `bad_request` with an import that was not ended. */
int store_move_end(struct store *s, const struct store_numbers *numbers,
		   struct err *err);

#endif
