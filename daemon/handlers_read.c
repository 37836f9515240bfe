/* SPDX-License-Identifier: MIT */
/* Requests that only read; on a reader thread, in one snapshot. */
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "daemon/handlers.h"
#include "daemon/page.h"
#include "lib/json.h"
#include "lib/text.h"

static void note_refusal(struct request *r, struct store *store)
{
	const struct wire_body_find_group *body = &r->body.find_group;
	struct wire_group group;

	if (body->for_whom == FIND_FOR_REQUEST)
		r->group_exists = false;
	else if (body->for_whom == FIND_FOR_SOCKET && body->name.len > 0 &&
		 r->err.code == ERR_NO_SUCH_GROUP &&
		 store_find_group(store, 0, body->name, str_of(""), &group,
				  NULL) == 0)
		request_note_refusal(r, store, group.group_id);
}

static int read_find_group(struct request *r, struct store *store)
{
	const struct wire_body_find_group *body = &r->body.find_group;
	struct wire_body_group answer;
	struct wire_group group;
	int rc = request_find_group(r, store, body->group_id, body->name,
				    &group);

	/* The same fields make both structs. */
	_Static_assert(sizeof(answer) == sizeof(group), "one list of fields");
	if (rc < 0) {
		note_refusal(r, store);
		return rc;
	}
	rc = request_see_pointer(r, store, &group);
	if (rc < 0)
		return rc;
	memcpy(&answer, &group, sizeof(answer));
	return request_answer(r, &answer);
}

static int add_group(void *data, const struct wire_group *g)
{
	return page_add(data, &wire_schema_group, g);
}

/* Only now that the walk is over may the handle be asked something else. */
static int see_pointers(struct request *r, struct store *store,
			struct buf *records)
{
	struct str groups = buf_str(records);
	struct buf seen = { 0 };
	struct wire_group g;
	int rc = 0;

	while (rc >= 0 && wire_next(&groups, &wire_schema_group, &g) > 0) {
		struct pointers_view view;

		rc = pointers_see(r->handlers->pointers, store, request_user(r),
				  &g, &view, &r->err);
		if (rc > 0) {
			g.last_read_seq = view.last_read_seq;
			g.read_off = view.read_off;
			g.mentions = view.mentions;
		}
		wire_put(&seen, &wire_schema_group, &g);
	}
	if (rc >= 0 && seen.failed)
		rc = request_no_memory(r);
	if (rc < 0) {
		buf_release(&seen);
		return rc;
	}
	buf_release(records);
	*records = seen;
	return 0;
}

static int read_list_groups(struct request *r, struct store *store)
{
	const struct wire_body_list_groups *body = &r->body.list_groups;
	struct page page = { .limit = page_limit(body->limit),
			     .complete = true };
	struct wire_body_group_list answer;
	int rc = store_list_groups(store, request_user(r), body->after,
				   add_group, &page, &r->err);

	rc = page_error(r, &page, rc);
	if (rc == 0 && r->handlers->pointers != NULL &&
	    pointers_are_there(r->handlers->pointers))
		rc = see_pointers(r, store, &page.records);
	answer =
		(struct wire_body_group_list){ .groups = buf_str(&page.records),
					       .complete = page.complete };
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&page.records);
	return rc;
}

/* As page_add_message(), but the oldest make room: who pages backwards goes on
 * before the oldest one and must not miss those between. */
static int add_newest(void *data, const struct wire_message *m)
{
	struct page *page = data;
	size_t before = page->records.len;
	struct wire_message oldest;
	struct str kept;

	if (m->seq >= page->before)
		return 1;
	wire_put(&page->records, &wire_schema_message, m);
	if (page->records.failed)
		return 1;
	kept = (struct str){ page->records.data + page->skip,
			     page->records.len - (size_t)page->skip };
	while (kept.len > page->max_bytes &&
	       kept.len > page->records.len - before) {
		if (wire_next(&kept, &wire_schema_message, &oldest) <= 0)
			break;
	}
	page->skip = page->records.len - kept.len;
	/* Not each time: the bytes moved stay in proportion to those read. */
	if (page->skip > page->max_bytes) {
		buf_consume(&page->records, (size_t)page->skip);
		page->skip = 0;
	}
	return 0;
}

/* An answer whose last field grows in its place; b is the request's then. */
static struct wire_open open_answer(const struct request *r, struct buf *b,
				    const void *body, size_t expected)
{
	return wire_open_frame(b, wire_answer_of(r->handler->type), r->id,
			       r->principal_id, body, expected);
}

static int close_answer(struct request *r, struct buf *b,
			const struct wire_open *open, int rc)
{
	if (rc == 0)
		wire_close_frame(b, open);
	if (rc == 0 && b->failed)
		rc = request_no_memory(r);
	if (rc < 0) {
		buf_release(b);
		return rc;
	}
	buf_release(&r->answer);
	r->answer = *b;
	return 0;
}

static int pull_backwards(struct request *r, struct store *store,
			  struct page *page, uint64_t after,
			  struct wire_body_messages *answer)
{
	int rc = 0;

	if (after < answer->last_seq)
		rc = store_scan(store, r->body.pull.group_id, after, add_newest,
				page, &r->err);
	rc = page_error(r, page, rc);
	answer->messages = buf_str(&page->records);
	if (rc == 0) {
		answer->messages.data += page->skip;
		answer->messages.len -= (size_t)page->skip;
		rc = request_answer(r, answer);
	}
	buf_release(&page->records);
	return rc;
}

static int pull_on(struct request *r, struct store *store, struct page *page,
		   uint64_t after, const struct wire_body_messages *answer)
{
	enum { USUAL = 256 /* bytes of a record, about */ };
	size_t expected = (size_t)page->limit * USUAL;
	struct wire_open open;
	int rc = 0;

	if (expected > page->max_bytes)
		expected = page->max_bytes;
	open = open_answer(r, &page->records, answer, expected);
	page->start = open.data;
	if (after < answer->last_seq)
		rc = store_scan(store, r->body.pull.group_id, after,
				page_add_message, page, &r->err);
	return close_answer(r, &page->records, &open, page_error(r, page, rc));
}

static int read_pull(struct request *r, struct store *store)
{
	const struct wire_body_pull *body = &r->body.pull;
	struct page page = {
		.limit = page_limit(body->limit),
		.before = body->before_seq,
		.max_bytes = body->max_bytes == 0 ? WIRE_TEXT_MAX
						  : (size_t)body->max_bytes,
	};
	bool backwards = body->after_seq == 0 && body->before_seq != 0;
	uint64_t after = body->after_seq;
	struct wire_body_messages answer;
	struct wire_group group;
	int rc = request_find_group(r, store, body->group_id, str_of(""),
				    &group);

	if (rc < 0)
		return rc;
	answer = (struct wire_body_messages){
		.epoch = group.epoch,
		.first_seq = group.first_seq,
		.last_seq = group.last_seq,
	};
	if (page.before > group.last_seq + 1)
		page.before = group.last_seq + 1;
	if (after == 0 && page.before > page.limit)
		after = page.before - page.limit - 1;
	return backwards ? pull_backwards(r, store, &page, after, &answer)
			 : pull_on(r, store, &page, after, &answer);
}

/* The first line may have bytes before those that are wanted. */
static int add_line(void *data, const struct wire_message *m)
{
	struct page *page = data;
	size_t before = page->records.len;
	size_t line;

	if (page->format == LOG_JSONL)
		json_put_message_line(&page->records, m);
	else
		text_render(&page->records, m);
	if (page->records.failed)
		return -ENOMEM;
	if (page->skip > 0) {
		line = page->records.len - before;
		if (line > page->skip)
			line = (size_t)page->skip;
		buf_remove(&page->records, before, line);
		page->skip -= line;
	}
	return page->records.len - page->start >= page->max_bytes ? 1 : 0;
}

static int read_text_at(struct request *r, struct store *store,
			struct page *page)
{
	const struct wire_body_read_text *body = &r->body.read_text;
	uint64_t line_off;
	uint64_t seq;
	int rc;

	if (body->size == 0)
		return 0;
	rc = store_seek(store, body->group_id, page->format, body->offset, &seq,
			&line_off, &r->err);
	if (rc == -ENOENT && r->err.code == ERR_NONE)
		return 0; /* at the end */
	if (rc < 0)
		return rc;
	page->skip = body->offset - line_off;
	rc = (page->format == LOG_TEXT ? store_scan_text : store_scan)(
		store, body->group_id, seq - 1, add_line, page, &r->err);
	if (page->records.len - page->start > page->max_bytes)
		buf_truncate(&page->records, page->start + page->max_bytes);
	return page_error(r, page, rc);
}

static int read_read_text(struct request *r, struct store *store)
{
	const struct wire_body_read_text *body = &r->body.read_text;
	const struct wire_body_text answer = { 0 };
	struct page page = { .format = (enum log_format)body->format,
			     .max_bytes = (size_t)body->size };
	struct wire_group group;
	struct wire_open open;
	int rc = request_find_group(r, store, body->group_id, str_of(""),
				    &group);

	if (rc < 0)
		return rc;
	open = open_answer(r, &page.records, &answer, page.max_bytes);
	page.start = open.data;
	rc = read_text_at(r, store, &page);
	return close_answer(r, &page.records, &open, rc);
}

static int add_member(void *data, const struct wire_member *m)
{
	return page_add(data, &wire_schema_member, m);
}

static int read_list_members(struct request *r, struct store *store)
{
	const struct wire_body_list_members *body = &r->body.list_members;
	struct page page = { .limit = page_limit(body->limit),
			     .complete = true };
	struct wire_body_member_list answer;
	struct wire_group group;
	int rc = request_find_group(r, store, body->group_id, str_of(""),
				    &group);

	if (rc < 0)
		return rc;
	rc = store_list_members(store, body->group_id, body->after, add_member,
				&page, &r->err);
	rc = page_error(r, &page, rc);
	answer = (struct wire_body_member_list){
		.members = buf_str(&page.records),
		.total = group.member_count,
		.complete = page.complete,
	};
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&page.records);
	return rc;
}

static int begin_get_info(struct request *r)
{
	const struct group *group = groups_find(&r->handlers->registry->groups,
						r->body.get_info.group_id);

	r->online.group_id = r->body.get_info.group_id;
	r->online.local = group == NULL ? 0 : group_online(group);
	r->asked = bus_online_known(r->handlers->bus, &r->online);
	return 0;
}

/* Once all nodes are counted, with what that came to. */
static void on_online(struct bus_online *q)
{
	struct request *r = container_of(q, struct request, online);

	if (q->count == q->local || r->handlers->stopping ||
	    request_read_again(r) < 0)
		request_go_on(r);
}

/* Only for who may see the group are the other nodes asked. */
static bool finish_get_info(struct request *r)
{
	uint64_t before = r->online.count;

	if (r->asked || r->err.code != ERR_NONE || r->handlers->stopping)
		return false;
	r->asked = true;
	r->online.cb = on_online;
	list_init(&r->online.link);
	if (!bus_online(r->handlers->bus, &r->online))
		return true;
	return r->online.count != before && request_read_again(r) == 0;
}

static int read_get_info(struct request *r, struct store *store)
{
	uint64_t group_id = r->body.get_info.group_id;
	struct wire_body_info answer;
	struct wire_info info;
	int rc = store_get_info(store, group_id, request_user(r), &info,
				&r->err);

	_Static_assert(sizeof(answer) == sizeof(info), "one list of fields");
	if (rc < 0) {
		request_note_refusal(r, store, group_id);
		return rc;
	}
	r->group_id = group_id;
	memcpy(&answer, &info, sizeof(answer));
	answer.online = r->online.count;
	return request_answer(r, &answer);
}

struct mentioning {
	struct page page;
	struct request *r;
};

static int add_mention(void *data, const struct wire_mention *m)
{
	struct mentioning *all = data;
	struct page *page = &all->page;
	struct pointers *pointers = all->r->handlers->pointers;

	if (pointers != NULL && m->seq <= pointers_find(pointers, m->group_id,
							request_user(all->r)))
		return 0;
	if (page->records.len > 0 &&
	    page->records.len + m->content.len > page->max_bytes)
		page->limit = 0;
	return page_add(page, &wire_schema_mention, m);
}

static int read_list_mentions(struct request *r, struct store *store)
{
	const struct wire_body_list_mentions *body = &r->body.list_mentions;
	struct mentioning all = {
		.page = { .limit = page_limit(body->limit),
			  .max_bytes = WIRE_TEXT_MAX,
			  .complete = true },
		.r = r,
	};
	struct page *page = &all.page;
	struct wire_body_mention_list answer;
	int rc = store_list_mentions(store, request_user(r), body->after_group,
				     body->after_seq, add_mention, &all,
				     &r->err);

	rc = page_error(r, page, rc);
	answer = (struct wire_body_mention_list){
		.mentions = buf_str(&page->records),
		.complete = page->complete,
	};
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&page->records);
	return rc;
}

static int read_get_space(struct request *r, struct store *store)
{
	struct wire_body_space answer = { 0 };
	struct statvfs st;

	(void)store;
	if (statvfs(r->handlers->data_dir, &st) != 0)
		return err_set(&r->err, ERR_UNAVAILABLE,
			       "The store's file system cannot be read: %s",
			       strerror(errno));
	answer.total = (uint64_t)st.f_blocks * st.f_frsize;
	answer.free = (uint64_t)st.f_bavail * st.f_frsize;
	return request_answer(r, &answer);
}

const struct handler handlers_reading[] = {
	{ .type = WIRE_FIND_GROUP, .read = read_find_group },
	{ .type = WIRE_LIST_GROUPS, .read = read_list_groups },
	{ .type = WIRE_PULL, .read = read_pull },
	{ .type = WIRE_READ_TEXT, .read = read_read_text },
	{ .type = WIRE_LIST_MEMBERS, .read = read_list_members },
	{ .type = WIRE_GET_INFO,
	  .begin = begin_get_info,
	  .finish = finish_get_info,
	  .read = read_get_info },
	{ .type = WIRE_LIST_MENTIONS, .read = read_list_mentions },
	{ .type = WIRE_GET_SPACE, .read = read_get_space },
	{ .type = WIRE_NONE },
};
