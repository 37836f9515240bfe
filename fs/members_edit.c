/* SPDX-License-Identifier: MIT */
#include "fs/members_edit.h"

#include <stdbool.h>
#include <string.h>

#include "lib/text.h"
#include "lib/wire.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next word off the line; empty at its end. */
static struct str next_word(struct str *line)
{
	size_t start = 0;
	size_t end;
	struct str word;

	while (start < line->len && is_blank(line->data[start]))
		start++;
	end = start;
	while (end < line->len && !is_blank(line->data[end]))
		end++;
	word = str_make(line->data + start, end - start);
	*line = str_make(line->data + end, line->len - end);
	return word;
}

/* The command that a sign and a role make; -1 for none. */
static int command_of(char sign, struct str role)
{
	int op = -1;

	if (role.len == 0)
		op = EDIT_ADD;
	else if (str_eq(role, str_of("admin")))
		op = EDIT_ADMIN;
	else if (str_eq(role, str_of("member")))
		op = EDIT_MEMBER;
	/* In an editor the sign is put before the line as it is shown. */
	return sign == '-' && op >= 0 ? EDIT_REMOVE : op;
}

static int parse_line(struct str line, size_t number, struct buf *edits,
		      struct err *err)
{
	struct str name = next_word(&line);
	struct str role = next_word(&line);
	struct wire_edit edit;
	char sign = '\0';
	int op;

	if (name.len == 0 || name.data[0] == '#')
		return 0;
	if (name.data[0] == '+' || name.data[0] == '-') {
		sign = name.data[0];
		name = str_make(name.data + 1, name.len - 1);
	}
	op = command_of(sign, role);
	if (op < 0 || next_word(&line).len > 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "Line %zu is none of: NAME, +NAME, -NAME, "
			       "NAME admin, NAME member",
			       number);
	if (!text_is_user_name(name))
		return err_set(err, ERR_BAD_NAME,
			       "Line %zu does not begin with a user's name",
			       number);
	edit = (struct wire_edit){ .op = (uint64_t)op, .name = name };
	wire_put(edits, &wire_schema_edit, &edit);
	return edits->failed ? -ENOMEM : 0;
}

int members_edit_parse(struct str text, struct buf *edits, struct err *err)
{
	size_t number = 0;

	while (text.len > 0) {
		const char *nl = memchr(text.data, '\n', text.len);
		size_t len = nl == NULL ? text.len : (size_t)(nl - text.data);
		size_t used = nl == NULL ? len : len + 1;
		int rc;

		number++;
		rc = parse_line(str_make(text.data, len), number, edits, err);
		if (rc != 0)
			return rc;
		text = str_make(text.data + used, text.len - used);
	}
	return 0;
}
