/* SPDX-License-Identifier: MIT */
/*
 * The proof that a gateway shows groupd. FILES: daemon/ticket.c
 *
 * Input: a ticket, good where its first byte says so, and then changed by the
 * others. Only one that we made, for this very process, is taken.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/ticket.h"

static void check_ours(const struct tickets *t,
		       const struct ticket_holder *holder, struct str changes)
{
	char ours[TICKET_LEN + 1], ticket[TICKET_LEN + 1];
	struct ticket_holder other = *holder;
	struct err err;
	uid_t uid = 0;

	assert(ticket_make(t, holder, 1000 + (uid_t)changes.len, ours) == 0);
	memcpy(ticket, ours, sizeof(ticket));
	/* Pairs: where, and by what. */
	while (changes.len >= 2) {
		size_t at = fuzz_byte(&changes) % TICKET_LEN;

		ticket[at] ^= (char)fuzz_byte(&changes);
	}
	assert((ticket_check(t, holder, str_make(ticket, TICKET_LEN), &uid,
			     &err) == 0) ==
	       (memcmp(ticket, ours, TICKET_LEN) == 0));
	other.start++;
	assert(ticket_check(t, &other, str_make(ticket, TICKET_LEN), &uid,
			    &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tickets t = { .key = { 1, 2, 3 } };
	struct ticket_holder holder = { .pid = 42, .start = 7 };
	struct str in = str_make((const char *)data, size);
	uint8_t ours = fuzz_byte(&in);
	char *copy = fuzz_copy(in);
	struct err err;
	uid_t uid;

	if (ours % 2 == 1)
		check_ours(&t, &holder, in);
	else
		assert(ticket_check(&t, &holder, str_make(copy, in.len), &uid,
				    &err) < 0 &&
		       err.code == ERR_UNAUTHENTICATED);
	free(copy);
	return 0;
}
