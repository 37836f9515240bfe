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

	buf_printf(&compact, "{\"name\":");
	json_put_str(&compact, info->name);
	buf_printf(&compact, ",\"description\":");
	json_put_str(&compact, info->description);
	buf_printf(&compact, ",\"avatar_url\":");
	json_put_str(&compact, info->avatar_url);
	buf_printf(&compact, ",\"created_by\":");
	json_put_str(&compact, info->created_by);
	buf_printf(&compact, ",\"created_at\":");
	json_put_time(&compact, info->created_ms);
	buf_printf(&compact, ",\"max_members\":%" PRIu64 ",\"settings\":",
		   info->max_members);
	buf_append_str(&compact,
		       info->settings.len > 0 ? info->settings : str_of("{}"));
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
	if (op->handle == NULL)
		file_replaced(op);
	else
		op_reply_err(op, 0);
}

/* The copy stays, in case that an editor goes on with it. */
static void begin_flush(struct op *op)
{
	handle_set_clean(op->handle);
	op->handle->loaded = false;
	op->writes = true;
}

static int ask_set_description(struct op *op)
{
	const struct wire_body_set_info body = { .group_id = op->group_id,
						 .set = INFO_DESCRIPTION,
						 .description =
							 buf_str(&op->body) };

	return op_submit(op, WIRE_SET_INFO, &body);
}

static void description_apply(struct op *op, struct str text)
{
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

static void description_flush(struct op *op)
{
	begin_flush(op);
	description_apply(op, buf_str(&op->handle->pending));
}

static void description_replace(struct op *op, struct str text)
{
	op->writes = true;
	description_apply(op, text);
}

const struct file_ops file_description_ops = { .stat = info_stat,
					       .open = info_open,
					       .read = info_read,
					       .write = file_edit_write,
					       .flush = description_flush,
					       .load = load,
					       .replace = description_replace,
					       .truncate = file_edit_truncate };

/* settings.json: what is in the object is set, what is not stays. */

/* The object, of which the strs of a SET_INFO are borrowed. */
struct edit {
	struct json *json;
	struct buf settings;
	struct wire_body_set_info body;
};

static void edit_release(struct edit *e)
{
	json_free(e->json);
	buf_release(&e->settings);
}

static bool is_known(struct str key)
{
	static const char *const KEYS[] = { "name",	  "description",
					    "avatar_url", "created_by",
					    "created_at", "max_members",
					    "settings" };

	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
		if (str_eq(key, str_of(KEYS[i])))
			return true;
	}
	return false;
}

static int check_keys(const struct json *json, struct err *err)
{
	struct str key;

	for (size_t i = 0; json_key_at(json, i, &key); i++) {
		if (!is_known(key))
			return err_set(err, ERR_BAD_REQUEST,
				       "There is no \"%.*s\": what is yours "
				       "goes into \"settings\"",
				       (int)(key.len < 64 ? key.len : 64),
				       key.data);
	}
	return 0;
}

static int get_settings(struct edit *e, struct err *err)
{
	const struct json *object;
	int rc = json_get_object(e->json, "settings", &object, err);

	if (rc <= 0)
		return rc;
	json_put_value(&e->settings, object);
	if (e->settings.failed)
		return err_set(err, ERR_UNAVAILABLE, NULL);
	if (e->settings.len > WIRE_SETTINGS_MAX)
		return err_set(err, ERR_TOO_LARGE,
			       "\"settings\" may have %d bytes",
			       WIRE_SETTINGS_MAX);
	e->body.settings = buf_str(&e->settings);
	e->body.set |= INFO_SETTINGS;
	return 0;
}

static int edit_parse(struct edit *e, struct str text, struct err *err)
{
	struct wire_body_set_info *b = &e->body;
	int rc = json_parse(&e->json, text, 2 * (size_t)WIRE_SETTINGS_MAX, err);

	if (rc == 0)
		rc = check_keys(e->json, err);
	if (rc == 0)
		rc = json_get_str(e->json, "description", WIRE_DESCRIPTION_MAX,
				  &b->description, err);
	if (rc == 1)
		b->set |= INFO_DESCRIPTION;
	if (rc >= 0)
		rc = json_get_str(e->json, "avatar_url", WIRE_URL_MAX,
				  &b->avatar_url, err);
	if (rc == 1)
		b->set |= INFO_AVATAR_URL;
	if (rc >= 0)
		rc = json_get_u64(e->json, "max_members", INT64_MAX,
				  &b->max_members, err);
	if (rc == 1)
		b->set |= INFO_MAX_MEMBERS;
	return rc < 0 ? rc : get_settings(e, err);
}

/* What cannot be changed must be as it is. */
static int check_fixed(const struct json *json,
		       const struct wire_body_info *info, struct err *err)
{
	const struct wire_body_info empty = { 0 };
	struct buf time = { 0 };
	struct str name = info->name;
	struct str by = info->created_by;
	struct str at = empty.name;
	int rc = json_get_str(json, "name", SIZE_MAX, &name, err);

	if (rc >= 0)
		rc = json_get_str(json, "created_by", SIZE_MAX, &by, err);
	if (rc >= 0)
		rc = json_get_str(json, "created_at", SIZE_MAX, &at, err);
	if (rc < 0)
		return rc;
	json_put_time(&time, info->created_ms);
	if (!str_eq(name, info->name) || !str_eq(by, info->created_by) ||
	    (at.data != NULL &&
	     !str_eq(at, str_make(time.data + 1, time.len - 2))))
		rc = err_set(err, ERR_BAD_REQUEST,
			     "name, created_by and created_at cannot be "
			     "changed");
	buf_release(&time);
	return rc < 0 ? rc : 0;
}

static int ask_set_settings(struct op *op)
{
	struct edit e = { .body = { .group_id = op->group_id } };
	int rc = edit_parse(&e, buf_str(&op->body), NULL);

	/* It could be parsed before: only memory can be short. */
	rc = rc != 0 ? -ENOMEM : op_submit(op, WIRE_SET_INFO, &e.body);
	edit_release(&e);
	return rc;
}

/* The metadata as it is, to compare with. */
static void settings_check(struct op *op, const void *body)
{
	struct edit e = { 0 };
	struct err err = { 0 };
	int rc = edit_parse(&e, buf_str(&op->body), &err);

	if (rc == 0)
		rc = check_fixed(e.json, body, &err);
	edit_release(&e);
	if (rc != 0)
		op_fail(op, &err);
	else
		op_ask(op, ask_set_settings, info_set);
}

static void settings_apply(struct op *op, struct str text)
{
	buf_append_str(&op->body, text);
	if (op->body.failed)
		op_reply_err(op, ENOMEM);
	else
		op_ask(op, ask_info, settings_check);
}

static void settings_flush(struct op *op)
{
	begin_flush(op);
	settings_apply(op, buf_str(&op->handle->pending));
}

static void settings_replace(struct op *op, struct str text)
{
	op->writes = true;
	settings_apply(op, text);
}

const struct file_ops file_settings_ops = { .stat = info_stat,
					    .open = info_open,
					    .read = info_read,
					    .write = file_edit_write,
					    .flush = settings_flush,
					    .load = load,
					    .replace = settings_replace,
					    .truncate = file_edit_truncate };
