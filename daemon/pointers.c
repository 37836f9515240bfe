/* SPDX-License-Identifier: MIT */
#include "daemon/pointers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

struct pointer {
	struct table_node node;
	struct list link;
	uint64_t group_id;
	uint64_t seq;
	bool dirty; /* on that list */
	char user[WIRE_USER_MAX + 1];
};

/* What goes to a lane together. Allocated, with room for count. */
struct flush {
	struct sequencer_op op;
	struct pointers *pointers;
	size_t count;
	struct pointer *entries[POINTERS_BATCH];
	struct store_pointer values[POINTERS_BATCH];
	char users[POINTERS_BATCH][WIRE_USER_MAX + 1];
};

static uint64_t hash_of(uint64_t group_id, struct str user)
{
	return table_hash_pair(group_id, table_hash_bytes(user));
}

/* With the lock. */
static struct pointer *find(const struct pointers *p, uint64_t group_id,
			    struct str user)
{
	struct table_node *n = table_find(&p->table, hash_of(group_id, user));

	for (; n != NULL; n = table_next(n)) {
		struct pointer *e = container_of(n, struct pointer, node);

		if (e->group_id == group_id && str_eq(str_of(e->user), user))
			return e;
	}
	return NULL;
}

/* With the lock. */
static struct pointer *add(struct pointers *p, uint64_t group_id,
			   struct str user)
{
	struct pointer *e;

	if (p->table.count >= POINTERS_MAX)
		return NULL;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	e->group_id = group_id;
	str_to_cstr(user, e->user, sizeof(e->user));
	if (!table_insert(&p->table, &e->node, hash_of(group_id, user))) {
		free(e);
		return NULL;
	}
	list_init(&e->link);
	return e;
}

static void on_timer(uv_timer_t *timer);

static void make_dirty(struct pointers *p, struct pointer *e)
{
	if (e->dirty)
		return;
	if (!p->stopping && !uv_is_active((uv_handle_t *)&p->timer))
		uv_timer_start(&p->timer, on_timer, POINTERS_MS, POINTERS_MS);
	e->dirty = true;
	list_remove(&e->link);
	list_push(&p->dirty, &e->link);
}

int pointers_move(struct pointers *p, uint64_t group_id, struct str user,
		  uint64_t seq)
{
	struct pointer *e;
	int rc = 0;

	if (p->stopping)
		return -EBUSY;
	pthread_mutex_lock(&p->lock);
	e = find(p, group_id, user);
	if (e == NULL)
		e = add(p, group_id, user);
	if (e == NULL) {
		rc = -EBUSY;
	} else if (seq > e->seq) {
		e->seq = seq;
		rc = 1;
	}
	pthread_mutex_unlock(&p->lock);
	if (rc == 1)
		make_dirty(p, e);
	return rc;
}

uint64_t pointers_find(struct pointers *p, uint64_t group_id, struct str user)
{
	const struct pointer *e;
	uint64_t seq;

	pthread_mutex_lock(&p->lock);
	e = find(p, group_id, user);
	seq = e == NULL ? 0 : e->seq;
	pthread_mutex_unlock(&p->lock);
	return seq;
}

bool pointers_are_there(struct pointers *p)
{
	bool any;

	pthread_mutex_lock(&p->lock);
	any = p->table.count > 0;
	pthread_mutex_unlock(&p->lock);
	return any;
}

/* Seeing. */

static int take_off(void *data, const struct wire_message *m)
{
	*(uint64_t *)data = m->off;
	return 1;
}

struct counting {
	uint64_t group_id;
	uint64_t count;
};

static int count_mention(void *data, const struct wire_mention *m)
{
	struct counting *c = data;

	if (m->group_id != c->group_id)
		return 1;
	c->count++;
	return 0;
}

int pointers_see(struct pointers *p, struct store *store, struct str user,
		 const struct wire_group *g, struct pointers_view *out,
		 struct err *err)
{
	struct counting counting = { .group_id = g->group_id };
	uint64_t seq = pointers_find(p, g->group_id, user);
	char name[WIRE_NAME_MAX + 1];
	bool mentioned = g->mentions > 0;
	int rc = 0;

	if (seq > g->last_seq)
		seq = g->last_seq;
	if (seq <= g->last_read_seq)
		return 0;
	*out = (struct pointers_view){ .last_read_seq = seq,
				       .read_off = g->size };
	/* The group's strs may go with the next call. */
	str_to_cstr(g->name, name, sizeof(name));
	if (seq < g->last_seq)
		rc = store_scan(store, counting.group_id, seq, take_off,
				&out->read_off, err);
	if (rc >= 0 && mentioned)
		rc = store_list_mentions(store, user, str_of(name), seq,
					 count_mention, &counting, err);
	out->mentions = counting.count;
	return rc < 0 ? rc : 1;
}

/* Writing. */

static int run_flush(struct sequencer_op *op, struct store *store,
		     struct list *events, struct err *err)
{
	struct flush *f = container_of(op, struct flush, op);

	(void)events;
	return store_flush_reads(store, f->values, f->count, err);
}

static void flush_done(struct sequencer_op *op);

static int compare(const void *a, const void *b)
{
	const struct pointer *x = *(struct pointer *const *)a;
	const struct pointer *y = *(struct pointer *const *)b;

	if (x->group_id != y->group_id)
		return x->group_id < y->group_id ? -1 : 1;
	return strcmp(x->user, y->user);
}

/* In one order everywhere, so that nodes do not wait for each other. */
static void fill(struct flush *f)
{
	qsort(f->entries, f->count, sizeof(struct pointer *), compare);
	for (size_t i = 0; i < f->count; i++) {
		const struct pointer *e = f->entries[i];

		memcpy(f->users[i], e->user, sizeof(f->users[i]));
		f->values[i] =
			(struct store_pointer){ .group_id = e->group_id,
						.user = str_of(f->users[i]),
						.seq = e->seq };
	}
}

/* Who could not be written is dirty again. */
static void put_back(struct flush *f)
{
	for (size_t i = 0; i < f->count; i++)
		make_dirty(f->pointers, f->entries[i]);
}

static bool flush_some(struct pointers *p)
{
	struct flush *f = list_empty(&p->dirty) ? NULL : calloc(1, sizeof(*f));
	struct list *el;

	if (f == NULL)
		return false;
	f->pointers = p;
	f->op = (struct sequencer_op){ .run = run_flush, .done = flush_done };
	while (f->count < POINTERS_BATCH &&
	       (el = list_pop(&p->dirty)) != NULL) {
		struct pointer *e = container_of(el, struct pointer, link);

		e->dirty = false;
		list_push(&p->sending, &e->link);
		f->entries[f->count++] = e;
	}
	fill(f);
	f->op.bytes = f->count * sizeof(f->values[0]);
	/* Of the lanes none is better than another: the groups are many. */
	if (sequencer_submit(p->sequencer, f->values[0].group_id, &f->op) < 0) {
		put_back(f);
		free(f);
		return false;
	}
	p->in_flight++;
	return true;
}

static void flush_done(struct sequencer_op *op)
{
	struct flush *f = container_of(op, struct flush, op);
	struct pointers *p = f->pointers;
	bool failed = op->err.code != ERR_NONE;

	p->in_flight--;
	if (failed)
		put_back(f);
	for (size_t i = 0; !failed && i < f->count; i++) {
		if (f->entries[i]->dirty)
			continue;
		list_remove(&f->entries[i]->link);
		list_push(&p->written, &f->entries[i]->link);
	}
	if (failed && p->stopping)
		log_warn("lost read pointers: count=%zu why=\"%s\"", f->count,
			 op->err.text);
	free(f);
	if (!failed && !p->stopping)
		flush_some(p);
}

static void drop(struct pointers *p, struct list *list)
{
	struct list *el;

	while ((el = list_pop(list)) != NULL) {
		struct pointer *e = container_of(el, struct pointer, link);

		pthread_mutex_lock(&p->lock);
		table_remove(&p->table, &e->node);
		pthread_mutex_unlock(&p->lock);
		free(e);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct pointers *p = timer->data;

	drop(p, &p->old);
	list_splice(&p->old, &p->written);
	if (p->in_flight == 0)
		flush_some(p);
	if (!pointers_are_there(p))
		uv_timer_stop(timer);
}

void pointers_start(struct pointers *p, uv_loop_t *loop,
		    struct sequencer *sequencer)
{
	*p = (struct pointers){ .sequencer = sequencer };
	pthread_mutex_init(&p->lock, NULL);
	list_init(&p->dirty);
	list_init(&p->sending);
	list_init(&p->written);
	list_init(&p->old);
	uv_timer_init(loop, &p->timer);
	p->timer.data = p;
}

static void on_closed(uv_handle_t *handle)
{
	struct pointers *p = handle->data;

	p->on_close(p);
}

void pointers_close(struct pointers *p, void (*cb)(struct pointers *p))
{
	p->stopping = true;
	p->on_close = cb;
	while (flush_some(p))
		;
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

void pointers_release(struct pointers *p)
{
	if (p->sequencer == NULL)
		return;
	assert(p->in_flight == 0);
	drop(p, &p->dirty);
	drop(p, &p->sending);
	drop(p, &p->written);
	drop(p, &p->old);
	table_release(&p->table);
	pthread_mutex_destroy(&p->lock);
	p->sequencer = NULL;
}
