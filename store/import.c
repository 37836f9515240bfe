/* SPDX-License-Identifier: MIT */
#include "store/import.h"

#include <assert.h>
#include <inttypes.h>

#include "lib/text.h"
#include "store/backend.h"
#include "store/input.h"

int import_at_line(const struct store_import *op, uint64_t n, struct err *err)
{
	/* What ends the transaction is no fault of a line. */
	if (op->line == 0 || err->code == ERR_UNAVAILABLE ||
	    err->code == ERR_OUT_OF_SPACE)
		return err_rc(err);
	return err_wrap(err, "line %" PRIu64, op->line + n);
}

int import_refuse_unknown(struct err *err)
{
	return err_set(
		err, ERR_BAD_REQUEST,
		"There is no such import: it was broken off, and nothing "
		"of it is left");
}

int import_refuse_id(uint64_t group_id, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST,
		       "Group %" PRIu64 " cannot have this number here: it is "
		       "not above those of all others, or too large",
		       group_id);
}

int import_refuse_list(struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST,
		       "The list to be imported is damaged");
}

int import_refuse_double(struct str name, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST, "%.*s is a member already",
		       (int)name.len, name.data);
}

int import_refuse_client_id(struct str sender, uint64_t seq, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST,
		       "This client_id is that of message %" PRIu64
		       " of %.*s already",
		       seq, (int)sender.len, sender.data);
}

int import_refuse_media(const struct wire_media *m, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST,
		       "Message %" PRIu64 " does not bring the file %.*s",
		       m->seq, (int)m->name.len, m->name.data);
}

int import_refuse_full(uint64_t members, uint64_t max, struct err *err)
{
	return err_set(err, ERR_GROUP_FULL,
		       "There are %" PRIu64 " members, but max_members is "
		       "%" PRIu64,
		       members, max);
}

int import_refuse_no_admin(struct err *err)
{
	return err_set(err, ERR_LAST_ADMIN, "None of the members is an admin");
}

int import_refuse_end(uint64_t seq, uint64_t last_seq, struct err *err)
{
	return err_set(err, ERR_BAD_REQUEST,
		       "The last message is %" PRIu64
		       ", but last_seq says %" PRIu64,
		       seq, last_seq);
}

uint64_t import_pointer(const struct wire_port_member *m, uint64_t last_seq)
{
	if (m->last_read_seq != PORT_UNKNOWN)
		return m->last_read_seq;
	return last_seq > STORE_HISTORY ? last_seq - STORE_HISTORY : 0;
}

uint64_t import_now_ms(const struct store *s)
{
	return s->moving ? UINT64_MAX : env_now_ms(s->options.env);
}

bool import_is_recent(uint64_t time_ms, uint64_t now_ms, uint64_t window_ms)
{
	return time_ms > now_ms || now_ms - time_ms < window_ms;
}

static int check_time(uint64_t time_ms, uint64_t now_ms, const char *what,
		      struct err *err)
{
	if (time_ms <= now_ms || time_ms - now_ms <= IMPORT_CLOCK_MS)
		return 0;
	return err_set(err, ERR_BAD_REQUEST,
		       "%s lies more than a day in the future", what);
}

/* What is kept begins behind what is not; before message 1 there is none. */
static int check_floor(const struct wire_port_group *g, struct err *err)
{
	if (g->first_seq < 1 || g->first_seq > g->last_seq + 1)
		return err_set(err, ERR_BAD_REQUEST,
			       "first_seq is from 1 to one behind last_seq");
	if (g->first_seq == 1 && (g->first_off > 0 || g->first_jsonl_off > 0))
		return err_set(err, ERR_BAD_REQUEST,
			       "Message 1 begins at offset 0");
	if (g->first_off > IMPORT_OFF_MAX ||
	    g->first_jsonl_off > IMPORT_OFF_MAX)
		return err_set(err, ERR_BAD_REQUEST,
			       "The offset of the first message is out of "
			       "range");
	return 0;
}

static int check_group(const struct store *s, const struct wire_port_group *g,
		       struct err *err)
{
	const struct store_set_info info = { .set = INFO_ALL,
					     .description = g->description,
					     .avatar_url = g->avatar_url,
					     .settings = g->settings,
					     .max_members = g->max_members };
	int rc;

	if (!text_is_group_name(g->name))
		return err_set(err, ERR_BAD_NAME, "That is not a group's name");
	rc = input_check_user(g->created_by, err);
	if (rc == 0)
		rc = input_check_info(&info, err);
	if (rc == 0)
		rc = check_time(g->created_ms, import_now_ms(s), "created_at",
				err);
	if (rc == 0 && g->last_seq > UINT32_MAX)
		rc = err_set(err, ERR_GROUP_FULL,
			     "No group can have so many messages");
	return rc < 0 ? rc : check_floor(g, err);
}

int import_check_member(const struct wire_port_member *m, uint64_t last_seq,
			uint64_t now_ms, struct err *err)
{
	int rc = input_check_user(m->name, err);

	if (rc == 0)
		rc = check_time(m->joined_ms, now_ms, "joined_at", err);
	if (rc == 0 && m->joined_seq > last_seq)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "joined_seq is behind the last message");
	if (rc == 0 && m->last_read_seq != PORT_UNKNOWN &&
	    m->last_read_seq > last_seq)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "last_read_seq is behind the last message");
	return rc;
}

static int check_place(const struct wire_message *m,
		       const struct import_point *p, struct err *err)
{
	if (m->seq != p->next_seq)
		return err_set(err, ERR_BAD_REQUEST,
			       "Message %" PRIu64 " stands where %" PRIu64
			       " belongs",
			       m->seq, p->next_seq);
	if (m->seq > p->last_seq)
		return err_set(err, ERR_BAD_REQUEST,
			       "Message %" PRIu64
			       " is behind last_seq, which is %" PRIu64,
			       m->seq, p->last_seq);
	if (m->time_ms < p->after_ms)
		return err_set(err, ERR_BAD_REQUEST,
			       "The time of message %" PRIu64 " goes back",
			       m->seq);
	if (m->reply_to >= m->seq)
		return input_refuse_reply(m->reply_to, 1, 1, err);
	return check_time(m->time_ms, p->now_ms, "timestamp", err);
}

int import_check_message(const struct wire_message *m,
			 const struct import_point *p, struct err *err)
{
	const struct wire_item item = { .type = m->type,
					.content = m->content,
					.media_url = m->media_url,
					.mentions = m->mentions };
	int rc = check_place(m, p, err);

	if (rc == 0)
		rc = input_check_user(m->sender, err);
	if (rc == 0)
		rc = input_check_item(&item, p->max_content, err);
	if (rc == 0 && !text_is_utf8(m->client_id))
		rc = err_set(err, ERR_BAD_UTF8, NULL);
	return rc;
}

/* The verbs. */

int store_import_begin(struct store *s, const struct wire_port_group *group,
		       uint64_t *import_id, struct err *err)
{
	int rc = store_check_writer(s, err);

	*import_id = 0;
	if (rc == 0)
		rc = check_group(s, group, err);
	return rc < 0 ? rc : s->ops->import_begin(s, group, import_id, err);
}

int store_import_members(struct store *s, const struct store_import *op,
			 struct err *err)
{
	int rc = store_check_writer(s, err);

	return rc < 0 ? rc : s->ops->import_members(s, op, err);
}

int store_import_messages(struct store *s, const struct store_import *op,
			  struct err *err)
{
	int rc = store_check_writer(s, err);

	return rc < 0 ? rc : s->ops->import_messages(s, op, err);
}

int store_import_media(struct store *s, const struct store_import *op,
		       struct err *err)
{
	struct str records = op->records;
	struct wire_media media;
	int rc = store_check_writer(s, err);

	if (rc < 0)
		return rc;
	if (wire_next(&records, &wire_schema_media, &media) <= 0 ||
	    records.len > 0 || media.hash.len != STORE_HASH)
		rc = import_refuse_list(err);
	else if (!text_is_file_name(media.name))
		rc = err_set(err, ERR_BAD_NAME,
			     "That is no name for a media file");
	else if (media.size > INT64_MAX)
		rc = err_set(err, ERR_TOO_LARGE, "The file is too large");
	if (rc == 0)
		rc = s->ops->import_media(s, op, &media, err);
	return rc < 0 ? import_at_line(op, 0, err) : 0;
}

int store_import_end(struct store *s, struct store_import_end *op,
		     struct err *err)
{
	int rc = store_check_writer(s, err);

	op->group_id = 0;
	op->existed = false;
	assert(s->moving == (op->kept != NULL));
	if (rc == 0 && op->key.len > WIRE_KEY_MAX)
		rc = err_set(err, ERR_BAD_REQUEST, "The key is too long");
	return rc < 0 ? rc : s->ops->import_end(s, op, err);
}

int store_import_drop(struct store *s, uint64_t import_id, struct err *err)
{
	int rc = store_check_writer(s, err);

	return rc < 0 ? rc : s->ops->import_drop(s, import_id, err);
}

int store_next_import(struct store *s, uint64_t after_id, uint64_t *import_id,
		      struct err *err)
{
	int rc = store_check_alive(s, err);

	*import_id = 0;
	return rc < 0 ? rc : s->ops->next_import(s, after_id, import_id, err);
}

int store_export_members(struct store *s, uint64_t group_id, struct str after,
			 store_port_member_fn fn, void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	return rc < 0 ? rc
		      : s->ops->export_members(s, group_id, after, fn, data,
					       err);
}
