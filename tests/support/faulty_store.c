/* SPDX-License-Identifier: MIT */
#include "tests/support/faulty_store.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "store/backend.h"

/* Planned while lanes run: first is written last. */
struct fault {
	_Atomic enum faulty_kind kind;
	atomic_uint first; /* call number; 0: none planned */
	atomic_uint times;
};

struct faulty_store {
	struct store base;
	struct store_ops ops; /* base's: shared as inner is */
	struct store *inner;  /* owned */
	atomic_bool let_go;
	atomic_uint calls[FAULTY_VERBS];
	struct fault faults[FAULTY_VERBS];
};

static struct faulty_store *faulty_of(struct store *s)
{
	return (struct faulty_store *)(void *)s;
}

static struct store *inner_of(struct store *s)
{
	return faulty_of(s)->inner;
}

/* The fault of this call, NULL when it goes through. */
static const struct fault *count_call(struct store *s, enum faulty_verb verb)
{
	struct faulty_store *f = faulty_of(s);
	const struct fault *fault = &f->faults[verb];
	unsigned call = atomic_fetch_add(&f->calls[verb], 1) + 1;

	if (fault->first == 0 || call < fault->first ||
	    call - fault->first >= fault->times)
		return NULL;
	return fault;
}

static bool is_over(const struct store *s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return s->deadline_ms != 0 &&
	       (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 >=
		       s->deadline_ms;
}

static void be_silent(struct store *s)
{
	while (!atomic_load(&faulty_of(s)->let_go) && !is_over(s))
		usleep(1000);
}

static int fail_verb(struct store *s, const struct fault *fault,
		     struct err *err)
{
	s->broken = s->in_transaction;
	s->undone = fault->kind == FAULTY_UNDONE;
	s->lost = fault->kind == FAULTY_AWAY || fault->kind == FAULTY_SILENT;
	if (fault->kind == FAULTY_FULL)
		return err_set(err, ERR_OUT_OF_SPACE, NULL);
	return err_set(err, ERR_UNAVAILABLE, "The store failed as planned");
}

/* What the inner store made of the call holds for the wrapper too. */
static int pass(struct store *s, int rc)
{
	s->broken = inner_of(s)->broken;
	s->dead = inner_of(s)->dead;
	return rc;
}

static int lose_answer(struct store *s, struct err *err)
{
	s->dead = !store_is_shared(s);
	s->lost = !s->dead;
	err_set(err, ERR_OUTCOME_UNKNOWN, NULL);
	return -EINPROGRESS;
}

static void faulty_close(struct store *s)
{
	store_close(inner_of(s));
	free(faulty_of(s));
}

static int faulty_tend(struct store *s, struct store_tend *op, struct err *err)
{
	return pass(s, store_tend(inner_of(s), op, err));
}

static int faulty_begin(struct store *s, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_BEGIN);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_begin(inner_of(s), err));
}

static int faulty_commit(struct store *s, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_COMMIT);
	int rc;

	if (fault == NULL)
		return pass(s, store_commit(inner_of(s), err));
	if (fault->kind == FAULTY_STORED) {
		rc = store_commit(inner_of(s), err);
		assert(rc == 0);
	} else {
		store_rollback(inner_of(s));
	}
	if (fault->kind != FAULTY_LOST && fault->kind != FAULTY_STORED)
		return fail_verb(s, fault, err);
	return lose_answer(s, err);
}

static void faulty_rollback(struct store *s)
{
	store_rollback(inner_of(s));
}

static int faulty_snapshot(struct store *s, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_SNAPSHOT);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_snapshot(inner_of(s), err));
}

static void faulty_release(struct store *s)
{
	store_release(inner_of(s));
}

static int faulty_append(struct store *s, struct store_append *op, size_t count,
			 struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_APPEND);

	(void)count;
	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_append(inner_of(s), op, err));
}

/* The inner store checks and counts anew. */
static int faulty_append_all(struct store *s, struct store_append *const *ops,
			     const size_t *counts, struct err *errs, size_t n,
			     struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_APPEND_ALL);

	(void)counts;
	if (fault == NULL)
		return pass(s,
			    store_append_all(inner_of(s), ops, errs, n, err));
	if (fault->kind == FAULTY_IO || fault->kind == FAULTY_FULL ||
	    fault->kind == FAULTY_AWAY)
		return fail_verb(s, fault, err);
	if (fault->kind == FAULTY_SILENT)
		be_silent(s);
	if (fault->kind == FAULTY_STORED) {
		int rc = store_append_all(inner_of(s), ops, errs, n, err);

		assert(rc == 0);
	}
	return lose_answer(s, err);
}

static int faulty_create_group(struct store *s, struct store_create *op,
			       struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_CREATE_GROUP);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_create_group(inner_of(s), op, err));
}

static int faulty_delete_group(struct store *s, uint64_t group_id,
			       struct str by, struct err *err)
{
	return pass(s, store_delete_group(inner_of(s), group_id, by, err));
}

static int faulty_edit_members(struct store *s, struct store_edit *op,
			       struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_EDIT_MEMBERS);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_edit_members(inner_of(s), op, err));
}

static int faulty_set_read(struct store *s, uint64_t group_id, struct str user,
			   uint64_t seq, uint64_t *stored, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_SET_READ);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_set_read(inner_of(s), group_id, user, seq, stored,
				      err));
}

static int faulty_set_info(struct store *s, const struct store_set_info *op,
			   struct err *err)
{
	return pass(s, store_set_info(inner_of(s), op, err));
}

/* The inner store makes the message anew. */
static int faulty_add_media(struct store *s, struct store_media *op,
			    struct store_append *message, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_ADD_MEDIA);
	int rc;

	if (fault != NULL)
		return fail_verb(s, fault, err);
	rc = pass(s, store_add_media(inner_of(s), op, err));
	message->sent = op->sent;
	return rc;
}

static int faulty_drop_garbage(struct store *s, const uint8_t hash[STORE_HASH],
			       struct err *err)
{
	return pass(s, store_drop_garbage(inner_of(s), hash, err));
}

static int faulty_import_begin(struct store *s,
			       const struct wire_port_group *group,
			       uint64_t *import_id, struct err *err)
{
	return pass(s, store_import_begin(inner_of(s), group, import_id, err));
}

static int faulty_import_members(struct store *s, const struct store_import *op,
				 struct err *err)
{
	return pass(s, store_import_members(inner_of(s), op, err));
}

static int faulty_import_messages(struct store *s,
				  const struct store_import *op,
				  struct err *err)
{
	return pass(s, store_import_messages(inner_of(s), op, err));
}

static int faulty_import_media(struct store *s, const struct store_import *op,
			       const struct wire_media *media, struct err *err)
{
	(void)media;
	return pass(s, store_import_media(inner_of(s), op, err));
}

static int faulty_import_end(struct store *s, struct store_import_end *op,
			     struct err *err)
{
	return pass(s, store_import_end(inner_of(s), op, err));
}

static int faulty_import_drop(struct store *s, uint64_t import_id,
			      struct err *err)
{
	return pass(s, store_import_drop(inner_of(s), import_id, err));
}

static int faulty_next_import(struct store *s, uint64_t after_id,
			      uint64_t *import_id, struct err *err)
{
	return pass(s,
		    store_next_import(inner_of(s), after_id, import_id, err));
}

static int faulty_add_user(struct store *s, struct str name, bool *added,
			   struct err *err)
{
	return pass(s, store_add_user(inner_of(s), name, added, err));
}

static int faulty_create_token(struct store *s, struct str user,
			       const uint8_t hash[STORE_TOKEN_HASH],
			       uint64_t expires_ms, uint64_t *token_id,
			       struct err *err)
{
	return pass(s, store_create_token(inner_of(s), user, hash, expires_ms,
					  token_id, err));
}

static int faulty_revoke_token(struct store *s, uint64_t token_id,
			       struct str owner,
			       uint8_t hash_out[STORE_TOKEN_HASH],
			       struct err *err)
{
	return pass(s, store_revoke_token(inner_of(s), token_id, owner,
					  hash_out, err));
}

static int faulty_find_group(struct store *s, uint64_t group_id,
			     struct str name, struct str user,
			     struct wire_group *out, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_FIND_GROUP);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_find_group(inner_of(s), group_id, name, user, out,
					err));
}

static int faulty_list_groups(struct store *s, struct str user,
			      struct str after, store_group_fn fn, void *data,
			      struct err *err)
{
	return pass(s,
		    store_list_groups(inner_of(s), user, after, fn, data, err));
}

static int faulty_scan(struct store *s, uint64_t group_id, uint64_t after_seq,
		       store_message_fn fn, void *data, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_SCAN);

	if (fault != NULL && fault->kind == FAULTY_SILENT)
		be_silent(s);
	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(
		s, store_scan(inner_of(s), group_id, after_seq, fn, data, err));
}

static int faulty_seek(struct store *s, uint64_t group_id,
		       enum log_format format, uint64_t off, uint64_t *seq,
		       uint64_t *line_off, struct err *err)
{
	return pass(s, store_seek(inner_of(s), group_id, format, off, seq,
				  line_off, err));
}

static int faulty_get_info(struct store *s, uint64_t group_id, struct str user,
			   struct wire_info *out, struct err *err)
{
	return pass(s, store_get_info(inner_of(s), group_id, user, out, err));
}

static int faulty_find_media(struct store *s, uint64_t media_id,
			     uint64_t group_id, struct str name,
			     struct str user, struct wire_media *out,
			     struct err *err)
{
	return pass(s, store_find_media(inner_of(s), media_id, group_id, name,
					user, out, err));
}

static int faulty_list_media(struct store *s, uint64_t group_id,
			     struct str after, store_media_fn fn, void *data,
			     struct err *err)
{
	return pass(s, store_list_media(inner_of(s), group_id, after, fn, data,
					err));
}

static int faulty_hash_used(struct store *s, const uint8_t hash[STORE_HASH],
			    bool *used, struct err *err)
{
	return pass(s, store_hash_used(inner_of(s), hash, used, err));
}

static int faulty_next_garbage(struct store *s, const uint8_t *after,
			       uint8_t hash[STORE_HASH], struct err *err)
{
	return pass(s, store_next_garbage(inner_of(s), after, hash, err));
}

static int faulty_list_mentions(struct store *s, struct str user,
				struct str after_group, uint64_t after_seq,
				store_mention_fn fn, void *data,
				struct err *err)
{
	return pass(s, store_list_mentions(inner_of(s), user, after_group,
					   after_seq, fn, data, err));
}

static int faulty_export_members(struct store *s, uint64_t group_id,
				 struct str after, store_port_member_fn fn,
				 void *data, struct err *err)
{
	return pass(s, store_export_members(inner_of(s), group_id, after, fn,
					    data, err));
}

static int faulty_role(struct store *s, uint64_t group_id, struct str user,
		       enum role *role, struct err *err)
{
	return pass(s, store_role(inner_of(s), group_id, user, role, err));
}

static int faulty_find_user(struct store *s, struct str name, bool *found,
			    struct err *err)
{
	return pass(s, store_find_user(inner_of(s), name, found, err));
}

static int faulty_find_token(struct store *s,
			     const uint8_t hash[STORE_TOKEN_HASH],
			     char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
			     struct err *err)
{
	return pass(s,
		    store_find_token(inner_of(s), hash, user, expires_ms, err));
}

static int faulty_list_users(struct store *s, struct str after,
			     store_name_fn fn, void *data, struct err *err)
{
	return pass(s, store_list_users(inner_of(s), after, fn, data, err));
}

static int faulty_list_tokens(struct store *s, struct str user,
			      uint64_t after_id, store_token_fn fn, void *data,
			      struct err *err)
{
	return pass(s, store_list_tokens(inner_of(s), user, after_id, fn, data,
					 err));
}

static int faulty_count(struct store *s, struct store_counts *out,
			struct err *err)
{
	return pass(s, store_count(inner_of(s), out, err));
}

static int faulty_size(struct store *s, struct store_size *out, struct err *err)
{
	return pass(s, store_size(inner_of(s), out, err));
}

static int faulty_verify(struct store *s, struct store_verify *v,
			 struct err *err)
{
	return pass(s, store_verify(inner_of(s), v, err));
}

static int faulty_count_all(struct store *s, struct store_totals *out,
			    struct err *err)
{
	return pass(s, store_count_all(inner_of(s), out, err));
}

static int faulty_list_contents(struct store *s, store_content_fn fn,
				void *data, struct err *err)
{
	return pass(s, store_list_contents(inner_of(s), fn, data, err));
}

static int faulty_list_versions(struct store *s, const uint64_t *group_ids,
				size_t count, store_version_fn fn, void *data,
				struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_LIST_VERSIONS);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_list_versions(inner_of(s), group_ids, count, fn,
					   data, err));
}

static int faulty_list_changes(struct store *s, uint64_t group_id,
			       uint64_t after_version,
			       store_member_change_fn fn, void *data,
			       struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_LIST_CHANGES);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_list_changes(inner_of(s), group_id, after_version,
					  fn, data, err));
}

static int faulty_list_user_versions(struct store *s, const struct str *users,
				     size_t count, store_user_version_fn fn,
				     void *data, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_LIST_USER_VERSIONS);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_list_user_versions(inner_of(s), users, count, fn,
						data, err));
}

static int faulty_list_user_changes(struct store *s, struct str user,
				    uint64_t after_version,
				    store_member_change_fn fn, void *data,
				    struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_LIST_USER_CHANGES);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_list_user_changes(inner_of(s), user, after_version,
					       fn, data, err));
}

static int faulty_flush_reads(struct store *s,
			      const struct store_pointer *pointers,
			      size_t count, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_FLUSH_READS);

	if (fault != NULL)
		return fail_verb(s, fault, err);
	return pass(s, store_flush_reads(inner_of(s), pointers, count, err));
}

static int faulty_identity(struct store *s, uint64_t *identity, struct err *err)
{
	return pass(s, store_identity(inner_of(s), identity, err));
}

static int faulty_reach(struct store *s, struct err *err)
{
	const struct fault *fault = count_call(s, FAULTY_REACH);

	if (fault == NULL)
		return pass(s, store_reach(inner_of(s), err));
	if (fault->kind == FAULTY_SILENT)
		be_silent(s);
	return fail_verb(s, fault, err);
}

static int faulty_copy(struct store *s, const struct store_copy *copy,
		       struct err *err)
{
	return pass(s, store_copy(inner_of(s), copy, err));
}

static int faulty_renew(struct store *s, struct err *err)
{
	return pass(s, store_renew(inner_of(s), err));
}

static const struct store_ops faulty_ops = {
	.close = faulty_close,
	.begin = faulty_begin,
	.commit = faulty_commit,
	.rollback = faulty_rollback,
	.snapshot = faulty_snapshot,
	.release = faulty_release,
	.append = faulty_append,
	.append_all = faulty_append_all,
	.create_group = faulty_create_group,
	.delete_group = faulty_delete_group,
	.edit_members = faulty_edit_members,
	.set_read = faulty_set_read,
	.set_info = faulty_set_info,
	.add_media = faulty_add_media,
	.drop_garbage = faulty_drop_garbage,
	.import_begin = faulty_import_begin,
	.import_members = faulty_import_members,
	.import_messages = faulty_import_messages,
	.import_media = faulty_import_media,
	.import_end = faulty_import_end,
	.import_drop = faulty_import_drop,
	.next_import = faulty_next_import,
	.export_members = faulty_export_members,
	.add_user = faulty_add_user,
	.create_token = faulty_create_token,
	.revoke_token = faulty_revoke_token,
	.find_group = faulty_find_group,
	.list_groups = faulty_list_groups,
	.scan = faulty_scan,
	.seek = faulty_seek,
	.get_info = faulty_get_info,
	.find_media = faulty_find_media,
	.list_media = faulty_list_media,
	.hash_used = faulty_hash_used,
	.next_garbage = faulty_next_garbage,
	.list_mentions = faulty_list_mentions,
	.role = faulty_role,
	.find_user = faulty_find_user,
	.find_token = faulty_find_token,
	.list_users = faulty_list_users,
	.list_tokens = faulty_list_tokens,
	.count = faulty_count,
	.size = faulty_size,
	.verify = faulty_verify,
	.count_all = faulty_count_all,
	.list_contents = faulty_list_contents,
	.list_versions = faulty_list_versions,
	.list_changes = faulty_list_changes,
	.tend = faulty_tend,
	.list_user_versions = faulty_list_user_versions,
	.list_user_changes = faulty_list_user_changes,
	.flush_reads = faulty_flush_reads,
	.identity = faulty_identity,
	.copy = faulty_copy,
	.renew = faulty_renew,
	.reach = faulty_reach,
};

struct store *faulty_store_new(struct store *inner)
{
	struct faulty_store *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->ops = faulty_ops;
	f->ops.shared = store_is_shared(inner);
	f->base.ops = &f->ops;
	f->base.options = inner->options;
	f->inner = inner;
	return &f->base;
}

void faulty_store_plan(struct store *s, enum faulty_verb verb,
		       enum faulty_kind kind, unsigned nth, unsigned times)
{
	struct faulty_store *f = faulty_of(s);

	assert(s->ops->close == faulty_close && verb < FAULTY_VERBS && nth > 0);
	assert(verb == FAULTY_COMMIT || verb == FAULTY_APPEND_ALL ||
	       verb == FAULTY_REACH ||
	       (verb == FAULTY_SCAN && kind == FAULTY_SILENT) ||
	       kind == FAULTY_IO || kind == FAULTY_FULL ||
	       kind == FAULTY_UNDONE);
	f->faults[verb].first = 0;
	f->faults[verb].kind = kind;
	f->faults[verb].times = times;
	f->faults[verb].first = f->calls[verb] + nth;
}

void faulty_store_let_go(struct store *s)
{
	assert(s->ops->close == faulty_close);
	atomic_store(&faulty_of(s)->let_go, true);
}

unsigned faulty_store_calls(const struct store *s, enum faulty_verb verb)
{
	assert(s->ops->close == faulty_close && verb < FAULTY_VERBS);
	return ((const struct faulty_store *)(const void *)s)->calls[verb];
}
