/* SPDX-License-Identifier: MIT */
/*
 * The inside of the memory back end, the reference that the others are
 * compared with: plain arrays, linear searches, nothing clever. Nothing but
 * store/memory*.c includes it.
 *
 *   memory.c         stores by name, transactions and their undoing
 *   memory_append.c  append, dedupe, mentions, read pointers
 *   memory_write.c   groups, members, users, tokens
 *   memory_read.c    the reading verbs
 *   memory_media.c   media files and what became garbage of them
 *   memory_import.c  whole groups from elsewhere
 *   memory_move.c    another store, moved into this one
 *   memory_shared.c  changes of members, noted for other nodes
 *   memory_trim.c    retention
 *
 * One mutex a store: held over a transaction or a snapshot, else over each
 * verb. It is recursive, so a callback may call verbs of its own handle.
 *
 * A store whose name begins with "shared/" is one that nodes share: it has any
 * number of writer handles. Its transactions follow each other, like those of
 * all others here.
 */
#ifndef GROUPFS_STORE_MEMORY_H
#define GROUPFS_STORE_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"
#include "store/backend.h"

/* A growing array; `size` is that of one element. */
struct mem_array {
	void *data; /* owned */
	size_t count;
	size_t capacity;
};

struct mem_message {
	struct wire_message m; /* strs point into bytes */
	char *bytes;	       /* owned */
};

struct mem_mention {
	uint64_t seq;
	bool everyone;
	char name[WIRE_USER_MAX + 1]; /* who is mentioned, or said @everyone */
};

struct mem_member {
	char name[WIRE_USER_MAX + 1];
	enum role role;
	uint64_t joined_ms;
	uint64_t joined_seq;
	uint64_t last_read_seq;
};

struct mem_dedupe {
	char kind; /* 'b' or 'i' */
	char user[WIRE_USER_MAX + 1];
	char id[WIRE_KEY_MAX];
	size_t id_len;
	uint64_t generation;
	struct wire_body_sent sent;
};

struct mem_media {
	char name[WIRE_FILE_MAX + 1];
	char sender[WIRE_USER_MAX + 1];
	uint8_t hash[STORE_HASH];
	uint64_t media_id;
	uint64_t seq;
	uint64_t time_ms;
	uint64_t size;
};

struct mem_hash {
	uint8_t bytes[STORE_HASH];
};

/* What a rollback brings back. */
struct mem_content {
	struct mem_array members; /* by name */
	struct mem_array mentions;
	struct mem_array dedupe;
	struct mem_array media;	      /* by name */
	struct mem_array description; /* bytes, like the next two */
	struct mem_array avatar_url;
	struct mem_array settings;
	uint64_t max_members;
	uint64_t info_ms;
	uint64_t members_ms;
	uint64_t member_version;
	size_t messages;
	uint64_t first_seq; /* the floor; what is below stays in memory */
	uint64_t first_off;
	uint64_t first_jsonl_off;
	bool deleted;
	bool importing; /* an import: no group yet */
};

struct mem_group {
	uint64_t group_id;
	uint64_t epoch;
	uint64_t created_ms;
	char name[WIRE_NAME_MAX + 1];
	char created_by[WIRE_USER_MAX + 1];
	char key[WIRE_KEY_MAX];
	size_t key_len;
	uint64_t import_last_seq;  /* that its import must come to */
	uint64_t base_seq;	   /* messages begin behind it, */
	uint64_t base_ms;	   /* of the last before; 0: created_ms */
	struct mem_array messages; /* .count as content.messages */
	struct mem_content content;
	struct mem_content saved; /* while touched */
	bool touched;		  /* by the open transaction */
	/* The deleted group whose id this one has, until the transaction in
	 * which it got it ends; owned. */
	struct mem_group *replaced;
};

struct mem_user {
	char name[WIRE_USER_MAX + 1];
	uint64_t created_ms;
	uint64_t version; /* of the changes of his groups */
};

/* What happened to one member. */
struct mem_change {
	uint64_t group_id;
	uint64_t version;      /* the group's */
	uint64_t user_version; /* his */
	struct store_change change;
	char group[WIRE_NAME_MAX + 1];
	char by[WIRE_USER_MAX + 1];
};
enum { MEM_CHANGES_KEPT = 1000 };

struct mem_token {
	uint64_t token_id;
	uint64_t created_ms;
	uint64_t expires_ms;
	uint8_t hash[STORE_TOKEN_HASH];
	char user[WIRE_USER_MAX + 1];
};

/* All that is not in a group. */
struct mem_globals {
	struct mem_array users; /* by name */
	struct mem_array tokens;
	struct mem_array garbage; /* of struct mem_hash, in their order */
	size_t groups; /* how many there are, for a rollback, as the next */
	size_t changes;
	uint64_t last_token_id;
	uint64_t last_media_id;
	uint64_t generation; /* of dedupe */
	uint64_t generation_start_ms;
	uint64_t identity;   /* 0 until somebody asks */
	uint64_t moved_from; /* 0: nothing is being moved */
};

/* One store; handles of the same name share it. */
struct mem_db {
	struct list link;
	char *name; /* owned */
	unsigned handles;
	unsigned writers;
	pthread_mutex_t mutex;
	struct mem_array groups;  /* of struct mem_group *, by id from 1 */
	struct mem_array changes; /* of struct mem_change, as they happened */
	struct mem_globals globals;
	struct mem_globals saved; /* while a transaction is open */
};

struct memory_store {
	struct store base;
	struct store_ops ops; /* base's: some stores are shared */
	struct mem_db *db;
};

static inline struct memory_store *mem_of(struct store *s)
{
	return (struct memory_store *)(void *)s;
}

/* memory.c */
void mem_lock(struct store *base);
void mem_unlock(struct store *base);
/* The refusal for want of memory; the transaction is broken. */
int mem_no_memory(struct store *base, struct err *err);
/* A new element at index i; NULL without memory. */
void *mem_insert(struct mem_array *a, size_t i, size_t size);
void mem_remove(struct mem_array *a, size_t i, size_t size);
bool mem_copy(struct mem_array *out, const struct mem_array *in, size_t size);
bool mem_copy_content(struct mem_content *out, const struct mem_content *in);
void mem_release_content(struct mem_content *c);
/* Drops messages behind the first n. */
void mem_cut_messages(struct mem_group *g, size_t n);
/* Makes the bytes those of s. */
bool mem_set_text(struct mem_array *a, struct str s);
/* To be called before a group is changed in a transaction. */
int mem_touch(struct store *base, struct mem_group *g, struct err *err);
void mem_free_group(struct mem_group *g);
/* The group, an import, or either of them; NULL when there is none. */
struct mem_group *mem_import(struct store *base, uint64_t import_id);
struct mem_group *mem_any_group(struct store *base, uint64_t group_id);
struct mem_group *mem_group(struct store *base, uint64_t group_id);
struct mem_group *mem_group_by_name(struct store *base, struct str name);
/* The member, NULL when he is none; *at is where he is or belongs. */
struct mem_member *mem_member(struct mem_group *g, struct str name, size_t *at);
bool mem_find_user(struct store *base, struct str name, size_t *at);
/* The end of the log. */
uint64_t mem_last_seq(const struct mem_group *g);
uint64_t mem_size(const struct mem_group *g);
uint64_t mem_jsonl_size(const struct mem_group *g);
uint64_t mem_last_ms(const struct mem_group *g);
struct mem_message *mem_message(const struct mem_group *g, uint64_t seq);
/* The read pointer as others see it: not below the floor. */
uint64_t mem_pointer(const struct mem_group *g, const struct mem_member *m);

/* Where a name is or belongs in an array of structs that begin with it. */
bool mem_find_name(const struct mem_array *a, size_t size, struct str name,
		   size_t *at);
/* Whether a name comes behind `after` in byte order. */
bool mem_is_after(const char *name, struct str after);

/* A new, empty group at the end of all; NULL without memory. */
struct mem_group *mem_new_group(struct store *base, struct str name,
				struct str creator, struct str key);
bool mem_has_admin(const struct mem_group *g);
/* A copy of m at the end of the log, with its lengths. */
int mem_add_message(struct store *base, struct mem_group *g,
		    const struct wire_message *m, struct err *err);
/* seq: of the message that mentions. */
int mem_add_mention(struct store *base, struct mem_group *g, uint64_t seq,
		    struct str name, bool everyone, struct err *err);
/* As sq_remember(). */
int mem_remember(struct store *base, struct mem_group *g,
		 const struct store_key *k, struct err *err);
/* memory_move.c: a new, empty group of an id behind those of all others. */
int mem_put_group(struct store *base, const struct wire_port_group *group,
		  struct mem_group **out, struct err *err);
/* Whether this is remembered still. */
bool mem_is_remembered(struct store *base, const struct mem_dedupe *d);
/* Whether a file of this name may come with that message. */
bool mem_is_message_of_media(const struct mem_group *g, struct str name,
			     uint64_t seq);

/* memory_media.c: the file of the message that was just appended, or was with
 * this batch_id before. */
int mem_check_media_name(struct mem_group *g, const struct store_media *op,
			 struct err *err);
int mem_insert_media(struct store *base, struct mem_group *g,
		     struct store_media *op, const struct wire_body_sent *sent,
		     struct err *err);
void mem_find_sent_media(const struct mem_group *g, struct store_media *op,
			 const struct wire_body_sent *sent);
/* Makes garbage of a hash that no group and no import but `except` (may be
 * NULL) has; and of all that only this group has. */
int mem_make_garbage(struct store *base, const uint8_t hash[STORE_HASH],
		     const struct mem_group *except, struct err *err);
int mem_drop_media(struct store *base, struct mem_group *g, struct err *err);

/* memory_shared.c: notes what was done to members, who are users; the same of
 * all members, who were added or are removed. */
int mem_note_changes(struct store *base, struct mem_group *g, struct str by,
		     const struct store_change *changes, size_t count,
		     struct err *err);
int mem_note_all(struct store *base, struct mem_group *g, struct str by,
		 enum member_change change, struct err *err);
/* With a commit: the oldest go. */
void mem_forget_changes(struct mem_db *db);

/* The operations. */
int mem_append(struct store *base, struct store_append *op, size_t count,
	       struct err *err);
int mem_add_media(struct store *base, struct store_media *op,
		  struct store_append *message, struct err *err);
int mem_set_info(struct store *base, const struct store_set_info *op,
		 struct err *err);
int mem_drop_garbage(struct store *base, const uint8_t hash[STORE_HASH],
		     struct err *err);
int mem_trim(struct store *base, struct store_trim *op, struct err *err);
int mem_list_overdue(struct store *base, const struct store_keep *keep,
		     size_t count, uint64_t *after_id, store_overdue_fn fn,
		     void *data, struct err *err);
int mem_set_read(struct store *base, uint64_t group_id, struct str user,
		 uint64_t seq, uint64_t *stored, struct err *err);
int mem_create_group(struct store *base, struct store_create *op,
		     struct err *err);
int mem_delete_group(struct store *base, uint64_t group_id, struct str by,
		     struct err *err);
int mem_edit_members(struct store *base, struct store_edit *op,
		     struct err *err);
int mem_import_begin(struct store *base, const struct wire_port_group *group,
		     uint64_t *import_id, struct err *err);
int mem_import_members(struct store *base, const struct store_import *op,
		       struct err *err);
int mem_import_messages(struct store *base, const struct store_import *op,
			struct err *err);
int mem_import_media(struct store *base, const struct store_import *op,
		     const struct wire_media *media, struct err *err);
int mem_import_end(struct store *base, struct store_import_end *op,
		   struct err *err);
int mem_import_drop(struct store *base, uint64_t import_id, struct err *err);
int mem_next_import(struct store *base, uint64_t after_id, uint64_t *import_id,
		    struct err *err);
int mem_export_members(struct store *base, uint64_t group_id, struct str after,
		       store_port_member_fn fn, void *data, struct err *err);
int mem_add_user(struct store *base, struct str name, bool *added,
		 struct err *err);
int mem_create_token(struct store *base, struct str user,
		     const uint8_t hash[STORE_TOKEN_HASH], uint64_t expires_ms,
		     uint64_t *token_id, struct err *err);
int mem_revoke_token(struct store *base, uint64_t token_id, struct str owner,
		     uint8_t hash_out[STORE_TOKEN_HASH], struct err *err);
int mem_find_group(struct store *base, uint64_t group_id, struct str name,
		   struct str user, struct wire_group *out, struct err *err);
int mem_list_groups(struct store *base, struct str user, struct str after,
		    store_group_fn fn, void *data, struct err *err);
int mem_scan(struct store *base, uint64_t group_id, uint64_t after_seq,
	     store_message_fn fn, void *data, struct err *err);
int mem_seek(struct store *base, uint64_t group_id, enum log_format format,
	     uint64_t off, uint64_t *seq, uint64_t *line_off, struct err *err);
int mem_get_info(struct store *base, uint64_t group_id, struct str user,
		 struct wire_info *out, struct err *err);
int mem_find_media(struct store *base, uint64_t media_id, uint64_t group_id,
		   struct str name, struct str user, struct wire_media *out,
		   struct err *err);
int mem_list_media(struct store *base, uint64_t group_id, struct str after,
		   store_media_fn fn, void *data, struct err *err);
int mem_hash_used(struct store *base, const uint8_t hash[STORE_HASH],
		  bool *used, struct err *err);
int mem_next_garbage(struct store *base, const uint8_t *after,
		     uint8_t hash[STORE_HASH], struct err *err);
int mem_list_mentions(struct store *base, struct str user,
		      struct str after_group, uint64_t after_seq,
		      store_mention_fn fn, void *data, struct err *err);
int mem_role(struct store *base, uint64_t group_id, struct str user,
	     enum role *role, struct err *err);
int mem_find_user_op(struct store *base, struct str name, bool *found,
		     struct err *err);
int mem_find_token(struct store *base, const uint8_t hash[STORE_TOKEN_HASH],
		   char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
		   struct err *err);
int mem_list_users(struct store *base, struct str after, store_name_fn fn,
		   void *data, struct err *err);
int mem_list_tokens(struct store *base, struct str user, uint64_t after_id,
		    store_token_fn fn, void *data, struct err *err);
int mem_count(struct store *base, struct store_counts *out, struct err *err);
int mem_disk_size(struct store *base, struct store_size *out, struct err *err);
int mem_verify(struct store *base, struct store_verify *v, struct err *err);
int mem_count_all(struct store *base, struct store_totals *out,
		  struct err *err);
int mem_list_contents(struct store *base, store_content_fn fn, void *data,
		      struct err *err);
int mem_list_versions(struct store *base, const uint64_t *group_ids,
		      size_t count, store_version_fn fn, void *data,
		      struct err *err);
int mem_list_changes(struct store *base, uint64_t group_id,
		     uint64_t after_version, store_member_change_fn fn,
		     void *data, struct err *err);
int mem_list_user_versions(struct store *base, const struct str *users,
			   size_t count, store_user_version_fn fn, void *data,
			   struct err *err);
int mem_list_user_changes(struct store *base, struct str user,
			  uint64_t after_version, store_member_change_fn fn,
			  void *data, struct err *err);
int mem_identity(struct store *base, uint64_t *identity, struct err *err);
int mem_list_loose(struct store *base, enum store_loose_kind kind,
		   store_loose_fn fn, void *data, struct err *err);
int mem_next_group(struct store *base, uint64_t after_id, uint64_t *group_id,
		   struct str *key, struct err *err);
int mem_list_keys(struct store *base, uint64_t group_id, store_key_fn fn,
		  void *data, struct err *err);
int mem_get_numbers(struct store *base, struct store_numbers *out,
		    struct err *err);
int mem_moved_from(struct store *base, uint64_t *identity, struct err *err);
int mem_move_begin(struct store *base, uint64_t identity, struct err *err);
int mem_move_reset(struct store *base, struct err *err);
int mem_move_loose(struct store *base, const struct store_loose *rows,
		   size_t count, struct err *err);
int mem_move_keys(struct store *base, uint64_t import_id,
		  const struct store_key *keys, size_t count, struct err *err);
int mem_move_end(struct store *base, const struct store_numbers *numbers,
		 struct err *err);
int mem_copy_store(struct store *base, const struct store_copy *copy,
		   struct err *err);
int mem_renew(struct store *base, struct err *err);

#endif
