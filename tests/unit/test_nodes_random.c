/* SPDX-License-Identifier: MIT */
/* Random steps on two nodes are seen alike by all. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/nodes_fixture.h"

/* The random run. */

enum { STEPS = 1000, STEPS_SMALL = 300, SEEN_MAX = 4096 };

struct seen {
	struct conn conn;
	uint64_t told; /* up to where messages came, or were said to be */
	uint64_t version;
	char members[SEEN_MAX]; /* the changes, a letter each */
	size_t nmembers;
	uint64_t mention; /* the last one */
	size_t mentions;
	size_t grown;
};

static char letter_of(enum member_change change)
{
	return change == MEMBER_ADDED	  ? '+'
	       : change == MEMBER_REMOVED ? '-'
					  : '=';
}

static void see_messages(struct seen *s)
{
	struct str list = s->conn.body.ev_messages.messages;
	struct wire_message m;

	while (wire_next(&list, &wire_schema_message, &m) > 0) {
		if (m.seq != s->told + 1)
			fail_msg("%llu came behind %llu",
				 (unsigned long long)m.seq,
				 (unsigned long long)s->told);
		s->told = m.seq;
	}
}

static void see(struct seen *s, uint64_t id)
{
	const union wire_body *b = &s->conn.body;

	assert_true(next_frame(&s->conn));
	assert_int_equal(s->conn.header.id, 0);
	switch (s->conn.header.type) {
	case WIRE_EV_MESSAGES:
		see_messages(s);
		break;
	case WIRE_EV_GROWN:
		assert_true(b->ev_grown.last_seq > s->told);
		s->told = b->ev_grown.last_seq;
		s->grown++;
		break;
	case WIRE_EV_MENTION:
		assert_true(b->ev_mention.seq > s->mention);
		s->mention = b->ev_mention.seq;
		s->mentions++;
		break;
	case WIRE_EV_MEMBER:
		if (b->ev_member.group_id != id)
			break;
		assert_true(s->nmembers < SEEN_MAX);
		s->members[s->nmembers++] =
			letter_of((enum member_change)b->ev_member.change);
		break;
	default:
		fail_msg("event %d", (int)s->conn.header.type);
	}
}

static uint64_t next_random(uint64_t *x)
{
	*x = *x * UINT64_C(6364136223846793005) + 1442695040888963407U;
	return *x >> 33;
}

static void start_seeing(struct seen *s, struct fixture *f, uint64_t id)
{
	memset(s, 0, sizeof(*s));
	greet(&s->conn, f);
	assert_int_equal(watch(&s->conn, P_ROOT, id), ERR_NONE);
	s->told = s->conn.body.watching.last_seq;
}

static void drain(struct seen *s, uint64_t id)
{
	while (readable(&s->conn, 0))
		see(s, id);
}

struct run {
	struct pair *p;
	uint64_t id;
	uint64_t random;
	uint64_t sent;
	size_t mentions;
	char members[SEEN_MAX];
	size_t nmembers;
	bool bin;
};

static void edit_bin(struct run *r, struct conn *c)
{
	enum edit_op op = r->bin ? EDIT_REMOVE : EDIT_ADD;

	assert_int_equal(edit(c, P_ROOT, r->id, op, "bin"), ERR_NONE);
	r->members[r->nmembers++] = r->bin ? '-' : '+';
	r->bin = !r->bin;
}

static void step(struct run *r)
{
	struct conn *c = &r->p->c[next_random(&r->random) % FAKE_BUS_NODES];
	unsigned what = (unsigned)(next_random(&r->random) % 100);

	if (what < 60) {
		assert_int_equal(say(c, P_ROOT, r->id, "x"), ERR_NONE);
		r->sent++;
	} else if (what < 70) {
		assert_int_equal(say(c, P_ROOT, r->id, "@daemon"), ERR_NONE);
		r->sent++;
		r->mentions++;
	} else if (what < 85) {
		edit_bin(r, c);
	} else if (what < 90) {
		fake_bus_group(&r->p->bus, what % 2, r->id, r->sent + what % 7,
			       what);
	} else if (what < 95) {
		fake_bus_user(&r->p->bus, what % 2, "bin", what);
	} else if (r->bin) {
		struct conn late;

		/* In and out again, while things happen. */
		greet(&late, r->p->f[what % 2]);
		write_frame(&late, WIRE_WATCH, P_BIN,
			    &(struct wire_body_watch){ .group_id = r->id });
		hang_up(&late);
	}
}

static void check_seen(const struct run *r, struct seen *s)
{
	/* At the latest with the next sweep. */
	for (int i = 0; i < HEALED_MS / 10 &&
			(s->told < r->sent || s->nmembers < r->nmembers ||
			 s->mentions < r->mentions);
	     i++) {
		if (readable(&s->conn, 10))
			drain(s, r->id);
	}
	assert_false(readable(&s->conn, QUIET_MS));
	assert_int_equal(s->told, r->sent);
	assert_int_equal(s->nmembers, r->nmembers);
	assert_memory_equal(s->members, r->members, r->nmembers);
	assert_int_equal(s->mentions, r->mentions);
	assert_int_equal(s->grown, 0);
}

static void a_thousand_steps_are_seen_alike_by_all(void **state)
{
	struct pair *p = *state;
	struct run *r = calloc(1, sizeof(*r));
	struct seen *seen = calloc(FAKE_BUS_NODES, sizeof(*seen));

	assert_non_null(r);
	assert_non_null(seen);
	r->p = p;
	r->random = 6;
	r->id = create(p);
	p->bus.lose = 20;
	p->bus.twice = 20;
	p->bus.hold = 20;
	p->bus.forge = 20;
	for (size_t i = A; i <= B; i++)
		start_seeing(&seen[i], p->f[i], r->id);
	for (int i = 0;
	     i < (is_small() || p->url[0] != '\0' ? STEPS_SMALL : STEPS); i++) {
		step(r);
		for (size_t k = A; k <= B; k++)
			drain(&seen[k], r->id);
	}
	for (size_t k = A; k <= B; k++) {
		check_seen(r, &seen[k]);
		hang_up(&seen[k].conn);
	}
	free(seen);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(a_thousand_steps_are_seen_alike_by_all),
		ON_POSTGRES(a_thousand_steps_are_seen_alike_by_all),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	if (is_small())
		cmocka_set_skip_filter("postgres: *");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
