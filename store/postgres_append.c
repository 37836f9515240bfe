/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/text.h"
#include "store/input.h"

/* AGAIN_MS: what one more try may take, of which append_if_free() waits for 150
 * at most. What is FREE_MS or less is no time to wait for a lock. */
enum {
	TRIES = 3,
	LOCKED_MS = 1000,
	AGAIN_MS = 300,
	FREE_MS = 100,
	ITEMS_MAX = 100000
};

/* 'b' and a batch_id, or 'i' and a client_id. */
struct dedupe_key {
	char bytes[1 + WIRE_KEY_MAX];
};

static struct str make_key(struct dedupe_key *key, char kind, struct str id)
{
	if (id.len == 0)
		return str_make(NULL, 0);
	assert(id.len <= WIRE_KEY_MAX);
	key->bytes[0] = kind;
	memcpy(key->bytes + 1, id.data, id.len);
	return str_make(key->bytes, id.len + 1);
}

/* Of one call. */
struct call_keys {
	struct dedupe_key batch;
	struct dedupe_key item;
};

/* The arrays of append_messages(), in the order of its parameters. */
enum { TYPE, REPLY, LEN, JSONL, WARN, ID, CONTENT, URL, NAMES };
_Static_assert(NAMES + 1 == PG_ITEM_ARRAYS, "all of them");

static bool has_name(struct str names, struct str name)
{
	struct str one;

	while (text_next_word(&names, &one)) {
		if (str_eq(one, name))
			return true;
	}
	return false;
}

/* Whom an item may mention, each once and the sender not: who of them is a
 * member is known behind the lock. */
static void put_names(struct postgres_store *s, const struct store_append *op,
		      const struct wire_item *item)
{
	struct input_mentions it;
	struct str name;

	buf_clear(&s->names);
	input_mentions_init(&it, item);
	if (it.in_content || item->mentions.len > 0) {
		while (input_next_mention(&it, &name)) {
			if (str_eq(name, op->user) ||
			    has_name(buf_str(&s->names), name))
				continue;
			if (s->names.len > 0)
				buf_append_char(&s->names, ' ');
			buf_append_str(&s->names, name);
		}
	}
	pg_array_add_str(&s->items[NAMES], buf_str(&s->names));
	pg_array_add(&s->items[WARN],
		     it.dropped ? (uint64_t)WARN_MENTION_DROPPED : 0);
}

/* What an item is to the functions in the database: its lines are as long as
 * that but for the digits of its number. */
struct item_numbers {
	uint64_t reply_to;
	uint64_t len;
	uint64_t jsonl_len;
};

static struct item_numbers numbers_of(const struct store_append *op,
				      const struct wire_item *item)
{
	const struct wire_message m = { .seq = 1,
					.type = item->type,
					.reply_to = item->reply_to,
					.sender = op->user,
					.content = item->content,
					.media_url = item->media_url,
					.client_id = item->client_id };

	return (struct item_numbers){
		/* No message has a number that PostgreSQL does not know. */
		.reply_to = item->reply_to > PG_NUMBER_MAX ? PG_NUMBER_MAX
							   : item->reply_to,
		.len = text_render_len(&m) - 1,
		.jsonl_len = json_message_line_len(&m) - 1,
	};
}

static void put_item(struct postgres_store *s, const struct store_append *op,
		     const struct wire_item *item)
{
	struct item_numbers n = numbers_of(op, item);
	struct dedupe_key key;

	pg_array_add(&s->items[TYPE], item->type);
	pg_array_add(&s->items[REPLY], n.reply_to);
	pg_array_add(&s->items[LEN], n.len);
	pg_array_add(&s->items[JSONL], n.jsonl_len);
	pg_array_add_str(&s->items[ID], make_key(&key, 'i', item->client_id));
	pg_array_add_blob(&s->items[CONTENT], item->content);
	pg_array_add_str(&s->items[URL], item->media_url);
	put_names(s, op, item);
}

/* Whether one may be refused behind others. */
static bool put_items(struct postgres_store *s, const struct store_append *op,
		      size_t count)
{
	static const enum pg_type types[PG_ITEM_ARRAYS] = {
		PG_TYPE_BIGINT, PG_TYPE_BIGINT, PG_TYPE_BIGINT,
		PG_TYPE_BIGINT, PG_TYPE_BIGINT, PG_TYPE_BYTEA,
		PG_TYPE_BYTEA,	PG_TYPE_TEXT,	PG_TYPE_TEXT
	};
	struct str items = op->items;
	struct wire_item item;
	bool replies = false;

	for (size_t i = 0; i < PG_ITEM_ARRAYS; i++)
		pg_array_begin(&s->items[i], types[i]);
	while (wire_next(&items, &wire_schema_item, &item) > 0) {
		replies = replies || item.reply_to > 0;
		put_item(s, op, &item);
	}
	return replies && count > 1;
}

/* What all of them begin with. */
static void begin_call(const struct postgres_store *s,
		       const struct store_append *op, enum pg_statement which,
		       struct dedupe_key *key, struct pg_call *c)
{
	uint64_t now_ms = env_now_ms(s->base.options.env);
	uint64_t from;
	uint64_t generation = pg_generation(s, now_ms, &from);

	pg_use(c, which);
	pg_add(c, op->group_id);
	pg_add_text(c, op->user);
	pg_add(c, now_ms);
	pg_add(c, generation);
	pg_add(c, from);
	pg_add_bytes(c, make_key(key, 'b', op->batch_id));
}

/* Whether it is what append_message() is for, and its one item then. */
static bool is_plain(const struct store_append *op, size_t count,
		     struct wire_item *item)
{
	struct str items = op->items;
	struct input_mentions it;

	if (count != 1 || op->only_known || op->batch_id.len == 0 ||
	    wire_next(&items, &wire_schema_item, item) <= 0)
		return false;
	input_mentions_init(&it, item);
	return !it.in_content && item->mentions.len == 0;
}

static void make_plain_call(const struct postgres_store *s,
			    const struct store_append *op,
			    const struct wire_item *item,
			    struct call_keys *keys, struct pg_call *c)
{
	struct item_numbers n = numbers_of(op, item);

	begin_call(s, op, PG_APPEND_PLAIN, &keys->batch, c);
	pg_add(c, item->type);
	pg_add(c, n.reply_to);
	pg_add(c, n.len);
	pg_add(c, n.jsonl_len);
	pg_add_bytes(c, make_key(&keys->item, 'i', item->client_id));
	pg_add_blob(c, item->content);
	pg_add_text(c, item->media_url);
}

/* Its bytes are the handle's, and of keys, until the next. */
static int make_list_call(struct postgres_store *s,
			  const struct store_append *op, size_t count,
			  bool if_free, struct call_keys *keys,
			  struct pg_call *c, struct err *err)
{
	enum pg_statement which =
		put_items(s, op, count) ? PG_APPEND_OR_NONE : PG_APPEND;
	bool failed = s->names.failed;

	begin_call(s, op, if_free ? PG_APPEND_IF_FREE : which, &keys->batch, c);
	pg_add_bool(c, op->only_known);
	for (size_t i = 0; i < PG_ITEM_ARRAYS; i++) {
		pg_add_array(c, &s->items[i]);
		failed = failed || s->items[i].buf.failed;
	}
	return failed ? pg_no_memory(s, err) : 0;
}

/* The same. */
static int make_call(struct postgres_store *s, const struct store_append *op,
		     size_t count, struct call_keys *keys, struct pg_call *c,
		     struct err *err)
{
	struct wire_item item;

	if (!is_plain(op, count, &item))
		return make_list_call(s, op, count, false, keys, c, err);
	make_plain_call(s, op, &item, keys, c);
	return 0;
}

/* The reply_to of item n, from 1. */
static uint64_t reply_of(const struct store_append *op, size_t n)
{
	struct str items = op->items;
	struct wire_item item = { 0 };

	while (n > 0 && wire_next(&items, &wire_schema_item, &item) > 0)
		n--;
	return item.reply_to;
}

static int refuse_locked(struct err *err)
{
	return err_set(err, ERR_UNAVAILABLE,
		       "Another machine is at work on this group now");
}

/* Reads what append_messages() said. */
static int take_answer(const PGresult *r, struct store_append *op, size_t count,
		       struct err *err)
{
	enum {
		STATUS,
		AT,
		EPOCH,
		FIRST,
		LAST,
		OFF,
		MS,
		DUPLICATE,
		WARNINGS,
		END,
		MENTIONS
	};
	struct wire_body_sent *sent = &op->sent;
	struct str a;
	uint64_t n;

	assert(PQntuples(r) == 1);
	a = pg_column_str(r, 0, 0);
	switch (pg_array_get(a, STATUS)) {
	case PG_OK:
		break;
	case PG_NO_MESSAGE:
		n = pg_array_get(a, AT);
		return input_refuse_reply(reply_of(op, n), n, count, err);
	case PG_LOCKED:
		return refuse_locked(err);
	default:
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	}
	sent->epoch = pg_array_get(a, EPOCH);
	sent->first_seq = pg_array_get(a, FIRST);
	sent->last_seq = pg_array_get(a, LAST);
	sent->offset = pg_array_get(a, OFF);
	sent->time_ms = pg_array_get(a, MS);
	sent->duplicate = pg_array_get(a, DUPLICATE);
	sent->warnings = pg_array_get(a, WARNINGS);
	op->end_off = pg_array_get(a, END);
	op->mentions = pg_array_get(a, MENTIONS) != 0;
	return 0;
}

/* A group that PostgreSQL could not even be asked for, or more lines than it
 * stores while a mount waits. */
static int check_bounds(const struct store_append *op, size_t count,
			struct err *err)
{
	if (op->group_id > PG_NUMBER_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (count > ITEMS_MAX)
		return err_set(err, ERR_TOO_LARGE,
			       "One write may have %d lines, this has %zu",
			       ITEMS_MAX, count);
	return 0;
}

int pg_append(struct store *base, struct store_append *op, size_t count,
	      struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct call_keys keys;
	struct pg_call c;
	PGresult *r = NULL;
	int rc = check_bounds(op, count, err);

	/* The clock goes on while a transaction is open. */
	if (rc == 0)
		rc = pg_need_room(s, err);
	if (rc == 0)
		rc = make_call(s, op, count, &keys, &c, err);
	if (rc == 0)
		rc = pg_run(s, &c, &r, err);
	if (rc >= 0)
		rc = take_answer(r, op, count, err);
	PQclear(r);
	return rc;
}

/* The appends of one transaction that are not refused yet, by group: who locks
 * several groups locks them in this order. */
struct pick {
	struct store_append *op;
	size_t count;
	size_t at; /* where it stands among all */
};

struct appending {
	struct postgres_store *s;
	struct pick *picks;
	size_t n;
	uint64_t lock_ms; /* how long they may wait for a lock; 0: as ever */
	bool if_free;	  /* they do not, for a group */
	struct call_keys keys;
};

static int by_group(const void *a, const void *b)
{
	const struct pick *x = a;
	const struct pick *y = b;

	if (x->op->group_id != y->op->group_id)
		return x->op->group_id < y->op->group_id ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int add_call(void *data, size_t i, struct pg_call *c, struct err *err)
{
	struct appending *a = data;
	const struct pick *p = &a->picks[i];

	return a->if_free ? make_list_call(a->s, p->op, p->count, true,
					   &a->keys, c, err)
			  : make_call(a->s, p->op, p->count, &a->keys, c, err);
}

/* Who is waited for less than PostgreSQL waits for a lock must hear of it in
 * time: nobody would know else what became of all that come together. */
static void set_patience(struct appending *a)
{
	uint64_t end = a->s->base.deadline_ms;
	uint64_t now = pg_clock_ms();
	uint64_t left = end > now + AGAIN_MS ? end - now - AGAIN_MS : 0;

	a->lock_ms = 0;
	if (end == 0 || left >= PG_LOCK_MS)
		left = PG_LOCK_MS;
	else
		a->lock_ms = left;
	a->if_free = a->if_free || left <= FREE_MS;
	if (a->if_free)
		a->lock_ms = FREE_MS;
}

/* Their results, n of them zeroed before, are freed unless it returns 0. */
static int run_appends(struct appending *a, PGresult **results,
		       struct pg_failure *failure, struct err *err)
{
	struct pg_calls calls = { .add = add_call, .data = a, .n = a->n };
	struct pg_call c;
	int rc;

	*failure = (struct pg_failure){ .locked = a->n };
	rc = pg_need_room(a->s, err);
	set_patience(a);
	calls.lock_ms = a->lock_ms;
	if (rc == 0 && (a->n > 1 || calls.lock_ms != 0)) {
		rc = pg_run_all(a->s, &calls, results, failure, err);
	} else if (rc == 0) {
		rc = add_call(a, 0, &c, err);
		if (rc == 0)
			rc = pg_run_commit(a->s, &c, results, &failure->again,
					   err);
	}
	if (rc < 0) {
		pg_free_all(results, a->n);
		memset(results, 0, a->n * sizeof(*results));
	}
	return rc < 0 ? rc : 0;
}

static bool is_locked(const struct postgres_store *s,
		      const struct store_append *op)
{
	for (size_t i = 0; i < PG_LOCKED_MAX; i++) {
		if (op->group_id == s->locked[i].group_id &&
		    pg_clock_ms() < s->locked[i].until_ms)
			return true;
	}
	return false;
}

/* Somebody has that group for longer than the others in a transaction can wait;
 * what comes for it next does not hold up those that it comes with either. */
static void note_locked(struct postgres_store *s, uint64_t group_id)
{
	size_t at = s->nlocked++ % PG_LOCKED_MAX;

	s->locked[at].group_id = group_id;
	s->locked[at].until_ms = pg_clock_ms() + LOCKED_MS;
}

static void leave_out(struct appending *a, uint64_t group_id, struct err *errs)
{
	size_t n = 0;

	note_locked(a->s, group_id);
	for (size_t i = 0; i < a->n; i++) {
		if (a->picks[i].op->group_id == group_id)
			refuse_locked(&errs[a->picks[i].at]);
		else
			a->picks[n++] = a->picks[i];
	}
	a->n = n;
}

/* Until they are stored, but for those of groups that are locked. */
static int run_until_kept(struct appending *a, PGresult **results,
			  struct err *errs, struct err *err)
{
	for (unsigned tries = 1;; tries++) {
		struct pg_failure failure;
		int rc = run_appends(a, results, &failure, err);

		if (rc == 0 || tries == TRIES)
			return rc;
		if (failure.again)
			/* It may be that which was not there. */
			a->s->room_now.hi = 0;
		else if (failure.locked < a->n && !a->if_free)
			leave_out(a, a->picks[failure.locked].op->group_id,
				  errs);
		else
			return rc;
		/* There may be more of them: no time is left for another. */
		a->if_free = a->if_free || !failure.again;
		if (a->n == 0)
			return 0;
	}
}

static void take_pick(struct appending *a, const struct pick *p,
		      const PGresult *r, struct err *errs)
{
	struct err *err = &errs[p->at];

	(void)take_answer(r, p->op, p->count, err);
	if (err->code == ERR_UNAVAILABLE && !is_locked(a->s, p->op))
		note_locked(a->s, p->op->group_id);
}

static int append_picks(struct appending *a, struct err *errs, struct err *err)
{
	PGresult **results = calloc(a->n, sizeof(*results));
	int rc;

	if (results == NULL)
		return pg_no_memory(a->s, err);
	rc = run_until_kept(a, results, errs, err);
	for (size_t i = 0; rc == 0 && i < a->n; i++)
		take_pick(a, &a->picks[i], results[i], errs);
	if (rc == 0)
		pg_free_all(results, a->n);
	free(results);
	return rc;
}

int pg_append_all(struct store *base, struct store_append *const *ops,
		  const size_t *counts, struct err *errs, size_t n,
		  struct err *err)
{
	struct appending a = { .s = pg_of(base),
			       .picks = calloc(n, sizeof(*a.picks)) };
	int rc = 0;

	if (a.picks == NULL)
		return pg_no_memory(a.s, err);
	for (size_t i = 0; i < n; i++) {
		if (errs[i].code == ERR_NONE)
			(void)check_bounds(ops[i], counts[i], &errs[i]);
		if (errs[i].code == ERR_NONE && is_locked(a.s, ops[i]))
			refuse_locked(&errs[i]);
		if (errs[i].code == ERR_NONE)
			a.picks[a.n++] = (struct pick){ ops[i], counts[i], i };
	}
	qsort(a.picks, a.n, sizeof(*a.picks), by_group);
	if (a.n > 0)
		rc = append_picks(&a, errs, err);
	free(a.picks);
	return rc;
}

int pg_set_read(struct store *base, uint64_t group_id, struct str user,
		uint64_t seq, uint64_t *stored, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r;
	int rc;

	if (group_id > PG_NUMBER_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	pg_use(&c, PG_SET_READ);
	pg_add(&c, group_id);
	pg_add_text(&c, user);
	/* WIRE_READ_ALL is -1. */
	pg_add(&c, seq == WIRE_READ_ALL || seq <= PG_NUMBER_MAX
			   ? seq
			   : PG_NUMBER_MAX);
	rc = pg_run(s, &c, &r, err);
	if (rc < 0)
		return rc;
	switch (pg_column(r, 0, 0)) {
	case PG_OK:
		*stored = pg_column(r, 0, 2);
		rc = pg_column(r, 0, 3) != 0;
		break;
	case PG_NO_MESSAGE:
		rc = err_set(err, ERR_BAD_REQUEST,
			     "There is no message %" PRIu64
			     " yet: the last is %" PRIu64,
			     seq, pg_column(r, 0, 1));
		break;
	default:
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	}
	PQclear(r);
	return rc;
}

int pg_flush_reads(struct store *base, const struct store_pointer *pointers,
		   size_t count, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_array *groups = &s->items[0];
	struct pg_array *names = &s->items[1];
	struct pg_array *seqs = &s->items[2];
	struct pg_call c;
	int rc;

	pg_array_begin(groups, PG_TYPE_BIGINT);
	pg_array_begin(names, PG_TYPE_TEXT);
	pg_array_begin(seqs, PG_TYPE_BIGINT);
	for (size_t i = 0; i < count; i++) {
		uint64_t seq = pointers[i].seq;

		if (pointers[i].group_id > PG_NUMBER_MAX ||
		    !text_is_user_name(pointers[i].user))
			continue;
		pg_array_add(groups, pointers[i].group_id);
		pg_array_add_str(names, pointers[i].user);
		pg_array_add(seqs, seq > PG_NUMBER_MAX ? PG_NUMBER_MAX : seq);
	}
	pg_use(&c, PG_FLUSH_READS);
	pg_add_array(&c, groups);
	pg_add_array(&c, names);
	pg_add_array(&c, seqs);
	if (groups->buf.failed || names->buf.failed || seqs->buf.failed)
		return pg_no_memory(s, err);
	rc = pg_run(s, &c, NULL, err);
	return rc < 0 ? rc : 0;
}
