/* SPDX-License-Identifier: MIT */
/* What the value of a header says. */
#include <string.h>
#include <strings.h>

#include "daemon/gateway/headers.h"

struct str headers_trim(struct str s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 &&
	       (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool headers_bearer(struct str value, struct str *token)
{
	static const char scheme[] = "Bearer ";
	size_t n = sizeof(scheme) - 1;

	if (value.len <= n || strncasecmp(value.data, scheme, n) != 0)
		return false;
	*token = headers_trim(str_make(value.data + n, value.len - n));
	return token->len > 0;
}

bool headers_media_type(struct str value, const char *type)
{
	const char *end =
		value.len == 0 ? NULL : memchr(value.data, ';', value.len);

	if (end != NULL)
		value.len = (size_t)(end - value.data);
	value = headers_trim(value);
	return value.len == strlen(type) &&
	       strncasecmp(value.data, type, value.len) == 0;
}

/* Takes the next item off a comma-separated list; false at its end. */
static bool next_item(struct str *list, struct str *item)
{
	const char *comma;
	size_t len;

	if (list->data == NULL)
		return false;
	comma = list->len == 0 ? NULL : memchr(list->data, ',', list->len);
	len = comma == NULL ? list->len : (size_t)(comma - list->data);
	*item = headers_trim(str_make(list->data, len));
	*list = comma == NULL ? str_make(NULL, 0)
			      : str_make(comma + 1, list->len - len - 1);
	return true;
}

bool headers_list_has(struct str list, const char *item)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (str_eq(part, str_of(item)))
			return true;
	}
	return false;
}

bool headers_list_has_word(struct str list, const char *word)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (part.len == strlen(word) &&
		    strncasecmp(part.data, word, part.len) == 0)
			return true;
	}
	return false;
}

/* Our own tags hold no comma. */
bool headers_tags_have(struct str list, struct str tag, bool weak)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (weak && part.len > 2 && memcmp(part.data, "W/", 2) == 0)
			part = str_make(part.data + 2, part.len - 2);
		if (str_eq(part, tag) || str_eq(part, str_of("*")))
			return true;
	}
	return false;
}

bool headers_tags_begin(struct str list, struct str text)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (str_eq(part, str_of("*")))
			return true;
		if (part.len > text.len + 2 && part.data[0] == '"' &&
		    memcmp(part.data + 1, text.data, text.len) == 0 &&
		    part.data[text.len + 1] == '-')
			return true;
	}
	return false;
}

bool headers_accept(struct str list, const char *type)
{
	struct str part;

	while (next_item(&list, &part)) {
		if (headers_media_type(part, type))
			return true;
	}
	return false;
}
