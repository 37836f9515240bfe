/* SPDX-License-Identifier: MIT */
/*
 * A view of bytes that belong to somebody else. A str never owns and is not
 * NUL-terminated; whoever hands one out says how long the bytes stay.
 */
#ifndef GROUPFS_LIB_STR_H
#define GROUPFS_LIB_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
	const char *data; /* borrowed; may be NULL when len is 0 */
	size_t len;	  /* bytes */
};

/* The bytes of a C string, without its NUL. NULL gives an empty str. */
static inline struct str str_of(const char *s)
{
	return (struct str){ .data = s, .len = s == NULL ? 0 : strlen(s) };
}

static inline struct str str_make(const char *data, size_t len)
{
	return (struct str){ .data = data, .len = len };
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The order of their bytes, as memcmp(3) says it. */
static inline int str_compare(struct str a, struct str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int rc = len == 0 ? 0 : memcmp(a.data, b.data, len);

	return rc != 0 ? rc : (a.len > b.len) - (a.len < b.len);
}

/* Copies into a caller's array of size bytes and adds the NUL; false (and an
 * empty string) when it does not fit or holds a NUL byte. */
static inline bool str_to_cstr(struct str s, char *out, size_t size)
{
	out[0] = '\0';
	if (s.len >= size || (s.len > 0 && memchr(s.data, 0, s.len) != NULL))
		return false;
	if (s.len > 0)
		memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return true;
}

#endif
