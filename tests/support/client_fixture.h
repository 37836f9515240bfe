/* SPDX-License-Identifier: MIT */
/*
 * A client and its fake groupd in one loop, and a set of requests whose
 * callbacks are noted. SET_READ is answered with its own seq, other requests
 * as on_request says.
 */
#ifndef GROUPFS_TESTS_CLIENT_FIXTURE_H
#define GROUPFS_TESTS_CLIENT_FIXTURE_H

#include <stdbool.h>
#include <uv.h>

#include "lib/client.h"
#include "tests/support/fake_peer.h"

enum { TALK_REQUESTS = 1000, TALK_PRINCIPALS = 4 };

struct talk {
	uv_loop_t loop;
	struct fake_peer peer;
	struct client client;
	struct client_principal who[TALK_PRINCIPALS];
	struct client_request req[TALK_REQUESTS];
	unsigned replies[TALK_REQUESTS];    /* callbacks of each */
	enum err_code codes[TALK_REQUESTS]; /* of the last one */
	uint64_t values[TALK_REQUESTS];
	size_t done; /* callbacks, of all */
	bool closing, closed;
	bool silent;  /* SET_READ is not answered */
	bool patient; /* of its struct client_options */

	/* What the peer saw: seqs of SET_READ, and who asked. */
	uint64_t seen[4 * TALK_REQUESTS];
	uint32_t seen_by[4 * TALK_REQUESTS];
	size_t seen_count;
	/* How often they were told. */
	unsigned events, online, offline, restored;

	/* The test's; may be NULL. */
	void (*on_request)(struct talk *t, const struct wire_header *h,
			   const union wire_body *body);
	void (*on_reply)(struct talk *t, size_t i, const struct err *err);
	void (*on_event)(struct talk *t, const struct wire_header *h);
	void (*on_state)(struct talk *t, bool online);
	void (*on_principal)(struct talk *t, const struct err *err);
};

/* With every principal of `who` opened, by uid 0, 1, 2, 3. */
void talk_start(struct talk *t);
/* Ends all and checks that nothing is left. */
void talk_stop(struct talk *t);

/* Request i: SET_READ of seq i + 1 for principal pr. */
void talk_submit(struct talk *t, size_t i, size_t pr, uint64_t timeout_ms);
/* Request i, of any type. */
int talk_submit_type(struct talk *t, size_t i, size_t pr, enum wire_type type,
		     const void *body);
void talk_spin(struct talk *t, int turns);
/* Runs until so many callbacks have run, which must happen. */
void talk_until_done(struct talk *t, size_t count);
void talk_until_online(struct talk *t);
/* Online, and all principals are open. */
void talk_until_ready(struct talk *t);
/* Calls client_close(), if nobody did. */
void talk_begin_close(struct talk *t);
/* The same, and runs until it is closed. */
void talk_close(struct talk *t);

#endif
