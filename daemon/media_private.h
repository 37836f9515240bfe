/* SPDX-License-Identifier: MIT */
/* The inside that media.c and media_content.c share; any thread. */
#ifndef GROUPFS_DAEMON_MEDIA_PRIVATE_H
#define GROUPFS_DAEMON_MEDIA_PRIVATE_H

#include "daemon/media.h"

/* What the name of a sealed upload ends with. */
#define MEDIA_SEALED ".sealed"

int media_no_memory(struct err *err);
/* The refusal for errno, of which what ("write") failed. */
int media_failed(struct err *err, const char *what);
/* The refusal of an upload that is not there. */
int media_not_begun(struct err *err);

/* "USER/GROUP.KEY" and suffix, below incoming: user names are names of
 * files. `bad_request` for a bad key. */
int media_put_path(struct buf *path, const struct media_upload *u,
		   const char *suffix, struct err *err);
/* The SHA-256 of a whole file. */
int media_hash_file(int fd, uint8_t hash[STORE_HASH], struct err *err);
int media_write_all(int fd, struct str data, uint64_t off, struct err *err);
/* fsync(2) of the folder: 0, or -1 and errno. */
int media_sync_dir(int at, const char *path);

#endif
