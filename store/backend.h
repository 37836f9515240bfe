/* SPDX-License-Identifier: MIT */
/*
 * What a back end of the store is: a struct that begins with struct store and
 * a table of operations. Only store.c calls them, after it has checked what
 * does not depend on stored data:
 *
 *   store_append() -> checks of store.c, input.c -> ops->append() -> disk
 *
 * So a back end may rely on: names are well formed (a `user` that may be
 * empty too), items and edits decode, content is UTF-8 and within bounds, a
 * writing op runs inside begin/commit on a writer handle, none runs on a
 * handle that is dead or whose transaction is broken.
 */
#ifndef GROUPFS_STORE_BACKEND_H
#define GROUPFS_STORE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* First member of each back end's struct. */
struct store {
	const struct store_ops *ops;
	struct store_options options; /* defaults filled in */
	bool in_transaction;	      /* kept by store.c */
	bool in_snapshot;	      /* kept by store.c */
	/* Set by the back end: the transaction cannot go on (-EIO, -ENOSPC);
	 * store.c refuses all but rollback. */
	bool broken;
	/* Set by the back end: nobody knows what is on disk. Every verb is
	 * refused with -EINPROGRESS from then on. */
	bool dead;
};

/* Each op keeps the contract of the verb of its name in store.h; what is said
 * here is what that leaves open. */
struct store_ops {
	/* Frees the handle. A transaction or snapshot was ended before. */
	void (*close)(struct store *s);

	int (*begin)(struct store *s, struct err *err);
	/* On any error the transaction is over; -EINPROGRESS sets dead. */
	int (*commit)(struct store *s, struct err *err);
	void (*rollback)(struct store *s);
	int (*snapshot)(struct store *s, struct err *err);
	void (*release)(struct store *s);

	/* count: items in op->items, at least 1, all of them checked by
	 * input_check_items(). op->sent and end_off are zeroed. */
	int (*append)(struct store *s, struct store_append *op, size_t count,
		      struct err *err);
	/* op->members decodes; its ops are EDIT_ADD or EDIT_ADMIN. */
	int (*create_group)(struct store *s, struct store_create *op,
			    struct err *err);
	int (*delete_group)(struct store *s, uint64_t group_id, struct str by,
			    struct err *err);
	/* op->changes is NULL and count 0; on error they stay so. */
	int (*edit_members)(struct store *s, struct store_edit *op,
			    struct err *err);
	int (*set_read)(struct store *s, uint64_t group_id, struct str user,
			uint64_t seq, uint64_t *stored, struct err *err);
	int (*add_user)(struct store *s, struct str name, bool *added,
			struct err *err);
	int (*create_token)(struct store *s, struct str user,
			    const uint8_t hash[STORE_TOKEN_HASH],
			    uint64_t expires_ms, uint64_t *token_id,
			    struct err *err);
	/* hash_out is never NULL. */
	int (*revoke_token)(struct store *s, uint64_t token_id,
			    struct str owner,
			    uint8_t hash_out[STORE_TOKEN_HASH],
			    struct err *err);

	int (*find_group)(struct store *s, uint64_t group_id, struct str name,
			  struct str user, struct wire_group *out,
			  struct err *err);
	int (*list_groups)(struct store *s, struct str user, struct str after,
			   store_group_fn fn, void *data, struct err *err);
	int (*scan)(struct store *s, uint64_t group_id, uint64_t after_seq,
		    store_message_fn fn, void *data, struct err *err);
	int (*seek)(struct store *s, uint64_t group_id, uint64_t off,
		    uint64_t *seq, uint64_t *line_off, struct err *err);
	int (*list_members)(struct store *s, uint64_t group_id,
			    struct str after, store_member_fn fn, void *data,
			    struct err *err);
	int (*role)(struct store *s, uint64_t group_id, struct str user,
		    enum role *role, struct err *err);
	int (*find_user)(struct store *s, struct str name, bool *found,
			 struct err *err);
	int (*find_token)(struct store *s, const uint8_t hash[STORE_TOKEN_HASH],
			  char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
			  struct err *err);
	int (*list_tokens)(struct store *s, struct str user, uint64_t after_id,
			   store_token_fn fn, void *data, struct err *err);
	int (*count)(struct store *s, struct store_counts *out,
		     struct err *err);
	int (*verify)(struct store *s, struct store_verify *v, struct err *err);
};

/* Opens what stands behind "SCHEME:". options has its defaults filled in and
 * stays valid only for the call; copy it into the new handle. */
int sqlite_store_open(struct store **out, const char *path,
		      const struct store_options *options, struct err *err);
int memory_store_open(struct store **out, const char *name,
		      const struct store_options *options, struct err *err);

#endif
