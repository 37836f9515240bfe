/* SPDX-License-Identifier: MIT */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/bundle.h"
#include "lib/json.h"
#include "lib/text.h"

enum { BLOCK = 64 << 10, MANIFEST_MAX = 64 << 10 };

static const char media_folder[] = "media/";

struct reader {
	struct archive *archive;
	struct bundle_manifest *m;
	bundle_piece_fn fn;
	void *data;
	struct err *err;
	struct buf piece; /* has room for BUNDLE_PIECE */
	struct buf sums;  /* what SHA256SUMS must be */

	/* The member at hand. */
	struct buf name;
	uint64_t size;
};

static int no_memory(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "out of memory");
}

static int bad(struct reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int bad(struct reader *r, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(r->err, ERR_BAD_REQUEST, "it is no whole backup: %s",
		       text);
}

static int bad_archive(struct reader *r)
{
	const char *why = archive_error_string(r->archive);

	return bad(r, "%s", why == NULL ? "it cannot be read" : why);
}

/* 1: the next member; 0: there is none. */
static int next_member(struct reader *r)
{
	struct archive_entry *entry;
	const char *name;
	int result = archive_read_next_header(r->archive, &entry);

	if (result == ARCHIVE_EOF)
		return 0;
	if (result != ARCHIVE_OK)
		return bad_archive(r);
	name = archive_entry_pathname(entry);
	buf_clear(&r->name);
	buf_append_str(&r->name, str_of(name));
	if (r->name.failed)
		return no_memory(r->err);
	if (name == NULL || archive_entry_filetype(entry) != AE_IFREG ||
	    archive_entry_hardlink(entry) != NULL ||
	    archive_entry_size(entry) < 0)
		return bad(r, "it has a member that is no file");
	r->size = (uint64_t)archive_entry_size(entry);
	return 1;
}

static int need_member(struct reader *r, const char *name)
{
	int rc = next_member(r);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return bad(r, "it ends before %s", name);
	if (strcmp(buf_cstr(&r->name), name) != 0)
		return bad(r, "%s does not follow where it must", name);
	return 0;
}

static void add_sum(struct reader *r, const uint8_t hash[WIRE_HASH])
{
	checksum_put(&r->sums, hash);
	buf_printf(&r->sums, "  %s\n", buf_cstr(&r->name));
}

/* Reads all of the member; hash: what it is of, NULL for the store. */
static int read_member(struct reader *r, bundle_piece_fn fn, const uint8_t *of,
		       uint8_t hash[WIRE_HASH])
{
	struct checksum sum = { 0 };
	uint64_t off = 0;
	la_ssize_t n = 1;
	int rc = checksum_start(&sum) ? 0 : no_memory(r->err);

	while (rc == 0 && n > 0) {
		n = archive_read_data(r->archive, r->piece.data, BUNDLE_PIECE);
		if (n < 0)
			rc = bad_archive(r);
		if (n <= 0)
			break;
		r->piece.len = (size_t)n;
		if (!checksum_add(&sum, buf_str(&r->piece)))
			rc = no_memory(r->err);
		else if (fn != NULL)
			rc = fn(r->data, r->m, of, off, buf_str(&r->piece));
		off += (uint64_t)n;
	}
	/* That it is there must be said, too. */
	if (rc == 0 && r->size == 0 && fn != NULL)
		rc = fn(r->data, r->m, of, 0, str_of(""));
	if (rc == 0 && off != r->size)
		rc = bad(r, "%s is cut short", buf_cstr(&r->name));
	if (rc == 0 && !checksum_end(&sum, hash))
		rc = no_memory(r->err);
	checksum_release(&sum);
	if (rc == 0)
		add_sum(r, hash);
	return rc;
}

/* A member that is a text. */
static int read_text(struct reader *r, const char *name, uint64_t max,
		     struct buf *text)
{
	struct checksum sum = { 0 };
	uint8_t hash[WIRE_HASH];
	int rc = need_member(r, name);

	if (rc == 0 && r->size > max)
		rc = bad(r, "%s is too large", name);
	if (rc == 0 && !buf_reserve(text, (size_t)r->size + 1))
		rc = no_memory(r->err);
	while (rc == 0 && text->len < r->size) {
		la_ssize_t n =
			archive_read_data(r->archive, text->data + text->len,
					  (size_t)r->size - text->len);

		if (n < 0)
			rc = bad_archive(r);
		else if (n == 0)
			rc = bad(r, "%s is cut short", name);
		else
			text->len += (size_t)n;
	}
	if (rc == 0 &&
	    (!checksum_start(&sum) || !checksum_add(&sum, buf_str(text)) ||
	     !checksum_end(&sum, hash)))
		rc = no_memory(r->err);
	checksum_release(&sum);
	if (rc == 0)
		add_sum(r, hash);
	return rc;
}

/* The manifest. */

static int get_number(struct reader *r, const struct json *j, const char *key,
		      uint64_t *out)
{
	int rc = json_get_u64(j, key, INT64_MAX, out, r->err);

	return rc > 0 ? 0 : bad(r, "manifest.json has no \"%s\"", key);
}

static int get_text(struct reader *r, const struct json *j, const char *key,
		    size_t max, struct str *out)
{
	int rc = json_get_str(j, key, max, out, r->err);

	return rc > 0 ? 0 : bad(r, "manifest.json has no \"%s\"", key);
}

static int get_manifest(struct reader *r, const struct json *j)
{
	struct bundle_manifest *m = r->m;
	struct str version = { 0 }, time = { 0 }, hash = { 0 };
	uint64_t format = 0;
	int rc = get_number(r, j, "format", &format);

	if (rc == 0 && format != BUNDLE_FORMAT)
		rc = bad(r, "its format is %" PRIu64 ", this groupctl knows %d",
			 format, BUNDLE_FORMAT);
	if (rc == 0)
		rc = get_text(r, j, "groupfs", BUNDLE_VERSION_MAX, &version);
	if (rc == 0)
		rc = get_text(r, j, "time", TEXT_TIME_LEN, &time);
	if (rc == 0)
		rc = get_text(r, j, "database_sha256", (size_t)2 * WIRE_HASH,
			      &hash);
	if (rc == 0)
		rc = get_number(r, j, "groups", &m->groups);
	if (rc == 0)
		rc = get_number(r, j, "users", &m->users);
	if (rc == 0)
		rc = get_number(r, j, "messages", &m->messages);
	if (rc == 0)
		rc = get_number(r, j, "media", &m->media);
	if (rc == 0)
		rc = get_number(r, j, "media_bytes", &m->media_bytes);
	if (rc == 0)
		rc = get_number(r, j, "database_bytes", &m->size);
	if (rc == 0 && (!text_parse_time(time, &m->time_ms) ||
			!checksum_parse(hash, m->hash) ||
			!str_to_cstr(version, m->version, sizeof(m->version))))
		rc = bad(r, "manifest.json does not say what it must");
	return rc;
}

static int read_manifest(struct reader *r)
{
	struct buf text = { 0 };
	struct json *j = NULL;
	int rc = read_text(r, "manifest.json", MANIFEST_MAX, &text);

	if (rc == 0 && json_parse(&j, buf_str(&text), MANIFEST_MAX, r->err) < 0)
		rc = bad(r, "manifest.json cannot be read");
	if (rc == 0)
		rc = get_manifest(r, j);
	json_free(j);
	buf_release(&text);
	return rc;
}

/* The rest. */

static int read_store(struct reader *r)
{
	uint8_t hash[WIRE_HASH];
	int rc = need_member(r, "groupd.db");

	if (rc == 0 && r->size != r->m->size)
		rc = bad(r, "groupd.db has another size than it should");
	if (rc == 0)
		rc = read_member(r, r->fn, NULL, hash);
	if (rc == 0 && memcmp(hash, r->m->hash, WIRE_HASH) != 0)
		rc = bad(r, "groupd.db is damaged");
	return rc;
}

static int read_content(struct reader *r, uint8_t hash[WIRE_HASH])
{
	uint8_t found[WIRE_HASH];
	size_t folder = sizeof(media_folder) - 1;
	int rc = next_member(r);
	struct str name = buf_str(&r->name);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return bad(r, "it ends before its last media file");
	if (name.len <= folder ||
	    memcmp(name.data, media_folder, folder) != 0 ||
	    !checksum_parse(str_make(name.data + folder, name.len - folder),
			    hash))
		return bad(r, "it has a member that is no media file");
	rc = read_member(r, r->fn, hash, found);
	if (rc == 0 && memcmp(found, hash, WIRE_HASH) != 0)
		rc = bad(r, "%s is damaged", buf_cstr(&r->name));
	return rc;
}

static int read_media(struct reader *r)
{
	uint8_t before[WIRE_HASH] = { 0 };
	uint8_t hash[WIRE_HASH];
	uint64_t bytes = 0;

	for (uint64_t i = 0; i < r->m->media; i++) {
		int rc = read_content(r, hash);

		if (rc < 0)
			return rc;
		if (i > 0 && memcmp(before, hash, WIRE_HASH) >= 0)
			return bad(r, "its media files are not in order");
		memcpy(before, hash, WIRE_HASH);
		bytes += r->size;
	}
	if (bytes != r->m->media_bytes)
		return bad(r, "its media files have another size than it says");
	return 0;
}

static int read_sums(struct reader *r)
{
	struct buf wanted = r->sums;
	struct buf text = { 0 };
	int rc;

	r->sums = (struct buf){ 0 };
	if (wanted.failed)
		rc = no_memory(r->err);
	else
		rc = read_text(r, "SHA256SUMS", wanted.len, &text);
	if (rc == 0 && !str_eq(buf_str(&text), buf_str(&wanted)))
		rc = bad(r, "SHA256SUMS are others");
	if (rc == 0)
		rc = next_member(r);
	if (rc > 0)
		rc = bad(r, "there is more behind SHA256SUMS");
	buf_release(&text);
	buf_release(&wanted);
	return rc;
}

static int read_all(struct reader *r, const char *path)
{
	int rc = 0;

	if (!buf_reserve(&r->piece, BUNDLE_PIECE))
		return no_memory(r->err);
	if (archive_read_support_format_tar(r->archive) != ARCHIVE_OK ||
	    archive_read_open_filename(r->archive, path, BLOCK) != ARCHIVE_OK) {
		const char *why = archive_error_string(r->archive);

		/* libarchive's ARCHIVE_ERRNO_FILE_FORMAT. */
		if (archive_errno(r->archive) == EILSEQ)
			return bad_archive(r);
		return err_set(r->err, ERR_UNAVAILABLE, "%s",
			       why == NULL ? "it cannot be opened" : why);
	}
	rc = read_manifest(r);
	if (rc == 0)
		rc = read_store(r);
	if (rc == 0)
		rc = read_media(r);
	return rc == 0 ? read_sums(r) : rc;
}

int bundle_read(const char *path, struct bundle_manifest *m, bundle_piece_fn fn,
		void *data, struct err *err)
{
	struct reader r = { .m = m, .fn = fn, .data = data, .err = err };
	int rc;

	*m = (struct bundle_manifest){ 0 };
	r.archive = archive_read_new();
	rc = r.archive == NULL ? no_memory(err) : read_all(&r, path);
	if (r.archive != NULL)
		(void)archive_read_free(r.archive);
	buf_release(&r.piece);
	buf_release(&r.sums);
	buf_release(&r.name);
	return rc;
}
