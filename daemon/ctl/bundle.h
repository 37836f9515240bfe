/* SPDX-License-Identifier: MIT */
/*
 * The file of a backup: a tar archive (POSIX pax), so that anybody can look
 * into it. Its members, in this order and no others:
 *
 *   manifest.json     what it is, and of when
 *   groupd.db         the store
 *   media/SHA256      the contents of the media files, by hash
 *   SHA256SUMS        of all above; sha256sum -c reads it
 *
 * Reading trusts nothing: names, order, kinds, sizes, sums and numbers are
 * those that writing gives, or it is refused. The only user of libarchive.
 * One thread; blocking.
 */
#ifndef GROUPFS_DAEMON_CTL_BUNDLE_H
#define GROUPFS_DAEMON_CTL_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/ctl/checksum.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/wire.h"

struct archive;
struct archive_entry;

enum {
	BUNDLE_FORMAT = 1,
	BUNDLE_PIECE = 1 << 20, /* bytes of a member at a time, at most */
	BUNDLE_VERSION_MAX = 32
};

struct bundle_manifest {
	uint64_t time_ms;
	char version[BUNDLE_VERSION_MAX + 1]; /* of the groupctl that wrote */
	uint64_t groups;
	uint64_t users;
	uint64_t messages;
	uint64_t media; /* contents, and their bytes */
	uint64_t media_bytes;
	uint64_t size; /* of groupd.db */
	uint8_t hash[WIRE_HASH];
};

/* Bytes of the members that count for progress. */
static inline uint64_t bundle_bytes(const struct bundle_manifest *m)
{
	return m->size + m->media_bytes;
}

struct bundle_writer {
	struct archive *archive;     /* owned, as the next one */
	struct archive_entry *entry; /* of the member that is being written */
	struct checksum sum;	     /* of it */
	struct buf name;	     /* of it */
	struct buf sums;	     /* SHA256SUMS */
	uint64_t time_ms;
};

/* Begins the file, on a descriptor that stays the caller's, with the
 * manifest. After a failure of this or the next three: bundle_write_release().
 */
int bundle_write_open(struct bundle_writer *w, int fd,
		      const struct bundle_manifest *m, struct err *err);
/* hash: of the content; NULL: the store. Then exactly size bytes in pieces,
 * and the end, which refuses bytes that have another hash. */
int bundle_write_begin(struct bundle_writer *w, const uint8_t *hash,
		       uint64_t size, struct err *err);
int bundle_write_data(struct bundle_writer *w, struct str data,
		      struct err *err);
int bundle_write_end(struct bundle_writer *w, const uint8_t hash[WIRE_HASH],
		     struct err *err);
/* Ends the file. */
int bundle_write_close(struct bundle_writer *w, struct err *err);
void bundle_write_release(struct bundle_writer *w);

/* A piece of a content or, with hash NULL, of the store, in order. What is
 * not 0 ends the reading and is returned. */
typedef int (*bundle_piece_fn)(void *data, const struct bundle_manifest *m,
			       const uint8_t *hash, uint64_t off,
			       struct str piece);

/* Reads the whole file. fn may be NULL. What it is called with is checked only
 * as far as it was read: whoever needs more reads twice. *m is filled when the
 * first piece comes. `bad_request` for a file that is not whole. */
int bundle_read(const char *path, struct bundle_manifest *m, bundle_piece_fn fn,
		void *data, struct err *err);

#endif
