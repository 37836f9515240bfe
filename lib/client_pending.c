/* SPDX-License-Identifier: MIT */
#include "lib/client_pending.h"

#include <assert.h>
#include <stdlib.h>

enum { BUCKETS_FIRST = 64 };

void list_push_front(struct list *head, struct list *el)
{
	list_push(head->next, el);
}

void pending_init(struct pending *t)
{
	*t = (struct pending){ 0 };
	list_init(&t->waiting);
	list_init(&t->queue);
	list_init(&t->sent);
	list_init(&t->later);
	list_init(&t->failing);
	list_init(&t->order);
}

void pending_release(struct pending *t)
{
	assert(t->count == 0 && t->bytes == 0);
	free(t->buckets);
	pending_init(t);
}

/* Ids are consecutive, so their low bits spread them evenly. */
static struct client_request **bucket(const struct pending *t, uint32_t id)
{
	return &t->buckets[id & (t->bucket_count - 1)];
}

static void hash(struct pending *t, struct client_request *req)
{
	struct client_request **head = bucket(t, req->id);

	req->next = *head;
	*head = req;
}

static void unhash(struct pending *t, struct client_request *req)
{
	struct client_request **at = bucket(t, req->id);

	while (*at != req)
		at = &(*at)->next;
	*at = req->next;
	req->next = NULL;
}

/* Longer chains do no harm but to speed: a failure matters only at first. */
static bool grow(struct pending *t)
{
	size_t count =
		t->bucket_count == 0 ? BUCKETS_FIRST : t->bucket_count * 2;
	struct client_request **buckets;

	if (t->count < t->bucket_count)
		return true;
	buckets = calloc(count, sizeof(*buckets));
	if (buckets == NULL)
		return t->bucket_count > 0;
	free(t->buckets);
	t->buckets = buckets;
	t->bucket_count = count;
	for (struct list *l = t->order.next; l != &t->order; l = l->next)
		hash(t, container_of(l, struct client_request, order));
	return true;
}

struct client_request *pending_find(const struct pending *t, uint32_t id)
{
	struct client_request *req;

	if (t->bucket_count == 0)
		return NULL;
	for (req = *bucket(t, id); req != NULL; req = req->next)
		if (req->id == id)
			return req;
	return NULL;
}

static uint32_t free_id(struct pending *t)
{
	do
		t->last_id++;
	while (t->last_id == 0 || pending_find(t, t->last_id) != NULL);
	return t->last_id;
}

int pending_add(struct pending *t, struct client_request *req,
		uint32_t principal_id, const void *body)
{
	size_t size = wire_size(wire_schema_of(req->type), body);

	if (size > WIRE_FRAME_MAX)
		return -EMSGSIZE;
	if (!req->oneway &&
	    t->bytes + WIRE_HEADER + size > CLIENT_IN_FLIGHT_MAX)
		return -EBUSY;
	if (!grow(t))
		return -ENOMEM;
	req->id = free_id(t);
	buf_init(&req->frame);
	if (buf_reserve(&req->frame, WIRE_HEADER + size))
		wire_put_frame(&req->frame, req->type, req->id, principal_id,
			       body);
	if (req->frame.failed) {
		buf_release(&req->frame);
		return -ENOMEM;
	}
	assert(req->frame.len == WIRE_HEADER + size);
	req->sent = false;
	list_init(&req->link);
	list_push(&t->order, &req->order);
	hash(t, req);
	t->count++;
	t->timed += req->deadline_ms != 0;
	t->sends += req->type == WIRE_SEND;
	t->bytes += req->frame.len;
	return 0;
}

void pending_remove(struct pending *t, struct client_request *req)
{
	assert(t->count > 0 && t->bytes >= req->frame.len);
	list_remove(&req->link);
	list_remove(&req->order);
	unhash(t, req);
	t->count--;
	t->timed -= req->deadline_ms != 0;
	t->sends -= req->type == WIRE_SEND;
	t->bytes -= req->frame.len;
	buf_release(&req->frame);
}

void pending_expire(struct pending *t, uint64_t now_ms, struct list *expired)
{
	struct list *next;

	for (struct list *l = t->order.next; l != &t->order; l = next) {
		struct client_request *req =
			container_of(l, struct client_request, order);

		next = l->next;
		if (req->deadline_ms == 0 || req->deadline_ms > now_ms)
			continue;
		list_remove(&req->link);
		list_push(expired, &req->link);
	}
}
