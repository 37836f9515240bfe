/* SPDX-License-Identifier: MIT */
#include "daemon/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/backup.h"
#include "daemon/digest.h"
#include "daemon/restore_files.h"
#include "lib/list.h"
#include "lib/log.h"

static int no_memory(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
}

static int failed(struct err *err, const char *what, const char *path)
{
	return err_set(err, err_of_file(errno), "Cannot %s %s: %s", what, path,
		       strerror(errno));
}

static void on_leave(struct staging *s)
{
	struct restore *r = container_of(s, struct restore, staging);

	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	if (r->opened)
		media_close(&r->media);
	r->opened = false;
}

/* Also where its client has gone meanwhile: what is ready must not be done at
 * some later start, over what was written until then. */
static void on_free(struct staging *s)
{
	struct restore *r = container_of(s, struct restore, staging);

	if (atomic_load(&r->placed))
		r->on_placed(r);
}

void restore_init(struct restore *r, const struct config *config,
		  const struct store_options *options)
{
	r->config = config;
	r->options = options;
	r->fd = -1;
	atomic_init(&r->placed, false);
	r->staging.on_leave = on_leave;
	r->staging.on_free = on_free;
}

/* What is ready gets the store's place by rename(2), which takes the folder's
 * file system (what a file says of its own is, on an overlay, that of a
 * layer) and replaces a link, not what it leads to. */
static int check_place(const struct restore *r, const char *path,
		       struct err *err)
{
	const char *slash = strrchr(path, '/');
	struct stat data, dir, file;
	struct buf folder = { 0 };
	int rc = 0;

	if (slash == NULL)
		buf_append_str(&folder, str_of("."));
	else
		buf_append(&folder, path, (size_t)(slash - path) + 1);
	if (folder.failed)
		rc = no_memory(err);
	else if (stat(buf_cstr(&r->staging.path), &data) < 0 ||
		 stat(buf_cstr(&folder), &dir) < 0 || lstat(path, &file) < 0)
		rc = failed(err, "look at", path);
	else if (S_ISLNK(file.st_mode))
		rc = err_set(err, ERR_BAD_REQUEST,
			     "The store %s is a link: it cannot be restored "
			     "here",
			     path);
	else if (data.st_dev != dir.st_dev)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "The store %s lies on another file system than "
			     "the data directory: it cannot be restored here",
			     path);
	buf_release(&folder);
	return rc;
}

int restore_measure(const struct restore *r, struct store *store,
		    uint64_t bytes, struct store_totals *out, struct err *err)
{
	struct buf path = { 0 };
	int rc = store_file(r->config->store, &path, err);

	if (rc == 0)
		rc = check_place(r, buf_cstr(&path), err);
	if (rc == 0)
		rc = restore_files_check(r->config->data, err);
	if (rc == 0)
		rc = staging_check_room(&r->staging, bytes, err);
	buf_release(&path);
	return rc < 0 ? rc : store_count_all(store, out, err);
}

/* Writing. */

static int open_parts(struct restore *r, struct err *err)
{
	struct buf path = { 0 };
	int rc = 0;

	if (r->opened)
		return 0;
	buf_printf(&path, "%s/groupd.db", buf_cstr(&r->staging.path));
	if (path.failed)
		rc = no_memory(err);
	if (rc == 0)
		r->fd = open(buf_cstr(&path),
			     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			     0600);
	if (rc == 0 && r->fd < 0)
		rc = failed(err, "make", buf_cstr(&path));
	if (rc == 0)
		rc = media_open(&r->media, buf_cstr(&r->staging.path),
				r->options->env, UINT64_MAX, err);
	r->opened = rc == 0;
	buf_release(&path);
	return rc;
}

static int write_database(const struct restore *r, uint64_t off,
			  struct str data, struct err *err)
{
	while (data.len > 0) {
		ssize_t n = pwrite(r->fd, data.data, data.len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(err, "write", buf_cstr(&r->staging.path));
		data.data += n;
		data.len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

int restore_write(struct restore *r, struct str hash, uint64_t off,
		  struct str data, struct err *err)
{
	int rc = open_parts(r, err);

	if (rc < 0)
		return rc;
	if (off > INT64_MAX || (hash.len != 0 && hash.len != STORE_HASH))
		return err_set(err, ERR_BAD_REQUEST, "There is no such piece");
	if (hash.len == 0)
		return write_database(r, off, data, err);
	return media_put(&r->media, (const uint8_t *)hash.data, off, data, err);
}

static int given_up(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "The restore was given up");
}

/* Checking. */

static const char other_database[] =
	"The database that came is not the one of the backup";

static int check_database(struct restore *r,
			  const struct wire_body_commit_restore *want,
			  struct err *err)
{
	uint8_t hash[STORE_HASH];
	struct stat st;
	int rc = r->fd < 0 ? -EBADF : 0;

	/* First, since a hole of any size takes long to be read. */
	if (rc == 0 && fstat(r->fd, &st) < 0)
		rc = -errno;
	if (rc == 0 && (uint64_t)st.st_size != want->size)
		return err_set(err, ERR_BAD_REQUEST, "%s", other_database);
	if (!staging_long(&r->staging))
		return given_up(err);
	if (rc == 0)
		rc = digest_file(r->fd, hash);
	staging_short(&r->staging);
	if (rc < 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "Cannot read the database that came: %s",
			       strerror(-rc));
	if (str_eq(want->hash, str_make((const char *)hash, STORE_HASH)))
		return 0;
	return err_set(err, ERR_BAD_REQUEST, "%s", other_database);
}

/* Of one content of the store that came. */
struct check {
	struct restore *r;
	struct err *err;
};

static int check_content(void *data, const uint8_t hash[STORE_HASH],
			 uint64_t size)
{
	const struct check *c = data;

	if (atomic_load(&c->r->staging.cancelled))
		return given_up(c->err);
	return media_is_sound(&c->r->media, hash, size, c->err)
		       ? 0
		       : err_rc(c->err);
}

static int check_totals(struct store *s,
			const struct wire_body_commit_restore *want,
			struct err *err)
{
	struct store_totals t;
	int rc = store_count_all(s, &t, err);

	if (rc < 0 || (t.groups == want->groups &&
		       t.messages == want->messages && t.media == want->media))
		return rc;
	return err_set(err, ERR_BAD_REQUEST,
		       "The backup holds other groups, messages or media files "
		       "than it says");
}

static int check_audit(struct store *s, struct err *err)
{
	struct buf problems = { 0 };
	struct wire_problem first;
	struct str list;
	struct store_verify verify;
	int rc = backup_audit(s, &problems, &verify, err);

	list = buf_str(&problems);
	if (rc == 0 && wire_next(&list, &wire_schema_problem, &first) > 0)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "The store in the backup is damaged: %.*s",
			     (int)first.text.len, first.text.data);
	buf_release(&problems);
	return rc;
}

/* Brings it to the format of this groupd, checks it, and renews it. */
static int prepare(struct restore *r, const char *url,
		   const struct wire_body_commit_restore *want, struct err *err)
{
	struct check check = { .r = r, .err = err };
	struct store *s = NULL;
	int rc = store_open(&s, url, r->options, err);

	if (rc == 0 && !staging_long(&r->staging))
		rc = given_up(err);
	if (rc == 0)
		rc = check_audit(s, err);
	staging_short(&r->staging);
	if (rc == 0)
		rc = check_totals(s, want, err);
	if (rc == 0)
		rc = store_list_contents(s, check_content, &check, err);
	if (rc == 0)
		rc = store_begin(s, err);
	if (rc == 0)
		rc = store_renew(s, err);
	if (rc == 0)
		rc = store_commit(s, err);
	/* The last one to close it merges its log. */
	store_close(s);
	return rc;
}

static int check_parts(struct restore *r,
		       const struct wire_body_commit_restore *want,
		       struct err *err)
{
	struct buf url = { 0 };
	int rc = r->opened ? check_database(r, want, err)
			   : err_set(err, ERR_BAD_REQUEST, "Nothing came");

	/* SQLite's locks go with any descriptor of the file that is closed. */
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	buf_printf(&url, "sqlite:%s/groupd.db", buf_cstr(&r->staging.path));
	if (rc == 0 && url.failed)
		rc = no_memory(err);
	if (rc == 0)
		rc = prepare(r, buf_cstr(&url), want, err);
	if (rc == 0)
		rc = restore_files_strip(buf_cstr(&url) + sizeof("sqlite:") - 1,
					 err);
	buf_release(&url);
	return rc;
}

int restore_check(struct restore *r,
		  const struct wire_body_commit_restore *want, struct buf *kept,
		  struct err *err)
{
	const char *data = r->config->data;
	struct restore_files files = { .id = want->id };
	struct buf store = { 0 };
	int rc = store_file(r->config->store, &store, err);

	if (rc == 0 && !restore_files_was_done(data, want->id, &files)) {
		files.id = want->id;
		text_format_time(files.stamp, env_now_ms(r->options->env));
		rc = check_parts(r, want, err);
		if (rc == 0)
			rc = restore_files_ready(data, &files, err);
		if (rc == 0)
			atomic_store(&r->placed, true);
	}
	if (rc == 0)
		restore_files_kept(kept, buf_cstr(&store), &files);
	if (kept->failed)
		rc = no_memory(err);
	buf_release(&store);
	return rc;
}

int restore_apply(const struct config *config, struct err *err)
{
	struct restore_files files;
	struct buf store = { 0 };
	struct buf kept = { 0 };
	struct buf fresh = { 0 };
	int rc = restore_files_find(config->data, &files, err);

	if (rc <= 0)
		return rc;
	rc = store_file(config->store, &store, err);
	restore_files_kept(&kept, buf_cstr(&store), &files);
	buf_printf(&fresh, "%s/restore.ready/groupd.db", config->data);
	if (rc == 0 && (kept.failed || fresh.failed))
		rc = no_memory(err);
	if (rc == 0)
		rc = store_exchange(config->store, buf_cstr(&fresh),
				    buf_cstr(&kept), err);
	if (rc == 0)
		rc = restore_files_done(config->data, &files, err);
	if (rc == 0)
		log_info("restored the store: kept=\"%s\"", buf_cstr(&kept));
	buf_release(&store);
	buf_release(&kept);
	buf_release(&fresh);
	return rc;
}
