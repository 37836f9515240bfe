/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <string.h>

/* Parameters. */

void pg_use(struct pg_call *c, enum pg_statement which)
{
	c->which = which;
	c->count = 0;
}

static int next(struct pg_call *c)
{
	assert(c->count < PG_PARAMS_MAX);
	return c->count++;
}

void pg_add_blob(struct pg_call *c, struct str s)
{
	int i = next(c);

	c->values[i] = s.len > 0 ? s.data : "";
	c->lengths[i] = (int)s.len;
}

void pg_add_null(struct pg_call *c)
{
	int i = next(c);

	c->values[i] = NULL;
	c->lengths[i] = 0;
}

void pg_add_bytes(struct pg_call *c, struct str s)
{
	if (s.len == 0)
		pg_add_null(c);
	else
		pg_add_blob(c, s);
}

void pg_add_text(struct pg_call *c, struct str s)
{
	pg_add_bytes(c, s);
}

void pg_add(struct pg_call *c, uint64_t value)
{
	int i = next(c);

	c->numbers[i] = htobe64(value);
	c->values[i] = (const char *)&c->numbers[i];
	c->lengths[i] = (int)sizeof(c->numbers[i]);
}

void pg_add_bool(struct pg_call *c, bool value)
{
	pg_add_blob(c, str_make(value ? "\1" : "\0", 1));
}

void pg_add_hash(struct pg_call *c, const uint8_t hash[STORE_HASH])
{
	pg_add_blob(c, str_make((const char *)hash, (size_t)STORE_HASH));
}

void pg_add_after(struct pg_call *c, struct str s, char room[PG_AFTER_MAX])
{
	size_t n = s.len < PG_AFTER_MAX - 1 ? s.len : PG_AFTER_MAX - 1;
	size_t i = 0;

	while (i < n && s.data[i] > 0) {
		room[i] = s.data[i];
		i++;
	}
	if (i < n) {
		room[i] = s.data[i] == 0 ? '\1' : '\x7f';
		i++;
	}
	pg_add_blob(c, str_make(room, i));
}

/* Arrays: dimensions, whether there are NULLs, the type; then for the one
 * dimension its length and first index; then each value with its length. */

static void put_u32(struct buf *b, uint32_t value)
{
	uint32_t n = htonl(value);

	buf_append(b, &n, sizeof(n));
}

enum { ARRAY_HEADER = 20, ARRAY_COUNT = 12 };

void pg_array_begin(struct pg_array *a, enum pg_type type)
{
	buf_clear(&a->buf);
	a->count = 0;
	put_u32(&a->buf, 1);
	put_u32(&a->buf, 1);
	put_u32(&a->buf, type);
	put_u32(&a->buf, 0);
	put_u32(&a->buf, 1);
}

void pg_array_add(struct pg_array *a, uint64_t value)
{
	uint64_t n = htobe64(value);

	put_u32(&a->buf, sizeof(n));
	buf_append(&a->buf, &n, sizeof(n));
	a->count++;
}

void pg_array_add_blob(struct pg_array *a, struct str s)
{
	put_u32(&a->buf, (uint32_t)s.len);
	buf_append_str(&a->buf, s);
	a->count++;
}

void pg_array_add_str(struct pg_array *a, struct str s)
{
	if (s.len > 0) {
		pg_array_add_blob(a, s);
		return;
	}
	put_u32(&a->buf, UINT32_MAX);
	a->count++;
}

void pg_array_release(struct pg_array *a)
{
	buf_release(&a->buf);
}

void pg_add_array(struct pg_call *c, struct pg_array *a)
{
	if (!a->buf.failed) {
		uint32_t n = htonl((uint32_t)a->count);

		assert(a->buf.len >= ARRAY_HEADER);
		memcpy(a->buf.data + ARRAY_COUNT, &n, sizeof(n));
	}
	pg_add_blob(c, buf_str(&a->buf));
}

uint64_t pg_array_get(struct str array, size_t i)
{
	size_t at = ARRAY_HEADER + i * (sizeof(uint32_t) + sizeof(uint64_t)) +
		    sizeof(uint32_t);
	uint64_t n;

	if (at + sizeof(n) > array.len)
		return 0;
	memcpy(&n, array.data + at, sizeof(n));
	return be64toh(n);
}
