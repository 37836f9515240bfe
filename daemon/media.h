/* SPDX-License-Identifier: MIT */
/*
 * The bytes of media files, in DATA/media:
 *
 *   incoming/USER/GROUP.KEY         an upload that is being written
 *   incoming/USER/GROUP.KEY.sealed  one that is complete: nothing writes it
 *   ab/abcdef...                    content by its SHA-256, each once
 *
 *   media_resize(0), media_write ... -> media_seal (hash, fsync)
 *     -> media_ready, the store's verb, media_settle, in one transaction
 *     -> media_forget
 *
 * Placing gives the content its second name and keeps the first one, so that
 * whatever becomes of the transaction, the upload is still there: it can be
 * placed again, and where it never comes to that, media_tidy() finds by the
 * two names a content that may be nobody's.
 *
 * Where nodes share a store they share DATA/media, and no lane keeps one from
 * removing what another is placing. What does is the store's lock on the hash:
 * who adds it has the lock from the verb to the end of the transaction, and
 * places between the two; who removes it has asked under the lock who has it
 * (store_hash_used(), store_next_garbage()). A node that has lost its lock and
 * does not know yet is stopped by what it saw before it asked: whoever places a
 * content sets its time, and whoever removes one gives it another name first
 * and looks whether that has changed. Who comes too late to set the time finds
 * no content, and places his own.
 *
 * Nothing is remembered in memory, so uploads go on after a restart. All but
 * ready, undo, settle and remove may be called by any thread at once; those by
 * the lane. All block.
 */
#ifndef GROUPFS_DAEMON_MEDIA_H
#define GROUPFS_DAEMON_MEDIA_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/env.h"
#include "lib/err.h"
#include "lib/str.h"
#include "store/store.h"

enum {
	MEDIA_UPLOADS_MAX = 64,		/* that a user may have begun */
	MEDIA_QUOTA = 4,		/* times max_bytes that they may have */
	MEDIA_STALE_MS = 60 * 60 * 1000 /* not written for so long: removed */
};

/* A content whose bytes had its hash, and until when that is believed. */
struct media_checked {
	uint8_t hash[STORE_HASH];
	ino_t inode;
	struct timespec written;
	uint64_t until_ms;
};
enum {
	MEDIA_CHECKED = 256, /* contents that are in use at a time */
	MEDIA_CHECKED_MS = 10 * 60 * 1000
};

struct media {
	const struct env *env; /* borrowed */
	int root;	       /* DATA/media */
	int incoming;
	atomic_uint_fast64_t max_bytes;
	bool shared; /* other nodes have it, too; set before it is used */
	/* Read: one file is written. Write: files get other names. */
	pthread_rwlock_t lock;
	pthread_mutex_t checked_lock;
	struct media_checked checked[MEDIA_CHECKED]; /* by the hash */
};

/* Whose upload, where to: together its name. The key is the client's. */
struct media_upload {
	uint64_t group_id;
	struct str user;
	struct str key;
};

/* Makes the folders below data, which is there. */
int media_open(struct media *m, const char *data, const struct env *env,
	       uint64_t max_bytes, struct err *err);
/* Takes a zeroed one. */
void media_close(struct media *m);
void media_set_max(struct media *m, uint64_t max_bytes);

/* Makes the upload so long; size 0 begins it. */
int media_resize(struct media *m, const struct media_upload *u, uint64_t size,
		 struct err *err);
/* Puts data at off; *size: how long the upload is then. What was written so
 * once can be written so again. */
int media_write(struct media *m, const struct media_upload *u, uint64_t off,
		struct str data, uint64_t *size, struct err *err);
/* Ends the writing: the bytes are on disk, these are their hash and number.
 * May be called again. *found: there is such an upload. */
int media_seal(struct media *m, const struct media_upload *u,
	       uint8_t hash[STORE_HASH], uint64_t *size, bool *found,
	       struct err *err);
/* A sealed upload on its way to its place. Borrowed, but for what is media's.
 */
struct media_placing {
	const struct media_upload *upload;
	const uint8_t *hash;
	bool fresh; /* its content was not there, and is now */
};
/* Before the store's verb: `bad_request` where the upload is gone, as its user
 * may drop it at any time. Its content is placed, unless nodes share. */
int media_ready(struct media *m, struct media_placing *p, struct err *err);
/* The verb did not add it: what was placed for it is taken away. */
void media_undo(struct media *m, struct media_placing *p);
/* After the verb, before the commit: the content is in its place, for good.
 * Any error is one that ends the transaction. */
int media_settle(struct media *m, struct media_placing *p, struct err *err);
/* The upload's own name goes. */
void media_forget(struct media *m, const struct media_upload *u);
/* The same for one that is given up: where its content may be stored, its
 * name stays for media_tidy(). `bad_request` for a bad key. */
int media_drop(struct media *m, const struct media_upload *u, struct err *err);

/* Appends up to size bytes from off on; fewer only at the end. What is read the
 * first time for a while is read as a whole: bytes that are not those of the
 * hash are refused, and never handed out. */
int media_read(struct media *m, const uint8_t hash[STORE_HASH], uint64_t off,
	       size_t size, struct buf *out, struct err *err);
/* Whether the content is there whole: of that size, and with this hash. False
 * and err: it is not, or cannot be read. */
bool media_is_sound(struct media *m, const uint8_t hash[STORE_HASH],
		    uint64_t size, struct err *err);
/* Writes a piece of a content under its hash at once, for whoever checks all
 * of it by media_is_sound() before anything names it. */
int media_put(struct media *m, const uint8_t hash[STORE_HASH], uint64_t off,
	      struct str data, struct err *err);
/* What a content was like before the store was asked who has it. */
struct media_seen {
	uint64_t inode; /* 0: there was none, or nobody else removes any */
	struct timespec placed;
};
void media_look(const struct media *m, const uint8_t hash[STORE_HASH],
		struct media_seen *seen);
/* Removes a content that is nobody's. One that is gone already is no error.
 * 1: it stays for now, since another node has placed it after it was seen. */
int media_remove(struct media *m, const uint8_t hash[STORE_HASH],
		 const struct media_seen *seen, struct err *err);

/* Removes the uploads that nobody has written for MEDIA_STALE_MS. doubt() is
 * told the content of those that may be stored and nobody's; true: their name
 * may go. */
typedef bool (*media_doubt_fn)(void *data, const uint8_t hash[STORE_HASH]);
void media_tidy(struct media *m, media_doubt_fn doubt, void *data);

#endif
