/* SPDX-License-Identifier: MIT */
/*
 * A sequencer with several lanes, on a store in memory that is shared and fails
 * when told to, in a loop of the test's. Helpers that fail end the test.
 */
#ifndef GROUPFS_TESTS_SUPPORT_SEQUENCER_FIXTURE_H
#define GROUPFS_TESTS_SUPPORT_SEQUENCER_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/sequencer.h"
#include "lib/buf.h"
#include "tests/support/faulty_store.h"

enum { LANES = 4, GROUPS = 8, EACH = 40, SENDS = GROUPS * EACH };

struct sending {
	struct sequencer_op op;
	struct store_append append;
	struct buf items;
	struct wire_body_sent sent;
	enum err_code code;
	bool done;
};

struct lanes {
	uv_loop_t loop;
	struct store_options store;
	struct sequencer sequencer;
	uint64_t told[GROUPS + 1]; /* last_seq of a group's last event */
	unsigned events;
	bool closed;
};

/* An op that is no append. */
struct holding {
	struct sequencer_op op;
	atomic_bool began;
	atomic_bool go;
	enum err_code fail;
	uint64_t seq; /* of the last message of group 1, as it ran */
	bool done;
};

/* GROUPS groups of alice's, whose ids are 1 and so on. */
int set_up_lanes(void **state);
int tear_down_lanes(void **state);

/* A message of alice's. */
void submit(struct lanes *f, struct sending *s, uint64_t group_id,
	    const char *content, const char *client_id);
/* Until all n are done. */
void run_until(struct lanes *f, const struct sending *s, size_t n);
/* Again and again, while it is unavailable. */
void send_until_stored(struct lanes *f, struct sending *s, uint64_t group_id);
/* Submits an op that is no append; began, it waits for go. */
void hold(struct lanes *f, struct holding *h, uint64_t group_id);

/* On all lanes: as faulty_store.h. */
void plan(struct lanes *f, enum faulty_verb verb, enum faulty_kind kind,
	  unsigned times);
unsigned calls(const struct lanes *f, enum faulty_verb verb);
void let_go(struct lanes *f);
/* The last transaction of a lane did not reach the store. */
bool is_away(struct lanes *f);

#endif
