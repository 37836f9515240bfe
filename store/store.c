/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <assert.h>
#include <string.h>

#include "lib/text.h"
#include "store/backend.h"
#include "store/input.h"

enum { DEFAULT_MAX_CONTENT = 65536, DEFAULT_DEDUPE_MS = 24 * 3600 * 1000 };

static const struct scheme {
	const char *prefix;
	int (*open)(struct store **out, const char *rest,
		    const struct store_options *options, struct err *err);
} schemes[] = {
	{ "sqlite:", sqlite_store_open },
	{ "postgresql:", postgres_store_open },
	{ "postgres:", postgres_store_open },
	{ "memory:", memory_store_open },
};

static int open_scheme(struct store **out, const struct scheme *scheme,
		       const char *rest, const struct store_options *options,
		       struct err *err)
{
	int rc = scheme->open(out, rest, options, err);

	if (rc == 0)
		rc = move_check_open(*out, err);
	if (rc < 0) {
		store_close(*out);
		*out = NULL;
	}
	return rc;
}

int store_open(struct store **out, const char *url,
	       const struct store_options *options, struct err *err)
{
	struct store_options filled = *options;

	assert(options->env != NULL);
	*out = NULL;
	if (filled.max_content == 0)
		filled.max_content = DEFAULT_MAX_CONTENT;
	if (filled.max_content > WIRE_CONTENT_MAX)
		filled.max_content = WIRE_CONTENT_MAX;
	if (filled.dedupe_window_ms == 0)
		filled.dedupe_window_ms = DEFAULT_DEDUPE_MS;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].prefix);

		if (strncmp(url, schemes[i].prefix, len) != 0)
			continue;
		if (url[len] == '\0')
			break;
		return open_scheme(out, &schemes[i], url + len, &filled, err);
	}
	return err_set(err, ERR_BAD_REQUEST,
		       "A store is sqlite:PATH, postgresql://HOST/DATABASE or "
		       "memory:NAME, not %s",
		       url);
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	if (s->in_transaction)
		store_rollback(s);
	if (s->in_snapshot)
		store_release(s);
	s->ops->close(s);
}

int store_check_alive(struct store *s, struct err *err)
{
	if (s->dead) {
		err_set(err, ERR_UNAVAILABLE,
			"The store has stopped after a disk error and must be "
			"opened anew");
		return -EINPROGRESS;
	}
	if (s->broken)
		return err_set(err, ERR_UNAVAILABLE,
			       "This transaction has failed and must be rolled "
			       "back");
	return 0;
}

int store_check_writer(struct store *s, struct err *err)
{
	if (s->options.read_only)
		return err_set(err, ERR_BAD_REQUEST,
			       "This handle of the store only reads");
	assert(s->in_transaction);
	return store_check_alive(s, err);
}

int store_begin(struct store *s, struct err *err)
{
	int rc;

	if (s->options.read_only)
		return err_set(err, ERR_BAD_REQUEST,
			       "This handle of the store only reads");
	assert(!s->in_transaction && !s->in_snapshot);
	s->undone = s->lost = false;
	rc = store_check_alive(s, err);
	if (rc < 0)
		return rc;
	rc = s->ops->begin(s, err);
	s->in_transaction = rc == 0;
	/* What failed to begin leaves nothing to roll back. */
	s->broken = false;
	return rc;
}

int store_commit(struct store *s, struct err *err)
{
	int rc;

	assert(s->in_transaction);
	rc = store_check_alive(s, err);
	if (rc < 0) {
		store_rollback(s);
		return rc;
	}
	rc = s->ops->commit(s, err);
	s->in_transaction = false;
	s->broken = false;
	return rc;
}

void store_rollback(struct store *s)
{
	if (!s->in_transaction)
		return;
	s->ops->rollback(s);
	s->in_transaction = false;
	s->broken = false;
}

int store_snapshot(struct store *s, struct err *err)
{
	int rc;

	assert(!s->in_snapshot && !s->in_transaction);
	rc = store_check_alive(s, err);
	if (rc < 0)
		return rc;
	rc = s->ops->snapshot(s, err);
	s->in_snapshot = rc == 0;
	return rc;
}

void store_release(struct store *s)
{
	if (!s->in_snapshot)
		return;
	s->ops->release(s);
	s->in_snapshot = false;
}

int store_check_actor(struct str user, struct err *err)
{
	if (text_is_user_name(user))
		return 0;
	return err_set(err, ERR_NO_SUCH_GROUP, NULL);
}

static int check_create(const struct store_create *op, struct err *err)
{
	size_t count;
	int rc;

	if (!text_is_group_name(op->name))
		return err_set(err, ERR_BAD_NAME, "That is not a group's name");
	if (op->key.len > WIRE_KEY_MAX)
		return err_set(err, ERR_BAD_REQUEST, "The key is too long");
	rc = input_check_description(op->description, err);
	if (rc == 0)
		rc = input_check_settings(op->settings, err);
	if (rc == 0)
		rc = input_check_edits(op->members, true, &count, err);
	return rc;
}

int store_create_group(struct store *s, struct store_create *op,
		       struct err *err)
{
	int rc = store_check_writer(s, err);

	op->group_id = 0;
	op->existed = false;
	if (rc == 0)
		rc = input_check_user(op->creator, err);
	if (rc == 0)
		rc = check_create(op, err);
	if (rc < 0)
		return rc;
	return s->ops->create_group(s, op, err);
}

int store_delete_group(struct store *s, uint64_t group_id, struct str by,
		       struct err *err)
{
	int rc = store_check_writer(s, err);

	if (rc == 0)
		rc = store_check_actor(by, err);
	if (rc < 0)
		return rc;
	return s->ops->delete_group(s, group_id, by, err);
}

int store_edit_members(struct store *s, struct store_edit *op, struct err *err)
{
	size_t count;
	int rc = store_check_writer(s, err);

	op->changes = NULL;
	op->count = 0;
	if (rc == 0)
		rc = store_check_actor(op->by, err);
	if (rc == 0)
		rc = input_check_edits(op->edits, false, &count, err);
	if (rc < 0)
		return rc;
	return s->ops->edit_members(s, op, err);
}

int store_set_read(struct store *s, uint64_t group_id, struct str user,
		   uint64_t seq, uint64_t *stored, struct err *err)
{
	int rc = store_check_writer(s, err);

	if (rc == 0)
		rc = store_check_actor(user, err);
	if (rc < 0)
		return rc;
	return s->ops->set_read(s, group_id, user, seq, stored, err);
}

int store_set_info(struct store *s, const struct store_set_info *op,
		   struct err *err)
{
	int rc = store_check_writer(s, err);

	if (rc == 0)
		rc = store_check_actor(op->by, err);
	if (rc == 0)
		rc = input_check_info(op, err);
	if (rc < 0)
		return rc;
	return s->ops->set_info(s, op, err);
}

/* Writes the message that brings the file. */
static int put_media_item(const struct store_media *op, struct buf *items,
			  struct err *err)
{
	struct wire_item item = { .type = MESSAGE_MEDIA,
				  .content = op->content };
	struct buf url = { 0 };

	/* Beyond it, a struct wire_item cannot be encoded. */
	if (op->content.len > WIRE_CONTENT_MAX)
		return err_set(err, ERR_TOO_LARGE, NULL);
	text_media_url(&url, op->name);
	item.media_url = buf_str(&url);
	if (url.failed)
		items->failed = true;
	else
		wire_put(items, &wire_schema_item, &item);
	buf_release(&url);
	if (items->failed)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	return 0;
}

/* The message is checked and stored as one that was sent by itself. */
static int add_media(struct store *s, struct store_media *op, struct buf *items,
		     struct err *err)
{
	struct store_append message = { .group_id = op->group_id,
					.user = op->user,
					.batch_id = op->batch_id,
					.only_known = op->only_known };
	size_t count;
	int rc = put_media_item(op, items, err);

	message.items = buf_str(items);
	if (rc == 0)
		rc = input_check_items(message.items, s->options.max_content,
				       &count, err);
	if (rc == 0)
		rc = s->ops->add_media(s, op, &message, err);
	if (rc == 0) {
		op->sent = message.sent;
		op->mentions = message.mentions;
	}
	return rc;
}

int store_add_media(struct store *s, struct store_media *op, struct err *err)
{
	struct buf items = { 0 };
	int rc = store_check_writer(s, err);

	op->sent = (struct wire_body_sent){ 0 };
	op->media_id = 0;
	op->mentions = false;
	if (rc == 0)
		rc = store_check_actor(op->user, err);
	if (rc == 0 && op->batch_id.len > WIRE_KEY_MAX)
		rc = err_set(err, ERR_BAD_REQUEST, "The batch_id is too long");
	if (rc == 0 && !text_is_file_name(op->name))
		rc = err_set(err, ERR_BAD_NAME,
			     "That is no name for a media file");
	if (rc == 0 && op->size > INT64_MAX)
		rc = err_set(err, ERR_TOO_LARGE, "The file is too large");
	if (rc == 0)
		rc = add_media(s, op, &items, err);
	buf_release(&items);
	return rc;
}

int store_next_garbage(struct store *s, const uint8_t *after,
		       uint8_t hash[STORE_HASH], struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	return s->ops->next_garbage(s, after, hash, err);
}

int store_drop_garbage(struct store *s, const uint8_t hash[STORE_HASH],
		       struct err *err)
{
	int rc = store_check_writer(s, err);

	if (rc < 0)
		return rc;
	return s->ops->drop_garbage(s, hash, err);
}

int store_add_user(struct store *s, struct str name, bool *added,
		   struct err *err)
{
	int rc = store_check_writer(s, err);

	if (rc == 0)
		rc = input_check_user(name, err);
	if (rc < 0)
		return rc;
	return s->ops->add_user(s, name, added, err);
}

int store_create_token(struct store *s, struct str user,
		       const uint8_t hash[STORE_TOKEN_HASH],
		       uint64_t expires_ms, uint64_t *token_id, struct err *err)
{
	int rc = store_check_writer(s, err);

	if (rc == 0)
		rc = input_check_user(user, err);
	if (rc < 0)
		return rc;
	if (expires_ms > INT64_MAX)
		return err_set(err, ERR_BAD_REQUEST,
			       "The token's end is out of range");
	return s->ops->create_token(s, user, hash, expires_ms, token_id, err);
}

int store_revoke_token(struct store *s, uint64_t token_id, struct str owner,
		       uint8_t hash_out[STORE_TOKEN_HASH], struct err *err)
{
	uint8_t unused[STORE_TOKEN_HASH];
	int rc = store_check_writer(s, err);

	if (rc < 0)
		return rc;
	return s->ops->revoke_token(s, token_id, owner,
				    hash_out != NULL ? hash_out : unused, err);
}

int store_find_group(struct store *s, uint64_t group_id, struct str name,
		     struct str user, struct wire_group *out, struct err *err)
{
	int rc = store_check_alive(s, err);

	*out = (struct wire_group){ 0 };
	if (rc == 0 && user.len > 0)
		rc = store_check_actor(user, err);
	if (rc < 0)
		return rc;
	return s->ops->find_group(s, group_id, name, user, out, err);
}

int store_list_groups(struct store *s, struct str user, struct str after,
		      store_group_fn fn, void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	return s->ops->list_groups(s, user, after, fn, data, err);
}

int store_scan(struct store *s, uint64_t group_id, uint64_t after_seq,
	       store_message_fn fn, void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	return s->ops->scan(s, group_id, after_seq, fn, data, err);
}

int store_scan_text(struct store *s, uint64_t group_id, uint64_t after_seq,
		    store_message_fn fn, void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	if (s->ops->scan_text == NULL)
		return s->ops->scan(s, group_id, after_seq, fn, data, err);
	return s->ops->scan_text(s, group_id, after_seq, fn, data, err);
}

int store_seek(struct store *s, uint64_t group_id, enum log_format format,
	       uint64_t off, uint64_t *seq, uint64_t *line_off, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	return s->ops->seek(s, group_id, format, off, seq, line_off, err);
}

int store_get_info(struct store *s, uint64_t group_id, struct str user,
		   struct wire_info *out, struct err *err)
{
	int rc = store_check_alive(s, err);

	*out = (struct wire_info){ 0 };
	if (rc == 0 && user.len > 0)
		rc = store_check_actor(user, err);
	if (rc < 0)
		return rc;
	return s->ops->get_info(s, group_id, user, out, err);
}

int store_find_media(struct store *s, uint64_t media_id, uint64_t group_id,
		     struct str name, struct str user, struct wire_media *out,
		     struct err *err)
{
	int rc = store_check_alive(s, err);

	*out = (struct wire_media){ 0 };
	if (rc == 0 && user.len > 0)
		rc = store_check_actor(user, err);
	if (rc < 0)
		return rc;
	return s->ops->find_media(s, media_id, group_id, name, user, out, err);
}

int store_list_media(struct store *s, uint64_t group_id, struct str after,
		     store_media_fn fn, void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	return s->ops->list_media(s, group_id, after, fn, data, err);
}

int store_hash_used(struct store *s, const uint8_t hash[STORE_HASH], bool *used,
		    struct err *err)
{
	int rc = store_check_alive(s, err);

	*used = false;
	if (rc < 0)
		return rc;
	return s->ops->hash_used(s, hash, used, err);
}

int store_list_mentions(struct store *s, struct str user,
			struct str after_group, uint64_t after_seq,
			store_mention_fn fn, void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	return s->ops->list_mentions(s, user, after_group, after_seq, fn, data,
				     err);
}

/* What a list shows of what an export says. */
struct listing {
	store_member_fn fn;
	void *data;
};

static int list_member(void *data, const struct wire_port_member *m)
{
	const struct listing *l = data;
	const struct wire_member member = { .name = m->name,
					    .role = m->role,
					    .joined_ms = m->joined_ms };

	return l->fn(l->data, &member);
}

int store_list_members(struct store *s, uint64_t group_id, struct str after,
		       store_member_fn fn, void *data, struct err *err)
{
	struct listing l = { fn, data };

	return store_export_members(s, group_id, after, list_member, &l, err);
}

int store_role(struct store *s, uint64_t group_id, struct str user,
	       enum role *role, struct err *err)
{
	int rc = store_check_alive(s, err);

	*role = ROLE_NONE;
	if (rc < 0)
		return rc;
	return s->ops->role(s, group_id, user, role, err);
}

int store_find_user(struct store *s, struct str name, bool *found,
		    struct err *err)
{
	int rc = store_check_alive(s, err);

	*found = false;
	if (rc < 0)
		return rc;
	return s->ops->find_user(s, name, found, err);
}

int store_find_token(struct store *s, const uint8_t hash[STORE_TOKEN_HASH],
		     char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
		     struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	return s->ops->find_token(s, hash, user, expires_ms, err);
}

int store_list_users(struct store *s, struct str after, store_name_fn fn,
		     void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	return s->ops->list_users(s, after, fn, data, err);
}

int store_list_tokens(struct store *s, struct str user, uint64_t after_id,
		      store_token_fn fn, void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	return s->ops->list_tokens(s, user, after_id, fn, data, err);
}

int store_count(struct store *s, struct store_counts *out, struct err *err)
{
	int rc = store_check_alive(s, err);

	*out = (struct store_counts){ 0 };
	if (rc < 0)
		return rc;
	return s->ops->count(s, out, err);
}

int store_size(struct store *s, struct store_size *out, struct err *err)
{
	int rc = store_check_alive(s, err);

	*out = (struct store_size){ 0 };
	if (rc < 0)
		return rc;
	return s->ops->size(s, out, err);
}

int store_verify(struct store *s, struct store_verify *v, struct err *err)
{
	int rc = store_check_alive(s, err);

	v->groups = 0;
	v->messages = 0;
	if (rc < 0)
		return rc;
	return s->ops->verify(s, v, err);
}
