/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/commands.h"
#include "daemon/ctl/jsonl.h"
#include "daemon/ctl/port.h"
#include "lib/env.h"

enum {
	BATCH_BYTES = 512 << 10, /* of records a request, and a transaction */
	BATCH_LINES = 4000
};

/* A file that is being read. */
struct file {
	struct wire_media media; /* its strs point into name and hash */
	char name[WIRE_FILE_MAX + 1];
	uint8_t hash[WIRE_HASH];
	uint64_t line;
	uint64_t read; /* bytes of it */
	bool open;
};

/* One import under way. */
struct importing {
	struct ctl *ctl;
	const struct ctl_options *options;
	struct jsonl_in in;
	struct progress progress;
	struct port_counts counts;
	char name[WIRE_NAME_MAX + 1];
	char key[WIRE_KEY_MAX + 1];
	uint64_t import_id;
	bool media;	       /* the bytes of the files are there */
	enum port_type stands; /* what the last line was */
	struct file file;
	/* Records that wait to be sent, all of one part. */
	enum port_part part;
	struct buf records;
	uint64_t line; /* of the first */
	size_t count;
	struct buf scratch; /* what strs of a line point into */
};

static enum ctl_exit refuse(struct importing *i, const struct err *err)
{
	progress_clear(&i->progress);
	ctl_complain("line %llu: %s", (unsigned long long)i->in.number,
		     err->text);
	return CTL_REFUSED;
}

static enum ctl_exit refuse_text(struct importing *i, const char *text)
{
	struct err err;

	err_set(&err, ERR_BAD_REQUEST, "%s", text);
	return refuse(i, &err);
}

static enum ctl_exit give(struct importing *i,
			  const struct wire_body_import *body, uint64_t *value)
{
	struct wire_body_ok answer;
	enum ctl_exit rc = ctl_call_long(i->ctl, WIRE_IMPORT, body, &answer);

	if (rc == CTL_OK && value != NULL)
		*value = answer.value;
	return rc;
}

static enum ctl_exit flush(struct importing *i)
{
	const struct wire_body_import body = {
		.import_id = i->import_id,
		.part = i->part,
		.add_users = i->options->add_users,
		.line = i->line,
		.records = buf_str(&i->records),
	};
	enum ctl_exit rc;

	if (i->count == 0)
		return CTL_OK;
	if (i->records.failed)
		return refuse_text(i, "out of memory");
	rc = give(i, &body, NULL);
	buf_clear(&i->records);
	i->count = 0;
	return rc;
}

static enum ctl_exit add(struct importing *i, enum port_part part,
			 const struct wire_schema *schema, const void *record)
{
	enum ctl_exit rc = CTL_OK;

	if (i->count > 0 &&
	    (i->part != part || i->count == BATCH_LINES ||
	     i->records.len + wire_size(schema, record) > BATCH_BYTES))
		rc = flush(i);
	if (rc != CTL_OK)
		return rc;
	if (i->count == 0)
		i->line = i->in.number;
	i->part = part;
	wire_put(&i->records, schema, record);
	i->count++;
	return CTL_OK;
}

static enum ctl_exit take_head(struct importing *i, const struct json *j)
{
	struct wire_body_import body = { .part = PORT_GROUP };
	struct buf record = { 0 };
	struct port_head head;
	struct err err;
	enum ctl_exit rc;

	if (port_get_head(j, &head, &i->scratch, &err) < 0)
		return refuse(i, &err);
	if (i->options->as != NULL)
		head.group.name = str_of(i->options->as);
	(void)str_to_cstr(head.group.name, i->name, sizeof(i->name));
	i->media = head.media;
	wire_put(&record, &wire_schema_port_group, &head.group);
	body.key = str_of(i->key);
	body.line = i->in.number;
	body.records = buf_str(&record);
	rc = record.failed ? refuse_text(i, "out of memory")
			   : give(i, &body, &i->import_id);
	buf_release(&record);
	return rc;
}

static enum ctl_exit take_member(struct importing *i, const struct json *j)
{
	struct wire_port_member m;
	struct err err;

	if (port_get_member(j, &m, &err) < 0)
		return refuse(i, &err);
	i->counts.members++;
	return add(i, PORT_MEMBERS, &wire_schema_port_member, &m);
}

static enum ctl_exit take_message(struct importing *i, const struct json *j)
{
	struct wire_message m;
	struct err err;

	if (json_get_message(j, &m, &i->scratch, &err) < 0)
		return refuse(i, &err);
	i->counts.messages++;
	return add(i, PORT_MESSAGES, &wire_schema_message, &m);
}

/* Media files. */

static enum ctl_exit send_bytes(struct importing *i, uint64_t offset,
				struct str data)
{
	const struct wire_body_import_bytes body = { .import_id = i->import_id,
						     .offset = offset,
						     .data = data };
	struct wire_body_ok answer;

	return ctl_call_long(i->ctl, WIRE_IMPORT_BYTES, &body, &answer);
}

/* The file that was read is complete: its record makes it one of the group. */
static enum ctl_exit end_file(struct importing *i)
{
	struct wire_body_import body = { .import_id = i->import_id,
					 .part = PORT_MEDIA,
					 .line = i->file.line };
	struct buf record = { 0 };
	enum ctl_exit rc;

	if (!i->file.open)
		return CTL_OK;
	i->file.open = false;
	wire_put(&record, &wire_schema_media, &i->file.media);
	body.records = buf_str(&record);
	rc = record.failed ? refuse_text(i, "out of memory")
			   : give(i, &body, NULL);
	buf_release(&record);
	return rc;
}

static enum ctl_exit take_media(struct importing *i, const struct json *j)
{
	struct file *f = &i->file;
	enum ctl_exit rc = end_file(i);
	struct err err;

	if (rc == CTL_OK)
		rc = flush(i);
	if (rc != CTL_OK)
		return rc;
	if (port_get_media(j, &f->media, f->hash, &err) < 0)
		return refuse(i, &err);
	if (!str_to_cstr(f->media.name, f->name, sizeof(f->name)))
		return refuse_text(i, "That is no name for a media file");
	i->counts.media++;
	if (!i->media)
		return CTL_OK;
	f->media.name = str_of(f->name);
	f->line = i->in.number;
	f->read = 0;
	f->open = true;
	/* Begins it, also where it has no bytes. */
	return send_bytes(i, 0, str_of(""));
}

static enum ctl_exit take_bytes(struct importing *i, const struct json *j)
{
	struct file *f = &i->file;
	enum ctl_exit rc;
	uint64_t offset;
	struct err err;

	if (!f->open)
		return refuse_text(i, "These bytes belong to no file");
	if (port_get_bytes(j, &offset, &i->scratch, &err) < 0)
		return refuse(i, &err);
	if (offset != f->read)
		return refuse_text(i, "These bytes do not go on where the "
				      "last ones ended");
	if (i->scratch.len == 0)
		return refuse_text(i, "There are no bytes in it");
	if (i->scratch.len > f->media.size - f->read)
		return refuse_text(i, "The file has more bytes than its size "
				      "says");
	/* From 0 on means a new one. */
	rc = send_bytes(i, offset, buf_str(&i->scratch));
	f->read += i->scratch.len;
	return rc;
}

/* The end. */

static bool is_same(const struct port_counts *a, const struct port_counts *b)
{
	return a->members == b->members && a->messages == b->messages &&
	       a->media == b->media;
}

static enum ctl_exit check_sum(struct importing *i,
			       const uint8_t sha256[WIRE_HASH])
{
	uint8_t found[WIRE_HASH];
	enum ctl_exit rc = jsonl_sum_before(&i->in, found);

	if (rc == CTL_OK && memcmp(found, sha256, WIRE_HASH) != 0)
		return refuse_text(i, "What stands before was changed: its "
				      "sha256 is another one");
	return rc;
}

static enum ctl_exit take_end(struct importing *i, const struct json *j)
{
	uint8_t sha256[WIRE_HASH];
	struct port_counts counts;
	enum ctl_exit rc = CTL_OK;
	struct err err;
	bool summed;

	if (port_get_end(j, &counts, sha256, &summed, &err) < 0)
		return refuse(i, &err);
	if (!is_same(&counts, &i->counts))
		return refuse_text(i, "There are not as many members, "
				      "messages or files as it says");
	if (summed)
		rc = check_sum(i, sha256);
	if (rc == CTL_OK)
		rc = end_file(i);
	return rc == CTL_OK ? flush(i) : rc;
}

/* Lines. */

/* Whether a line of that type may follow what stands there. */
static bool may_follow(const struct importing *i, enum port_type type)
{
	if (i->in.number == 1)
		return type == PORT_LINE_HEAD;
	if (i->stands == PORT_LINE_END || type == PORT_LINE_HEAD)
		return false;
	/* Bytes and files take turns. */
	if (type == PORT_LINE_MEDIA)
		return true;
	return type >= i->stands;
}

static enum ctl_exit take_object(struct importing *i, const struct json *j)
{
	enum port_type type;
	struct err err;

	if (port_get_type(j, &type, &err) < 0)
		return i->in.number == 1
			       ? refuse_text(i, "That is no export of a group")
			       : refuse(i, &err);
	if (!may_follow(i, type))
		return refuse_text(i, i->in.number == 1
					      ? "That is no export of a group"
					      : "A line of this type does not "
						"belong here");
	i->stands = type;
	buf_clear(&i->scratch);
	switch (type) {
	case PORT_LINE_HEAD:
		return take_head(i, j);
	case PORT_LINE_MEMBER:
		return take_member(i, j);
	case PORT_LINE_MESSAGE:
		return take_message(i, j);
	case PORT_LINE_MEDIA:
		return take_media(i, j);
	case PORT_LINE_BYTES:
		return take_bytes(i, j);
	default:
		return take_end(i, j);
	}
}

static enum ctl_exit take_line(struct importing *i)
{
	struct json *json;
	enum ctl_exit rc;
	struct err err;

	if (json_parse(&json, i->in.line, JSONL_MAX, &err) < 0)
		return refuse(i, &err);
	rc = take_object(i, json);
	json_free(json);
	progress_set(&i->progress, i->in.read);
	return rc;
}

/* Shows the group. */
static enum ctl_exit finish(struct importing *i)
{
	const struct wire_body_import body = { .import_id = i->import_id,
					       .part = PORT_END,
					       .name = str_of(i->name),
					       .key = str_of(i->key) };

	if (i->in.number > 0 && i->stands == PORT_LINE_END)
		return give(i, &body, NULL);
	progress_clear(&i->progress);
	if (i->in.number == 0)
		ctl_complain("there is nothing to be imported");
	else
		ctl_complain("line %llu: the file ends here, but its last "
			     "line must be of the type \"end\": it was cut "
			     "off",
			     (unsigned long long)i->in.number);
	return CTL_REFUSED;
}

static enum ctl_exit import_all(struct importing *i)
{
	enum ctl_exit rc;
	bool more;

	do {
		rc = jsonl_next(&i->in, &more);
		if (rc == CTL_OK && more)
			rc = take_line(i);
	} while (rc == CTL_OK && more);
	return rc == CTL_OK ? finish(i) : rc;
}

enum ctl_exit ctl_import(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct importing i = { .ctl = ctl, .options = o };
	enum ctl_exit rc = jsonl_open(&i.in, argc > 0 ? argv[0] : NULL);

	(void)snprintf(i.key, sizeof(i.key), "groupctl-%016" PRIx64,
		       env_random_u64(env_system()));
	progress_start(&i.progress, "importing", PROGRESS_BYTES, NULL,
		       i.in.size);
	ctl->progress = &i.progress;
	if (rc == CTL_OK)
		rc = import_all(&i);
	ctl->progress = NULL;
	if (rc == CTL_OK)
		progress_finish(&i.progress);
	else
		progress_clear(&i.progress);
	jsonl_close(&i.in);
	buf_release(&i.records);
	buf_release(&i.scratch);
	return rc;
}
