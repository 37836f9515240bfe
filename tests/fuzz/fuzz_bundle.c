/* SPDX-License-Identifier: MIT */
/*
 * The file of a backup. FILES: daemon/ctl/bundle_read.c daemon/ctl/checksum.c
 *
 * Input: a byte; 0xff: the file as it is. Else a line a member: NAME=CONTENT,
 * of which an archive is made, so that what lies behind sums is reached, too:
 * "@" in a name or a content is the SHA-256 of the content, or of the store;
 * SHA256SUMS=@ all of them. The byte's bits make the archive a little wrong.
 * What is read whole has the sizes that its manifest says.
 */
#include "tests/fuzz/fuzz.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <unistd.h>

#include "daemon/ctl/bundle.h"

enum { OUT_MAX = 1 << 18, NAME = 256 };

/* What is made. */
struct made {
	struct archive *archive;
	struct buf sums;
	struct buf store_sum;
	uint8_t how;
};

static void sum_of(struct buf *out, struct str content)
{
	struct checksum sum = { 0 };
	uint8_t hash[WIRE_HASH];

	assert(checksum_start(&sum) && checksum_add(&sum, content) &&
	       checksum_end(&sum, hash));
	checksum_put(out, hash);
}

/* text, with what "@" stands for. */
static void expand(struct buf *out, struct str text, struct str with)
{
	while (text.len > 0) {
		size_t before = text.len;
		struct str head = fuzz_until(&text, '@');

		buf_append_str(out, head);
		if (head.len < before)
			buf_append_str(out, with);
	}
}

static void put_member(struct made *m, struct str name, struct str content)
{
	struct archive_entry *entry = archive_entry_new();
	struct buf sum = { 0 }, full = { 0 }, bytes = { 0 };
	bool sums = str_eq(name, str_of("SHA256SUMS"));
	size_t n;

	assert(entry != NULL);
	sum_of(&sum, content);
	expand(&full, name, buf_str(&sum));
	expand(&bytes, content,
	       sums ? buf_str(&m->sums) : buf_str(&m->store_sum));
	if (full.len > NAME)
		buf_truncate(&full, NAME);
	archive_entry_set_pathname(entry, buf_cstr(&full));
	archive_entry_set_filetype(entry, m->how & 1 ? AE_IFDIR : AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_size(entry,
			       (la_int64_t)bytes.len + (m->how & 2 ? 1 : 0));
	if (archive_write_header(m->archive, entry) == ARCHIVE_OK &&
	    bytes.len > 0)
		(void)archive_write_data(m->archive, bytes.data, bytes.len);
	/* Of this one only. */
	m->how >>= 2;
	n = m->sums.len;
	sum_of(&m->sums, buf_str(&bytes));
	buf_printf(&m->sums, "  %s\n", buf_cstr(&full));
	if (sums)
		buf_truncate(&m->sums, n);
	archive_entry_free(entry);
	buf_release(&sum);
	buf_release(&full);
	buf_release(&bytes);
}

/* The manifest comes before the store whose sum it has. */
static void find_store(struct made *m, struct str lines)
{
	while (lines.len > 0) {
		struct str line = fuzz_until(&lines, '\n');
		struct str name = fuzz_until(&line, '=');

		if (str_eq(name, str_of("groupd.db")) && m->store_sum.len == 0)
			sum_of(&m->store_sum, line);
	}
}

static size_t make(struct str lines, uint8_t how, char *out)
{
	struct made m = { .archive = archive_write_new(), .how = how };
	size_t used = 0;

	assert(m.archive != NULL);
	find_store(&m, lines);
	assert(archive_write_set_format_pax_restricted(m.archive) ==
	       ARCHIVE_OK);
	assert(archive_write_open_memory(m.archive, out, OUT_MAX, &used) ==
	       ARCHIVE_OK);
	while (lines.len > 0) {
		struct str line = fuzz_until(&lines, '\n');
		struct str name = fuzz_until(&line, '=');

		put_member(&m, name, line);
	}
	(void)archive_write_close(m.archive);
	(void)archive_write_free(m.archive);
	buf_release(&m.sums);
	buf_release(&m.store_sum);
	return used;
}

struct seen {
	uint64_t store, media;
};

static int on_piece(void *data, const struct bundle_manifest *m,
		    const uint8_t *hash, uint64_t off, struct str piece)
{
	struct seen *seen = data;

	(void)off;
	(void)m;
	*(hash == NULL ? &seen->store : &seen->media) += piece.len;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[OUT_MAX];
	struct str in = str_make((const char *)data, size);
	uint8_t how = fuzz_byte(&in);
	struct bundle_manifest manifest;
	struct seen seen = { 0 };
	struct fuzz_file file;
	struct err err;

	fuzz_file(&file, how == 0xff ? in : str_make(out, make(in, how, out)));
	if (bundle_read(file.path, &manifest, on_piece, &seen, &err) == 0) {
		assert(seen.store == manifest.size);
		assert(seen.media == manifest.media_bytes);
		assert(bundle_bytes(&manifest) == seen.store + seen.media);
	} else {
		assert(err.code == ERR_BAD_REQUEST && err.text[0] != '\0');
	}
	close(file.fd);
	return 0;
}
