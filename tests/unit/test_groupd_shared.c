/* SPDX-License-Identifier: MIT */
/* A groupd on a store that machines share, one that fails when told to. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/faulty_store.h"
#include "tests/support/groupd_fixture.h"
#include "tests/support/postgres_fixture.h"

static void share(struct fixture *f)
{
	snprintf(f->config.store, sizeof(f->config.store), "memory:shared/%s",
		 buf_cstr(&f->dir));
}

/* Behind the lane's last look at its store, and before the next. */
static void make_faulty(struct lane *lane)
{
	while (atomic_load(&lane->alive_ns) != 0)
		usleep(1000);
	pthread_mutex_lock(&lane->lock);
	lane->store = faulty_store_new(lane->store);
	pthread_mutex_unlock(&lane->lock);
}

static int set_up_shared(void **state)
{
	struct fixture *f;

	set_up_changed(state, true, share);
	f = *state;
	/* What looks for unfinished imports has come to its end. */
	while (histogram_count(&f->groupd.sequencer.figures.ops) == 0)
		usleep(1000);
	for (size_t i = 0; i < f->groupd.sequencer.lanes; i++)
		make_faulty(&f->groupd.sequencer.lane[i]);
	pthread_mutex_lock(&f->groupd.readers.lock);
	for (size_t i = 0; i < f->groupd.readers.count; i++) {
		struct reader *reader = &f->groupd.readers.reader[i];

		reader->store = faulty_store_new(reader->store);
	}
	pthread_mutex_unlock(&f->groupd.readers.lock);
	return 0;
}

static void plan(struct fixture *f, enum faulty_verb verb,
		 enum faulty_kind kind, unsigned times)
{
	for (size_t i = 0; i < f->groupd.sequencer.lanes; i++)
		faulty_store_plan(f->groupd.sequencer.lane[i].store, verb, kind,
				  1, times);
}

static enum err_code send_keyed(struct conn *c, uint64_t group_id)
{
	struct wire_item item = { .content = str_of("once"),
				  .client_id = str_of("key-1") };
	struct wire_body_send body = { .group_id = group_id };
	struct buf items = { 0 };
	enum err_code code;

	wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	code = ask(c, WIRE_SEND, P_ROOT, &body);
	buf_release(&items);
	return code;
}

static void an_unknown_outcome_is_answered_and_settled_by_the_key(void **state)
{
	static const enum faulty_kind kinds[] = { FAULTY_LOST, FAULTY_STORED };
	struct fixture *f = *state;
	struct conn c;
	uint64_t g;

	greet(&c, f);
	g = create_group(&c);
	for (size_t i = 0; i < 2; i++) {
		plan(f, FAULTY_APPEND_ALL, kinds[i], 1);
		assert_int_equal(send_keyed(&c, g), ERR_OUTCOME_UNKNOWN);
	}
	assert_int_equal(send_keyed(&c, g), ERR_NONE);
	assert_int_equal(c.body.sent.first_seq, 1);
	assert_int_equal(c.body.sent.duplicate, 1);
	hang_up(&c);
}

static void who_finds_the_store_away_is_told_when_to_come_again(void **state)
{
	struct fixture *f = *state;
	struct wire_body_find_group find = { 0 };
	struct conn c;
	uint64_t g;

	greet(&c, f);
	g = create_group(&c);
	plan(f, FAULTY_APPEND_ALL, FAULTY_IO, 1);
	assert_int_equal(say(&c, P_ROOT, g, "hello"), ERR_UNAVAILABLE);
	assert_int_equal(c.body.error.retry_after_ms, SEQUENCER_RETRY_MS);
	for (size_t i = 0; i < f->groupd.readers.count; i++)
		faulty_store_plan(f->groupd.readers.reader[i].store,
				  FAULTY_SNAPSHOT, FAULTY_IO, 1, 1);
	find.group_id = g;
	assert_int_equal(ask(&c, WIRE_FIND_GROUP, P_ROOT, &find),
			 ERR_UNAVAILABLE);
	assert_int_equal(c.body.error.retry_after_ms, SEQUENCER_RETRY_MS);
	while (ask(&c, WIRE_FIND_GROUP, P_ROOT, &find) != ERR_NONE)
		;
	assert_int_equal(c.body.group.last_seq, 0);
	assert_int_equal(say(&c, P_ROOT, g, "hello"), ERR_NONE);
	assert_int_equal(c.body.sent.first_seq, 1);
	hang_up(&c);
}

/* Also to who has no principal, which groupd could not open now. */
static void the_status_is_told_while_the_store_is_away(void **state)
{
	static const char *const figures[] = { "version", "bus",
					       "requests_refused",
					       "store_away" };
	const struct wire_body_get_status body = { 0 };
	struct fixture *f = *state;
	struct conn c;
	size_t known = 0;
	struct str list;

	greet(&c, f);
	for (size_t i = 0; i < f->groupd.readers.count; i++)
		faulty_store_plan(f->groupd.readers.reader[i].store,
				  FAULTY_SNAPSHOT, FAULTY_IO, 1, 100);
	assert_int_equal(ask(&c, WIRE_GET_STATUS, 0, &body), ERR_NONE);
	list = c.body.status.figures;
	for (struct wire_figure fig;
	     wire_next(&list, &wire_schema_figure, &fig) > 0;) {
		assert_false(str_eq(fig.name, str_of("groups")));
		for (size_t i = 0; i < 4; i++)
			known += str_eq(fig.name, str_of(figures[i]));
	}
	assert_int_equal(known, 4);
	hang_up(&c);
}

static enum err_code set_read(struct conn *c, uint32_t principal, uint64_t g,
			      uint64_t seq)
{
	const struct wire_body_set_read body = { .group_id = g, .seq = seq };

	return ask(c, WIRE_SET_READ, principal, &body);
}

static struct wire_body_group find_group(struct conn *c, uint64_t g)
{
	const struct wire_body_find_group find = { .group_id = g };

	assert_int_equal(ask(c, WIRE_FIND_GROUP, P_DAEMON, &find), ERR_NONE);
	return c->body.group;
}

/* The pointer of P_DAEMON in the store. */
static uint64_t stored_pointer(struct store *s, uint64_t g)
{
	struct wire_group group;

	assert_int_equal(store_find_group(s, g, str_of(""), str_of("daemon"),
					  &group, NULL),
			 0);
	return group.last_read_seq;
}

static struct store *open_reader(struct fixture *f)
{
	const struct store_options options = { .env = env_system(),
					       .read_only = true };
	struct store *s;
	struct err err;

	assert_int_equal(store_open(&s, f->config.store, &options, &err), 0);
	return s;
}

static void fill(struct conn *c, uint64_t g)
{
	assert_int_equal(say(c, P_ROOT, g, "one"), ERR_NONE);
	assert_int_equal(say(c, P_ROOT, g, "two @daemon"), ERR_NONE);
	assert_int_equal(say(c, P_ROOT, g, "three"), ERR_NONE);
	assert_int_equal(say(c, P_ROOT, g, "four @daemon"), ERR_NONE);
	assert_int_equal(say(c, P_ROOT, g, "five"), ERR_NONE);
}

/* The pointer of daemon that an export of the whole group has. */
static uint64_t exported_pointer(struct conn *c, uint64_t g)
{
	const struct wire_body_export body = { .group_id = g,
					       .part = PORT_MEMBERS,
					       .last_seq = 5 };
	struct wire_port_member m = { 0 };

	assert_int_equal(ask(c, WIRE_EXPORT, P_ROOT, &body), ERR_NONE);
	while (!str_eq(m.name, str_of("daemon")))
		assert_int_equal(wire_next(&c->body.exported.records,
					   &wire_schema_port_member, &m),
				 1);
	return m.last_read_seq;
}

static void check_seen(struct conn *c, uint64_t g)
{
	const struct wire_body_list_groups list = { 0 };
	const struct wire_body_list_mentions mentions = { 0 };
	const struct wire_body_read_text text = { .group_id = g, .size = 1000 };
	struct wire_body_group group = find_group(c, g);
	uint64_t read_off = group.read_off;
	struct wire_mention mention;
	struct wire_group listed;
	struct str records;

	assert_int_equal(group.last_read_seq, 3);
	assert_int_equal(group.mentions, 1);
	assert_int_equal(ask(c, WIRE_LIST_GROUPS, P_DAEMON, &list), ERR_NONE);
	records = c->body.group_list.groups;
	assert_int_equal(wire_next(&records, &wire_schema_group, &listed), 1);
	assert_int_equal(listed.last_read_seq, 3);
	assert_int_equal(listed.read_off, read_off);
	assert_int_equal(listed.mentions, 1);
	assert_int_equal(exported_pointer(c, g), 3);
	assert_int_equal(ask(c, WIRE_LIST_MENTIONS, P_DAEMON, &mentions),
			 ERR_NONE);
	records = c->body.mention_list.mentions;
	assert_int_equal(wire_next(&records, &wire_schema_mention, &mention),
			 1);
	assert_int_equal(mention.seq, 4);
	assert_int_equal(watch(c, P_DAEMON, g), ERR_NONE);
	assert_int_equal(c->body.watching.last_read_seq, 3);
	assert_int_equal(ask(c, WIRE_READ_TEXT, P_DAEMON, &text), ERR_NONE);
	assert_memory_equal(c->body.text.data.data + read_off, "4\t", 2);
}

static void a_pointer_is_seen_at_once_and_written_later(void **state)
{
	struct fixture *f = *state;
	struct store *reader = open_reader(f);
	struct conn c;
	uint64_t g;

	greet(&c, f);
	g = create_group(&c);
	fill(&c, g);
	/* It is not written while the store is away, and is seen meanwhile. */
	plan(f, FAULTY_FLUSH_READS, FAULTY_IO, 2);
	assert_int_equal(set_read(&c, P_DAEMON, g, 3), ERR_NONE);
	assert_int_equal(c.body.ok.value, 3);
	assert_int_equal(stored_pointer(reader, g), 0);
	check_seen(&c, g);
	assert_int_equal(set_read(&c, P_DAEMON, g, 2), ERR_NONE);
	assert_int_equal(c.body.ok.value, 3);
	assert_int_equal(set_read(&c, P_DAEMON, g, 6), ERR_BAD_REQUEST);
	assert_int_equal(set_read(&c, P_BIN, g, 1), ERR_NO_SUCH_GROUP);
	while (stored_pointer(reader, g) == 0)
		assert_int_equal(find_group(&c, g).last_read_seq, 3);
	assert_int_equal(stored_pointer(reader, g), 3);
	assert_int_equal(find_group(&c, g).last_read_seq, 3);
	assert_int_equal(set_read(&c, P_DAEMON, g, WIRE_READ_ALL), ERR_NONE);
	assert_int_equal(c.body.ok.value, 5);
	assert_int_equal(find_group(&c, g).mentions, 0);
	assert_int_equal(find_group(&c, g).read_off, find_group(&c, g).size);
	/* They do not stay for ever. */
	while (pointers_are_there(&f->groupd.pointers))
		usleep(10000);
	assert_int_equal(stored_pointer(reader, g), 5);
	store_close(reader);
	hang_up(&c);
}

static void a_pointer_is_told_to_the_others_of_its_user(void **state)
{
	struct fixture *f = *state;
	struct conn c;
	struct conn other;
	uint64_t g;

	greet(&c, f);
	greet(&other, f);
	g = create_group(&c);
	fill(&c, g);
	assert_int_equal(set_read(&c, P_DAEMON, g, 4), ERR_NONE);
	do {
		assert_true(next_frame(&other));
	} while (other.header.type != WIRE_EV_READ);
	assert_int_equal(other.body.ev_read.last_read_seq, 4);
	assert_int_equal(other.body.ev_read.request, 0);
	hang_up(&other);
	hang_up(&c);
}

static void what_is_not_written_yet_is_written_at_the_end(void **state)
{
	struct fixture *f;
	struct store *reader;
	struct conn c;
	uint64_t g;

	set_up_shared(state);
	f = *state;
	reader = open_reader(f); /* the store goes with its last handle */
	greet(&c, f);
	g = create_group(&c);
	fill(&c, g);
	assert_int_equal(set_read(&c, P_DAEMON, g, 4), ERR_NONE);
	hang_up(&c);
	tear_down(state);
	assert_int_equal(stored_pointer(reader, g), 4);
	store_close(reader);
}

/* Two nodes on one database: this groupd, and a handle of the test's. */

static char database[POSTGRES_URL];

static void use_database(struct fixture *f)
{
	postgres_create(database);
	snprintf(f->config.store, sizeof(f->config.store), "%s", database);
}

static int set_up_postgres(void **state)
{
	return set_up_changed(state, true, use_database);
}

static int tear_down_postgres(void **state)
{
	int rc = tear_down(state);

	postgres_drop(database);
	return rc;
}

/* A group of "team" with these, in this order; its answer is not read. */
static void ask_for_group(struct conn *c, const char *const *names, size_t n)
{
	struct wire_body_create_group body = { .name = str_of("team") };
	struct buf members = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct wire_edit edit = { .op = EDIT_ADD,
					  .name = str_of(names[i]) };

		wire_put(&members, &wire_schema_edit, &edit);
	}
	body.members = buf_str(&members);
	write_frame(c, WIRE_CREATE_GROUP, P_ROOT, &body);
	buf_release(&members);
}

static void await_lock(void)
{
	while (strcmp(postgres_run(database,
				   "SELECT count(*) FROM pg_stat_activity "
				   "WHERE wait_event_type='Lock'"),
		      "0") == 0)
		usleep(1000);
}

/* Users that two nodes add at once, in whatever order they were asked to, are
 * added by name: nobody has one that the other waits for. */
static void new_users_are_added_in_the_order_of_their_names(void **state)
{
	static const char *const names[] = { "games", "backup" };
	struct store_options options = { .env = env_system() };
	struct fixture *f = *state;
	struct store *other;
	struct conn c;
	struct err err;
	bool added;

	assert_int_equal(store_open(&other, database, &options, &err), 0);
	greet(&c, f);
	assert_int_equal(store_begin(other, &err), 0);
	assert_int_equal(store_add_user(other, str_of("backup"), &added, &err),
			 0);
	ask_for_group(&c, names, 2);
	await_lock();
	assert_int_equal(store_add_user(other, str_of("games"), &added, &err),
			 0);
	assert_int_equal(store_commit(other, &err), 0);
	/* Behind what tells of it. */
	do
		assert_true(next_frame(&c));
	while (c.header.type == WIRE_EV_MEMBER);
	assert_int_equal(c.header.type, WIRE_GROUP);
	assert_int_equal(atomic_load(&f->groupd.sequencer.figures.rollbacks),
			 0);
	store_close(other);
	hang_up(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_unknown_outcome_is_answered_and_settled_by_the_key,
			set_up_shared, tear_down),
		cmocka_unit_test_setup_teardown(
			who_finds_the_store_away_is_told_when_to_come_again,
			set_up_shared, tear_down),
		cmocka_unit_test_setup_teardown(
			the_status_is_told_while_the_store_is_away,
			set_up_shared, tear_down),
		cmocka_unit_test_setup_teardown(
			a_pointer_is_seen_at_once_and_written_later,
			set_up_shared, tear_down),
		cmocka_unit_test_setup_teardown(
			a_pointer_is_told_to_the_others_of_its_user,
			set_up_shared, tear_down),
		cmocka_unit_test(what_is_not_written_yet_is_written_at_the_end),
		cmocka_unit_test_setup_teardown(
			new_users_are_added_in_the_order_of_their_names,
			set_up_postgres, tear_down_postgres),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
