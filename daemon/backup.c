/* SPDX-License-Identifier: MIT */
#include "daemon/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/digest.h"
#include "lib/list.h"

enum { PROBLEMS_MAX_BYTES = 1 << 20 };

static struct backup *of_staging(struct staging *s)
{
	return container_of(s, struct backup, staging);
}

static void on_leave(struct staging *s)
{
	struct backup *b = of_staging(s);

	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	buf_release(&b->contents);
}

static void on_free(struct staging *s)
{
	struct backup *b = of_staging(s);

	if (b->keeper != NULL)
		media_keeper_release(b->keeper);
	b->keeper = NULL;
}

void backup_init(struct backup *b, struct media *media,
		 const struct store_options *options)
{
	b->media = media;
	b->options = options;
	b->fd = -1;
	b->staging.on_leave = on_leave;
	b->staging.on_free = on_free;
}

int backup_begin(struct backup *b, struct media_keeper *keeper,
		 const struct peer *owner, uint64_t id, struct err *err)
{
	int rc = staging_claim(&b->staging, owner, id, err);

	if (rc == 0 && b->keeper == NULL) {
		b->keeper = keeper;
		media_keeper_hold(keeper);
	}
	return rc;
}

/* Making it. */

static int check_room(const struct backup *b, struct store *store,
		      struct err *err)
{
	struct store_size size;
	int rc = store_size(store, &size, err);

	return rc < 0 ? rc
		      : staging_check_room(&b->staging, size.data + size.log,
					   err);
}

static bool step(void *data, uint64_t done, uint64_t total)
{
	const struct backup *b = data;

	(void)done;
	(void)total;
	return atomic_load(&b->staging.cancelled);
}

static int add_content(void *data, const uint8_t hash[STORE_HASH],
		       uint64_t size)
{
	struct buf *out = data;
	const struct wire_content content = {
		.hash = str_make((const char *)hash, STORE_HASH), .size = size
	};

	wire_put(out, &wire_schema_content, &content);
	return out->failed ? -ENOMEM : 0;
}

/* All that needs the snapshot, which ends with it. */
static int copy(struct backup *b, struct store *store, const char *path,
		struct store_totals *totals, struct err *err)
{
	const struct store_copy op = { .path = path, .step = step, .data = b };
	int rc = store_snapshot(store, err);

	if (rc < 0)
		return rc;
	rc = store_copy(store, &op, err);
	if (rc == 0)
		rc = store_count_all(store, totals, err);
	if (rc == 0)
		rc = store_list_contents(store, add_content, &b->contents, err);
	if (rc == -ENOMEM)
		err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	store_release(store);
	return rc;
}

static int given_up(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "The copy was given up");
}

static int open_copy(struct backup *b, const char *path,
		     struct backup_made *out, struct err *err)
{
	struct stat st;
	int rc;

	b->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (b->fd < 0 || fstat(b->fd, &st) < 0)
		return err_set(err, ERR_UNAVAILABLE, "Cannot read %s: %s", path,
			       strerror(errno));
	if (!staging_long(&b->staging))
		return given_up(err);
	rc = digest_file(b->fd, out->hash);
	staging_short(&b->staging);
	if (rc < 0)
		return err_set(err, ERR_UNAVAILABLE, "Cannot read %s: %s", path,
			       strerror(-rc));
	out->body.size = (uint64_t)st.st_size;
	out->body.hash = str_make((const char *)out->hash, STORE_HASH);
	return 0;
}

static void add_problem(void *data, const char *text)
{
	struct wire_problem problem = { .text = str_of(text) };
	struct buf *out = data;

	if (problem.text.len > 1024)
		problem.text.len = 1024;
	if (out->len < PROBLEMS_MAX_BYTES)
		wire_put(out, &wire_schema_problem, &problem);
}

int backup_audit(struct store *store, struct buf *out, struct store_verify *v,
		 struct err *err)
{
	int rc;

	*v = (struct store_verify){ .problem = add_problem, .data = out };
	rc = store_verify(store, v, err);
	if (rc == 0 && out->failed)
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	return rc;
}

/* The copy, which nobody else reads yet. */
static int audit_copy(struct backup *b, const char *path, struct buf *problems,
		      struct err *err)
{
	struct store_options options = *b->options;
	struct store_verify verify;
	struct store *copied = NULL;
	struct buf url = { 0 };
	int rc;

	options.read_only = true;
	buf_printf(&url, "sqlite:%s", path);
	if (url.failed)
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	else
		rc = store_open(&copied, buf_cstr(&url), &options, err);
	if (rc == 0 && !staging_long(&b->staging))
		rc = given_up(err);
	if (rc == 0)
		rc = backup_audit(copied, problems, &verify, err);
	staging_short(&b->staging);
	store_close(copied);
	buf_release(&url);
	return rc;
}

int backup_make(struct backup *b, struct store *store, bool verify,
		struct backup_made *out, struct err *err)
{
	struct store_totals t;
	struct buf path = { 0 };
	int rc = check_room(b, store, err);

	buf_printf(&path, "%s/groupd.db", buf_cstr(&b->staging.path));
	if (rc == 0 && path.failed)
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	out->body.time_ms = env_now_ms(b->options->env);
	if (rc == 0)
		rc = copy(b, store, buf_cstr(&path), &t, err);
	if (rc == 0)
		rc = open_copy(b, buf_cstr(&path), out, err);
	if (rc == 0 && verify)
		rc = audit_copy(b, buf_cstr(&path), &out->problems, err);
	buf_release(&path);
	if (rc < 0)
		return rc;
	out->body.groups = t.groups;
	out->body.users = t.users;
	out->body.messages = t.messages;
	out->body.media = t.media;
	out->body.media_bytes = t.media_bytes;
	out->body.problems = buf_str(&out->problems);
	return 0;
}

/* Reading it. */

int backup_list(const struct backup *b, struct str after, struct page *page,
		struct err *err)
{
	struct str list = buf_str(&b->contents);
	struct wire_content c;
	int rc = 0;

	if (after.len != 0 && after.len != STORE_HASH)
		return err_set(err, ERR_BAD_REQUEST, "That is no hash");
	while (rc == 0 && wire_next(&list, &wire_schema_content, &c) > 0) {
		if (after.len > 0 &&
		    memcmp(c.hash.data, after.data, STORE_HASH) <= 0)
			continue;
		rc = page_add(page, &wire_schema_content, &c);
	}
	return 0;
}

static int read_copy(const struct backup *b, uint64_t off, size_t size,
		     struct buf *out, struct err *err)
{
	ssize_t n;

	if (!buf_reserve(out, size))
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	do
		n = pread(b->fd, out->data + out->len, size, (off_t)off);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "Cannot read the copy of the store: %s",
			       strerror(errno));
	out->len += (size_t)n;
	return 0;
}

int backup_read(const struct backup *b, struct str hash, uint64_t off,
		size_t size, struct buf *out, struct err *err)
{
	if (off > INT64_MAX || (hash.len != 0 && hash.len != STORE_HASH))
		return err_set(err, ERR_BAD_REQUEST, "There is no such piece");
	if (b->fd < 0)
		return err_set(err, ERR_BAD_REQUEST, "There is no copy yet");
	if (hash.len == 0)
		return read_copy(b, off, size, out, err);
	return media_read(b->media, (const uint8_t *)hash.data, off, size, out,
			  err);
}
