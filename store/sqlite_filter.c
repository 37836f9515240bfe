/* SPDX-License-Identifier: MIT */
/*
 * All bits of an entry lie in one line of the processor's cache ("Cache-,
 * Hash- and Space-Efficient Bloom Filters", Putze, Sanders, Singler 2007).
 */
#include "store/sqlite_filter.h"

#include <stdlib.h>

enum {
	LINE = 64, /* bytes */
	LINE_BITS = 9,
	FIRST_LINES = 4096,
	ENTRIES = 50, /* of a line, when it is full: 10.2 bits each */
	BITS = 5      /* that an entry sets */
};

static uint64_t lines_of(unsigned part)
{
	return (uint64_t)FIRST_LINES << part;
}

/* The line is chosen by the high bits, those in it by the low ones. */
static unsigned char *line_of(unsigned char *bytes, unsigned part,
			      uint64_t hash)
{
	return bytes + (hash >> 45 & (lines_of(part) - 1)) * LINE;
}

bool sq_filter_add(struct sq_filter *f, uint64_t hash)
{
	unsigned char *line;
	unsigned part = 0;

	while (part < SQ_FILTER_PARTS - 1 &&
	       f->count[part] == lines_of(part) * ENTRIES)
		part++;
	if (f->parts[part] == NULL)
		f->parts[part] = calloc(lines_of(part), LINE);
	if (f->parts[part] == NULL)
		return false;
	f->count[part]++;
	line = line_of(f->parts[part], part, hash);
	for (unsigned i = 0; i < BITS; i++, hash >>= LINE_BITS)
		line[hash >> 3 & (LINE - 1)] |=
			(unsigned char)(1 << (hash & 7));
	return true;
}

static bool has(const unsigned char *line, uint64_t hash)
{
	for (unsigned i = 0; i < BITS; i++, hash >>= LINE_BITS) {
		if ((line[hash >> 3 & (LINE - 1)] >> (hash & 7) & 1) == 0)
			return false;
	}
	return true;
}

bool sq_filter_may_have(const struct sq_filter *f, uint64_t hash)
{
	for (unsigned part = 0;
	     part < SQ_FILTER_PARTS && f->parts[part] != NULL; part++) {
		if (has(line_of(f->parts[part], part, hash), hash))
			return true;
	}
	return false;
}

void sq_filter_clear(struct sq_filter *f)
{
	for (unsigned part = 0; part < SQ_FILTER_PARTS; part++) {
		free(f->parts[part]);
		f->parts[part] = NULL;
		f->count[part] = 0;
	}
}
