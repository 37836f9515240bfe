/* SPDX-License-Identifier: MIT */
#include "lib/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
	const char *name;
	int status;
	int number;
	const char *sentence;
};

static const struct row rows[ERR_COUNT] = {
#define ROW(ENUM, code, status, number, text)                                  \
	[ERR_##ENUM] = { code, status, number, text },
	ERR_CODES(ROW)
#undef ROW
};

/* What err_keep() has without memory. */
static const struct err kept[ERR_COUNT] = {
#define KEPT(ENUM, name, status, number, sentence)                             \
	[ERR_##ENUM] = { .code = ERR_##ENUM, .text = sentence },
	ERR_CODES(KEPT)
#undef KEPT
};

/* Codes come over the wire from other versions too: an unknown one is treated
 * as `unavailable`. */
static const struct row *row_of(enum err_code code)
{
	unsigned int i = (unsigned int)code;

	if (i == ERR_NONE || i >= ERR_COUNT)
		i = ERR_UNAVAILABLE;
	return &rows[i];
}

/* vsnprintf() may have cut a UTF-8 character in two: drops the rest of it. */
static void trim_cut_character(char *text)
{
	size_t end = strlen(text);
	size_t lead = end;
	size_t need;

	while (lead > 0 && (text[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (lead == 0 || (text[lead - 1] & 0x80) == 0)
		return;
	lead--;
	if ((text[lead] & 0xe0) == 0xc0)
		need = 2;
	else if ((text[lead] & 0xf0) == 0xe0)
		need = 3;
	else
		need = 4;
	if (end - lead < need)
		text[lead] = '\0';
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	const struct row *row = row_of(code);
	va_list ap;

	if (err == NULL)
		return -row->number;
	err->code = code;
	err->retry_after_ms = 0;
	err->rate_limit = 0;
	err->rate_reset_ms = 0;
	if (fmt == NULL) {
		(void)snprintf(err->text, sizeof(err->text), "%s",
			       row->sentence);
		return -row->number;
	}
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	trim_cut_character(err->text);
	return -row->number;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	char prefix[ERR_TEXT_MAX];
	va_list ap;

	if (err == NULL)
		return -EIO;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	(void)vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	/* The cut of too long a text is wanted: its beginning says most. */
	if (snprintf(err->text, sizeof(err->text), "%s: %s", prefix, old) >=
	    (int)sizeof(err->text))
		trim_cut_character(err->text);
	return err_rc(err);
}

int err_rc(const struct err *err)
{
	return err->code == ERR_NONE ? 0 : -row_of(err->code)->number;
}

const struct err *err_keep(const struct err *err)
{
	struct err *copy = malloc(sizeof(*copy));
	unsigned int i = (unsigned int)err->code;

	if (copy == NULL)
		return &kept[i < ERR_COUNT ? i : ERR_UNAVAILABLE];
	*copy = *err;
	return copy;
}

void err_drop(const struct err *err)
{
	for (size_t i = 0; i < ERR_COUNT; i++) {
		if (err == &kept[i])
			return;
	}
	free((void *)(uintptr_t)err);
}

const char *err_name(enum err_code code)
{
	return row_of(code)->name;
}

int err_http_status(enum err_code code)
{
	return row_of(code)->status;
}

int err_errno(enum err_code code)
{
	return row_of(code)->number;
}

const char *err_sentence(enum err_code code)
{
	return row_of(code)->sentence;
}

enum err_code err_code_of(const char *name)
{
	for (size_t i = ERR_NONE + 1; i < ERR_COUNT; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return (enum err_code)i;
	}
	return ERR_NONE;
}

enum err_code err_of_file(int number)
{
	return number == ENOSPC || number == EDQUOT ? ERR_OUT_OF_SPACE
						    : ERR_UNAVAILABLE;
}
