/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/nodes_fixture.h"

static struct pair *making;
static size_t nth;
static uint64_t doubt_ms;
static bool on_postgres;

static void prepare(struct fixture *f)
{
	static unsigned stores;
	struct buf url = { 0 };

	stores += nth == A;
	if (on_postgres)
		buf_printf(&url, "%s", making->url);
	else
		buf_printf(&url, "memory:shared/nodes-%u", stores);
	assert_true(str_to_cstr(buf_str(&url), f->config.store,
				sizeof(f->config.store)));
	buf_release(&url);
	/* One of them drops old messages. */
	if (nth == A)
		f->config.retention_interval = 100;
	fake_bus_join(&making->bus, nth, f);
}

int set_up_pair(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	fake_bus_init(&p->bus);
	making = p;
	if (on_postgres)
		postgres_create(p->url);
	for (nth = A; nth <= B; nth++) {
		void *f;

		assert_int_equal(set_up_changed(&f, true, prepare), 0);
		p->f[nth] = f;
		if (doubt_ms != 0)
			p->f[nth]->groupd.nodes.doubt_ms = doubt_ms;
		greet(&p->c[nth], p->f[nth]);
	}
	*state = p;
	return 0;
}

int set_up_postgres(void **state)
{
	int rc;

	on_postgres = true;
	rc = set_up_pair(state);
	on_postgres = false;
	return rc;
}

int set_up_doubting(void **state)
{
	int rc;

	doubt_ms = 300;
	rc = set_up_pair(state);
	doubt_ms = 0;
	return rc;
}

int tear_down_pair(void **state)
{
	struct pair *p = *state;

	for (size_t i = A; i <= B; i++) {
		void *f = p->f[i];

		hang_up(&p->c[i]);
		tear_down(&f);
	}
	if (p->url[0] != '\0')
		postgres_drop(p->url);
	fake_bus_release(&p->bus);
	free(p);
	return 0;
}

void assert_event(struct conn *c, enum wire_type type)
{
	assert_true(next_frame(c));
	assert_int_equal(c->header.id, 0);
	assert_int_equal(c->header.type, type);
}

void assert_message(struct conn *c, uint64_t seq, const char *text)
{
	struct wire_message m;
	struct str list;

	assert_event(c, WIRE_EV_MESSAGES);
	list = c->body.ev_messages.messages;
	assert_int_equal(wire_next(&list, &wire_schema_message, &m), 1);
	assert_int_equal(m.seq, seq);
	assert_true(str_eq(m.content, str_of(text)));
	assert_int_equal(wire_next(&list, &wire_schema_message, &m), 0);
}

void assert_member(struct conn *c, const char *user, enum member_change change)
{
	assert_event(c, WIRE_EV_MEMBER);
	assert_true(str_eq(c->body.ev_member.user, str_of(user)));
	assert_int_equal(c->body.ev_member.change, change);
	assert_true(str_eq(c->body.ev_member.group, str_of("team")));
}

uint64_t create(struct pair *p)
{
	uint64_t id = create_group(&p->c[A]);

	for (int i = 0; i < 2; i++) {
		assert_event(&p->c[B], WIRE_EV_MEMBER);
		assert_int_equal(p->c[B].body.ev_member.change, MEMBER_ADDED);
		assert_int_equal(p->c[B].body.ev_member.group_id, id);
	}
	return id;
}

bool is_small(void)
{
	const char *load = getenv("GROUPFS_TEST_LOAD");

	return load != NULL && strcmp(load, "small") == 0;
}
