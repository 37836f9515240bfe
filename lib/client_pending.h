/* SPDX-License-Identifier: MIT */
/*
 * The requests of a client that are not answered yet: found by id in O(1),
 * bounded in bytes, kept in the order in which they were submitted.
 *
 * A request is on one list at a time: `waiting` (for a connection or for its
 * principal), `queue` (to be written), `sent`, `later` (to be sent again) or
 * `failing` (to be called back with an error in the next loop turn). Private to
 * lib/client*.c.
 */
#ifndef GROUPFS_LIB_CLIENT_PENDING_H
#define GROUPFS_LIB_CLIENT_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/client.h"

struct pending {
	struct list waiting; /* without principal; others wait in theirs */
	struct list queue;
	struct list sent; /* in the order of the wire */
	struct list later;
	struct list failing;
	struct list order;		 /* all, by req->order */
	struct client_request **buckets; /* owned; by id */
	size_t bucket_count;		 /* a power of two, or 0 */
	size_t count;			 /* requests */
	size_t timed;			 /* of them, with a deadline */
	size_t sends;			 /* of them, messages */
	size_t bytes;			 /* of their frames */
	uint32_t last_id;
};

void pending_init(struct pending *t);
/* Nothing may be pending. */
void pending_release(struct pending *t);

/* Gives req its id, encodes its frame and counts it; it is on no list but
 * `order` yet. req's type, principal, deadline and oneway are set. 0, or
 * -ENOMEM, -EBUSY (not for a oneway one), -EMSGSIZE: nothing changed. */
int pending_add(struct pending *t, struct client_request *req,
		uint32_t principal_id, const void *body);
/* Takes it off all lists and frees its frame. */
void pending_remove(struct pending *t, struct client_request *req);
/* NULL: none of that id. */
struct client_request *pending_find(const struct pending *t, uint32_t id);

/* Moves what is past its deadline to `expired`. */
void pending_expire(struct pending *t, uint64_t now_ms, struct list *expired);

/* Puts el first on the list. */
void list_push_front(struct list *head, struct list *el);

#endif
