/* SPDX-License-Identifier: MIT */
#include "store/sqlite_log.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/sqlite_checksum.h"

enum {
	FRAME = SQ_LOG_FRAME_HEADER + SQ_PAGE,
	/* In the header of the log. */
	AT_PAGE_SIZE = 8,
	AT_SALT = 16,
	AT_HEADER_SUM = 24,
	/* In that of a frame. */
	AT_COMMIT = 4, /* the database's pages, where it ends a commit */
	AT_FRAME_SALT = 8,
	AT_FRAME_SUM = 16,
	FRAME_SUMMED = 8, /* of its header, and the page */
	SALT_SIZE = 8,
	FORMAT = 3007000
};
#define MAGIC UINT32_C(0x377f0682) /* and 1: words are big-endian */

struct sum {
	uint32_t a;
	uint32_t b;
};

static uint32_t get32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static struct sum get_sum(const unsigned char *at)
{
	return (struct sum){ get32(at), get32(at + 4) };
}

static bool same_sum(struct sum a, struct sum b)
{
	return a.a == b.a && a.b == b.b;
}

/* len: of pairs of words. */
static struct sum add(struct sum sum, const unsigned char *bytes, size_t len,
		      bool big)
{
	for (size_t i = 0; i < len; i += 8) {
		uint32_t words[2];

		memcpy(words, bytes + i, sizeof(words));
		if (big) {
			words[0] = be32toh(words[0]);
			words[1] = be32toh(words[1]);
		} else {
			words[0] = le32toh(words[0]);
			words[1] = le32toh(words[1]);
		}
		sum.a += words[0] + sum.b;
		sum.b += words[1] + sum.a;
	}
	return sum;
}

static struct sum add_frame(struct sum before, const unsigned char *header,
			    const unsigned char *page, bool big)
{
	return add(add(before, header, FRAME_SUMMED, big), page, SQ_PAGE, big);
}

/* One frame, as it is read. */

int sq_log_check_frame(sqlite3_file *log, const void *page,
		       sqlite3_int64 offset)
{
	unsigned char header[SQ_LOG_FRAME_HEADER];
	unsigned char before[8];
	sqlite3_int64 at = offset - SQ_LOG_FRAME_HEADER;
	struct sum sum;
	int result = log->pMethods->xRead(log, header, sizeof(header), at);

	at = at == SQ_LOG_HEADER ? AT_HEADER_SUM : at - FRAME + AT_FRAME_SUM;
	if (result == SQLITE_OK)
		result = log->pMethods->xRead(log, before, sizeof(before), at);
	if (result != SQLITE_OK)
		return result;
	sum = get_sum(header + AT_FRAME_SUM);
	/* A machine writes its own order, and goes on in the one it found. */
	if (same_sum(sum, add_frame(get_sum(before), header, page,
				    __BYTE_ORDER == __BIG_ENDIAN)) ||
	    same_sum(sum, add_frame(get_sum(before), header, page,
				    __BYTE_ORDER != __BIG_ENDIAN)))
		return SQLITE_OK;
	return SQLITE_IOERR_DATA;
}

/* All of them, before SQLite recovers. */

struct scan {
	FILE *file;
	bool big;
	unsigned char salt[SALT_SIZE];
	uint64_t at;	/* the frame at hand: its byte */
	uint64_t whole; /* up to here all is sound, and commits are whole */
	uint64_t bad;	/* the first frame that is not; 0: none yet */
	/* Of the frame before: what it has for its sum, and what that should
	 * be. They are the same until one is bad. */
	struct sum stored;
	struct sum right;
	bool ends; /* it ends a commit */
	unsigned char header[SQ_LOG_FRAME_HEADER];
	unsigned char page[SQ_PAGE];
};

static bool read_header(struct scan *s, const unsigned char *header)
{
	uint32_t magic = get32(header);

	s->big = (magic & 1) != 0;
	s->stored = get_sum(header + AT_HEADER_SUM);
	s->right = add((struct sum){ 0 }, header, AT_HEADER_SUM, s->big);
	memcpy(s->salt, header + AT_SALT, SALT_SIZE);
	return (magic & ~UINT32_C(1)) == MAGIC && get32(header + 4) == FORMAT &&
	       get32(header + AT_PAGE_SIZE) == SQ_PAGE &&
	       same_sum(s->stored, s->right);
}

static bool next_frame(struct scan *s)
{
	return fread(s->header, sizeof(s->header), 1, s->file) == 1 &&
	       fread(s->page, sizeof(s->page), 1, s->file) == 1;
}

/*
 * Each commit is synced before the next one begins. So where a frame goes on
 * from one that ends a commit, that commit was on the disk, all of it: a frame
 * before it that is bad was not cut short, and the commit was acknowledged.
 * What an older use of the log has left does not go on from a frame of this
 * one. A frame may be bad in what it says of its sum, or in what is summed:
 * the next goes on from the one or the other.
 */
static bool is_damage(struct scan *s)
{
	struct sum sum = get_sum(s->header + AT_FRAME_SUM);
	struct sum right = add_frame(s->stored, s->header, s->page, s->big);
	bool same = memcmp(s->header + AT_FRAME_SALT, s->salt, SALT_SIZE) == 0;
	bool follows = same && (same_sum(sum, right) ||
				same_sum(sum, add_frame(s->right, s->header,
							s->page, s->big)));
	bool found = s->bad != 0 && s->ends && follows;

	if (s->bad == 0 && (!follows || get32(s->header) == 0))
		s->bad = s->at;
	s->stored = sum;
	s->right = right;
	s->ends = get32(s->header + AT_COMMIT) != 0;
	s->at += FRAME;
	if (s->bad == 0 && s->ends)
		s->whole = s->at;
	return found;
}

/* The header is on the disk before a frame is. */
static bool is_header_damaged(struct scan *s)
{
	s->bad = 0;
	return next_frame(s) && get32(s->header) != 0;
}

static bool scan_log(struct scan *s, const char *path, int *rc, struct err *err)
{
	unsigned char header[SQ_LOG_HEADER];
	bool found = false;

	s->at = sizeof(header);
	if (fread(header, sizeof(header), 1, s->file) == 1) {
		if (!read_header(s, header))
			found = is_header_damaged(s);
		else
			while (!found && next_frame(s))
				found = is_damage(s);
	}
	if (ferror(s->file))
		*rc = err_set(err, ERR_UNAVAILABLE, "Cannot read %s: %s", path,
			      strerror(errno));
	return found;
}

int sq_log_find_damage(const char *path, struct sq_log_damage *out,
		       struct err *err)
{
	struct scan s = { .file = fopen(path, "re") };
	bool found;
	int rc = 0;

	if (s.file == NULL && errno == ENOENT)
		return 0;
	if (s.file == NULL)
		return err_set(err, ERR_UNAVAILABLE, "Cannot read %s: %s", path,
			       strerror(errno));
	found = scan_log(&s, path, &rc, err);
	*out = (struct sq_log_damage){ .at = s.bad, .whole = s.whole };
	fclose(s.file);
	return rc < 0 ? rc : found;
}

bool sq_log_has_page(const char *path, uint64_t number)
{
	struct scan s = { .file = fopen(path, "re"), .at = SQ_LOG_HEADER };
	unsigned char header[SQ_LOG_HEADER];
	bool has = false;

	if (s.file == NULL)
		return false;
	if (fread(header, sizeof(header), 1, s.file) == 1 &&
	    read_header(&s, header))
		while (!(has && s.ends) && s.bad == 0 && next_frame(&s)) {
			is_damage(&s);
			has = has || get32(s.header) == number;
		}
	fclose(s.file);
	return has && s.ends && s.bad == 0;
}
