/* SPDX-License-Identifier: MIT */
/*
 * What every back end asks of what comes in, so that all refuse the same with
 * the same words; and the one walk over the mentions of a message.
 *
 * Pure functions, any thread.
 */
#ifndef GROUPFS_STORE_INPUT_H
#define GROUPFS_STORE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/str.h"
#include "lib/wire.h"
#include "store/store.h"

enum {
	/* "@name"s of one message that are looked up; those behind are
	 * dropped, so that a message costs a bounded number of look-ups. */
	INPUT_CANDIDATES_MAX = 1000
};

/* Checks all items of a send: decode, UTF-8, size, type, media_url, mentions.
 * *count is how many there are. With several items the sentence begins with
 * "line N: ". reply_to is left to the back end, which knows the last seq. */
int input_check_items(struct str items, uint64_t max_content, size_t *count,
		      struct err *err);

/* Checks one that is decoded. */
int input_check_item(const struct wire_item *item, uint64_t max_content,
		     struct err *err);

/* The refusal of a reply_to that is not there, for item number n of count. */
int input_refuse_reply(uint64_t reply_to, size_t n, size_t count,
		       struct err *err);

/* Checks all edits: they decode and the names are well formed; with creating,
 * only additions. *count is how many there are. */
int input_check_edits(struct str edits, bool creating, size_t *count,
		      struct err *err);

/* The refusal of a read from below the floor. */
int input_refuse_gone(uint64_t first_seq, struct err *err);

int input_check_description(struct str description, struct err *err);
/* What a group's settings may be: a JSON object, or empty; with a retention as
 * store/keep.h says. */
int input_check_settings(struct str settings, struct err *err);
/* What op->set names of a group's metadata; how many members there are is
 * left to the back end. */
int input_check_info(const struct store_set_info *op, struct err *err);
/* The refusals of a max_members below count, and of a second media file of a
 * name. */
int input_refuse_max_members(uint64_t count, struct err *err);
int input_refuse_media_name(struct str name, struct err *err);

/* A user's name that comes with a request; `bad_name` otherwise. */
int input_check_user(struct str name, struct err *err);

/* The names in a message one after the other: those of the content, then the
 * explicit ones; "everyone" like a name. Names may come twice. */
struct input_mentions {
	struct str content;
	struct str explicit; /* what is left of them */
	size_t pos;
	size_t seen;
	bool in_content;
	bool dropped; /* there were more than INPUT_CANDIDATES_MAX */
};
void input_mentions_init(struct input_mentions *it,
			 const struct wire_item *item);
bool input_next_mention(struct input_mentions *it, struct str *name);

#endif
