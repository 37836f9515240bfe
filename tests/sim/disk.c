/* SPDX-License-Identifier: MIT */
/*
 * Between the core and its store (the linker gives us the calls, --wrap): each
 * write is told to the model, which says what must come of it; and now and then
 * one fails, takes long, or the process ends in the middle of it.
 *
 *   store_commit:  [fails: nothing is stored] [slow] commit [slow]
 *                  [its outcome is lost, stored or not: the process stops]
 *
 * Behind a crash nothing reaches the store any more.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/backend.h"
#include "tests/sim/sim.h"

enum { ITEMS = 16, SLOW_MS = 3000 };

static bool writing; /* a transaction is open */
static bool crash_due;

bool disk_is_crash_due(void)
{
	return crash_due;
}

void disk_reset(void)
{
	writing = crash_due = false;
}

/* Other threads go on, or it takes long. */
static void pause_here(void)
{
	if (sim_chance(sim.moods.slow))
		threads_pause((1 + sim_random(SLOW_MS)) * SIM_MS);
	else
		threads_pause(0);
}

static int fail(struct store *s, struct err *err)
{
	s->broken = s->in_transaction;
	if (!sim.crashed && sim_random(3) == 0)
		return err_set(err, ERR_OUT_OF_SPACE, NULL);
	return err_set(err, ERR_UNAVAILABLE, "The disk failed");
}

/* Whether this call fails. */
static bool fails(const char *verb)
{
	if (sim.crashed)
		return true;
	pause_here();
	if (!sim.crashed && !sim_chance(sim.moods.faults))
		return false;
	sim_trace("disk: %s fails", verb);
	return true;
}

int __real_store_begin(struct store *s, struct err *err);
int __wrap_store_begin(struct store *s, struct err *err);
int __wrap_store_begin(struct store *s, struct err *err)
{
	int rc;

	if (fails("begin"))
		return err_set(err, ERR_UNAVAILABLE, "The disk failed");
	rc = __real_store_begin(s, err);
	assert(!writing);
	writing = rc == 0;
	return rc;
}

void __real_store_rollback(struct store *s);
void __wrap_store_rollback(struct store *s);
void __wrap_store_rollback(struct store *s)
{
	if (s->in_transaction) {
		model_rollback(&sim.model);
		writing = false;
	}
	__real_store_rollback(s);
}

/* Nobody knows whether it is stored; but we do. */
static int lose(struct store *s, bool stored, struct err *err)
{
	sim_trace("disk: the outcome of a commit is lost, stored=%d", stored);
	s->dead = true;
	crash_due = true;
	err_set(err, ERR_OUTCOME_UNKNOWN, NULL);
	return -EINPROGRESS;
}

int __real_store_commit(struct store *s, struct err *err);
int __wrap_store_commit(struct store *s, struct err *err);
int __wrap_store_commit(struct store *s, struct err *err)
{
	bool lost = sim_chance(sim.moods.faults / 2);
	int rc;

	if (fails("commit") || (lost && sim_random(2) == 0)) {
		__wrap_store_rollback(s);
		return lost && !sim.crashed ? lose(s, false, err)
					    : fail(s, err);
	}
	/* What others may see, the model knows. */
	sim.still = true;
	rc = __real_store_commit(s, err);
	sim.still = false;
	SIM_CHECK(rc == 0, "commit: %s", err->text);
	model_commit(&sim.model);
	writing = false;
	sim_trace("disk: commit %llu", (unsigned long long)sim.model.moment);
	pause_here();
	return lost && !sim.crashed ? lose(s, true, err) : rc;
}

int __real_store_snapshot(struct store *s, struct err *err);
int __wrap_store_snapshot(struct store *s, struct err *err);
int __wrap_store_snapshot(struct store *s, struct err *err)
{
	int rc;

	if (fails("snapshot"))
		return err_set(err, ERR_UNAVAILABLE, "The disk failed");
	rc = __real_store_snapshot(s, err);
	pause_here();
	return rc;
}

void __real_store_release(struct store *s);
void __wrap_store_release(struct store *s);
void __wrap_store_release(struct store *s)
{
	bool was = s->in_snapshot;

	__real_store_release(s);
	/* What was read may be old when it is answered. */
	if (was)
		pause_here();
}

/* The model. */

static unsigned user_of(struct str name)
{
	return name.len == 2 && name.data[0] == 'u'
		       ? (unsigned)(name.data[1] - '0')
		       : MODEL_USERS;
}

static uint64_t number_of(struct str s)
{
	uint64_t n = 0;

	for (size_t i = 1; i < s.len && s.data[i] >= '0' && s.data[i] <= '9';
	     i++)
		n = n * 10 + (uint64_t)(s.data[i] - '0');
	return n;
}

static void agree(bool model, int rc, const struct err *err, const char *verb)
{
	if (model != (rc >= 0))
		sim_fail("%s: the store says %s, the model %s", verb,
			 rc < 0 ? err->text : "yes", model ? "yes" : "no");
}

int __real_store_append(struct store *s, struct store_append *op,
			struct err *err);
int __wrap_store_append(struct store *s, struct store_append *op,
			struct err *err);
int __wrap_store_append(struct store *s, struct store_append *op,
			struct err *err)
{
	struct model_send m = { .user = user_of(op->user),
				.batch = number_of(op->batch_id) };
	struct model_group *g = model_find(&sim.model, op->group_id);
	struct str list = op->items;
	uint64_t items[ITEMS];
	struct wire_item item;
	bool done;
	int rc;

	if (fails("append"))
		return fail(s, err);
	while (wire_next(&list, &wire_schema_item, &item) > 0) {
		assert(m.count < ITEMS);
		items[m.count++] = number_of(item.content);
		m.keyed = item.client_id.len > 0;
		m.reply_to = item.reply_to;
	}
	m.items = items;
	rc = __real_store_append(s, op, err);
	m.time_ms = op->sent.time_ms;
	done = model_append(&sim.model, g, &m);
	agree(done, rc, err, "append");
	sim_trace(
		"disk: append group=%llu u%u item=%llu rc=%d %llu-%llu d=%llu",
		(unsigned long long)op->group_id, m.user,
		(unsigned long long)items[0], rc,
		(unsigned long long)op->sent.first_seq,
		(unsigned long long)op->sent.last_seq,
		(unsigned long long)op->sent.duplicate);
	SIM_CHECK(!done || (op->sent.first_seq == m.first &&
			    op->sent.last_seq == m.last &&
			    op->sent.duplicate == m.duplicate),
		  "append: the model says %llu-%llu d=%d",
		  (unsigned long long)m.first, (unsigned long long)m.last,
		  m.duplicate);
	return rc;
}

static size_t read_edits(struct str list, struct model_edit out[ITEMS])
{
	struct wire_edit edit;
	size_t n = 0;

	while (wire_next(&list, &wire_schema_edit, &edit) > 0) {
		assert(n < ITEMS);
		out[n++] = (struct model_edit){ .op = (unsigned)edit.op,
						.user = user_of(edit.name) };
	}
	return n;
}

int __real_store_edit_members(struct store *s, struct store_edit *op,
			      struct err *err);
int __wrap_store_edit_members(struct store *s, struct store_edit *op,
			      struct err *err);
int __wrap_store_edit_members(struct store *s, struct store_edit *op,
			      struct err *err)
{
	struct model_group *g = model_find(&sim.model, op->group_id);
	size_t before = g == NULL ? 0 : g->now.changes;
	struct model_edit edits[ITEMS];
	size_t n = read_edits(op->edits, edits);
	bool done;
	int rc;

	op->changes = NULL;
	op->count = 0;
	if (fails("edit_members"))
		return fail(s, err);
	rc = __real_store_edit_members(s, op, err);
	done = model_edits(&sim.model, g, user_of(op->by), edits, n);
	sim_trace("disk: edit group=%llu by u%u n=%zu first=%u/u%u rc=%d",
		  (unsigned long long)op->group_id, user_of(op->by), n,
		  edits[0].op, edits[0].user, rc);
	agree(done, rc, err, "edit_members");
	for (size_t i = 0; done && i < op->count; i++) {
		const struct model_change *c = &g->change[before + i];

		SIM_CHECK(g->now.changes == before + op->count &&
				  c->user == user_of(str_of(
						     op->changes[i].user)) &&
				  c->change == (unsigned)op->changes[i].change,
			  "edit_members: other changes than the model's");
	}
	return rc;
}

int __real_store_set_read(struct store *s, uint64_t group_id, struct str user,
			  uint64_t seq, uint64_t *stored, struct err *err);
int __wrap_store_set_read(struct store *s, uint64_t group_id, struct str user,
			  uint64_t seq, uint64_t *stored, struct err *err);
int __wrap_store_set_read(struct store *s, uint64_t group_id, struct str user,
			  uint64_t seq, uint64_t *stored, struct err *err)
{
	struct model_group *g = model_find(&sim.model, group_id);
	uint64_t expected = 0;
	bool done;
	int rc;

	if (fails("set_read"))
		return fail(s, err);
	rc = __real_store_set_read(s, group_id, user, seq, stored, err);
	done = model_read(g, user_of(user), seq, &expected);
	sim_trace("disk: read group=%llu u%u seq=%llu rc=%d",
		  (unsigned long long)group_id, user_of(user),
		  (unsigned long long)seq, rc);
	agree(done, rc, err, "set_read");
	SIM_CHECK(!done || *stored == expected,
		  "set_read: %llu, the model says %llu",
		  (unsigned long long)*stored, (unsigned long long)expected);
	return rc;
}

int __real_store_create_group(struct store *s, struct store_create *op,
			      struct err *err);
int __wrap_store_create_group(struct store *s, struct store_create *op,
			      struct err *err);
int __wrap_store_create_group(struct store *s, struct store_create *op,
			      struct err *err)
{
	struct model_edit edits[ITEMS];
	size_t n = read_edits(op->members, edits);
	int rc;

	if (fails("create_group"))
		return fail(s, err);
	/* The model has room for so many. */
	if (sim.model.groups == MODEL_GROUPS)
		return err_set(err, ERR_GROUP_EXISTS, NULL);
	rc = __real_store_create_group(s, op, err);
	sim_trace("disk: create group=%llu by u%u rc=%d",
		  (unsigned long long)op->group_id, user_of(op->creator), rc);
	if (rc == 0 && !op->existed)
		SIM_CHECK(model_create(&sim.model, op->group_id,
				       user_of(op->creator), edits, n) != NULL,
			  "create_group: the model says no");
	return rc;
}

int __real_store_delete_group(struct store *s, uint64_t group_id, struct str by,
			      struct err *err);
int __wrap_store_delete_group(struct store *s, uint64_t group_id, struct str by,
			      struct err *err);
int __wrap_store_delete_group(struct store *s, uint64_t group_id, struct str by,
			      struct err *err)
{
	struct model_group *g = model_find(&sim.model, group_id);
	int rc;

	if (fails("delete_group"))
		return fail(s, err);
	rc = __real_store_delete_group(s, group_id, by, err);
	sim_trace("disk: delete group=%llu by u%u rc=%d",
		  (unsigned long long)group_id, user_of(by), rc);
	agree(model_delete(&sim.model, g, user_of(by)), rc, err,
	      "delete_group");
	return rc;
}

int __real_store_set_info(struct store *s, const struct store_set_info *op,
			  struct err *err);
int __wrap_store_set_info(struct store *s, const struct store_set_info *op,
			  struct err *err);
int __wrap_store_set_info(struct store *s, const struct store_set_info *op,
			  struct err *err)
{
	static const char head[] = "{\"retention\":{\"messages\":";
	struct model_group *g = model_find(&sim.model, op->group_id);
	uint64_t keep = 0;
	int rc;

	if (fails("set_info"))
		return fail(s, err);
	if (op->settings.len >= sizeof(head))
		keep = number_of(str_make(op->settings.data + sizeof(head) - 2,
					  op->settings.len - sizeof(head) + 2));
	rc = __real_store_set_info(s, op, err);
	sim_trace("disk: set_info group=%llu by u%u keep=%llu rc=%d",
		  (unsigned long long)op->group_id, user_of(op->by),
		  (unsigned long long)keep, rc);
	agree(model_keep(g, user_of(op->by), keep), rc, err, "set_info");
	return rc;
}

int __real_store_trim(struct store *s, struct store_trim *op, struct err *err);
int __wrap_store_trim(struct store *s, struct store_trim *op, struct err *err);
int __wrap_store_trim(struct store *s, struct store_trim *op, struct err *err)
{
	struct model_group *g = model_find(&sim.model, op->group_id);
	int rc;

	if (fails("trim"))
		return fail(s, err);
	rc = __real_store_trim(s, op, err);
	agree(g != NULL && g->now.live, rc, err, "trim");
	if (rc < 0)
		return rc;
	sim_trace("disk: trim group=%llu first=%llu",
		  (unsigned long long)op->group_id,
		  (unsigned long long)op->first_seq);
	SIM_CHECK(op->first_seq >= g->now.first &&
			  op->first_seq <= model_trim_max(g, op->keep.messages),
		  "trim: the floor went to %llu, the model says at most %llu",
		  (unsigned long long)op->first_seq,
		  (unsigned long long)model_trim_max(g, op->keep.messages));
	g->now.first = op->first_seq;
	return rc;
}
