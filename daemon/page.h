/* SPDX-License-Identifier: MIT */
/*
 * The records of one answer, as a walk of the store gives them. One reader
 * thread at a time.
 */
#ifndef GROUPFS_DAEMON_PAGE_H
#define GROUPFS_DAEMON_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/handlers.h"
#include "lib/buf.h"
#include "lib/wire.h"

struct page {
	struct buf records; /* owned; behind what of an answer comes before */
	size_t start;	    /* where they begin in it */
	uint64_t limit;	    /* records left */
	uint64_t before;    /* seq bound; 0: none */
	size_t max_bytes;
	uint64_t skip;		/* bytes of records that are not to be in it */
	enum log_format format; /* of lines */
	bool complete;		/* the walk came to its end */
};

/* The records that a request wants; 0: as many as a page may have. */
uint64_t page_limit(uint64_t limit);
/* Adds a record while there are some left, as a walk's callback: 0 goes on; 1
 * ends it, which is not complete then. */
int page_add(struct page *page, const struct wire_schema *schema,
	     const void *record);
/* The same for messages (data: the page): those before page->before, up to
 * max_bytes, but at least one. */
int page_add_message(void *data, const struct wire_message *m);
/* What the walk returned; an error too where memory was short. */
int page_error(struct request *r, const struct page *page, int rc);

#endif
