/* SPDX-License-Identifier: MIT */
/* Who shows the same thing is the same; a token is never a ticket. */
#include "daemon/gateway/bearer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct scene {
	uv_loop_t loop;
	struct client client;
	struct wheel wheel;
	struct bearers bearers;
};

static void on_event(struct client *c, const struct wire_header *header,
		     const void *body)
{
	(void)c;
	(void)header;
	(void)body;
}

static void on_closed(struct client *c)
{
	(void)c;
}

static void begin(struct scene *s)
{
	const struct client_options options = { .agent = "test/1",
						.on_event = on_event };

	*s = (struct scene){ 0 };
	assert_int_equal(uv_loop_init(&s->loop), 0);
	assert_int_equal(wheel_start(&s->wheel, &s->loop), 0);
	assert_int_equal(client_start(&s->client, &s->loop, &options), 0);
	bearers_init(&s->bearers, &s->client, &s->wheel, 7);
}

static void end(struct scene *s)
{
	wheel_close(&s->wheel);
	bearers_release(&s->bearers);
	client_close(&s->client, on_closed);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
}

static struct bearer *token(struct scene *s, const char *text)
{
	struct bearer *b = NULL;
	struct err err;

	assert_int_equal(bearer_get(&s->bearers, str_of(text), &b, &err), 0);
	return b;
}

static struct bearer *ticket(struct scene *s, const char *text)
{
	struct bearer *b = NULL;
	struct err err;

	assert_int_equal(bearer_get_ticket(&s->bearers, str_of(text), &b, &err),
			 0);
	return b;
}

static void the_same_is_shared(void **state)
{
	struct scene s;
	struct bearer *first, *second, *other;

	(void)state;
	begin(&s);
	first = token(&s, "one");
	assert_ptr_equal(first, token(&s, "one"));
	other = token(&s, "two");
	assert_ptr_not_equal(first, other);
	second = ticket(&s, "three");
	assert_ptr_equal(second, ticket(&s, "three"));
	assert_int_equal(second->refs, 2);
	assert_int_equal(first->principal.kind, PRINCIPAL_TOKEN);
	assert_int_equal(second->principal.kind, PRINCIPAL_TICKET);
	bearer_put(first);
	bearer_put(first);
	bearer_put(second);
	bearer_put(second);
	bearer_put(other);
	end(&s);
}

/* Whoever learned the text of another's ticket shows it as a token. */
static void a_token_is_never_a_ticket(void **state)
{
	struct scene s;
	struct bearer *theirs, *stranger;

	(void)state;
	begin(&s);
	theirs = ticket(&s, "0000002a");
	stranger = token(&s, "0000002a");
	assert_ptr_not_equal(theirs, stranger);
	assert_int_equal(stranger->principal.kind, PRINCIPAL_TOKEN);
	assert_int_equal(theirs->principal.kind, PRINCIPAL_TICKET);
	bearer_put(theirs);
	bearer_put(stranger);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_shared),
		cmocka_unit_test(a_token_is_never_a_ticket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
