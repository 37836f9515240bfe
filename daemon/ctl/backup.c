/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ctl/bundle.h"
#include "daemon/ctl/commands.h"
#include "daemon/ctl/target.h"
#include "lib/env.h"

enum { PACE_BYTES = 8 << 20 };

struct backup {
	struct ctl *ctl;
	int fd; /* the target's; borrowed */
	uint64_t paced;
	struct bundle_writer writer;
	struct bundle_manifest m;
	struct progress progress;
	uint64_t id;
	uint64_t done;
};

/* Not for a terminal. */
static enum ctl_exit open_target(struct target *t, const char *path)
{
	enum ctl_exit rc = target_open(t, path);

	if (rc != CTL_OK || t->path != NULL || isatty(t->fd) != 1)
		return rc;
	ctl_complain("a backup is nothing for a terminal: name a file, or send "
		     "it on to a program");
	return CTL_USAGE;
}

/* It gets its name when all of it is on disk, and was read back. */
static enum ctl_exit finish_target(struct target *t)
{
	struct bundle_manifest m;
	enum ctl_exit rc = target_sync(t);

	if (rc == CTL_OK && t->path != NULL)
		rc = ctl_check_backup(buf_cstr(&t->partial), &m);
	return rc == CTL_OK ? target_finish(t) : rc;
}

/* What groupd gives. */

static enum ctl_exit print_problems(struct str list)
{
	struct wire_problem problem;
	struct buf out = { 0 };
	enum ctl_exit rc = CTL_OK;

	while (wire_next(&list, &wire_schema_problem, &problem) == 1)
		ctl_put_line(&out, problem.text);
	if (out.len > 0) {
		(void)fputs(buf_cstr(&out), stderr);
		ctl_complain("the store is damaged: nothing was written");
		rc = CTL_REFUSED;
	}
	buf_release(&out);
	return rc;
}

static enum ctl_exit make_copy(struct backup *b, bool verify)
{
	const struct wire_body_backup body = { .id = b->id, .verify = verify };
	struct wire_body_backed_up made;
	enum ctl_exit rc;

	progress_start(&b->progress, "copying the store", PROGRESS_TIME, NULL,
		       0);
	rc = ctl_call_long(b->ctl, WIRE_BACKUP, &body, &made);
	progress_clear(&b->progress);
	if (rc != CTL_OK)
		return rc;
	if (made.hash.len != WIRE_HASH) {
		ctl_complain("groupd does not say what it copied");
		return CTL_REFUSED;
	}
	b->m = (struct bundle_manifest){ .time_ms = made.time_ms,
					 .groups = made.groups,
					 .users = made.users,
					 .messages = made.messages,
					 .media = made.media,
					 .media_bytes = made.media_bytes,
					 .size = made.size };
	memcpy(b->m.hash, made.hash.data, WIRE_HASH);
	(void)str_to_cstr(str_of(GROUPFS_VERSION), b->m.version,
			  sizeof(b->m.version));
	return verify ? print_problems(made.problems) : CTL_OK;
}

static enum ctl_exit refuse(struct backup *b, const struct err *err)
{
	progress_clear(&b->progress);
	ctl_complain("%s", err->text);
	return CTL_REFUSED;
}

/* On the disk of groupd, those who send wait for what we have written: so that
 * is never much. No matter where the descriptor is no file. */
static void pace(struct backup *b)
{
	if (b->done - b->paced < PACE_BYTES)
		return;
	(void)sync_file_range(
		b->fd, (off_t)b->paced, (off_t)(b->done - b->paced),
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			SYNC_FILE_RANGE_WAIT_AFTER);
	b->paced = b->done;
}

/* hash NULL: the store. */
static enum ctl_exit copy_member(struct backup *b, const uint8_t *hash,
				 uint64_t size)
{
	struct wire_body_read_backup body = { .id = b->id,
					      .size = BUNDLE_PIECE };
	const uint8_t *wanted = hash == NULL ? b->m.hash : hash;
	struct wire_body_text piece;
	struct err err = { 0 };
	int rc = bundle_write_begin(&b->writer, hash, size, &err);

	if (hash != NULL)
		body.hash = str_make((const char *)hash, WIRE_HASH);
	while (rc == 0 && body.offset < size) {
		enum ctl_exit asked =
			ctl_call_long(b->ctl, WIRE_READ_BACKUP, &body, &piece);

		if (asked != CTL_OK)
			return asked;
		if (piece.data.len == 0 ||
		    piece.data.len > size - body.offset) {
			rc = err_set(&err, ERR_UNAVAILABLE,
				     "what groupd copied has another size now");
			break;
		}
		rc = bundle_write_data(&b->writer, piece.data, &err);
		body.offset += piece.data.len;
		b->done += piece.data.len;
		progress_set(&b->progress, b->done);
		pace(b);
	}
	if (rc == 0)
		rc = bundle_write_end(&b->writer, wanted, &err);
	return rc == 0 ? CTL_OK : refuse(b, &err);
}

/* A page of them is copied before the next is asked for: its strs go. */
static enum ctl_exit copy_page(struct backup *b, struct str list,
			       uint8_t last[WIRE_HASH])
{
	struct wire_content c;
	struct buf page = { 0 };
	enum ctl_exit rc = CTL_OK;

	buf_append_str(&page, list);
	list = buf_str(&page);
	while (rc == CTL_OK && !page.failed &&
	       wire_next(&list, &wire_schema_content, &c) == 1) {
		memcpy(last, c.hash.data, WIRE_HASH);
		rc = copy_member(b, last, c.size);
	}
	if (page.failed) {
		ctl_complain("out of memory");
		rc = CTL_REFUSED;
	}
	buf_release(&page);
	return rc;
}

static enum ctl_exit copy_media(struct backup *b)
{
	struct wire_body_list_backup body = { .id = b->id };
	struct wire_body_backup_list answer = { 0 };
	uint8_t last[WIRE_HASH];
	enum ctl_exit rc = CTL_OK;

	while (rc == CTL_OK && answer.complete == 0) {
		rc = ctl_call_long(b->ctl, WIRE_LIST_BACKUP, &body, &answer);
		if (rc != CTL_OK || answer.contents.len == 0)
			break;
		rc = copy_page(b, answer.contents, last);
		body.after = str_make((const char *)last, WIRE_HASH);
	}
	return rc;
}

static enum ctl_exit copy_all(struct backup *b, const struct target *t)
{
	struct err err = { 0 };
	enum ctl_exit rc;

	progress_start(&b->progress, "backup", PROGRESS_BYTES, NULL,
		       bundle_bytes(&b->m));
	b->ctl->progress = &b->progress;
	b->fd = t->fd;
	if (bundle_write_open(&b->writer, t->fd, &b->m, &err) < 0)
		return refuse(b, &err);
	rc = copy_member(b, NULL, b->m.size);
	if (rc == CTL_OK)
		rc = copy_media(b);
	if (rc == CTL_OK && bundle_write_close(&b->writer, &err) < 0)
		rc = refuse(b, &err);
	if (rc == CTL_OK)
		progress_finish(&b->progress);
	return rc;
}

enum ctl_exit ctl_backup(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct backup b = { .ctl = ctl, .id = env_random_u64(env_system()) };
	struct target target;
	enum ctl_exit rc = open_target(&target, argv[0]);

	(void)argc;
	if (rc == CTL_OK) {
		ctl->progress = &b.progress;
		rc = make_copy(&b, o->verify);
	}
	if (rc == CTL_OK)
		rc = copy_all(&b, &target);
	bundle_write_release(&b.writer);
	ctl->progress = NULL;
	if (rc == CTL_OK)
		rc = finish_target(&target);
	target_close(&target);
	return rc;
}
