/* SPDX-License-Identifier: MIT */
/*
 * A file of lines, with the SHA-256 of all of them: written so that a file of
 * that name is either whole or not there, and read with a bound on each line.
 * Functions return what groupctl exits with and have then said why. One
 * thread.
 */
#ifndef GROUPFS_DAEMON_CTL_JSONL_H
#define GROUPFS_DAEMON_CTL_JSONL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/ctl/checksum.h"
#include "daemon/ctl/ctl.h"
#include "daemon/ctl/target.h"
#include "lib/buf.h"

enum {
	/* A message whose content is all control characters, six bytes each,
	 * and its other fields. */
	JSONL_MAX = 6 * WIRE_CONTENT_MAX + (64 << 10)
};

/* What is written: to a file that has its name in the end, or to standard
 * output where path is NULL or "-". */
struct jsonl_out {
	struct target target;
	struct buf pending; /* what is to be written next */
	struct checksum checksum;
	bool failed; /* the checksum: no memory */
};

enum ctl_exit jsonl_create(struct jsonl_out *out, const char *path);
/* Writes what is gathered in out->pending, if it is much. */
enum ctl_exit jsonl_write(struct jsonl_out *out);
/* The SHA-256 of all that was gathered so far. */
enum ctl_exit jsonl_sum(struct jsonl_out *out, uint8_t sha256[WIRE_HASH]);
/* The rest is on disk, and the file has its name. */
enum ctl_exit jsonl_finish(struct jsonl_out *out);
/* Takes away what was not finished. */
void jsonl_abandon(struct jsonl_out *out);

struct jsonl_in {
	int fd;
	bool ours;		  /* the descriptor */
	uint64_t size;		  /* bytes of a regular file; 0: unknown */
	uint64_t read;		  /* bytes of the lines that were taken */
	uint64_t number;	  /* of the line that was taken last, from 1 */
	struct checksum checksum; /* of all lines before that one */
	struct buf buf;
	size_t at;	 /* in buf: what was not taken yet */
	struct str line; /* without its end; borrowed until the next one */
	bool ended;
	bool failed; /* the checksum: no memory */
};

/* path NULL or "-": standard input. */
enum ctl_exit jsonl_open(struct jsonl_in *in, const char *path);
/* The next line, in in->line; *more is false at the end. */
enum ctl_exit jsonl_next(struct jsonl_in *in, bool *more);
/* The SHA-256 of all lines before the one that was taken last; once. */
enum ctl_exit jsonl_sum_before(struct jsonl_in *in, uint8_t sha256[WIRE_HASH]);
void jsonl_close(struct jsonl_in *in);

#endif
