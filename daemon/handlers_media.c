/* SPDX-License-Identifier: MIT */
/*
 * Media files: their bytes on a mover, what the store knows of them in a
 * snapshot, and what makes a message of an upload on the group's lane.
 */
#include <inttypes.h>
#include <string.h>

#include "daemon/handlers.h"
#include "daemon/page.h"

/* Whose upload it is: that of this user only. */
static struct media_upload upload_of(const struct request *r, uint64_t group_id,
				     struct str key)
{
	return (struct media_upload){ .group_id = group_id,
				      .user = request_user(r),
				      .key = key };
}

static int read_write_media(struct request *r, struct store *store)
{
	const struct wire_body_write_media *body = &r->body.write_media;
	const struct media_upload u = upload_of(r, body->group_id, body->key);
	struct wire_group group;
	uint64_t size = body->off;
	int rc = request_find_group(r, store, body->group_id, str_of(""),
				    &group);

	if (rc < 0)
		return rc;
	if (body->resize == 0)
		rc = media_write(r->handlers->media, &u, body->off, body->data,
				 &size, &r->err);
	else if (body->data.len == 0)
		rc = media_resize(r->handlers->media, &u, body->off, &r->err);
	else
		rc = err_set(&r->err, ERR_BAD_REQUEST,
			     "What resizes an upload writes nothing");
	return rc < 0 ? rc : request_answer_ok(r, size);
}

/* Who was removed still gets rid of what he had begun. */
static int read_drop_media(struct request *r, struct store *store)
{
	const struct wire_body_drop_media *body = &r->body.drop_media;
	const struct media_upload u = upload_of(r, body->group_id, body->key);
	struct wire_group group;
	int rc = media_drop(r->handlers->media, &u, &r->err);

	if (rc == 0)
		rc = request_find_group(r, store, body->group_id, str_of(""),
					&group);
	return rc < 0 ? rc : request_answer_ok(r, 1);
}

/* Finds by id. To a user the file of a group that is not his and one that
 * was never there are the same. */
static int find_by_id(struct request *r, struct store *store, uint64_t media_id,
		      struct wire_media *out)
{
	struct wire_media any;
	int rc = store_find_media(store, media_id, 0, str_of(""),
				  request_user(r), out, &r->err);

	if (rc > 0) {
		r->group_id = out->group_id;
		return 0;
	}
	if (rc == 0)
		return err_set(&r->err, ERR_NO_SUCH_GROUP, NULL);
	if (store_find_media(store, media_id, 0, str_of(""), str_of(""), &any,
			     NULL) > 0)
		request_note_refusal(r, store, any.group_id);
	return rc;
}

static int find_by_name(struct request *r, struct store *store,
			uint64_t group_id, struct str name,
			struct wire_media *out)
{
	int rc = store_find_media(store, 0, group_id, name, request_user(r),
				  out, &r->err);

	if (rc < 0) {
		request_note_refusal(r, store, group_id);
		return rc;
	}
	r->group_id = group_id;
	return rc > 0 ? 0 : err_set(&r->err, ERR_NO_SUCH_FILE, NULL);
}

static int read_find_media(struct request *r, struct store *store)
{
	const struct wire_body_find_media *body = &r->body.find_media;
	struct wire_body_media answer;
	struct wire_media media;
	int rc;

	if (body->media_id != 0)
		rc = find_by_id(r, store, body->media_id, &media);
	else
		rc = find_by_name(r, store, body->group_id, body->name, &media);
	if (rc < 0)
		return rc;
	_Static_assert(sizeof(answer) == sizeof(media), "one list of fields");
	memcpy(&answer, &media, sizeof(answer));
	return request_answer(r, &answer);
}

static int add_file(void *data, const struct wire_media *m)
{
	return page_add(data, &wire_schema_media, m);
}

static int read_list_media(struct request *r, struct store *store)
{
	const struct wire_body_list_media *body = &r->body.list_media;
	struct page page = { .limit = page_limit(body->limit),
			     .complete = true };
	struct wire_body_media_list answer;
	struct wire_group group;
	int rc = request_find_group(r, store, body->group_id, str_of(""),
				    &group);

	if (rc < 0)
		return rc;
	rc = store_list_media(store, body->group_id, body->after, add_file,
			      &page, &r->err);
	rc = page_error(r, &page, rc);
	answer = (struct wire_body_media_list){ .files = buf_str(&page.records),
						.complete = page.complete };
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&page.records);
	return rc;
}

static int read_read_media(struct request *r, struct store *store)
{
	const struct wire_body_read_media *body = &r->body.read_media;
	struct wire_body_text answer;
	struct wire_media media;
	struct buf data = { 0 };
	uint8_t hash[STORE_HASH];
	int rc = find_by_id(r, store, body->media_id, &media);

	if (rc == 0 && media.hash.len != STORE_HASH)
		rc = err_set(&r->err, ERR_UNAVAILABLE,
			     "A media file has no hash");
	if (rc == 0) {
		memcpy(hash, media.hash.data, STORE_HASH);
		rc = media_read(r->handlers->media, hash, body->offset,
				(size_t)body->size, &data, &r->err);
	}
	answer = (struct wire_body_text){ .data = buf_str(&data) };
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&data);
	return rc;
}

/* SEND_MEDIA */

static int begin_send_media(struct request *r)
{
	const struct wire_body_send_media *body = &r->body.send_media;

	if (body->content.len > r->max_content)
		return err_set(&r->err, ERR_TOO_LARGE,
			       "A message has %zu bytes, at most %" PRIu64
			       " are allowed",
			       body->content.len, r->max_content);
	r->want =
		groups_watched(&r->handlers->registry->groups, body->group_id);
	r->known = nodes_next(r->handlers->nodes, r->body.send_media.group_id);
	/* As of SEND: what was sent before is answered as it was then. */
	return request_charge(r, 1, r->resent || body->batch_id.len > 0);
}

static int prepare_send_media(struct request *r, struct store *store)
{
	const struct wire_body_send_media *body = &r->body.send_media;
	const struct media_upload u = upload_of(r, body->group_id, body->key);
	struct wire_group group;
	int rc = request_find_group(r, store, body->group_id, str_of(""),
				    &group);

	if (rc < 0)
		return rc;
	return media_seal(r->handlers->media, &u, r->media.hash, &r->media.size,
			  &r->media.found, &r->err);
}

/* An upload that is not there was sent before, and the store says how, or it
 * never was. Where a file of this name is, the store can only do the former. */
static int check_upload(struct request *r, struct store *store)
{
	const struct wire_body_send_media *body = &r->body.send_media;
	struct wire_media media;
	int rc;

	if (r->media.found)
		return 0;
	rc = find_by_name(r, store, body->group_id, body->name, &media);
	if (r->err.code == ERR_NO_SUCH_FILE)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "There is no such upload: it was not begun, "
			       "was dropped, or was left alone for too long");
	return rc;
}

static int write_send_media(struct request *r, struct store *store,
			    struct list *events)
{
	const struct wire_body_send_media *body = &r->body.send_media;
	const struct media_upload u = upload_of(r, body->group_id, body->key);
	struct store_media op = { .group_id = body->group_id,
				  .user = request_user(r),
				  .batch_id = body->batch_id.len > 0
						      ? body->batch_id
						      : body->key,
				  .name = body->name,
				  .content = body->content,
				  .size = r->media.size };
	struct media *media = r->handlers->media;
	struct media_placing placing = { .upload = &u, .hash = op.hash };
	int rc = check_upload(r, store);

	op.only_known = r->over.code != ERR_NONE;
	if (rc < 0)
		return rc;
	memcpy(op.hash, r->media.hash, STORE_HASH);
	/* First: an upload that was dropped just now is refused before
	 * anything is stored, so nobody ends others' transaction with it. */
	if (r->media.found && !op.only_known)
		rc = media_ready(media, &placing, &r->err);
	if (rc < 0)
		return rc;
	rc = store_add_media(store, &op, &r->err);
	if (rc < 0 || op.sent.duplicate != 0)
		media_undo(media, &placing);
	if (rc < 0) {
		request_note_refusal(r, store, body->group_id);
		return rc;
	}
	r->group_id = body->group_id;
	r->sent = op.sent;
	if (request_check_over(r) < 0)
		return err_rc(&r->err);
	if (op.sent.duplicate == 0) {
		r->op.appended = 1;
		/* An error of the disk ends the transaction, so nothing is
		 * committed whose bytes are not there. */
		rc = media_settle(media, &placing, &r->err);
		if (rc < 0)
			return rc;
		if (request_tell_sent(r, events, &op.sent, op.mentions) < 0)
			return err_rc(&r->err);
	}
	return 0;
}

static void forget(struct readers_job *job, struct store *store)
{
	struct request *r = request_of_job(job);
	const struct wire_body_send_media *body = &r->body.send_media;
	const struct media_upload u = upload_of(r, body->group_id, body->key);

	(void)store;
	media_forget(r->handlers->media, &u);
}

static bool finish_send_media(struct request *r)
{
	if (r->err.code == ERR_NONE)
		request_answer_sent(r);
	if (r->err.code != ERR_NONE || !r->media.found || r->media.forgotten ||
	    r->handlers->stopping)
		return false;
	r->media.forgotten = true;
	return request_work(r, forget) == 0;
}

const struct handler handlers_media[] = {
	{ .type = WIRE_WRITE_MEDIA, .read = read_write_media, .mover = true },
	{ .type = WIRE_SEND_MEDIA,
	  .begin = begin_send_media,
	  .prepare = prepare_send_media,
	  .write = write_send_media,
	  .finish = finish_send_media,
	  .mover = true },
	{ .type = WIRE_DROP_MEDIA, .read = read_drop_media, .mover = true },
	{ .type = WIRE_FIND_MEDIA, .read = read_find_media },
	{ .type = WIRE_LIST_MEDIA, .read = read_list_media },
	{ .type = WIRE_READ_MEDIA, .read = read_read_media, .mover = true },
	{ .type = WIRE_NONE },
};
