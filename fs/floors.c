/* SPDX-License-Identifier: MIT */
#include "fs/floors.h"

#include <assert.h>
#include <stdlib.h>

void floors_init(struct floors *f)
{
	*f = (struct floors){ .last = 0 };
	list_init(&f->order);
}

static void forget(struct floors *f, struct floor *floor)
{
	table_remove(&f->by_number, &floor->by_number);
	table_remove(&f->by_group, &floor->by_group);
	list_remove(&floor->order);
	f->idle--;
	free(floor);
}

static void forget_oldest(struct floors *f)
{
	forget(f, container_of(f->order.next, struct floor, order));
}

void floors_release(struct floors *f)
{
	while (!list_empty(&f->order))
		forget_oldest(f);
	table_release(&f->by_number);
	table_release(&f->by_group);
}

struct floor *floor_hold(struct floors *f, struct floor *floor)
{
	if (floor->refs++ == 0) {
		list_remove(&floor->order);
		f->idle--;
	}
	return floor;
}

void floor_drop(struct floors *f, struct floor *floor)
{
	if (floor == NULL)
		return;
	assert(floor->refs > 0);
	if (--floor->refs > 0)
		return;
	list_push(&f->order, &floor->order);
	if (++f->idle > FLOORS_MAX)
		forget_oldest(f);
}

static struct floor *add(struct floors *f, uint64_t group_id,
			 uint64_t first_seq)
{
	struct floor *floor = calloc(1, sizeof(*floor));

	if (floor == NULL)
		return NULL;
	floor->number = f->last + 1;
	floor->group_id = group_id;
	floor->first_seq = first_seq;
	floor->refs = 1;
	list_init(&floor->order);
	if (!table_insert(&f->by_number, &floor->by_number,
			  table_hash_u64(floor->number)))
		goto free_floor;
	if (!table_insert(&f->by_group, &floor->by_group,
			  table_hash_pair(group_id, first_seq)))
		goto remove_number;
	f->last++;
	return floor;

remove_number:
	table_remove(&f->by_number, &floor->by_number);
free_floor:
	free(floor);
	return NULL;
}

struct floor *floors_get(struct floors *f, uint64_t group_id,
			 uint64_t first_seq, uint64_t off, uint64_t jsonl_off)
{
	struct table_node *n =
		table_find(&f->by_group, table_hash_pair(group_id, first_seq));
	struct floor *floor;

	for (; n != NULL; n = table_next(n)) {
		floor = container_of(n, struct floor, by_group);
		if (floor->group_id == group_id &&
		    floor->first_seq == first_seq && floor->off == off &&
		    floor->jsonl_off == jsonl_off)
			return floor_hold(f, floor);
	}
	floor = add(f, group_id, first_seq);
	if (floor == NULL)
		return NULL;
	floor->off = off;
	floor->jsonl_off = jsonl_off;
	return floor;
}

struct floor *floors_find(struct floors *f, uint64_t number)
{
	struct table_node *n =
		table_find(&f->by_number, table_hash_u64(number));

	for (; n != NULL; n = table_next(n)) {
		struct floor *floor = container_of(n, struct floor, by_number);

		if (floor->number == number)
			return floor_hold(f, floor);
	}
	return NULL;
}
