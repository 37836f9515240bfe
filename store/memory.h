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
 *
 * One mutex a store: held over a transaction or a snapshot, else over each
 * verb. It is recursive, so a callback may call verbs of its own handle.
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

/* What a rollback brings back. */
struct mem_content {
	struct mem_array members; /* by name */
	struct mem_array mentions;
	struct mem_array dedupe;
	size_t messages;
	bool deleted;
};

struct mem_group {
	uint64_t group_id;
	uint64_t epoch;
	uint64_t created_ms;
	char name[WIRE_NAME_MAX + 1];
	char created_by[WIRE_USER_MAX + 1];
	char key[WIRE_KEY_MAX];
	size_t key_len;
	struct mem_array messages; /* .count as content.messages */
	struct mem_content content;
	struct mem_content saved; /* while touched */
	bool touched;		  /* by the open transaction */
};

struct mem_user {
	char name[WIRE_USER_MAX + 1];
};

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
	size_t groups;
	uint64_t last_token_id;
	uint64_t generation; /* of dedupe */
	uint64_t generation_start_ms;
};

/* One store; handles of the same name share it. */
struct mem_db {
	struct list link;
	char *name; /* owned */
	unsigned handles;
	bool has_writer;
	pthread_mutex_t mutex;
	struct mem_array groups; /* of struct mem_group *, by id from 1 */
	struct mem_globals globals;
	struct mem_globals saved; /* while a transaction is open */
};

struct memory_store {
	struct store base;
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
/* To be called before a group is changed in a transaction. */
int mem_touch(struct store *base, struct mem_group *g, struct err *err);
void mem_free_group(struct mem_group *g);
/* The group, NULL when there is none. */
struct mem_group *mem_group(struct store *base, uint64_t group_id);
struct mem_group *mem_group_by_name(struct store *base, struct str name);
/* The member, NULL when he is none; *at is where he is or belongs. */
struct mem_member *mem_member(struct mem_group *g, struct str name, size_t *at);
bool mem_find_user(struct store *base, struct str name, size_t *at);
/* The end of the log. */
uint64_t mem_last_seq(const struct mem_group *g);
uint64_t mem_size(const struct mem_group *g);
uint64_t mem_last_ms(const struct mem_group *g);
struct mem_message *mem_message(const struct mem_group *g, uint64_t seq);

/* The operations. */
int mem_append(struct store *base, struct store_append *op, size_t count,
	       struct err *err);
int mem_set_read(struct store *base, uint64_t group_id, struct str user,
		 uint64_t seq, uint64_t *stored, struct err *err);
int mem_create_group(struct store *base, struct store_create *op,
		     struct err *err);
int mem_delete_group(struct store *base, uint64_t group_id, struct str by,
		     struct err *err);
int mem_edit_members(struct store *base, struct store_edit *op,
		     struct err *err);
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
int mem_seek(struct store *base, uint64_t group_id, uint64_t off, uint64_t *seq,
	     uint64_t *line_off, struct err *err);
int mem_list_members(struct store *base, uint64_t group_id, struct str after,
		     store_member_fn fn, void *data, struct err *err);
int mem_role(struct store *base, uint64_t group_id, struct str user,
	     enum role *role, struct err *err);
int mem_find_user_op(struct store *base, struct str name, bool *found,
		     struct err *err);
int mem_find_token(struct store *base, const uint8_t hash[STORE_TOKEN_HASH],
		   char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
		   struct err *err);
int mem_list_tokens(struct store *base, struct str user, uint64_t after_id,
		    store_token_fn fn, void *data, struct err *err);
int mem_count(struct store *base, struct store_counts *out, struct err *err);
int mem_verify(struct store *base, struct store_verify *v, struct err *err);

#endif
