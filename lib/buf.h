/* SPDX-License-Identifier: MIT */
/*
 * Growable bytes: the only way strings, paths and frames are built.
 *
 * A zeroed struct buf is a valid empty one. Memory failure is sticky: after
 * it, appends do nothing and `failed` stays set, so that a chain of appends
 * is checked once at its end. Not thread-safe; each buf has one owner.
 */
#ifndef GROUPFS_LIB_BUF_H
#define GROUPFS_LIB_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

struct buf {
	char *data;  /* owned; NUL-terminated once anything was appended */
	size_t len;  /* bytes in use, without the NUL */
	size_t cap;  /* bytes allocated */
	bool failed; /* an append ran out of memory */
};

void buf_init(struct buf *b);
/* Frees the bytes; the buf is empty and usable again. Takes a zeroed buf. */
void buf_release(struct buf *b);
/* Empties it, keeps the memory, forgets a failure. */
void buf_clear(struct buf *b);
/* What buf_reserve() does where there is no room. */
bool buf_grow(struct buf *b, size_t extra);
/* Makes room for extra more bytes; false when there is no memory. */
static inline bool buf_reserve(struct buf *b, size_t extra)
{
	return (!b->failed && extra < b->cap - b->len) || buf_grow(b, extra);
}

void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_str(struct buf *b, struct str s);
static inline void buf_append_char(struct buf *b, char c)
{
	if (!buf_reserve(b, 1))
		return;
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Drops n bytes from at on (at + n <= len). */
void buf_remove(struct buf *b, size_t at, size_t n);
/* Drops the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* Cuts to n bytes (n <= len). */
void buf_truncate(struct buf *b, size_t n);

static inline struct str buf_str(const struct buf *b)
{
	return str_make(b->data, b->len);
}

/* The bytes as a C string; "" when nothing was appended. Borrowed until the
 * next change. */
const char *buf_cstr(const struct buf *b);

#endif
