/* SPDX-License-Identifier: MIT */
#include "daemon/mailbox.h"

#include <assert.h>

void mailbox_drain(struct mailbox *m)
{
	struct list items;
	struct list *el;

	list_init(&items);
	pthread_mutex_lock(&m->lock);
	list_splice(&items, &m->items);
	pthread_mutex_unlock(&m->lock);
	while ((el = list_pop(&items)) != NULL)
		m->on_item(m->data, el);
}

static void on_async(uv_async_t *async)
{
	mailbox_drain(async->data);
}

int mailbox_start(struct mailbox *m, uv_loop_t *loop, mailbox_item_cb on_item,
		  void *data)
{
	int rc = uv_async_init(loop, &m->async, on_async);

	if (rc < 0)
		return rc;
	pthread_mutex_init(&m->lock, NULL);
	list_init(&m->items);
	m->async.data = m;
	m->on_item = on_item;
	m->data = data;
	return 0;
}

void mailbox_post(struct mailbox *m, struct list *el)
{
	pthread_mutex_lock(&m->lock);
	list_push(&m->items, el);
	/* Inside the lock: mailbox_close() takes it too, so the handle
	 * cannot go while it is being told. */
	uv_async_send(&m->async);
	pthread_mutex_unlock(&m->lock);
}

void mailbox_unref(struct mailbox *m)
{
	uv_unref((uv_handle_t *)&m->async);
}

static void on_closed(uv_handle_t *handle)
{
	struct mailbox *m = handle->data;

	assert(list_empty(&m->items));
	pthread_mutex_destroy(&m->lock);
	m->on_close(m);
}

void mailbox_close(struct mailbox *m, mailbox_close_cb cb)
{
	mailbox_drain(m);
	m->on_close = cb;
	uv_close((uv_handle_t *)&m->async, on_closed);
}
