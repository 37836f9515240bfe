/* SPDX-License-Identifier: MIT */
#include "lib/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { VARINT_MAX = 10 };

enum field_kind { FIELD_num, FIELD_str };

/* The members of a wire struct lie one after the other, in the order of its
 * fields: so a field needs no offset, only its kind's size. */
struct wire_field {
	const char *name;
	enum field_kind kind;
	uint64_t bound; /* greatest value; of a str, greatest length */
};

#define FIELD_SIZE_num		     sizeof(uint64_t)
#define FIELD_SIZE_str		     sizeof(struct str)
#define FIELD_SIZE(kind, name, most) +FIELD_SIZE_##kind
#define FIELD_ROW(kind, name, most)  { #name, FIELD_##kind, (uint64_t)(most) },

#define SCHEMA(linkage, symbol, label, ctype, fields_of)                       \
	_Static_assert(sizeof(ctype) == 0 fields_of(FIELD_SIZE),               \
		       "padding in " label);                                   \
	static const struct wire_field symbol##_fields[] = { fields_of(        \
		FIELD_ROW) };                                                  \
	linkage const struct wire_schema symbol = {                            \
		.name = label,                                                 \
		.fields = symbol##_fields,                                     \
		.count = sizeof(symbol##_fields) / sizeof(struct wire_field),  \
		.size = sizeof(ctype),                                         \
	};

#define RECORD_SCHEMA(lower, UPPER)                                            \
	SCHEMA(, wire_schema_##lower, #lower, struct wire_##lower,             \
	       WIRE_##UPPER##_FIELDS)
WIRE_RECORDS(RECORD_SCHEMA)

#define BODY_SCHEMA(ENUM, lower, number, answer)                               \
	SCHEMA(static, body_##lower, #lower, struct wire_body_##lower,         \
	       WIRE_##ENUM##_FIELDS)
WIRE_TYPES(BODY_SCHEMA)

struct type_row {
	const struct wire_schema *schema;
	const char *name;
	enum wire_type answer;
};

static const struct type_row types[] = {
#define TYPE_ROW(ENUM, lower, number, answer)                                  \
	[number] = { &body_##lower, #ENUM, WIRE_##answer },
	WIRE_TYPES(TYPE_ROW)
#undef TYPE_ROW
};

/* NULL for an unknown type. */
static const struct type_row *type_row(uint32_t type)
{
	if (type >= sizeof(types) / sizeof(types[0]) ||
	    types[type].schema == NULL)
		return NULL;
	return &types[type];
}

const struct wire_schema *wire_schema_of(enum wire_type type)
{
	const struct type_row *row = type_row((uint32_t)type);

	return row == NULL ? NULL : row->schema;
}

bool wire_has_field(const struct wire_schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->count; i++) {
		if (strcmp(schema->fields[i].name, name) == 0)
			return true;
	}
	return false;
}

enum wire_type wire_answer_of(enum wire_type type)
{
	const struct type_row *row = type_row((uint32_t)type);

	return row == NULL ? WIRE_NONE : row->answer;
}

const char *wire_type_name(enum wire_type type)
{
	const struct type_row *row = type_row((uint32_t)type);

	return row == NULL ? "?" : row->name;
}

static size_t varint_size(uint64_t v)
{
	size_t n = 1;

	while (v >= 0x80) {
		v >>= 7;
		n++;
	}
	return n;
}

static char *put_varint(char *at, uint64_t v)
{
	while (v >= 0x80) {
		*at++ = (char)(uint8_t)(v | 0x80);
		v >>= 7;
	}
	*at++ = (char)(uint8_t)v;
	return at;
}

/* What is left to decode. */
struct reader {
	const char *at;
	const char *end;
};

/*
 * False for a number that is cut, too long, does not fit 64 bits, or is not
 * in its shortest form (then a number has one encoding only).
 */
static bool get_long_varint(struct reader *r, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; r->at < r->end; shift += 7) {
		uint64_t byte = (uint8_t)*r->at++;

		/* The tenth byte holds the 64th bit alone, and ends it. */
		if (shift == 63 && byte > 1)
			return false;
		v |= (byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = v;
			return byte != 0 || shift == 0;
		}
	}
	return false;
}

/* Most are one byte. */
static inline bool get_varint(struct reader *r, uint64_t *out)
{
	if (r->at == r->end || (uint8_t)*r->at >= 0x80)
		return get_long_varint(r, out);
	*out = (uint8_t)*r->at++;
	return true;
}

size_t wire_size(const struct wire_schema *schema, const void *src)
{
	const char *from = src;
	size_t size = 0;

	for (size_t i = 0; i < schema->count; i++) {
		if (schema->fields[i].kind == FIELD_num) {
			uint64_t v;

			memcpy(&v, from, sizeof(v));
			from += sizeof(v);
			size += varint_size(v);
		} else {
			struct str s;

			memcpy(&s, from, sizeof(s));
			from += sizeof(s);
			size += varint_size(s.len) + s.len;
		}
	}
	return size;
}

/* At least what the first count fields take; cheaper than to know. */
static size_t size_limit(const struct wire_schema *schema, size_t count,
			 const char *from)
{
	size_t size = count * VARINT_MAX;

	for (size_t i = 0; i < count; i++) {
		if (schema->fields[i].kind == FIELD_num) {
			from += sizeof(uint64_t);
		} else {
			struct str s;

			memcpy(&s, from, sizeof(s));
			from += sizeof(s);
			assert(s.len <= schema->fields[i].bound);
			size += s.len;
		}
	}
	return size;
}

static void put_fields(struct buf *b, const struct wire_schema *schema,
		       size_t count, const char *from)
{
	char *at;

	/* One reservation for all fields: they are then written unchecked. */
	if (!buf_reserve(b, size_limit(schema, count, from)))
		return;
	at = b->data + b->len;
	for (size_t i = 0; i < count; i++) {
		if (schema->fields[i].kind == FIELD_num) {
			uint64_t v;

			memcpy(&v, from, sizeof(v));
			from += sizeof(v);
			assert(v <= schema->fields[i].bound);
			at = put_varint(at, v);
		} else {
			struct str s;

			memcpy(&s, from, sizeof(s));
			from += sizeof(s);
			at = put_varint(at, s.len);
			if (s.len > 0)
				memcpy(at, s.data, s.len);
			at += s.len;
		}
	}
	b->len = (size_t)(at - b->data);
	*at = '\0';
}

void wire_put(struct buf *b, const struct wire_schema *schema, const void *src)
{
	put_fields(b, schema, schema->count, src);
}

static bool get_fields(struct reader *r, const struct wire_schema *schema,
		       void *out)
{
	char *to = out;

	for (size_t i = 0; i < schema->count; i++) {
		uint64_t v;

		if (!get_varint(r, &v) || v > schema->fields[i].bound)
			return false;
		if (schema->fields[i].kind == FIELD_num) {
			memcpy(to, &v, sizeof(v));
			to += sizeof(v);
		} else {
			struct str s;

			if (v > (size_t)(r->end - r->at))
				return false;
			s = str_make(r->at, (size_t)v);
			r->at += s.len;
			memcpy(to, &s, sizeof(s));
			to += sizeof(s);
		}
	}
	return true;
}

static struct reader reader_of(struct str in)
{
	const char *data = in.data == NULL ? "" : in.data;

	return (struct reader){ .at = data, .end = data + in.len };
}

int wire_get(struct str in, const struct wire_schema *schema, void *out)
{
	struct reader r = reader_of(in);

	if (!get_fields(&r, schema, out) || r.at != r.end)
		return -EBADMSG;
	return 0;
}

int wire_next(struct str *list, const struct wire_schema *schema, void *out)
{
	struct reader r = reader_of(*list);

	if (r.at == r.end)
		return 0;
	if (!get_fields(&r, schema, out))
		return -EBADMSG;
	*list = str_make(r.at, (size_t)(r.end - r.at));
	return 1;
}

static void put_u16(char *at, uint32_t v)
{
	at[0] = (char)(uint8_t)v;
	at[1] = (char)(uint8_t)(v >> 8);
}

static void put_u32(char *at, uint32_t v)
{
	put_u16(at, v);
	put_u16(at + 2, v >> 16);
}

static uint32_t get_u16(const char *at)
{
	return (uint32_t)(uint8_t)at[0] | (uint32_t)(uint8_t)at[1] << 8;
}

static uint32_t get_u32(const char *at)
{
	return get_u16(at) | get_u16(at + 2) << 16;
}

/* Its length is still to come. */
static void put_header(struct buf *b, enum wire_type type, uint32_t id,
		       uint32_t principal)
{
	char header[WIRE_HEADER] = { 0 };

	put_u16(header + 4, (uint32_t)type);
	put_u32(header + 8, id);
	put_u32(header + 12, principal);
	buf_append(b, header, sizeof(header));
}

static void put_length(struct buf *b, size_t start)
{
	size_t len = b->len - start - WIRE_HEADER;

	assert(len <= WIRE_FRAME_MAX);
	put_u32(b->data + start, (uint32_t)len);
}

void wire_put_frame(struct buf *b, enum wire_type type, uint32_t id,
		    uint32_t principal, const void *body)
{
	const struct wire_schema *schema = wire_schema_of(type);
	size_t start = b->len;

	assert(schema != NULL);
	put_header(b, type, id, principal);
	wire_put(b, schema, body);
	if (!b->failed)
		put_length(b, start);
}

struct wire_open wire_open_frame(struct buf *b, enum wire_type type,
				 uint32_t id, uint32_t principal,
				 const void *body, size_t expected)
{
	const struct wire_schema *schema = wire_schema_of(type);
	struct wire_open open = { .start = b->len };

	assert(schema != NULL);
	assert(schema->fields[schema->count - 1].kind == FIELD_str);
	put_header(b, type, id, principal);
	put_fields(b, schema, schema->count - 1, body);
	open.length = b->len;
	if (buf_reserve(b, varint_size(expected) + expected))
		b->len += varint_size(expected);
	open.data = b->len;
	return open;
}

void wire_close_frame(struct buf *b, const struct wire_open *open)
{
	size_t len = b->len - open->data;
	size_t room = varint_size(len);

	if (!buf_reserve(b, VARINT_MAX))
		return;
	if (open->data - open->length != room)
		memmove(b->data + open->length + room, b->data + open->data,
			len);
	b->len = open->length + room + len;
	b->data[b->len] = '\0';
	put_varint(b->data + open->length, len);
	put_length(b, open->start);
}

void wire_mark_resent(struct buf *frame)
{
	assert(frame->len >= WIRE_HEADER);
	put_u16(frame->data + 6, 1);
}

int wire_get_header(const char *data, struct wire_header *out)
{
	uint32_t type = get_u16(data + 4);
	uint32_t resent = get_u16(data + 6);

	out->len = get_u32(data);
	if (out->len > WIRE_FRAME_MAX || type_row(type) == NULL || resent > 1)
		return -EBADMSG;
	out->resent = resent == 1;
	out->type = (enum wire_type)type;
	out->id = get_u32(data + 8);
	out->principal = get_u32(data + 12);
	return 0;
}
