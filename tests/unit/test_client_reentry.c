/* SPDX-License-Identifier: MIT */
/*
 * In each callback of the client, each call to the client: whatever the
 * mixture, every request is called back once, or never when it was cancelled,
 * and memory that was given back is not touched (it is filled with rubbish).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/client.h"
#include "tests/support/client_fixture.h"

enum { FIRST = 12, MORE = 100, DEADLINE_MS = 120, RUBBISH = 0xa5 };

enum where {
	IN_REPLY,
	IN_EVENT,
	IN_ONLINE,
	IN_OFFLINE,
	IN_PRINCIPAL_READY,
	IN_PRINCIPAL_REVOKED,
	IN_DEADLINE,
	IN_REFUSED_REPLY,
	IN_REPLY_OF_CLOSE,
	WHERES
};

enum what {
	DO_CLOSE,
	DO_DROP,
	DO_CANCEL_ALL,
	DO_CANCEL_ODD_AND_CLOSE,
	DO_SUBMIT,
	DO_SUBMIT_AND_DROP,
	DO_OPEN_PRINCIPAL,
	DO_CLOSE_PRINCIPALS,
	DO_CLOSE_PRINCIPALS_AND_CLIENT,
	WHATS
};

struct matrix {
	struct talk talk;
	enum where where;
	enum what what;
	bool submitted[2 * MORE], cancelled[2 * MORE];
	bool no_principals;
	struct client_principal extra;
	unsigned hits;
};

static void cancel(struct matrix *x, size_t step)
{
	for (size_t i = step - 1; i < 2 * MORE; i += step) {
		struct client_request *req = &x->talk.req[i];

		if (x->submitted[i] && x->talk.replies[i] == 0) {
			x->cancelled[i] = true;
			client_cancel(req);
		}
		if (x->submitted[i])
			memset(req, RUBBISH, sizeof(*req));
	}
}

static void submit_more(struct matrix *x)
{
	const struct wire_body_set_read body = { .group_id = 1, .seq = 1 };

	for (size_t i = MORE; i < MORE + FIRST; i++) {
		int rc = talk_submit_type(&x->talk, i, i % TALK_PRINCIPALS,
					  WIRE_SET_READ, &body);

		assert_int_equal(rc, x->talk.closing ? -ECANCELED : 0);
		x->submitted[i] = rc == 0;
	}
}

static void close_principals(struct matrix *x)
{
	cancel(x, 1);
	for (size_t i = 0; i < TALK_PRINCIPALS; i++) {
		client_close_principal(&x->talk.who[i]);
		memset(&x->talk.who[i], RUBBISH, sizeof(x->talk.who[i]));
	}
	x->no_principals = true;
}

static void act(struct matrix *x)
{
	struct talk *t = &x->talk;
	int rc;

	if (x->hits++ > 0)
		return;
	switch (x->what) {
	case DO_CANCEL_ALL:
		cancel(x, 1);
		break;
	case DO_CANCEL_ODD_AND_CLOSE:
		cancel(x, 2);
		talk_begin_close(t);
		break;
	case DO_SUBMIT:
	case DO_SUBMIT_AND_DROP:
		submit_more(x);
		break;
	case DO_OPEN_PRINCIPAL:
		rc = client_open_principal(&t->client, &x->extra, PRINCIPAL_UID,
					   9, NULL, NULL);
		assert_int_equal(rc, t->closing ? -ECANCELED : 0);
		break;
	case DO_CLOSE_PRINCIPALS:
	case DO_CLOSE_PRINCIPALS_AND_CLIENT:
		close_principals(x);
		break;
	default:
		break;
	}
	if (x->what == DO_DROP || x->what == DO_SUBMIT_AND_DROP)
		client_drop(&t->client, "It is dropped by the test");
	if (x->what == DO_CLOSE || x->what == DO_CLOSE_PRINCIPALS_AND_CLIENT)
		talk_begin_close(t);
}

static void on_reply(struct talk *t, size_t i, const struct err *err)
{
	struct matrix *x = container_of(t, struct matrix, talk);

	assert_true(i < 2 * MORE && x->submitted[i] && !x->cancelled[i]);
	assert_int_equal(t->replies[i], 1);
	if ((x->where == IN_REPLY && err == NULL) ||
	    (x->where == IN_DEADLINE && err != NULL) ||
	    (x->where == IN_REFUSED_REPLY && err != NULL) ||
	    (x->where == IN_REPLY_OF_CLOSE && t->closing))
		act(x);
}

static void on_event(struct talk *t, const struct wire_header *h)
{
	(void)h;
	if (container_of(t, struct matrix, talk)->where == IN_EVENT)
		act(container_of(t, struct matrix, talk));
}

static void on_state(struct talk *t, bool online)
{
	struct matrix *x = container_of(t, struct matrix, talk);

	if (x->where == (online ? IN_ONLINE : IN_OFFLINE))
		act(x);
}

static void on_principal(struct talk *t, const struct err *err)
{
	struct matrix *x = container_of(t, struct matrix, talk);

	if (x->where ==
	    (err == NULL ? IN_PRINCIPAL_READY : IN_PRINCIPAL_REVOKED))
		act(x);
}

static void submit_first(struct matrix *x)
{
	uint64_t timeout = x->where == IN_DEADLINE ? DEADLINE_MS : 0;

	for (size_t i = 0; i < FIRST; i++) {
		x->submitted[i] = true;
		talk_submit(&x->talk, i, i % TALK_PRINCIPALS, timeout);
	}
}

static void until_seen(struct talk *t)
{
	while (t->seen_count < FIRST)
		uv_run(&t->loop, UV_RUN_ONCE);
}

static void provoke(struct matrix *x)
{
	struct talk *t = &x->talk;
	const struct wire_body_ev_grown grown = { .group_id = 1 };
	const struct wire_body_ev_principal gone = {
		.code = ERR_UNAUTHENTICATED
	};

	submit_first(x);
	switch (x->where) {
	case IN_EVENT:
		until_seen(t);
		fake_peer_send(&t->peer, WIRE_EV_GROWN, 0, 0, &grown);
		break;
	case IN_OFFLINE:
		until_seen(t);
		fake_peer_drop(&t->peer);
		break;
	case IN_PRINCIPAL_REVOKED:
		until_seen(t);
		fake_peer_send(&t->peer, WIRE_EV_PRINCIPAL, 0, t->who[1].id,
			       &gone);
		break;
	case IN_REPLY_OF_CLOSE:
		until_seen(t);
		talk_begin_close(t);
		break;
	default:
		break;
	}
}

static void try_one(enum where where, enum what what)
{
	struct matrix *x = calloc(1, sizeof(*x));
	struct talk *t = &x->talk;

	x->where = where;
	x->what = what;
	t->on_reply = on_reply;
	t->on_event = on_event;
	t->on_state = on_state;
	t->on_principal = on_principal;
	t->silent = where == IN_EVENT || where == IN_OFFLINE ||
		    where == IN_DEADLINE || where == IN_PRINCIPAL_REVOKED ||
		    where == IN_REPLY_OF_CLOSE;
	talk_start(t);
	if (where == IN_REFUSED_REPLY)
		t->peer.refuse_code = ERR_UNAUTHENTICATED;
	provoke(x);
	while (x->hits == 0)
		uv_run(&t->loop, UV_RUN_ONCE);
	t->silent = false;
	/* After a drop it comes back and goes on. */
	if (what == DO_DROP && where != IN_REPLY_OF_CLOSE)
		talk_until_online(t);
	talk_spin(t, 50);
	talk_stop(t);
	for (size_t i = 0; i < 2 * MORE; i++)
		assert_int_equal(t->replies[i],
				 x->submitted[i] && !x->cancelled[i]);
	free(x);
}

static void every_call_is_allowed_in_every_callback(void **state)
{
	(void)state;
	for (int where = 0; where < WHERES; where++)
		for (int what = 0; what < WHATS; what++)
			try_one((enum where)where, (enum what)what);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_is_allowed_in_every_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
