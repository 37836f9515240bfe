/* SPDX-License-Identifier: MIT */
#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "daemon/ctl/bundle.h"
#include "lib/json.h"

enum { BLOCK = 64 << 10 };

static int no_memory(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE, "out of memory");
}

static int failed(const struct bundle_writer *w, struct err *err)
{
	int error = archive_errno(w->archive);
	const char *why = archive_error_string(w->archive);

	return err_set(err, err_of_file(error), "cannot write the backup: %s",
		       error > 0     ? strerror(error)
		       : why == NULL ? "libarchive does not say why"
				     : why);
}

static int begin_member(struct bundle_writer *w, uint64_t size, struct err *err)
{
	assert(w->entry == NULL);
	w->entry = archive_entry_new();
	if (w->entry == NULL || w->name.failed || !checksum_start(&w->sum))
		return no_memory(err);
	archive_entry_set_pathname(w->entry, buf_cstr(&w->name));
	archive_entry_set_size(w->entry, (int64_t)size);
	archive_entry_set_filetype(w->entry, AE_IFREG);
	archive_entry_set_perm(w->entry, 0600);
	archive_entry_set_mtime(w->entry, (time_t)(w->time_ms / 1000), 0);
	if (archive_write_header(w->archive, w->entry) != ARCHIVE_OK)
		return failed(w, err);
	return 0;
}

int bundle_write_data(struct bundle_writer *w, struct str data, struct err *err)
{
	la_ssize_t n = archive_write_data(w->archive, data.data, data.len);

	if (n < 0 || (size_t)n != data.len)
		return failed(w, err);
	return checksum_add(&w->sum, data) ? 0 : no_memory(err);
}

static int end_member(struct bundle_writer *w, uint8_t hash[WIRE_HASH],
		      struct err *err)
{
	if (archive_write_finish_entry(w->archive) != ARCHIVE_OK)
		return failed(w, err);
	archive_entry_free(w->entry);
	w->entry = NULL;
	if (!checksum_end(&w->sum, hash))
		return no_memory(err);
	checksum_put(&w->sums, hash);
	buf_printf(&w->sums, "  %s\n", buf_cstr(&w->name));
	return w->sums.failed ? no_memory(err) : 0;
}

static int write_text(struct bundle_writer *w, const char *name,
		      const struct buf *text, struct err *err)
{
	uint8_t hash[WIRE_HASH];
	int rc;

	if (text->failed)
		return no_memory(err);
	buf_clear(&w->name);
	buf_append_str(&w->name, str_of(name));
	rc = begin_member(w, text->len, err);
	if (rc == 0)
		rc = bundle_write_data(w, buf_str(text), err);
	return rc == 0 ? end_member(w, hash, err) : rc;
}

static void put_manifest(struct buf *b, const struct bundle_manifest *m)
{
	buf_printf(b, "{\"format\":%d,\"groupfs\":", BUNDLE_FORMAT);
	json_put_str(b, str_of(m->version));
	buf_printf(b, ",\"time\":");
	json_put_time(b, m->time_ms);
	buf_printf(
		b,
		",\"groups\":%llu,\"users\":%llu,\"messages\":%llu,"
		"\"media\":%llu,\"media_bytes\":%llu,\"database_bytes\":%llu,"
		"\"database_sha256\":\"",
		(unsigned long long)m->groups, (unsigned long long)m->users,
		(unsigned long long)m->messages, (unsigned long long)m->media,
		(unsigned long long)m->media_bytes,
		(unsigned long long)m->size);
	checksum_put(b, m->hash);
	buf_printf(b, "\"}\n");
}

int bundle_write_open(struct bundle_writer *w, int fd,
		      const struct bundle_manifest *m, struct err *err)
{
	struct buf text = { 0 };
	int rc;

	*w = (struct bundle_writer){ .time_ms = m->time_ms };
	w->archive = archive_write_new();
	if (w->archive == NULL)
		return no_memory(err);
	/* pax only where ustar cannot say it: sizes of 8 GiB and more. */
	if (archive_write_set_format_pax_restricted(w->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(w->archive, BLOCK) !=
		    ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(w->archive, 1) !=
		    ARCHIVE_OK ||
	    archive_write_open_fd(w->archive, fd) != ARCHIVE_OK)
		return failed(w, err);
	put_manifest(&text, m);
	rc = write_text(w, "manifest.json", &text, err);
	buf_release(&text);
	return rc;
}

int bundle_write_begin(struct bundle_writer *w, const uint8_t *hash,
		       uint64_t size, struct err *err)
{
	buf_clear(&w->name);
	if (hash == NULL) {
		buf_printf(&w->name, "groupd.db");
	} else {
		buf_printf(&w->name, "media/");
		checksum_put(&w->name, hash);
	}
	return begin_member(w, size, err);
}

int bundle_write_end(struct bundle_writer *w, const uint8_t hash[WIRE_HASH],
		     struct err *err)
{
	uint8_t found[WIRE_HASH];
	int rc = end_member(w, found, err);

	if (rc < 0 || memcmp(found, hash, WIRE_HASH) == 0)
		return rc;
	return err_set(err, ERR_UNAVAILABLE,
		       "%s is damaged: its bytes are not those of its hash",
		       buf_cstr(&w->name));
}

int bundle_write_close(struct bundle_writer *w, struct err *err)
{
	struct buf sums = w->sums;
	int rc;

	w->sums = (struct buf){ 0 };
	rc = write_text(w, "SHA256SUMS", &sums, err);
	buf_release(&sums);
	if (rc == 0 && archive_write_close(w->archive) != ARCHIVE_OK)
		rc = failed(w, err);
	bundle_write_release(w);
	return rc;
}

void bundle_write_release(struct bundle_writer *w)
{
	/* What is not complete is not worth writing on. */
	if (w->archive != NULL) {
		(void)archive_write_fail(w->archive);
		(void)archive_write_free(w->archive);
	}
	archive_entry_free(w->entry);
	checksum_release(&w->sum);
	buf_release(&w->name);
	buf_release(&w->sums);
	*w = (struct bundle_writer){ 0 };
}
