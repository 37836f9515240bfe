/* SPDX-License-Identifier: MIT */
/* groupd is there, but its store is not, or does not say what became of a
 * request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/client.h"
#include "tests/support/client_fixture.h"

enum { SHORT_MS = 700 };

/* What is answered to one after the other; the last one stays. */
struct script {
	struct talk talk; /* first */
	struct wire_body_error answers[4];
	unsigned count;
	unsigned asked;
	bool doubtful;		    /* one of them may have been carried out */
	struct client_request late; /* with a short deadline */
	enum err_code code;
};

static void answer(struct talk *t, const struct wire_header *h,
		   const union wire_body *body)
{
	struct script *s = (struct script *)(void *)t;
	const struct wire_body_sent sent = { .first_seq = 5 };
	unsigned n = s->asked < s->count ? s->asked : s->count - 1;

	(void)body;
	/* What may be done already says so; a refusal of what is not is real.
	 */
	if (h->type == WIRE_SEND)
		assert_int_equal(h->resent, s->doubtful);
	s->doubtful |= s->answers[n].code == ERR_OUTCOME_UNKNOWN;
	s->asked++;
	if (s->answers[n].code == ERR_NONE)
		fake_peer_send(&t->peer, WIRE_SENT, h->id, h->principal, &sent);
	else
		fake_peer_send(&t->peer, WIRE_ERROR, h->id, h->principal,
			       &s->answers[n]);
}

static struct script *start(bool patient)
{
	struct script *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->talk.patient = patient;
	s->talk.on_request = answer;
	talk_start(&s->talk);
	talk_until_ready(&s->talk);
	return s;
}

static void then(struct script *s, enum err_code code, uint64_t retry_ms)
{
	s->answers[s->count++] =
		(struct wire_body_error){ .code = (uint64_t)code,
					  .retry_after_ms = retry_ms };
}

static void stop(struct script *s)
{
	talk_stop(&s->talk);
	free(s);
}

static enum err_code ask(struct script *s)
{
	const struct wire_body_send send = { .group_id = 1 };

	assert_int_equal(talk_submit_type(&s->talk, 0, 0, WIRE_SEND, &send), 0);
	talk_until_done(&s->talk, 1);
	return s->talk.codes[0];
}

static void late_cb(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct script *s = req->data;

	(void)body;
	s->code = err == NULL ? ERR_NONE : err->code;
	s->talk.done++;
}

/* With a deadline that the store does not come back in. */
static enum err_code ask_in_vain(struct script *s, enum wire_type type)
{
	const union wire_body body = { .send = { .group_id = 1 } };

	s->late.data = s;
	assert_int_equal(client_submit(&s->talk.client, &s->late,
				       &s->talk.who[0], type, &body, SHORT_MS,
				       late_cb),
			 0);
	talk_until_done(&s->talk, 1);
	assert_true(s->asked > 1);
	return s->code;
}

static void who_is_patient_sends_it_again_until_it_is_done(void **state)
{
	struct script *s = start(true);

	(void)state;
	then(s, ERR_UNAVAILABLE, 1000);
	then(s, ERR_OUTCOME_UNKNOWN, 0);
	then(s, ERR_UNAVAILABLE, 1000);
	then(s, ERR_NONE, 0);
	assert_int_equal(ask(s), ERR_NONE);
	assert_int_equal(s->talk.values[0], 5);
	assert_int_equal(s->asked, 4);
	assert_int_equal(s->talk.replies[0], 1);
	stop(s);
}

static void who_is_not_is_told_at_once(void **state)
{
	static const enum err_code codes[] = { ERR_UNAVAILABLE,
					       ERR_OUTCOME_UNKNOWN };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct script *s = start(false);

		then(s, codes[i], 1000);
		assert_int_equal(ask(s), codes[i]);
		assert_int_equal(s->asked, 1);
		stop(s);
	}
}

static void other_refusals_are_answers(void **state)
{
	static const enum err_code codes[] = { ERR_UNAVAILABLE,
					       ERR_OUT_OF_SPACE };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct script *s = start(true);

		then(s, codes[i], 0);
		assert_int_equal(ask(s), codes[i]);
		assert_int_equal(s->asked, 1);
		stop(s);
	}
}

static void at_the_deadline_it_says_whether_it_may_be_done(void **state)
{
	struct script *s = start(true);

	(void)state;
	then(s, ERR_UNAVAILABLE, 1000);
	assert_int_equal(ask_in_vain(s, WIRE_SEND), ERR_UNAVAILABLE);
	stop(s);

	s = start(true);
	then(s, ERR_OUTCOME_UNKNOWN, 0);
	then(s, ERR_UNAVAILABLE, 1000);
	assert_int_equal(ask_in_vain(s, WIRE_SEND), ERR_OUTCOME_UNKNOWN);
	stop(s);

	s = start(true);
	then(s, ERR_UNAVAILABLE, 1000);
	assert_int_equal(ask_in_vain(s, WIRE_FIND_GROUP), ERR_UNAVAILABLE);
	stop(s);
}

static void a_lost_connection_in_between_does_not_matter(void **state)
{
	struct script *s = start(true);
	const struct wire_body_send send = { .group_id = 1 };

	(void)state;
	then(s, ERR_UNAVAILABLE, 1000);
	then(s, ERR_NONE, 0);
	assert_int_equal(talk_submit_type(&s->talk, 0, 0, WIRE_SEND, &send), 0);
	while (s->asked == 0)
		uv_run(&s->talk.loop, UV_RUN_ONCE);
	talk_spin(&s->talk, 5);
	fake_peer_drop(&s->talk.peer);
	talk_until_done(&s->talk, 1);
	assert_int_equal(s->talk.codes[0], ERR_NONE);
	assert_int_equal(s->asked, 2);
	stop(s);
}

static void closing_and_cancelling_end_what_waits_for_its_turn(void **state)
{
	struct script *s = start(true);
	const struct wire_body_send send = { .group_id = 1 };

	(void)state;
	then(s, ERR_UNAVAILABLE, 1000);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(talk_submit_type(&s->talk, i, i,
						  WIRE_FIND_GROUP, &send),
				 0);
	while (s->asked == 0)
		uv_run(&s->talk.loop, UV_RUN_ONCE);
	talk_spin(&s->talk, 5);
	client_cancel(&s->talk.req[1]);
	talk_close(&s->talk);
	assert_int_equal(s->talk.codes[0], ERR_UNAVAILABLE);
	assert_int_equal(s->talk.replies[0], 1);
	assert_int_equal(s->talk.replies[1], 0);
	stop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			who_is_patient_sends_it_again_until_it_is_done),
		cmocka_unit_test(who_is_not_is_told_at_once),
		cmocka_unit_test(other_refusals_are_answers),
		cmocka_unit_test(
			at_the_deadline_it_says_whether_it_may_be_done),
		cmocka_unit_test(a_lost_connection_in_between_does_not_matter),
		cmocka_unit_test(
			closing_and_cancelling_end_what_waits_for_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
