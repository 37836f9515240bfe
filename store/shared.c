/* SPDX-License-Identifier: MIT */
/* What is asked of a store that machines share. */
#include "store/store.h"

#include "lib/text.h"
#include "store/backend.h"
#include "store/input.h"

bool store_is_shared(const struct store *s)
{
	return s->ops->shared;
}

int store_reach(struct store *s, struct err *err)
{
	int rc = store_check_alive(s, err);

	s->deadline_ms = 0;
	if (rc < 0 || s->ops->reach == NULL)
		return rc;
	return s->ops->reach(s, err);
}

void store_set_deadline(struct store *s, uint64_t at_ms)
{
	s->deadline_ms = at_ms;
}

bool store_was_undone(const struct store *s)
{
	return s->undone;
}

bool store_was_lost(const struct store *s)
{
	return s->lost;
}

/* What others did, nobody asks of a store that has no others. */
static int refuse_alone(struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST,
		       "This store does not note its changes for others");
}

int store_list_versions(struct store *s, const uint64_t *group_ids,
			size_t count, store_version_fn fn, void *data,
			struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0 || count == 0)
		return rc;
	if (s->ops->list_versions == NULL)
		return refuse_alone(err);
	return s->ops->list_versions(s, group_ids, count, fn, data, err);
}

int store_list_changes(struct store *s, uint64_t group_id,
		       uint64_t after_version, store_member_change_fn fn,
		       void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	if (s->ops->list_changes == NULL)
		return refuse_alone(err);
	return s->ops->list_changes(s, group_id, after_version, fn, data, err);
}

int store_list_user_versions(struct store *s, const struct str *users,
			     size_t count, store_user_version_fn fn, void *data,
			     struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0 || count == 0)
		return rc;
	if (s->ops->list_user_versions == NULL)
		return refuse_alone(err);
	return s->ops->list_user_versions(s, users, count, fn, data, err);
}

int store_list_user_changes(struct store *s, struct str user,
			    uint64_t after_version, store_member_change_fn fn,
			    void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	if (rc < 0)
		return rc;
	if (s->ops->list_user_changes == NULL)
		return refuse_alone(err);
	return s->ops->list_user_changes(s, user, after_version, fn, data, err);
}

int store_find_users(struct store *s, const struct str *names, size_t count,
		     bool *found, struct err *err)
{
	int rc = store_check_alive(s, err);

	for (size_t i = 0; i < count; i++)
		found[i] = false;
	if (rc >= 0 && count > 0 && s->ops->find_users != NULL)
		return s->ops->find_users(s, names, count, found, err);
	for (size_t i = 0; rc >= 0 && i < count; i++)
		rc = s->ops->find_user(s, names[i], &found[i], err);
	return rc;
}

int store_add_users(struct store *s, const struct str *names, size_t count,
		    uint64_t *added, struct err *err)
{
	bool is_new;
	int rc = store_check_writer(s, err);

	*added = 0;
	for (size_t i = 0; rc >= 0 && i < count; i++)
		rc = input_check_user(names[i], err);
	if (rc >= 0 && count > 0 && s->ops->add_users != NULL)
		return s->ops->add_users(s, names, count, added, err);
	for (size_t i = 0; rc >= 0 && i < count; i++) {
		rc = s->ops->add_user(s, names[i], &is_new, err);
		*added += rc >= 0 && is_new;
	}
	return rc;
}

int store_list_gone_tokens(struct store *s,
			   const uint8_t (*hashes)[STORE_TOKEN_HASH],
			   size_t count, store_gone_fn fn, void *data,
			   struct err *err)
{
	char user[WIRE_USER_MAX + 1];
	struct err why = { .code = ERR_NONE };
	uint64_t expires_ms;
	int rc = store_check_alive(s, err);

	if (rc >= 0 && count > 0 && s->ops->list_gone_tokens != NULL)
		return s->ops->list_gone_tokens(s, hashes, count, fn, data,
						err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = s->ops->find_token(s, hashes[i], user, &expires_ms, &why);
		if (rc < 0 && why.code == ERR_UNAUTHENTICATED)
			rc = fn(data, i);
		else if (rc < 0 && err != NULL)
			*err = why;
	}
	return rc < 0 ? rc : 0;
}

/* Moves one pointer, at most to the end; who is no member is passed over. */
static int flush_one(struct store *s, const struct store_pointer *p,
		     struct err *err)
{
	uint64_t stored;
	int rc =
		s->ops->set_read(s, p->group_id, p->user, p->seq, &stored, err);

	if (rc < 0 && !s->broken && err->code == ERR_BAD_REQUEST)
		rc = s->ops->set_read(s, p->group_id, p->user, WIRE_READ_ALL,
				      &stored, err);
	if (rc < 0 && !s->broken && err->code == ERR_NO_SUCH_GROUP) {
		*err = (struct err){ .code = ERR_NONE };
		rc = 0;
	}
	return rc < 0 ? rc : 0;
}

int store_flush_reads(struct store *s, const struct store_pointer *pointers,
		      size_t count, struct err *err)
{
	struct err why = { .code = ERR_NONE };
	int rc = store_check_writer(s, err);

	if (rc < 0 || count == 0)
		return rc;
	if (s->ops->flush_reads != NULL)
		return s->ops->flush_reads(s, pointers, count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (text_is_user_name(pointers[i].user))
			rc = flush_one(s, &pointers[i], &why);
	}
	if (rc < 0 && err != NULL)
		*err = why;
	return rc;
}
