/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/wheel.h"

#include <assert.h>

static bool is_empty(const struct wheel *w)
{
	for (unsigned int i = 0; i < WHEEL_SLOTS; i++) {
		if (!list_empty(&w->slots[i]))
			return false;
	}
	return true;
}

static void on_tick(uv_timer_t *tick)
{
	struct wheel *w = container_of(tick, struct wheel, tick);
	struct list due, *el;

	w->now = (w->now + 1) % WHEEL_SLOTS;
	list_init(&due);
	list_splice(&due, &w->slots[w->now]);
	while ((el = list_pop(&due)) != NULL) {
		struct wheel_timer *t =
			container_of(el, struct wheel_timer, link);

		t->cb(t);
	}
	if (is_empty(w))
		uv_timer_stop(tick);
}

int wheel_start(struct wheel *w, uv_loop_t *loop)
{
	for (unsigned int i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slots[i]);
	w->now = 0;
	return uv_timer_init(loop, &w->tick);
}

void wheel_close(struct wheel *w)
{
	uv_close((uv_handle_t *)&w->tick, NULL);
}

void wheel_timer_init(struct wheel_timer *t, wheel_cb cb)
{
	list_init(&t->link);
	t->cb = cb;
}

void wheel_arm(struct wheel *w, struct wheel_timer *t, unsigned int seconds)
{
	assert(seconds > 0 && seconds < WHEEL_SLOTS);
	list_remove(&t->link);
	if (!uv_is_active((uv_handle_t *)&w->tick))
		uv_timer_start(&w->tick, on_tick, 1000, 1000);
	list_push(&w->slots[(w->now + seconds) % WHEEL_SLOTS], &t->link);
}

void wheel_disarm(struct wheel_timer *t)
{
	list_remove(&t->link);
}
