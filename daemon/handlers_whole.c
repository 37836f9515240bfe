/* SPDX-License-Identifier: MIT */
/* Backup and restore, all on the one thread that works for them. */
#include <string.h>

#include "daemon/handlers.h"
#include "daemon/page.h"
#include "daemon/restore_files.h"
#include "daemon/whole.h"

static struct backup *backup_of(const struct request *r)
{
	return &r->handlers->whole->backup;
}

static struct restore *restore_of(const struct request *r)
{
	return &r->handlers->whole->restore;
}

/* Backup. */

static int begin_backup(struct request *r)
{
	struct whole *w = r->handlers->whole;
	int rc = backup_begin(&w->backup, w->keeper, r->peer, r->body.backup.id,
			      &r->err);

	if (rc == 0)
		staging_busy(&w->backup.staging);
	return rc;
}

static int read_backup(struct request *r, struct store *store)
{
	struct backup_made made = { 0 };
	int rc = backup_make(backup_of(r), store, r->body.backup.verify != 0,
			     &made, &r->err);

	if (rc == 0)
		rc = request_answer(r, &made.body);
	buf_release(&made.problems);
	return rc;
}

/* What could not be made is over. */
static bool finish_backup(struct request *r)
{
	struct staging *s = &backup_of(r)->staging;

	if (staging_check(s, r->peer, r->body.backup.id, &(struct err){ 0 }) <
	    0)
		return false;
	if (r->err.code == ERR_NONE)
		staging_idle(s, r->peer);
	else
		staging_leave(s);
	return false;
}

static int begin_piece(struct request *r, struct staging *s, uint64_t id)
{
	int rc = staging_check(s, r->peer, id, &r->err);

	if (rc == 0)
		staging_busy(s);
	return rc;
}

static int begin_list_backup(struct request *r)
{
	return begin_piece(r, &backup_of(r)->staging, r->body.list_backup.id);
}

static int read_list_backup(struct request *r, struct store *store)
{
	struct page page = { .limit = page_limit(0), .complete = true };
	struct wire_body_backup_list answer;
	int rc = backup_list(backup_of(r), r->body.list_backup.after, &page,
			     &r->err);

	(void)store;
	rc = page_error(r, &page, rc);
	answer = (struct wire_body_backup_list){ .contents =
							 buf_str(&page.records),
						 .complete = page.complete };
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&page.records);
	return rc;
}

static int begin_read_backup(struct request *r)
{
	return begin_piece(r, &backup_of(r)->staging, r->body.read_backup.id);
}

static int read_read_backup(struct request *r, struct store *store)
{
	const struct wire_body_read_backup *body = &r->body.read_backup;
	struct wire_body_text answer;
	struct buf data = { 0 };
	int rc = backup_read(backup_of(r), body->hash, body->offset,
			     (size_t)body->size, &data, &r->err);

	(void)store;
	answer = (struct wire_body_text){ .data = buf_str(&data) };
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&data);
	return rc;
}

static bool finish_backup_piece(struct request *r)
{
	staging_idle(&backup_of(r)->staging, r->peer);
	return false;
}

/* Restore. */

static int begin_restore(struct request *r)
{
	struct staging *s = &restore_of(r)->staging;
	int rc = staging_claim(s, r->peer, r->body.restore.id, &r->err);

	if (rc == 0)
		staging_busy(s);
	return rc;
}

static int read_restore(struct request *r, struct store *store)
{
	struct wire_body_to_restore answer;
	struct store_totals t;
	int rc = restore_measure(restore_of(r), store, r->body.restore.bytes,
				 &t, &r->err);

	if (rc < 0)
		return rc;
	answer = (struct wire_body_to_restore){ .groups = t.groups,
						.users = t.users,
						.messages = t.messages,
						.media = t.media };
	return request_answer(r, &answer);
}

static int begin_write_restore(struct request *r)
{
	return begin_piece(r, &restore_of(r)->staging,
			   r->body.write_restore.id);
}

static int read_write_restore(struct request *r, struct store *store)
{
	const struct wire_body_write_restore *body = &r->body.write_restore;
	int rc = restore_write(restore_of(r), body->hash, body->offset,
			       body->data, &r->err);

	(void)store;
	return rc < 0 ? rc : request_answer_ok(r, body->data.len);
}

/* What cannot be begun is over. */
static bool finish_restore(struct request *r)
{
	struct staging *s = &restore_of(r)->staging;

	if (r->err.code != ERR_NONE && s->owner == r->peer)
		staging_leave(s);
	staging_idle(s, r->peer);
	return false;
}

static bool finish_restore_piece(struct request *r)
{
	staging_idle(&restore_of(r)->staging, r->peer);
	return false;
}

/* Whoever asks again may have been answered by a groupd that is gone: then
 * what he has begun is done, or nobody's. */
static int begin_commit_restore(struct request *r)
{
	const struct wire_body_commit_restore *body = &r->body.commit_restore;
	struct restore_files files;

	if (restore_files_was_done(r->handlers->data_dir, body->id, &files))
		return 0;
	return begin_piece(r, &restore_of(r)->staging, body->id);
}

static int read_commit_restore(struct request *r, struct store *store)
{
	struct wire_body_restored answer;
	int rc = restore_check(restore_of(r), &r->body.commit_restore,
			       &r->extra, &r->err);

	(void)store;
	answer = (struct wire_body_restored){ .kept = buf_str(&r->extra) };
	return rc < 0 ? rc : request_answer(r, &answer);
}

static bool finish_commit_restore(struct request *r)
{
	struct staging *s = &restore_of(r)->staging;

	if (s->state == STAGING_TAKEN && s->owner == r->peer)
		staging_leave(s);
	return false;
}

const struct handler handlers_whole[] = {
	{ .type = WIRE_BACKUP,
	  .begin = begin_backup,
	  .read = read_backup,
	  .finish = finish_backup,
	  .admin_only = true,
	  .whole = true },
	{ .type = WIRE_LIST_BACKUP,
	  .begin = begin_list_backup,
	  .read = read_list_backup,
	  .finish = finish_backup_piece,
	  .admin_only = true,
	  .whole = true },
	{ .type = WIRE_READ_BACKUP,
	  .begin = begin_read_backup,
	  .read = read_read_backup,
	  .finish = finish_backup_piece,
	  .admin_only = true,
	  .whole = true },
	{ .type = WIRE_RESTORE,
	  .begin = begin_restore,
	  .read = read_restore,
	  .finish = finish_restore,
	  .admin_only = true,
	  .whole = true },
	{ .type = WIRE_WRITE_RESTORE,
	  .begin = begin_write_restore,
	  .read = read_write_restore,
	  .finish = finish_restore_piece,
	  .admin_only = true,
	  .whole = true },
	{ .type = WIRE_COMMIT_RESTORE,
	  .begin = begin_commit_restore,
	  .read = read_commit_restore,
	  .finish = finish_commit_restore,
	  .admin_only = true,
	  .whole = true },
	{ .type = WIRE_NONE },
};
