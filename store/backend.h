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

#include "store/move.h"
#include "store/store.h"

/* First member of each back end's struct. */
struct store {
	const struct store_ops *ops;
	struct store_options options; /* defaults filled in */
	bool in_transaction;	      /* kept by store.c */
	bool in_snapshot;	      /* kept by store.c */
	bool moving;		      /* kept by move.c: import_* keep what
					 they are given */
	/* Set by the back end: the transaction cannot go on (-EIO, -ENOSPC);
	 * store.c refuses all but rollback. */
	bool broken;
	/* Set by the back end with it: store_was_undone(). */
	bool undone;
	/* Set by the back end of a store that machines share, cleared by
	 * store.c: store_was_lost(). */
	bool lost;
	/* Set by the back end: nobody knows what is on disk. Every verb is
	 * refused with -EINPROGRESS from then on. */
	bool dead;
	uint64_t deadline_ms; /* of store_set_deadline(); a back end that
				 machines share keeps it */
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
	 * input_check_items(). What goes out of op is zeroed. */
	int (*append)(struct store *s, struct store_append *op, size_t count,
		      struct err *err);
	/* counts[i] is to ops[i] what count is to append(); errs[i] of one that
	 * was refused already is set. NULL: store.c does it by begin, append
	 * and commit. */
	int (*append_all)(struct store *s, struct store_append *const *ops,
			  const size_t *counts, struct err *errs, size_t n,
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
	/* What op->set names is checked, but for the number of members. */
	int (*set_info)(struct store *s, const struct store_set_info *op,
			struct err *err);
	/* message: op's as append() takes it, one item with the media_url of
	 * op->name; its sent becomes op->sent. op->media_id is 0. */
	int (*add_media)(struct store *s, struct store_media *op,
			 struct store_append *message, struct err *err);
	int (*drop_garbage)(struct store *s, const uint8_t hash[STORE_HASH],
			    struct err *err);
	/* op->limit is at least 1; what goes out is zeroed. */
	int (*trim)(struct store *s, struct store_trim *op, struct err *err);
	int (*list_overdue)(struct store *s, const struct store_keep *keep,
			    size_t count, uint64_t *after_id,
			    store_overdue_fn fn, void *data, struct err *err);
	/* Outside of a transaction; op->wait_ms is UINT64_MAX. NULL: it has no
	 * such work. */
	int (*tend)(struct store *s, struct store_tend *op, struct err *err);
	/* op->archived is 0. NULL: it has no archive. */
	int (*archive)(struct store *s, struct store_archive *op,
		       struct err *err);
	/* What needs no stored data is checked (store/import.c). With
	 * s->moving these are as move.h says. */
	int (*import_begin)(struct store *s,
			    const struct wire_port_group *group,
			    uint64_t *import_id, struct err *err);
	int (*import_members)(struct store *s, const struct store_import *op,
			      struct err *err);
	int (*import_messages)(struct store *s, const struct store_import *op,
			       struct err *err);
	/* media: op's one record. */
	int (*import_media)(struct store *s, const struct store_import *op,
			    const struct wire_media *media, struct err *err);
	int (*import_end)(struct store *s, struct store_import_end *op,
			  struct err *err);
	int (*import_drop)(struct store *s, uint64_t import_id,
			   struct err *err);
	int (*next_import)(struct store *s, uint64_t after_id,
			   uint64_t *import_id, struct err *err);
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
	/* NULL: scan is as good. */
	int (*scan_text)(struct store *s, uint64_t group_id, uint64_t after_seq,
			 store_message_fn fn, void *data, struct err *err);
	int (*seek)(struct store *s, uint64_t group_id, enum log_format format,
		    uint64_t off, uint64_t *seq, uint64_t *line_off,
		    struct err *err);
	int (*get_info)(struct store *s, uint64_t group_id, struct str user,
			struct wire_info *out, struct err *err);
	int (*find_media)(struct store *s, uint64_t media_id, uint64_t group_id,
			  struct str name, struct str user,
			  struct wire_media *out, struct err *err);
	int (*list_media)(struct store *s, uint64_t group_id, struct str after,
			  store_media_fn fn, void *data, struct err *err);
	/* *used is false. */
	int (*hash_used)(struct store *s, const uint8_t hash[STORE_HASH],
			 bool *used, struct err *err);
	int (*next_garbage)(struct store *s, const uint8_t *after,
			    uint8_t hash[STORE_HASH], struct err *err);
	int (*list_mentions)(struct store *s, struct str user,
			     struct str after_group, uint64_t after_seq,
			     store_mention_fn fn, void *data, struct err *err);
	int (*export_members)(struct store *s, uint64_t group_id,
			      struct str after, store_port_member_fn fn,
			      void *data, struct err *err);
	int (*role)(struct store *s, uint64_t group_id, struct str user,
		    enum role *role, struct err *err);
	int (*find_user)(struct store *s, struct str name, bool *found,
			 struct err *err);
	int (*list_users)(struct store *s, struct str after, store_name_fn fn,
			  void *data, struct err *err);
	int (*find_token)(struct store *s, const uint8_t hash[STORE_TOKEN_HASH],
			  char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
			  struct err *err);
	int (*list_tokens)(struct store *s, struct str user, uint64_t after_id,
			   store_token_fn fn, void *data, struct err *err);
	int (*count)(struct store *s, struct store_counts *out,
		     struct err *err);
	int (*size)(struct store *s, struct store_size *out, struct err *err);
	int (*verify)(struct store *s, struct store_verify *v, struct err *err);
	int (*count_all)(struct store *s, struct store_totals *out,
			 struct err *err);
	int (*list_contents)(struct store *s, store_content_fn fn, void *data,
			     struct err *err);
	/* Of a store that is shared (and of the memory's, which tests share):
	 * the others have none of these five. */
	bool shared;
	int (*list_versions)(struct store *s, const uint64_t *group_ids,
			     size_t count, store_version_fn fn, void *data,
			     struct err *err);
	int (*list_changes)(struct store *s, uint64_t group_id,
			    uint64_t after_version, store_member_change_fn fn,
			    void *data, struct err *err);
	int (*list_user_versions)(struct store *s, const struct str *users,
				  size_t count, store_user_version_fn fn,
				  void *data, struct err *err);
	int (*list_user_changes)(struct store *s, struct str user,
				 uint64_t after_version,
				 store_member_change_fn fn, void *data,
				 struct err *err);
	/* NULL, both: find_user(), add_user() is called for each. */
	int (*find_users)(struct store *s, const struct str *names,
			  size_t count, bool *found, struct err *err);
	int (*add_users)(struct store *s, const struct str *names, size_t count,
			 uint64_t *added, struct err *err);
	/* NULL: store.c calls find_token() for each. */
	int (*list_gone_tokens)(struct store *s,
				const uint8_t (*hashes)[STORE_TOKEN_HASH],
				size_t count, store_gone_fn fn, void *data,
				struct err *err);
	/* NULL: store.c calls set_read() for each. */
	int (*flush_reads)(struct store *s,
			   const struct store_pointer *pointers, size_t count,
			   struct err *err);
	int (*identity)(struct store *s, uint64_t *identity, struct err *err);
	int (*copy)(struct store *s, const struct store_copy *copy,
		    struct err *err);
	int (*renew)(struct store *s, struct err *err);

	/* move.h. kind is one of its three; a callback may not use s. */
	int (*list_loose)(struct store *s, enum store_loose_kind kind,
			  store_loose_fn fn, void *data, struct err *err);
	int (*next_group)(struct store *s, uint64_t after_id,
			  uint64_t *group_id, struct str *key, struct err *err);
	int (*list_keys)(struct store *s, uint64_t group_id, store_key_fn fn,
			 void *data, struct err *err);
	int (*get_numbers)(struct store *s, struct store_numbers *out,
			   struct err *err);
	int (*moved_from)(struct store *s, uint64_t *identity, struct err *err);
	/* The store is empty: it is noted whose it will be. */
	int (*move_begin)(struct store *s, uint64_t identity, struct err *err);
	/* Those below: s->moving. */
	int (*move_reset)(struct store *s, struct err *err);
	int (*move_loose)(struct store *s, const struct store_loose *rows,
			  size_t count, struct err *err);
	/* Names and ids are well formed. */
	int (*move_keys)(struct store *s, uint64_t import_id,
			 const struct store_key *keys, size_t count,
			 struct err *err);
	int (*move_end)(struct store *s, const struct store_numbers *numbers,
			struct err *err);

	/* NULL: it is always there. */
	int (*reach)(struct store *s, struct err *err);
};

/* move.c: `unavailable` for a store that is being filled, but with
 * options.moving. */
int move_check_open(struct store *s, struct err *err);
int move_refuse_open(struct err *err);
/* Whether the handle can do anything; whether it can write. */
int store_check_alive(struct store *s, struct err *err);
int store_check_writer(struct store *s, struct err *err);
/* One who has no valid name is a member of nothing: `no_such_group`. */
int store_check_actor(struct str user, struct err *err);

/* A mention is a message and its group. */
static inline struct wire_mention store_mention_of(uint64_t group_id,
						   struct str group,
						   const struct wire_message *m)
{
	struct wire_mention out = { .group_id = group_id, .group = group };

#define STORE_COPY(kind, name, bound) out.name = m->name;
	WIRE_MESSAGE_FIELDS(STORE_COPY)
#undef STORE_COPY
	return out;
}

/* Opens what stands behind "SCHEME:". options has its defaults filled in and
 * stays valid only for the call; copy it into the new handle. */
int sqlite_store_open(struct store **out, const char *path,
		      const struct store_options *options, struct err *err);
/* store_exchange() of such a path. */
int sqlite_store_exchange(const char *path, const char *fresh, const char *kept,
			  struct err *err);
int postgres_store_open(struct store **out, const char *url,
			const struct store_options *options, struct err *err);
bool postgres_store_needs(const char *url, const struct store_needs *needs);
int memory_store_open(struct store **out, const char *name,
		      const struct store_options *options, struct err *err);

#endif
