/* SPDX-License-Identifier: MIT */
#include "store/sqlite.h"

#include "lib/text.h"
#include "store/input.h"

/* The mentions of one message that are recorded. */
struct mentioned {
	struct str names[STORE_MENTIONS_MAX + 1]; /* and "everyone" */
	size_t count;
	bool everyone;
	bool dropped;
};

/* One message whose mentions are recorded. */
struct recording {
	struct sqlite_store *s;
	const struct store_append *op;
	const struct sq_sender *sender;
	uint64_t seq;
};

static bool is_mentioned(const struct mentioned *m, struct str name)
{
	for (size_t i = 0; i < m->count; i++) {
		if (str_eq(m->names[i], name))
			return true;
	}
	return false;
}

static int add_mention(const struct recording *r, struct mentioned *m,
		       struct str name, struct err *err)
{
	enum role role;
	int rc;

	if (str_eq(name, r->op->user) || is_mentioned(m, name))
		return 0;
	if (str_eq(name, str_of("everyone"))) {
		if (r->sender->member_count > STORE_EVERYONE_MAX &&
		    r->sender->role != ROLE_ADMIN) {
			m->dropped = true;
			return 0;
		}
		m->everyone = true;
		m->names[m->count++] = name;
		return 0;
	}
	rc = sq_role(r->s, r->op->group_id, name, &role, err);
	if (rc < 0 || role == ROLE_NONE)
		return rc;
	if (m->count - m->everyone == STORE_MENTIONS_MAX) {
		m->dropped = true;
		return 0;
	}
	m->names[m->count++] = name;
	return 0;
}

/* One row: of a name, or of everyone with who says it. */
static int insert_row(struct sqlite_store *s, enum sq_statement which,
		      struct str name, uint64_t group_id, uint64_t seq,
		      struct err *err)
{
	sqlite3_stmt *st = sq_use(s, which);

	sq_bind_text(st, 1, name);
	sq_bind(st, 2, group_id);
	sq_bind(st, 3, seq);
	return sq_run(s, st, err);
}

/* Everybody's record holds for those who are named too. */
static int insert_mentions(const struct recording *r, const struct mentioned *m,
			   struct err *err)
{
	uint64_t group_id = r->op->group_id;
	int rc = 0;

	if (m->everyone)
		return insert_row(r->s, SQ_INSERT_EVERYONE, r->op->user,
				  group_id, r->seq, err);
	for (size_t i = 0; rc == 0 && i < m->count; i++)
		rc = insert_row(r->s, SQ_INSERT_MENTION, m->names[i], group_id,
				r->seq, err);
	return rc;
}

/* Who joined later was mentioned as one who is no member any more: those were
 * forgotten when he left. */
static int import_mention(struct sqlite_store *s, uint64_t group_id,
			  struct str name, uint64_t seq, struct err *err)
{
	sqlite3_stmt *st = sq_use(s, SQ_JOINED);
	bool counts;
	int rc;

	sq_bind(st, 1, group_id);
	sq_bind_text(st, 2, name);
	rc = sq_step(s, st, err);
	if (rc <= 0)
		return rc;
	counts = sq_column(st, 0) < seq;
	sqlite3_reset(st);
	if (!counts)
		return 0;
	return insert_row(s, SQ_INSERT_MENTION, name, group_id, seq, err);
}

int sq_import_mentions(struct sqlite_store *s, uint64_t group_id,
		       const struct wire_message *m, struct err *err)
{
	struct str names = m->mentions;
	struct str name;
	int rc = 0;

	while (text_next_word(&names, &name)) {
		if (str_eq(name, str_of("everyone")))
			return insert_row(s, SQ_INSERT_EVERYONE, m->sender,
					  group_id, m->seq, err);
	}
	names = m->mentions;
	while (rc == 0 && text_next_word(&names, &name))
		rc = import_mention(s, group_id, name, m->seq, err);
	return rc;
}

int sq_record_mentions(struct sqlite_store *s, const struct store_append *op,
		       const struct sq_sender *sender, uint64_t seq,
		       const struct wire_item *item, uint64_t *warnings,
		       struct err *err)
{
	struct recording r = { s, op, sender, seq };
	struct input_mentions it;
	struct mentioned m;
	struct str name;
	int rc = 0;

	buf_clear(&s->names);
	input_mentions_init(&it, item);
	if (!it.in_content && item->mentions.len == 0)
		return 0;
	m.count = 0;
	m.everyone = false;
	m.dropped = false;
	while (rc == 0 && input_next_mention(&it, &name))
		rc = add_mention(&r, &m, name, err);
	if (rc < 0)
		return rc;
	if (m.dropped || it.dropped)
		*warnings |= WARN_MENTION_DROPPED;
	for (size_t i = 0; i < m.count; i++) {
		if (i > 0)
			buf_append_char(&s->names, ' ');
		buf_append_str(&s->names, m.names[i]);
	}
	if (s->names.failed)
		return sq_no_memory(s, err);
	return insert_mentions(&r, &m, err);
}

/* A walk over what is unread and mentions a user. */
struct listing {
	struct sqlite_store *s;
	struct str user;
	store_mention_fn fn;
	void *data;
};

/* Of one of his groups. */
struct unread {
	uint64_t group_id;
	struct str group;
	uint64_t sealed;
	uint64_t after_seq;
};

/* The message of one mention: 0 goes on, 1 ends the walk. */
static int give_mention(const struct listing *l, const struct unread *u,
			uint64_t seq, struct err *err)
{
	const struct sq_at at = { u->group_id, u->sealed, seq };
	sqlite3_stmt *st;
	struct wire_mention mention;
	struct wire_message m;
	int rc = sq_row(l->s, SQ_MESSAGE, SQ_HOT_MESSAGE, &at, &st, err);

	/* None: its message was taken away. */
	if (rc <= 0)
		return rc;
	sq_read_message(st, &m);
	mention = store_mention_of(u->group_id, u->group, &m);
	rc = l->fn(l->data, &mention);
	sqlite3_reset(st);
	return rc;
}

static int list_of_group(const struct listing *l, const struct unread *u,
			 struct err *err)
{
	sqlite3_stmt *st = sq_use(l->s, SQ_MENTIONS_OF);
	int rc;

	sq_bind_text(st, 1, l->user);
	sq_bind(st, 2, u->group_id);
	sq_bind(st, 3, u->after_seq);
	while ((rc = sq_step(l->s, st, err)) > 0) {
		rc = give_mention(l, u, sq_column(st, 0), err);
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	return rc;
}

static int list_mentions(const struct listing *l, struct str after_group,
			 uint64_t after_seq, struct err *err)
{
	sqlite3_stmt *st = sq_use(l->s, SQ_MENTION_GROUPS);
	int rc;

	sq_bind_text(st, 1, l->user);
	sq_bind_after(st, 2, after_group);
	while ((rc = sq_step(l->s, st, err)) > 0) {
		struct unread u = { .group_id = sq_column(st, 0),
				    .group = sq_column_str(st, 1),
				    .after_seq = sq_column(st, 2),
				    .sealed = sq_column(st, 5) };

		rc = sq_pointer(l->s, u.group_id, l->user, sq_column(st, 3),
				&u.after_seq, err);
		if (rc < 0)
			break;
		/* The floor. */
		if (u.after_seq + 1 < sq_column(st, 4))
			u.after_seq = sq_column(st, 4) - 1;
		if (str_eq(u.group, after_group) && after_seq > u.after_seq)
			u.after_seq = after_seq;
		/* SQLite's numbers are signed. */
		if (u.after_seq > SQ_SEQ_MAX)
			u.after_seq = SQ_SEQ_MAX;
		rc = list_of_group(l, &u, err);
		if (rc != 0)
			break;
	}
	sqlite3_reset(st);
	return rc < 0 ? rc : 0;
}

int sq_list_mentions(struct store *base, struct str user,
		     struct str after_group, uint64_t after_seq,
		     store_mention_fn fn, void *data, struct err *err)
{
	struct listing l = { sq_of(base), user, fn, data };
	int rc = sq_view_enter(l.s, err);

	if (rc < 0)
		return rc;
	rc = list_mentions(&l, after_group, after_seq, err);
	sq_view_leave(l.s);
	return rc;
}
