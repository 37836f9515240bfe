/* SPDX-License-Identifier: MIT */
#include "lib/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_FIRST = 64 };

void buf_init(struct buf *b)
{
	*b = (struct buf){ 0 };
}

void buf_release(struct buf *b)
{
	free(b->data);
	buf_init(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

/* Doubles, so that n appends cost O(n). */
static bool enlarge(struct buf *b, size_t need)
{
	size_t cap = b->cap == 0 ? CAP_FIRST : b->cap;
	char *data;

	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	data = realloc(b->data, cap);
	if (data == NULL)
		return false;
	data[b->len] = '\0';
	b->data = data;
	b->cap = cap;
	return true;
}

bool buf_grow(struct buf *b, size_t extra)
{
	if (b->failed)
		return false;
	/* One more for the NUL. */
	if (extra >= SIZE_MAX - b->len || !enlarge(b, b->len + extra + 1))
		b->failed = true;
	return !b->failed;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
	if (!buf_reserve(b, len))
		return;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_append_str(struct buf *b, struct str s)
{
	buf_append(b, s.data, s.len);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	size_t room;
	int n;

	/* Most texts fit at once; a longer one is formatted a second time. */
	if (!buf_reserve(b, CAP_FIRST))
		return;
	room = b->cap - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= room) {
		b->data[b->len] = '\0';
		if (!buf_reserve(b, (size_t)n))
			return;
		va_start(ap, fmt);
		n = vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	if (n < 0) {
		b->data[b->len] = '\0';
		b->failed = true;
		return;
	}
	b->len += (size_t)n;
}

void buf_remove(struct buf *b, size_t at, size_t n)
{
	assert(at <= b->len && n <= b->len - at);
	if (n == 0)
		return;
	memmove(b->data + at, b->data + at + n, b->len - at - n + 1);
	b->len -= n;
}

void buf_consume(struct buf *b, size_t n)
{
	buf_remove(b, 0, n);
}

void buf_truncate(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->len = n;
	if (b->data != NULL)
		b->data[n] = '\0';
}

const char *buf_cstr(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}
