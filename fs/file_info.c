/* SPDX-License-Identifier: MIT */
/*
 * GROUP/description and GROUP/settings.json: a group's metadata, as one value
 * and as one object. Admins edit them (file_edit.c).
 */
#include <errno.h>
#include <inttypes.h>

#include "fs/file.h"
#include "lib/json.h"

/* What settings.json shows, a key a line. */
static int render(struct buf *out, const struct wire_body_info *info)
{
	struct buf compact = { 0 };
	struct json *json = NULL;
	int rc;

	buf_append_char(&compact, '{');
	json_put_info_fields(&compact, info);
	/* Where position 0 of `messages` lies in the whole log. */
	if (info->first_off > 0)
		buf_printf(&compact, ",\"first_off\":%" PRIu64,
			   info->first_off);
	buf_append_char(&compact, '}');
	rc = compact.failed
		     ? -ENOMEM
		     : json_parse(&json, buf_str(&compact), SIZE_MAX, NULL);
	buf_release(&compact);
	if (rc != 0)
		return rc;
	json_put_pretty(out, json);
	json_free(json);
	buf_append_char(out, '\n');
	return 0;
}

static void put_description(struct buf *out, struct str description)
{
	buf_append_str(out, description);
	if (description.len > 0)
		buf_append_char(out, '\n');
}

static int ask_info(struct op *op)
{
	const struct wire_body_get_info body = { .group_id = op->group_id };

	return op_submit(op, WIRE_GET_INFO, &body);
}

/* The text into op->body, then op->then. */
static void info_came(struct op *op, const void *body)
{
	const struct wire_body_info *info = body;

	if (op->kind == KIND_DESCRIPTION) {
		put_description(&op->body, info->description);
	} else if (render(&op->body, info) != 0) {
		op_reply_err(op, EIO);
		return;
	}
	op->then(op);
}

static void load(struct op *op, op_step_cb then)
{
	op->then = then;
	op_ask(op, ask_info, info_came);
}

static void load_made(struct op *op)
{
	load(op, file_text_made);
}

static void load_copy(struct op *op)
{
	load(op, file_edit_loaded);
}

static void info_stat(struct op *op)
{
	file_edit_stat(op, load_made);
}

static void info_read(struct op *op)
{
	file_edit_read(op, load_made);
}

static void info_open(struct op *op)
{
	int flags = op->handle->flags;

	/* An empty description is a value; empty settings are no object. */
	if ((flags & O_ACCMODE) != O_RDONLY && (flags & O_TRUNC) != 0)
		op->handle->cut = op->kind == KIND_DESCRIPTION;
	file_edit_open(op, load_copy);
}

static void info_set(struct op *op, const void *body)
{
	(void)body;
	file_applied(op);
}

static int ask_set_description(struct op *op)
{
	const struct wire_body_set_info body = { .group_id = op->group_id,
						 .set = INFO_DESCRIPTION,
						 .description =
							 buf_str(&op->body) };

	return op_submit(op, WIRE_SET_INFO, &body);
}

static void description_replace(struct op *op, struct str text)
{
	op->writes = true;
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	if (text.len > WIRE_DESCRIPTION_MAX) {
		op_deny(op, EMSGSIZE, "a description may have %d bytes",
			WIRE_DESCRIPTION_MAX);
		return;
	}
	buf_append_str(&op->body, text);
	if (op->body.failed)
		op_reply_err(op, ENOMEM);
	else
		op_ask(op, ask_set_description, info_set);
}

const struct file_ops file_description_ops = { .stat = info_stat,
					       .open = info_open,
					       .read = info_read,
					       .write = file_edit_write,
					       .flush = file_edit_flush,
					       .load = load,
					       .replace = description_replace,
					       .truncate = file_edit_truncate };

/* settings.json: what is in the object is set, what is not stays. */

static int parse(const struct op *op, struct json **json, struct err *err)
{
	return json_parse(json, buf_str(&op->body),
			  2 * (size_t)WIRE_SETTINGS_MAX, err);
}

static int ask_set_settings(struct op *op)
{
	struct wire_body_set_info body = { .group_id = op->group_id };
	struct buf settings = { 0 };
	struct json *json = NULL;
	int rc = parse(op, &json, NULL);

	if (rc == 0)
		rc = json_get_info(json, &body, &settings, NULL);
	/* It could be parsed before: only memory can be short. */
	rc = rc != 0 ? -ENOMEM : op_submit(op, WIRE_SET_INFO, &body);
	buf_release(&settings);
	json_free(json);
	return rc;
}

/* The metadata as it is, to compare with. */
static void settings_check(struct op *op, const void *body)
{
	struct wire_body_set_info set;
	struct buf settings = { 0 };
	struct json *json = NULL;
	struct err err = { 0 };
	int rc = parse(op, &json, &err);

	if (rc == 0)
		rc = json_get_info(json, &set, &settings, &err);
	if (rc == 0)
		rc = json_check_info(json, body, &err);
	buf_release(&settings);
	json_free(json);
	if (rc != 0)
		op_fail(op, &err);
	else
		op_ask(op, ask_set_settings, info_set);
}

static void settings_replace(struct op *op, struct str text)
{
	op->writes = true;
	buf_append_str(&op->body, text);
	if (op->body.failed)
		op_reply_err(op, ENOMEM);
	else
		op_ask(op, ask_info, settings_check);
}

const struct file_ops file_settings_ops = { .stat = info_stat,
					    .open = info_open,
					    .read = info_read,
					    .write = file_edit_write,
					    .flush = file_edit_flush,
					    .load = load,
					    .replace = settings_replace,
					    .truncate = file_edit_truncate };
