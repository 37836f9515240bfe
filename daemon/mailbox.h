/* SPDX-License-Identifier: MIT */
/*
 * From worker threads back to the loop: elements posted on any thread are
 * handed to on_item on the loop, in the order of posting.
 *
 *   worker: mailbox_post(el) --> list --uv_async--> loop: on_item(el)
 *
 * Bounded by what was handed to the workers: they post only what they got.
 */
#ifndef GROUPFS_DAEMON_MAILBOX_H
#define GROUPFS_DAEMON_MAILBOX_H

#include <pthread.h>
#include <uv.h>

#include "lib/list.h"

struct mailbox;
typedef void (*mailbox_item_cb)(void *data, struct list *el);
typedef void (*mailbox_close_cb)(struct mailbox *m);

struct mailbox {
	uv_async_t async;
	pthread_mutex_t lock;
	struct list items; /* protected by lock */
	mailbox_item_cb on_item;
	mailbox_close_cb on_close;
	void *data; /* borrowed */
};

int mailbox_start(struct mailbox *m, uv_loop_t *loop, mailbox_item_cb on_item,
		  void *data);
/* Any thread. The element is the mailbox' until on_item. */
void mailbox_post(struct mailbox *m, struct list *el);
/* Loop: hands out what is there now. */
void mailbox_drain(struct mailbox *m);
/* The loop need not run for what is still to come. */
void mailbox_unref(struct mailbox *m);
/* No thread may post any more; what is left is drained first. */
void mailbox_close(struct mailbox *m, mailbox_close_cb cb);

#endif
