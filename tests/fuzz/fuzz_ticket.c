/* SPDX-License-Identifier: MIT */
/*
 * The proof that a gateway shows groupd. FILES: daemon/ticket.c
 *
 * Input: a ticket, good where its first byte says so, and then changed by the
 * others. Only one that we made, for this very process, is taken.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* The key is kept, and one that was cut is made anew: once, with the empty
 * input. */
static void check_key(void)
{
	char dir[] = "/tmp/groupfs-fuzz.XXXXXX", path[64];
	struct tickets one, two;
	struct ticket_holder holder;
	struct err err;

	assert(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/ticket.key", dir);
	assert(tickets_open(&one, dir, env_system(), &err) == 0);
	assert(tickets_open(&two, dir, env_system(), &err) == 0);
	assert(memcmp(&one, &two, sizeof(one)) == 0);
	assert(truncate(path, TICKET_KEY - 1) == 0);
	assert(tickets_open(&two, dir, env_system(), &err) == 0);
	assert(memcmp(&one, &two, sizeof(one)) != 0);
	tickets_close(&one);
	tickets_close(&two);
	assert(unlink(path) == 0 && rmdir(dir) == 0);
	assert(tickets_open(&two, dir, env_system(), &err) < 0);
	assert(ticket_holder_of(getpid(), &holder) == 0 && holder.start > 0);
	assert(ticket_holder_of(-1, &holder) < 0);
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

	if (size == 0)
		check_key();
	if (ours % 2 == 1)
		check_ours(&t, &holder, in);
	else
		assert(ticket_check(&t, &holder, str_make(copy, in.len), &uid,
				    &err) < 0 &&
		       err.code == ERR_UNAUTHENTICATED);
	free(copy);
	return 0;
}
