/* SPDX-License-Identifier: MIT */
#include "tests/support/sequencer_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void on_event(void *data, struct event *e)
{
	struct lanes *f = data;

	assert_int_equal(e->kind, EVENT_MESSAGES);
	assert_in_range(e->group_id, 1, GROUPS);
	assert_int_equal(e->first_seq, f->told[e->group_id] + 1);
	f->told[e->group_id] = e->last_seq;
	f->events++;
}

static int run_send(struct sequencer_op *op, struct store *store,
		    struct list *events, struct err *err)
{
	struct sending *s = container_of(op, struct sending, op);
	struct event news = { .want = true };

	(void)store;
	if (err->code != ERR_NONE)
		return err_rc(err);
	s->sent = s->append.sent;
	if (s->sent.duplicate != 0)
		return 0;
	op->appended = 1;
	news.first_seq = s->sent.first_seq;
	news.last_seq = s->sent.last_seq;
	return event_add_messages(events, s->append.group_id, &news);
}

static void on_done(struct sequencer_op *op)
{
	struct sending *s = container_of(op, struct sending, op);

	s->code = op->err.code;
	s->done = true;
	buf_release(&s->items);
}

/* A lane is woken at the end of the loop's turn. */
static void give(struct lanes *f, uint64_t group_id, struct sequencer_op *op)
{
	assert_int_equal(sequencer_submit(&f->sequencer, group_id, op), 0);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

void submit(struct lanes *f, struct sending *s, uint64_t group_id,
	    const char *content, const char *client_id)
{
	struct wire_item item = { .content = str_of(content),
				  .client_id = str_of(client_id) };

	*s = (struct sending){ .op = { .run = run_send, .done = on_done } };
	wire_put(&s->items, &wire_schema_item, &item);
	s->append = (struct store_append){ .group_id = group_id,
					   .user = str_of("alice"),
					   .items = buf_str(&s->items) };
	s->op.append = &s->append;
	give(f, group_id, &s->op);
}

void run_until(struct lanes *f, const struct sending *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		while (!s[i].done)
			uv_run(&f->loop, UV_RUN_ONCE);
	}
}

/* GROUPS groups of alice's, whose ids are 1 and so on. */
static void make_groups(struct store *s)
{
	struct err err;
	bool added;

	assert_int_equal(store_begin(s, &err), 0);
	assert_int_equal(store_add_user(s, str_of("alice"), &added, &err), 0);
	for (int i = 1; i <= GROUPS; i++) {
		char name[16];
		struct store_create create = { .creator = str_of("alice") };

		snprintf(name, sizeof(name), "g%d", i);
		create.name = str_of(name);
		assert_int_equal(store_create_group(s, &create, &err), 0);
		assert_int_equal(create.group_id, i);
	}
	assert_int_equal(store_commit(s, &err), 0);
}

int set_up_lanes(void **state)
{
	static int count;
	struct lanes *f = calloc(1, sizeof(*f));
	struct sequencer_options options = { .lanes = LANES,
					     .on_event = on_event };
	struct err err;
	char url[64];

	assert_non_null(f);
	snprintf(url, sizeof(url), "memory:shared/sequencer-%d", ++count);
	uv_loop_init(&f->loop);
	f->store.env = env_system();
	options.url = url;
	options.store = &f->store;
	options.data = f;
	if (sequencer_start(&f->sequencer, &f->loop, &options, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(f->sequencer.lanes, LANES);
	make_groups(f->sequencer.lane[0].store);
	/* The lanes sleep until the first op. */
	for (int i = 0; i < LANES; i++) {
		struct lane *lane = &f->sequencer.lane[i];

		lane->store = faulty_store_new(lane->store);
		assert_non_null(lane->store);
	}
	*state = f;
	return 0;
}

static void on_closed(struct sequencer *q)
{
	container_of(q, struct lanes, sequencer)->closed = true;
}

int tear_down_lanes(void **state)
{
	struct lanes *f = *state;

	sequencer_close(&f->sequencer, on_closed);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

void plan(struct lanes *f, enum faulty_verb verb, enum faulty_kind kind,
	  unsigned times)
{
	for (int i = 0; i < LANES; i++)
		faulty_store_plan(f->sequencer.lane[i].store, verb, kind, 1,
				  times);
}

unsigned calls(const struct lanes *f, enum faulty_verb verb)
{
	unsigned sum = 0;

	for (int i = 0; i < LANES; i++)
		sum += faulty_store_calls(f->sequencer.lane[i].store, verb);
	return sum;
}
static int take_seq(void *data, const struct wire_message *m)
{
	*(uint64_t *)data = m->seq;
	return 0;
}

static int run_holding(struct sequencer_op *op, struct store *store,
		       struct list *events, struct err *err)
{
	struct holding *h = container_of(op, struct holding, op);
	int rc;

	(void)events;
	atomic_store(&h->began, true);
	while (!atomic_load(&h->go))
		usleep(1000);
	rc = store_scan(store, 1, 0, take_seq, &h->seq, err);
	if (h->fail != ERR_NONE)
		return err_set(err, h->fail, NULL);
	return rc;
}

static void on_held(struct sequencer_op *op)
{
	container_of(op, struct holding, op)->done = true;
}

void hold(struct lanes *f, struct holding *h, uint64_t group_id)
{
	h->op.run = run_holding;
	h->op.done = on_held;
	give(f, group_id, &h->op);
}

void let_go(struct lanes *f)
{
	for (int i = 0; i < LANES; i++)
		faulty_store_let_go(f->sequencer.lane[i].store);
}

void send_until_stored(struct lanes *f, struct sending *s, uint64_t group_id)
{
	do {
		submit(f, s, group_id, "hello", "");
		run_until(f, s, 1);
	} while (s->code == ERR_UNAVAILABLE);
	assert_int_equal(s->code, ERR_NONE);
}

bool is_away(struct lanes *f)
{
	bool away = false;

	for (int i = 0; i < LANES; i++) {
		struct lane *lane = &f->sequencer.lane[i];

		pthread_mutex_lock(&lane->lock);
		away = away || lane->doubt;
		pthread_mutex_unlock(&lane->lock);
	}
	return away;
}
